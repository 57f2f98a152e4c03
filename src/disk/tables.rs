//! The files by which the image finds its file systems: `/etc/fstab`, `/etc/crypttab`, and units that open what is encrypted.

use super::layout::DiskLayout;
use crate::recipe::partitions::{FileSystemType, MountPoint};

/// Directory of the image in which systemd looks for keys, by the names of `/etc/crypttab`: crypttab(5).
const KEYS: &str = "/etc/cryptsetup-keys.d";

impl DiskLayout {
    /// Returns the content of the image's `/etc/fstab`.
    pub fn fstab(&self) -> String {
        let mut lines: Vec<(&str, String)> = Vec::new();
        for (area, files) in self.file_systems() {
            let kind = files.kind;
            let (own, pass): (&[&str], _) = match (files.mount.as_str(), kind) {
                ("/", FileSystemType::Ext4) => (&["errors=remount-ro", "x-systemd.growfs"], 1),
                ("/", FileSystemType::Btrfs | FileSystemType::Xfs) => (&["x-systemd.growfs"], 0),
                (_, FileSystemType::Ext4) => (&[], 2),
                (_, FileSystemType::Btrfs | FileSystemType::Xfs) => (&[], 0),
            };
            if area.container.is_some() {
                let (label, mount) = (files.label(), files.mount.as_str());
                let options: String = files.options.iter().map(|option| format!(",{option}")).collect();
                let line = format!("/dev/mapper/{label} {mount} {} noauto,nofail{options} 0 {pass}\n", kind.name());
                lines.push((mount, line));
                continue;
            }
            for MountPoint { mount, subvolume, options } in files.mounts() {
                let own = own.iter().filter(|_| mount == files.mount).map(|option| (*option).to_owned());
                let subvolume = subvolume.map(|name| format!("subvol={name}"));
                let options = own.chain(subvolume).chain(options.into_iter().map(str::to_owned));
                let options = options.collect::<Vec<_>>().join(",");
                let options = if options.is_empty() { "defaults" } else { &options };
                let uuid = area.content_uuid;
                lines.push((mount, format!("UUID={uuid} {mount} {} {options} 0 {pass}\n", kind.name())));
            }
        }
        if self.efi().is_some() {
            let id = self.efi_volume_id;
            let line = format!("UUID={:04X}-{:04X} /boot/efi vfat umask=0077 0 1\n", id >> 16, id & 0xffff);
            lines.push(("/boot/efi", line));
        }
        lines.sort_by_key(|(mount, _)| *mount);
        let swap = self.areas().filter(|area| area.files.is_none());
        let swap = swap.map(|area| format!("UUID={} none swap defaults 0 0\n", area.content_uuid));
        lines.into_iter().map(|(_, line)| line).chain(swap).collect()
    }

    /// Returns files of the image with their paths, by which an instance opens encrypted file systems when their keys are there.
    ///
    /// Nobody waits for the keys at boot, and nobody asks for them: an instance in a cloud has nobody at its console. A unit of systemd waits
    /// for the file with the key, and mounts the file system then.
    pub fn unlocking(&self) -> Vec<(String, String)> {
        let mut table = String::new();
        let mut files = Vec::new();
        for (area, filled) in self.file_systems() {
            let (Some(container), name, mount) = (area.container, filled.label(), filled.mount.as_str()) else {
                continue;
            };
            let key = format!("{KEYS}/{name}.key");
            table += &format!("{name} UUID={container} {key} luks,noauto,headless=true\n");
            let unit = format!("unlock-{name}.path");
            let mounted = mount_unit(mount);
            let waits = format!(
                "[Unit]\nDescription=Key of the encrypted file system {mount}\n\n[Path]\nPathExists={key}\nUnit={mounted}\n"
            );
            files.push((format!("etc/systemd/system/{unit}"), waits));
            let wants = format!("[Unit]\nWants={unit}\n");
            files.push((format!("etc/systemd/system/multi-user.target.d/unlock-{name}.conf"), wants));
        }
        if !table.is_empty() {
            files.push(("etc/crypttab".to_owned(), table));
        }
        files
    }
}

/// Returns the name of the unit that mounts a directory: systemd.unit(5), "String Escaping for Inclusion in Unit Names".
fn mount_unit(directory: &str) -> String {
    let mut name = String::new();
    for (index, byte) in directory.trim_start_matches('/').bytes().enumerate() {
        match byte {
            b'/' => name.push('-'),
            b'.' if index == 0 => name.push_str("\\x2e"),
            byte if byte.is_ascii_alphanumeric() || b":_.".contains(&byte) => name.push(char::from(byte)),
            byte => name.push_str(&format!("\\x{byte:02x}")),
        }
    }
    name + ".mount"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_have_the_names_that_systemd_gives_them() {
        for directory in ["/srv", "/var/lib/my-data", "/.x/\u{fc}_y"] {
            let mut escape = std::process::Command::new("systemd-escape");
            let said = crate::process::capture(escape.args(["--path", "--suffix=mount", directory])).expect("it runs");
            assert_eq!(mount_unit(directory), said.trim());
        }
    }
}
