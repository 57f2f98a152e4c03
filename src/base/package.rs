//! The type of an installed package, and the readers of dpkg's, apk's and pacman's databases of packages.

use serde::{Deserialize, Serialize};

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// Name.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture, in the distribution's terms.
    pub arch: String,
}

impl Package {
    /// Returns the installed packages of a dpkg status file (dpkg(1), deb822(5)), with those on hold. Packages with only their
    /// configuration left do not count.
    pub fn of_dpkg_status(status: &str) -> Vec<Self> {
        let is_installed =
            |paragraph: &&str| field(paragraph, "Status").is_some_and(|state| state.ends_with(" ok installed"));
        let package = |paragraph: &str| {
            Some(Self {
                name: field(paragraph, "Package")?,
                version: field(paragraph, "Version")?,
                arch: field(paragraph, "Architecture")?,
            })
        };
        status.split("\n\n").filter(is_installed).filter_map(package).collect()
    }

    /// Files of apk's list of installed packages, before and after Alpine merged `/usr`.
    pub const APK_INSTALLED: [&str; 2] = ["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];

    /// Returns the packages of apk's list of installed packages: apk-installed(5).
    pub fn of_apk_installed(installed: &str) -> Vec<Self> {
        let package = |entry: &str| {
            Some(Self { name: field(entry, "P")?, version: field(entry, "V")?, arch: field(entry, "A")? })
        };
        installed.split("\n\n").filter_map(package).collect()
    }

    /// Files of pacman's database, one for each installed package.
    pub const PACMAN_DESCS: &str = "/var/lib/pacman/local/*/desc";

    /// Returns the packages of one or several of these files, one after another: alpm-db-desc(5). Each begins with the name.
    pub fn of_pacman_descs(descs: &str) -> Vec<Self> {
        let package = |entry: &str| {
            let value = |key: &str| {
                let mut lines = entry.lines().skip_while(|line| *line != key);
                lines.nth(1).map(str::to_owned)
            };
            let name = entry.lines().nth(1)?.to_owned();
            Some(Self { name, version: value("%VERSION%")?, arch: value("%ARCH%")? })
        };
        descs.split("%NAME%").skip(1).filter_map(package).collect()
    }
}

fn field(paragraph: &str, name: &str) -> Option<String> {
    let value = paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpines_database_is_read() {
        let installed = "C:Q1x\nP:musl\nV:1.2.4-r2\nA:x86_64\nF:lib\n\nC:Q2\nP:busybox\nV:1.36\nA:x86_64\n";
        let found = Package::of_apk_installed(installed);
        let told: Vec<_> = found.iter().map(|p| format!("{} {}", p.name, p.version)).collect();
        assert_eq!(told, ["musl 1.2.4-r2", "busybox 1.36"]);
    }

    #[test]
    fn arch_linuxs_database_is_read() {
        let descs = "%NAME%\nzlib\n\n%VERSION%\n1:1.3.1-2\n\n%BASE%\nzlib\n\n%ARCH%\nx86_64\n\n%NAME%\nfilesystem\n\n\
            %VERSION%\n2025.10.12-1\n\n%ARCH%\nany\n\n%NAME%\nbroken\n";
        let told: Vec<_> =
            Package::of_pacman_descs(descs).iter().map(|p| format!("{} {} {}", p.name, p.version, p.arch)).collect();
        assert_eq!(told, ["zlib 1:1.3.1-2 x86_64", "filesystem 2025.10.12-1 any"]);
        assert_eq!(Package::of_pacman_descs("\0%NAME%"), []);
    }

    #[test]
    fn only_what_is_installed_counts() {
        let status = "Package: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:2-3\n\n\
            Package: b\nStatus: deinstall ok config-files\nArchitecture: all\nVersion: 1\n\n\
            Package: c\nStatus: hold ok installed\nArchitecture: all\nVersion: 4\nDescription: x\n Status: y\n";
        let told: Vec<_> =
            Package::of_dpkg_status(status).iter().map(|p| format!("{} {} {}", p.name, p.version, p.arch)).collect();
        assert_eq!(told, ["a 1:2-3 amd64", "c 4 all"]);
        assert_eq!(Package::of_dpkg_status("\n\n\0\n"), []);
    }
}
