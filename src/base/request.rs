//! The request for a bootstrap: distribution, repositories, packages and disk, with a check of these values.

use std::path::Path;

use super::failure::BootstrapError;
use crate::digest::Sha256;
use crate::distro;
use crate::plan::{DiskPlan, RepositoryPin};
use crate::recipe::Arch;

/// A request for a disk.
#[derive(Debug, Clone, Copy)]
pub struct BootstrapRequest<'a> {
    /// Name of the distribution.
    pub distro: &'a str,
    /// The distribution's data for a bootstrap of this release.
    pub how: &'a distro::Bootstrap,
    /// Code name of the release.
    pub release: &'a str,
    /// Architecture of the packages.
    pub arch: Arch,
    /// File with the keys that sign the repositories, in place of the distribution's on this host.
    pub keyring: Option<&'a Path>,
    /// Whether indexes of repositories may have expired.
    pub allow_expired: bool,
    /// A client certificate and its private key as PEM, by which the mirror knows who asks.
    pub client_certificate: Option<&'a [u8]>,
    /// File with the certificates of the authorities that vouch for the mirror.
    pub certificate_authority: Option<&'a Path>,
    /// Repositories; the image keeps them in its configuration.
    pub repositories: &'a [RepositoryPin],
    /// Packages besides those that the tool always installs.
    pub packages: &'a [String],
    /// The disk.
    pub disk: &'a DiskPlan,
    /// The seed of all identifiers on the disk.
    pub seed: Sha256,
    /// The qcow2 file to make. A failure may leave a part of it.
    pub target: &'a Path,
    /// Directory for packages and temporary files, shared by all builds.
    pub cache_dir: &'a Path,
}

impl BootstrapRequest<'_> {
    /// Returns the time of the latest change in the repositories, in seconds since 1970.
    pub(super) fn epoch(&self) -> u64 {
        self.repositories.iter().map(|pin| pin.date).max().unwrap_or_default()
    }

    /// Refuses values that the tools would misunderstand.
    pub(super) fn check(&self) -> Result<(), BootstrapError> {
        let plain = |text: &str| {
            !text.is_empty()
                && !text.starts_with(['-', '.', '+'])
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:=~/_".contains(c))
        };
        if !plain(self.release) || self.release.contains('/') {
            return Err(BootstrapError::Request(format!("`{}` is not the code name of a release", self.release)));
        }
        if !plain(self.distro) || self.distro.contains('/') {
            return Err(BootstrapError::Request(format!("`{}` is not the name of a distribution", self.distro)));
        }
        if !plain(self.how.keyring.file.trim_start_matches('/')) {
            return Err(BootstrapError::Request(format!("`{}` is not the path of a keyring", self.how.keyring.file)));
        }
        // apt's list of sources has no way to quote a path.
        if self.keyring.is_some() && !plain(self.cache_dir.to_string_lossy().trim_start_matches('/')) {
            let message = "is not a path that apt's list of sources can have, where the keyring is copied to";
            return Err(BootstrapError::Request(format!("`{}` {message}", self.cache_dir.display())));
        }
        if let Some(name) = self.packages.iter().find(|name| !plain(name) || name.starts_with(['/', '~', ':'])) {
            return Err(BootstrapError::Request(format!("`{name}` is not the name of a package")));
        }
        let words = |pin: &RepositoryPin| {
            pin.components.iter().chain([&pin.suite, &pin.url]).any(|word| word.contains(char::is_whitespace))
        };
        if let Some(pin) = self.repositories.iter().find(|pin| words(pin)) {
            return Err(BootstrapError::Request(format!("`{}` is not the URL of a package repository", pin.url)));
        }
        for path in [self.target, self.cache_dir] {
            if !path.is_absolute() {
                return Err(BootstrapError::Request(format!("{} must be an absolute path", path.display())));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::Layout;
    use crate::units::ByteSize;

    #[test]
    fn odd_requests_are_refused() {
        let disk = DiskPlan { size: ByteSize::mebibytes(2048), layout: Layout::Bios, ..DiskPlan::default() };
        let pin = |url: &str| RepositoryPin {
            url: url.to_owned(),
            suite: "bookworm".to_owned(),
            components: vec!["main".to_owned()],
            sha256: Sha256::of(b""),
            date: 0,
        };
        let distros = distro::Distros::built_in();
        let how = distros.get("debian").and_then(|debian| debian.file.bootstrap.as_ref()).expect("it is there");
        for (release, package, url, target, complaint) in [
            ("bookworm", "bash", "http://mirror/debian", "/t", None),
            ("../x", "bash", "http://mirror/debian", "/t", Some("code name")),
            ("bookworm", "--option", "http://mirror/debian", "/t", Some("name of a package")),
            ("bookworm", "/etc/passwd", "http://mirror/debian", "/t", Some("name of a package")),
            ("bookworm", "a b", "http://mirror/debian", "/t", Some("name of a package")),
            ("bookworm", "bash", "http://mirror/debian\ndeb x", "/t", Some("URL of a package repository")),
            ("bookworm", "bash", "http://mirror/debian", "t", Some("absolute")),
        ] {
            let result = BootstrapRequest {
                distro: "debian",
                how,
                release,
                arch: Arch::X86_64,
                keyring: None,
                allow_expired: false,
                client_certificate: None,
                certificate_authority: None,
                repositories: &[pin(url)],
                packages: &[package.to_owned()],
                disk: &disk,
                seed: Sha256::of(b""),
                target: Path::new(target),
                cache_dir: Path::new("/c"),
            }
            .check();
            let message = result.err().map(|error| error.to_string());
            assert_eq!(message.is_some(), complaint.is_some(), "{message:?}");
            assert!(message.unwrap_or_default().contains(complaint.unwrap_or_default()));
        }
    }
}
