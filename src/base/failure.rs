//! Finds out from the tools' output why a bootstrap failed.

use std::path::PathBuf;

use crate::disk::layout::LayoutError;
use crate::distro::Keyring;
use crate::fsx::PathError;
use crate::guest::emulator::NoEmulator;
use crate::process::ProcessError;
use crate::recipe::Arch;
use crate::tree::TreeError;
use crate::units::ByteSize;

/// The reason why a bootstrap failed.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// A program is missing.
    #[error("{tool} is missing on this machine: install the package {package}")]
    MissingTool {
        /// Name of the program.
        tool: &'static str,
        /// Debian package of the program.
        package: &'static str,
    },
    /// The keys of the distribution's archive are missing.
    #[error("{} is missing on this machine: install the package {}{}", .0.file, .0.package, elsewhere(.0))]
    MissingKeyring(Keyring),
    /// This machine cannot run the programs of the packages.
    #[error(transparent)]
    NoEmulator(#[from] NoEmulator),
    /// The kernel takes no rule for the emulator.
    #[error(
        "programs for {} cannot run on this machine: {reason}\n  this needs Linux 6.7 or later, or a rule in \
         /proc/sys/fs/binfmt_misc with the flag F, as a package of QEMU's user emulation makes it", arch.name()
    )]
    Unregistered {
        /// Architecture of the programs.
        arch: Arch,
        /// The message of the system.
        reason: String,
    },
    /// The user may not create a user namespace.
    #[error(
        "cannot work without privileges: {reason}\n  allow user namespaces and give this user ranges in /etc/subuid and \
         /etc/subgid (package uidmap), or run as root; a container needs the capability CAP_SYS_ADMIN"
    )]
    Unprivileged {
        /// The message of the system.
        reason: String,
    },
    /// The root directory of this machine is no mount point, so its mounts cannot be kept apart.
    #[error(
        "cannot work in a root directory that is no mount point, as in a chroot: {reason}\n  outside, before chroot: \
         mount --bind ROOT ROOT"
    )]
    NoMountPoint {
        /// The message of the system.
        reason: String,
    },
    /// The repositories lack packages.
    #[error("the repositories have no package {}: check the names for this release", packages.join(", "))]
    PackageNotFound {
        /// Names of the packages, as requested.
        packages: Vec<String>,
    },
    /// Packages conflict with each other.
    #[error("the packages cannot be installed together:\n  {}", tail.join("\n  "))]
    Unsatisfiable {
        /// The message of the package manager.
        tail: Vec<String>,
    },
    /// A repository has changed since it was pinned.
    #[error("a package repository has changed since the build was planned: plan again")]
    RepositoryMoved,
    /// The index of a repository names a package whose file the mirror does not have.
    #[error(
        "the package mirror does not have a file that its index names: {reason}\n  the index may have changed since the build was planned: build again with --refresh, or set another base.bootstrap.mirror"
    )]
    AbsentPackage {
        /// The message of the package manager.
        reason: String,
    },
    /// A repository is signed with a key that this machine does not have.
    #[error("cannot trust the package repository: {reason}\n  update the package {keyring} of this machine")]
    UnknownKey {
        /// The message of the package manager.
        reason: String,
        /// The host's package with the distribution's keys.
        keyring: String,
    },
    /// The index of a repository is older or newer than it may be.
    #[error(
        "the package mirror is out of date, or the clock of this machine is wrong: {reason}\n  check the clock, or name \
         another mirror with `mirror` in the recipe; `allow-expired: true` beside it accepts a mirror that is meant to be old"
    )]
    Outdated {
        /// The message of the package manager.
        reason: String,
    },
    /// A repository could not be read.
    #[error("cannot read from the package mirror: {reason}\n  check the network and the mirror's URL, then try again")]
    Mirror {
        /// The first message of the package manager.
        reason: String,
    },
    /// The host's file system or memory cannot hold the work.
    #[error(
        "no space left on this machine: {} needs about {needed}, {available} are free; {} more are needed",
        path.display(), ByteSize::bytes(needed.get().saturating_sub(available.get()))
    )]
    NoSpace {
        /// The directory that needs the space.
        path: PathBuf,
        /// Bytes needed, estimated.
        needed: ByteSize,
        /// Bytes free.
        available: ByteSize,
    },
    /// The image's disk cannot hold the packages.
    #[error(
        "the packages do not fit on the image's disk: the file system of `{mount}` needs {needed} and has {size}; raise {}",
        if mount == "/" { "disk.size" } else { "the size of its partition" }
    )]
    DiskTooSmall {
        /// Directory at which the file system is mounted.
        mount: String,
        /// Size that it needs.
        needed: ByteSize,
        /// Size of its partition.
        size: ByteSize,
    },
    /// The disk cannot have the requested layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The root tree cannot be used.
    #[error(transparent)]
    Tree(TreeError),
    /// The request is invalid.
    #[error("{0}")]
    Request(String),
    /// The tools failed in another way.
    #[error("the bootstrap failed")]
    Failed(#[source] ProcessError),
    /// A file could not be accessed.
    #[error(transparent)]
    Access(#[from] PathError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl From<TreeError> for BootstrapError {
    fn from(error: TreeError) -> Self {
        match error {
            TreeError::Interrupted => Self::Interrupted,
            error => Self::Tree(error),
        }
    }
}

/// Returns what a user can do whose machine has no package with the keys.
fn elsewhere(keyring: &Keyring) -> String {
    let Some(url) = &keyring.download else { return String::new() };
    let Keyring { file, package, fingerprints, .. } = keyring;
    let mut text = format!(
        "\n  if this machine's distribution has no such package, download it from {url}, unpack it with `dpkg-deb -x \
         {package}_*.deb DIRECTORY`, and copy DIRECTORY{file} to {file}"
    );
    if !fingerprints.is_empty() {
        text.push_str(&format!(
            "\n  only signatures by {} count, whatever else the file contains",
            fingerprints.join(", ")
        ));
    }
    text
}

impl BootstrapError {
    /// Whether the repositories may have changed since the build was planned, so that a new plan may succeed.
    pub fn is_of_old_plan(&self) -> bool {
        matches!(self, Self::RepositoryMoved | Self::AbsentPackage { .. })
    }

    /// Finds the reason in the last lines of a failed run. `None` if they have no known reason.
    pub(super) fn from_output(tail: &[String], keyring: &Keyring) -> Option<Self> {
        // pacman leaves such a database out, and then finds no package.
        if let Some(line) =
            tail.iter().find(|line| line.starts_with("error: could not open file ") && line.contains(".db: "))
        {
            return Some(Self::Mirror { reason: line.trim_start_matches("error: ").to_owned() });
        }
        let missing: Vec<_> = tail.iter().filter_map(|line| missing_package(line)).collect();
        if !missing.is_empty() {
            let mut packages: Vec<String> = missing.into_iter().map(str::to_owned).collect();
            packages.sort();
            packages.dedup();
            return Some(Self::PackageNotFound { packages });
        }
        const CONFLICTS: [&str; 6] = [
            "have unmet dependencies",
            "you have held broken packages",
            "nothing provides",
            "conflicting requests",
            ":: unable to satisfy dependency",
            "(conflicting dependencies)",
        ];
        if tail.iter().any(|line| CONFLICTS.iter().any(|text| line.contains(text))) {
            return Some(Self::Unsatisfiable { tail: tail.to_vec() });
        }
        const UNKNOWN_KEYS: [&str; 12] = [
            "NO_PUBKEY",
            "GPG check FAILED",
            "is not signed",
            "is not installed. Failing package is",
            "Signature verification failed",
            "No valid signature",
            // apk leaves such a repository out, and then finds no package.
            "APKINDEX.tar.gz: UNTRUSTED signature",
            "APKINDEX.tar.gz: BAD signature",
            // pacman
            " could not be looked up remotely",
            "\" is unknown trust",
            "\" is marginal trust",
            ": missing required signature",
        ];
        if let Some(line) = tail.iter().find(|line| UNKNOWN_KEYS.iter().any(|text| line.contains(text))) {
            return Some(Self::UnknownKey { reason: line.trim().to_owned(), keyring: keyring.package.clone() });
        }
        // A mirror that is no longer renewed lacks security updates, so apt refuses it.
        const OUTDATED: [&str; 2] = [" is expired (invalid since ", " is not valid yet (invalid for another "];
        if let Some(line) = tail.iter().find(|line| OUTDATED.iter().any(|text| line.contains(text))) {
            return Some(Self::Outdated { reason: line.trim().trim_start_matches("E: ").to_owned() });
        }
        const UNREACHABLE: [&str; 10] = [
            "Failed to download metadata for repo",
            "Error downloading packages",
            "Valid metadata not found at specified URL",
            "Download (curl) error",
            "E: Failed to fetch",
            "W: Failed to fetch",
            "Err:",
            "E: The repository",
            "apt-get update did not find any indices",
            "error: failed retrieving file '",
        ];
        // apt's line with `E:` has the reason, which stands below the line with `Err:`.
        if let Some(line) = UNREACHABLE.iter().find_map(|start| tail.iter().find(|line| line.contains(start))) {
            let reason = ["E: ", "W: ", "error: "].iter().find_map(|start| line.strip_prefix(start)).unwrap_or(line);
            let reason = reason.to_owned();
            let absent = line.contains("404") && [".deb", ".pkg.tar."].iter().any(|end| line.contains(end));
            return Some(if absent { Self::AbsentPackage { reason } } else { Self::Mirror { reason } });
        }
        Self::unprivileged(tail)
    }

    /// Finds out whether the namespaces were refused.
    pub(super) fn unprivileged(tail: &[String]) -> Option<Self> {
        let line = tail.iter().find(|line| line.starts_with("unshare: ") || line.starts_with("newuidmap: "))?;
        let reason = line.clone();
        // unshare(1) makes all mounts below the root directory private.
        let apart = line.starts_with("unshare: cannot change root filesystem propagation: Invalid argument");
        Some(if apart { Self::NoMountPoint { reason } } else { Self::Unprivileged { reason } })
    }

    /// Returns whether the tools ran out of space in their working directory.
    pub(super) fn is_full(tail: &[String]) -> bool {
        tail.iter()
            .any(|line| line.contains("No space left on device") || line.contains("You don't have enough free space"))
    }
}

/// Returns the name in the message of a package manager about a package that does not exist or cannot be installed.
fn missing_package(line: &str) -> Option<&str> {
    let line = line.trim();
    if let Some(name) = line.strip_prefix("E: Unable to locate package ") {
        return Some(name);
    }
    if let Some((name, "has no installation candidate")) =
        line.strip_prefix("E: Package '").and_then(|rest| rest.split_once("' "))
    {
        return Some(name);
    }
    if let Some(name) = line.strip_prefix("No match for argument: ") {
        return Some(name);
    }
    if let Some(name) = line.strip_prefix("No provider of '").and_then(|rest| rest.strip_suffix("' found.")) {
        return Some(name);
    }
    if let Some(name) = line.strip_prefix("error: target not found: ") {
        return Some(name);
    }
    if let Some(name) = line.strip_suffix(" (no such package):") {
        return Some(name);
    }
    // "Version 'x' for 'name' was not found"
    line.strip_prefix("E: Version '")?.strip_suffix("' was not found")?.split_once("' for '").map(|(_, name)| name)
}

/// Returns the bytes that a package manager announces to unpack. apt: `After this operation, 612 MB of additional disk space will
/// be used.` dnf: `Installed size: 612 M`. zypper, behind other sentences: `After the operation, additional 612.0 MiB will be used.`
/// pacman: `Total Installed Size:  612.00 MiB`.
pub(super) fn announced_size(line: &str) -> Option<u64> {
    let line = line.trim();
    let zypper = || line.split_once("After the operation, additional ")?.1.trim().strip_suffix(" will be used.");
    let apt = || line.strip_prefix("After this operation, ")?.strip_suffix(" of additional disk space will be used.");
    let size = line.strip_prefix("Installed size: ").or_else(zypper);
    size.or_else(|| line.strip_prefix("Total Installed Size:")).or_else(apt).and_then(size_of)
}

/// Returns the bytes that a package manager announces to download. apt: `Need to get 12.3 MB/36.2 MB of archives.` dnf: `Total
/// download size: 45 M`. zypper: `Overall download size: 20.5 MiB. Already cached: 0 B.`, or `Package download size: 20.5 MiB`.
/// pacman: `Total Download Size:  123.45 MiB`.
pub(super) fn announced_download(line: &str) -> Option<u64> {
    let line = line.trim();
    let apt = || {
        let sizes = line.strip_prefix("Need to get ")?.strip_suffix(" of archives.")?;
        // What is in the cache is only in the second one.
        Some(sizes.split_once('/').map_or(sizes, |(missing, _)| missing))
    };
    let zypper = || {
        let text =
            line.strip_prefix("Overall download size: ").or_else(|| line.strip_prefix("Package download size: "))?;
        Some(text.split_once(". ").map_or(text, |(size, _)| size))
    };
    let others = ["Total download size: ", "Total Download Size:", "Need to download "];
    let others = || others.iter().find_map(|start| line.strip_prefix(start)).map(|text| text.trim_end_matches('.'));
    apt().or_else(zypper).or_else(others).and_then(size_of)
}

/// Reads a size as package managers write it: `1,234 kB`, `612 M`, `20.5 MiB`.
fn size_of(text: &str) -> Option<u64> {
    let (number, unit) = text.trim().split_once(' ')?;
    let number: f64 = number.replace(',', "").parse().ok()?;
    let factor = match unit {
        "B" => 1.0,
        "kB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        // dnf counts in units of 1024.
        "k" | "KiB" => 1024.0,
        "M" | "MiB" => 1024.0 * 1024.0,
        "G" | "GiB" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some((number * factor) as u64)
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
