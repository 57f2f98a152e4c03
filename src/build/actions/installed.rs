//! Lists the packages that are installed in a mounted image.

use std::time::Duration;

use crate::base::Package;
use crate::distro::mechanism::PackageManager;
use crate::guest::{Command, Guest, GuestError};

/// Where dpkg keeps what is installed: deb-substvars(5), dpkg(1).
const DPKG_STATUS: &str = "/var/lib/dpkg/status";

/// How long a program of the guest may take to list what is installed.
const TIMEOUT: Duration = Duration::from_secs(300);

/// Longest package database that is read, in bytes.
const DATABASE_LIMIT: u64 = 64 * 1024 * 1024;

/// Where a program of the guest writes what is installed.
const LISTING: &str = "/run/goldsmith-packages";

/// Packages of the mounted image, sorted.
pub fn installed_packages(guest: &mut dyn Guest, manager: PackageManager) -> Result<Vec<Package>, GuestError> {
    let mut packages = if manager == PackageManager::Apt {
        let status = guest.read(DPKG_STATUS, DATABASE_LIMIT)?;
        Package::of_dpkg_status(&String::from_utf8_lossy(&status))
    } else if manager == PackageManager::Apk {
        let mut packages = Vec::new();
        for path in Package::APK_INSTALLED {
            // One may be a link to the other.
            if packages.is_empty() && guest.kind(path)?.is_some() {
                packages = Package::of_apk_installed(&String::from_utf8_lossy(&guest.read(path, DATABASE_LIMIT)?));
            }
        }
        packages
    } else if manager == PackageManager::Pacman {
        // One call for hundreds of files.
        Package::of_pacman_descs(&listed(guest, &format!("cat {}", Package::PACMAN_DESCS))?)
    } else {
        rpm_listing(&listed(guest, "rpm -qa --qf '%{NAME} %{EVR} %{ARCH}\\n'")?)
    };
    packages.sort();
    Ok(packages)
}

/// What a command of the guest prints.
fn listed(guest: &mut dyn Guest, query: &str) -> Result<String, GuestError> {
    let args = ["-c".to_owned(), format!("{query} >{LISTING}")];
    let command = Command { program: "/bin/sh", args: &args, timeout: Some(TIMEOUT), ..Command::default() };
    let ended = guest.run(&command)?;
    if ended.status != 0 {
        let message = format!("it ended with exit status {}: {}", ended.status, ended.tail.join("; "));
        return Err(GuestError::Call { call: query.to_owned(), message });
    }
    Ok(String::from_utf8_lossy(&guest.read(LISTING, DATABASE_LIMIT)?).into_owned())
}

fn rpm_listing(listing: &str) -> Vec<Package> {
    listing
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            Some(Package { name: words.next()?, version: words.next()?, arch: words.next()? })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rpm_listings_have_three_words() {
        assert_eq!(rpm_listing("bash 5.2-1 x86_64\nbroken\n").len(), 1);
    }
}
