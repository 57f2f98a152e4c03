//! What is installed.

use super::Image;
use crate::base::Package;
use crate::guest::GuestError;

/// Longest package database that is read, in bytes.
const DATABASE_LIMIT: u64 = 64 << 20;

/// Where dpkg keeps what is installed: deb-substvars(5), dpkg(1).
const DPKG: &str = "/var/lib/dpkg/status";

/// Where apk does, before and after Alpine merged `/usr`: apk-installed(5).
const APK: [&str; 2] = ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];

/// Where rpm does, by its version and the distribution: `%_dbpath` of rpm's macros, and the names of its back ends.
const RPM: [&str; 2] = ["/usr/lib/sysimage/rpm", "/var/lib/rpm"];
const RPM_FILES: [&str; 3] = ["rpmdb.sqlite", "Packages.db", "Packages"];

/// Installed packages, sorted.
pub(super) fn packages(image: &mut Image<'_>) -> Result<Vec<Package>, GuestError> {
    let mut packages = Package::of_dpkg_status(&image.text_of(DPKG, DATABASE_LIMIT)?.unwrap_or_default());
    for path in APK {
        packages.extend(apk(&image.text_of(path, DATABASE_LIMIT)?.unwrap_or_default()));
    }
    // Its databases are binary, of three kinds; the guest's rpm library reads them all.
    if packages.is_empty() && has_rpm(image)? {
        let found = image.guest.packages();
        packages = image.noted(found)?.unwrap_or_default();
    }
    packages.sort();
    packages.dedup();
    Ok(packages)
}

fn has_rpm(image: &mut Image<'_>) -> Result<bool, GuestError> {
    for directory in RPM {
        for file in RPM_FILES {
            if image.exists(&format!("{directory}/{file}"))? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn apk(installed: &str) -> Vec<Package> {
    installed
        .split("\n\n")
        .filter_map(|entry| {
            Some(Package { name: field(entry, "P:")?, version: field(entry, "V:")?, arch: field(entry, "A:")? })
        })
        .collect()
}

fn field(paragraph: &str, name: &str) -> Option<String> {
    paragraph.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpines_database_is_read() {
        let installed = "C:Q1x\nP:musl\nV:1.2.4-r2\nA:x86_64\nF:lib\n\nC:Q2\nP:busybox\nV:1.36\nA:x86_64\n";
        let told: Vec<_> = apk(installed).iter().map(|p| format!("{} {}", p.name, p.version)).collect();
        assert_eq!(told, ["musl 1.2.4-r2", "busybox 1.36"]);
    }
}
