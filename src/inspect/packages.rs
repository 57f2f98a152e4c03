//! Lists the packages that are installed in an image, from its package database.

use super::image::Image;
use super::image::noted;
use super::{FileQuery, Tree};
use crate::base::Package;
use crate::guest::{Guest, GuestError};

/// Longest package database that is read, in bytes.
const DATABASE_LIMIT: u64 = 64 << 20;

/// dpkg's list of installed packages: deb-substvars(5), dpkg(1).
const DPKG: &str = "/var/lib/dpkg/status";

/// Directories of rpm's database, by its version and the distribution: `%_dbpath` of rpm's macros. Below, the file names of its
/// back ends.
const RPM: [&str; 2] = ["/usr/lib/sysimage/rpm", "/var/lib/rpm"];
const RPM_FILES: [&str; 3] = ["rpmdb.sqlite", "Packages.db", "Packages"];

/// Files that are read for packages.
pub(super) const WANTED: [FileQuery<'static>; 4] = [
    database(DPKG),
    database(Package::APK_INSTALLED[0]),
    database(Package::APK_INSTALLED[1]),
    database(Package::PACMAN_DESCS),
];

const fn database(pattern: &'static str) -> FileQuery<'static> {
    FileQuery { pattern, limit: DATABASE_LIMIT }
}

/// Returns the packages of text databases, sorted.
pub(super) fn packages(image: &mut Image<'_>) -> Vec<Package> {
    let mut packages = Package::of_dpkg_status(&image.text(DPKG).unwrap_or_default());
    for path in Package::APK_INSTALLED {
        packages.extend(Package::of_apk_installed(&image.text(path).unwrap_or_default()));
    }
    for (_, desc) in image.texts(&[Package::PACMAN_DESCS]) {
        packages.extend(Package::of_pacman_descs(&desc));
    }
    sorted(packages)
}

/// Returns the packages of rpm, sorted. Its databases are binary, of three kinds; the guest's rpm library reads them all.
pub(super) fn by_guest(image: &mut Image<'_>, guest: &mut dyn Guest) -> Result<Vec<Package>, GuestError> {
    if !has_rpm(image.tree) {
        return Ok(Vec::new());
    }
    let found = guest.packages();
    Ok(sorted(noted(&mut image.notes, found)?.unwrap_or_default()))
}

/// Returns whether there is a database of rpm.
pub(super) fn has_rpm(tree: &Tree) -> bool {
    RPM.iter().any(|directory| RPM_FILES.iter().any(|file| tree.exists(&format!("{directory}/{file}"))))
}

fn sorted(mut packages: Vec<Package>) -> Vec<Package> {
    packages.sort();
    packages.dedup();
    packages
}
