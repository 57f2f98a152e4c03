//! The type of an installed package, and the reader of dpkg's database of packages.

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
}

fn field(paragraph: &str, name: &str) -> Option<String> {
    let value = paragraph.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

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
