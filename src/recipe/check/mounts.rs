//! What can be a mount point, a mount option, and a subvolume of a btrfs.

use crate::recipe::partitions::{FileSystem, FileSystemType, within};
use crate::recipe::secret::lacking;

/// Directories that cannot be a file system of their own: the system needs them before it mounts others, or they are no part of
/// an image.
const NO_MOUNTS: [&str; 12] =
    ["/bin", "/boot/efi", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/run", "/sbin", "/sys", "/tmp"];

/// Longest name of a subvolume: that of a file.
const LONGEST_NAME: usize = 255;

/// Directories that the system needs before anybody gives it a key.
const NOT_LOCKED: [&str; 5] = ["/", "/boot", "/root", "/usr", "/var"];

/// What is wrong, and what helps.
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) help: String,
    /// Number of the subvolume that is wrong, if one is.
    pub(super) subvolume: Option<usize>,
}

impl Fault {
    fn new(message: String, help: &str) -> Self {
        Self { message, help: help.to_owned(), subvolume: None }
    }
}

/// Returns what is wrong with the directory for a mount.
pub(super) fn directory(mount: &str) -> Option<Fault> {
    let plain = mount == "/" || (mount.starts_with('/') && !mount.ends_with('/') && !mount.contains("//"));
    let odd = |c: char| c.is_whitespace() || c.is_control() || c == '\\' || c == '#';
    if !plain || mount.contains(odd) || mount.split('/').any(|part| part == "." || part == "..") {
        let message = format!("`{mount}` is no directory for a mount");
        return Some(Fault::new(message, "write an absolute path, such as `/var`"));
    }
    let taken = NO_MOUNTS.contains(&mount) || mount.starts_with("/boot/efi/");
    let message = format!("`{mount}` cannot be a file system of its own");
    taken.then(|| Fault::new(message, "choose another directory, such as `/home` or `/var`"))
}

/// Returns what is wrong with a mount option.
pub(super) fn option(option: &str) -> Option<Fault> {
    let odd = |c: char| c.is_whitespace() || c.is_control() || ",#\\".contains(c);
    let help = "write each option as an entry of its own: `options: [noatime, nodev]`";
    (option.is_empty() || option.contains(odd)).then(|| Fault::new(format!("`{option}` is no mount option"), help))
}

/// Returns what is wrong with the subvolumes of a file system, whose directories have been checked. `others` are the directories of
/// other file systems.
pub(super) fn subvolumes(files: &FileSystem, others: &[&str]) -> Vec<Fault> {
    let FileSystem { subvolumes, mount: top, kind, .. } = files;
    let mut found = Vec::new();
    if subvolumes.is_empty() {
        return found;
    }
    if *kind != FileSystemType::Btrfs {
        let message = format!("only a btrfs has subvolumes, and `{top}` is {}", kind.name());
        return vec![Fault::new(message, "write `type: btrfs`, or leave `subvolumes` out")];
    }
    for (index, subvolume) in subvolumes.iter().enumerate() {
        let (name, mount) = (subvolume.name.as_str(), subvolume.mount.as_str());
        let mut fault = |message, help: &str| {
            found.push(Fault { subvolume: Some(index), ..Fault::new(message, help) });
        };
        let odd = |c: char| !(c.is_ascii_alphanumeric() || "@._-".contains(c));
        if name.is_empty() || name.len() > LONGEST_NAME || name.contains(odd) || name.starts_with(['.', '-']) {
            let help = "write a name of letters, digits, `@`, `.`, `_` and `-`, such as `@home`";
            fault(format!("`{name}` cannot name a subvolume"), help);
        } else if subvolumes[..index].iter().any(|other| other.name == name) {
            fault(format!("two subvolumes have the name `{name}`"), "give one of them another `name`");
        }
        if directory(mount).is_some() {
            continue;
        }
        if !within(mount, top) {
            let help = "mount it below that directory, or give it a file system of its own";
            fault(format!("`{mount}` does not lie in `{top}`, where the file system of its subvolume is"), help);
        } else if let Some(other) = others
            .iter()
            .find(|other| **other != mount && **other != top.as_str() && within(other, top) && within(mount, other))
        {
            let help = "a subvolume lies in no other file system: leave one of the two out";
            fault(format!("`{mount}` lies in the file system of `{other}`"), help);
        }
    }
    if !subvolumes.iter().any(|subvolume| subvolume.mount == *top) {
        let help = format!("add `{{ name: \"@\", mount: {top} }}` to its `subvolumes`");
        found.push(Fault::new(format!("no subvolume is mounted at `{top}`, where the file system is"), &help));
    }
    found
}

/// Returns what is wrong with the encryption of a file system. `volume` is whether it is on a logical volume, `others` are the directories of
/// other file systems, and `secrets` the names of the recipe's.
pub(super) fn encryption(files: &FileSystem, volume: bool, others: &[&str], secrets: &[&str]) -> Vec<Fault> {
    let FileSystem { mount, encrypted: Some(encrypted), .. } = files else { return Vec::new() };
    let mut found = Vec::new();
    let mut fault = |message, help: &str| found.push(Fault::new(message, help));
    if NOT_LOCKED.contains(&mount.as_str()) {
        let message = format!("`{mount}` cannot be encrypted: the image boots before anybody gives it a key");
        fault(message, "encrypt a file system of data, such as `/srv`; a cloud can encrypt whole volumes");
    }
    if volume {
        fault("a logical volume cannot be encrypted".to_owned(), "give the file system a partition");
    }
    if !files.subvolumes.is_empty() {
        let message = "`subvolumes` and `encrypted` exclude each other".to_owned();
        fault(message, "leave one of the two out");
    }
    if let Some(other) = others.iter().find(|other| **other != mount.as_str() && within(other, mount)) {
        let message = format!("`{other}` lies in the encrypted file system of `{mount}`, which is locked at boot");
        fault(message, "mount it elsewhere");
    }
    if files.label() == "control" {
        let help = "give it a `label`: its device is /dev/mapper/LABEL, and that has a `control` already";
        fault("`control` cannot name an encrypted file system".to_owned(), help);
    }
    let name = encrypted.secret.as_str();
    if !secrets.contains(&name) {
        let (message, help) = lacking(name);
        fault(message, &help);
    }
    found
}
