//! Packages that contain the programs that Goldsmith needs, by distribution.

/// A family of distributions that share names of packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Debian and its derivatives.
    Debian,
    /// Ubuntu, which has its own names for kernel packages.
    Ubuntu,
    /// Fedora, RHEL and their kin.
    Redhat,
    /// openSUSE and SLE.
    Suse,
    /// Arch Linux.
    Arch,
    /// Any other.
    Unknown,
}

/// Requirements, and their packages in Debian, Fedora, openSUSE and Arch.
const PACKAGES: [(&str, [&str; 4]); 26] = [
    ("qemu-system", ["qemu-system-x86", "qemu-system-x86-core", "qemu-x86", "qemu-system-x86"]),
    ("qemu-img", ["qemu-utils", "qemu-img", "qemu-img", "qemu-img"]),
    ("ovmf", ["ovmf", "edk2-ovmf", "qemu-ovmf-x86_64", "edk2-ovmf"]),
    ("libguestfs", ["libguestfs0", "libguestfs", "libguestfs0", "libguestfs"]),
    ("kernel", ["linux-image-amd64", "kernel-core", "kernel-default", "linux"]),
    ("mmdebstrap", ["mmdebstrap", "mmdebstrap", "mmdebstrap", "mmdebstrap"]),
    ("mke2fs", ["e2fsprogs", "e2fsprogs", "e2fsprogs", "e2fsprogs"]),
    ("sfdisk", ["fdisk", "util-linux", "util-linux", "util-linux"]),
    ("mkfs.vfat", ["dosfstools", "dosfstools", "dosfstools", "dosfstools"]),
    ("unshare", ["util-linux", "util-linux", "util-linux", "util-linux"]),
    ("newuidmap", ["uidmap", "shadow-utils", "shadow", "shadow"]),
    ("mksquashfs", ["squashfs-tools", "squashfs-tools", "squashfs", "squashfs-tools"]),
    ("mkfs.erofs", ["erofs-utils", "erofs-utils", "erofs-utils", "erofs-utils"]),
    ("openssl", ["openssl", "openssl", "openssl", "openssl"]),
    ("gpg", ["gpg", "gnupg2", "gpg2", "gnupg"]),
    ("qemu-aarch64-static", ["qemu-user-static", "qemu-user-static-aarch64", "qemu-linux-user", "qemu-user-static"]),
    ("qemu-system-aarch64", ["qemu-system-arm", "qemu-system-aarch64-core", "qemu-arm", "qemu-system-aarch64"]),
    ("AAVMF", ["qemu-efi-aarch64", "edk2-aarch64", "qemu-uefi-aarch64", "edk2-aarch64"]),
    ("qemu-x86_64-static", ["qemu-user-static", "qemu-user-static-x86", "qemu-linux-user", "qemu-user-static"]),
    ("qemu-system-x86_64", ["qemu-system-x86", "qemu-system-x86-core", "qemu-x86", "qemu-system-x86"]),
    ("OVMF", ["ovmf", "edk2-ovmf", "qemu-ovmf-x86_64", "edk2-ovmf"]),
    ("mcopy", ["mtools", "mtools", "mtools", "mtools"]),
    ("dnf", ["dnf", "dnf", "dnf", "dnf"]),
    ("zypper", ["zypper", "zypper", "zypper", "zypper"]),
    ("pacman", ["pacman-package-manager", "pacman", "pacman", "pacman"]),
    ("vercmp", ["makepkg", "pacman", "pacman", "pacman"]),
];

impl Family {
    /// Returns the family that `/etc/os-release` names.
    pub(super) fn from_os_release(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
            line.unwrap_or_default().trim_matches(['"', '\'']).to_owned()
        };
        let names = format!("{} {}", value("ID"), value("ID_LIKE"));
        names
            .split_whitespace()
            .find_map(|name| match name {
                "debian" => Some(Self::Debian),
                "ubuntu" => Some(Self::Ubuntu),
                "fedora" | "rhel" | "centos" => Some(Self::Redhat),
                "suse" | "sles" => Some(Self::Suse),
                "arch" => Some(Self::Arch),
                _ => name.starts_with("opensuse").then_some(Self::Suse),
            })
            .unwrap_or(Self::Unknown)
    }
}

/// Returns the command that installs requirements, or their names if the distribution is unknown.
pub(super) fn install(family: Family, needs: &[&str]) -> Option<String> {
    let (command, column) = match family {
        Family::Debian | Family::Ubuntu => ("sudo apt-get install", 0),
        Family::Redhat => ("sudo dnf install", 1),
        Family::Suse => ("sudo zypper install", 2),
        Family::Arch => ("sudo pacman -S", 3),
        Family::Unknown => return Some(format!("install packages that contain: {}", needs.join(", "))),
    };
    let mut names: Vec<&str> = Vec::new();
    for need in needs {
        let name = match (family, *need) {
            (Family::Ubuntu, "kernel") => "linux-image-virtual",
            (_, need) => PACKAGES.iter().find(|(known, _)| *known == need)?.1[column],
        };
        if !names.contains(&name) {
            names.push(name);
        }
    }
    Some(format!("{command} {}", names.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_names_the_family() {
        for (text, family) in [
            ("ID=debian\nVERSION_ID=\"12\"", Family::Debian),
            ("NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian", Family::Ubuntu),
            ("ID=linuxmint\nID_LIKE=\"ubuntu debian\"", Family::Ubuntu),
            ("ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"", Family::Redhat),
            ("ID=\"opensuse-leap\"\nID_LIKE=\"suse opensuse\"", Family::Suse),
            ("ID=arch", Family::Arch),
            ("ID=alpine", Family::Unknown),
            ("", Family::Unknown),
        ] {
            assert_eq!(Family::from_os_release(text), family, "{text}");
        }
    }

    #[test]
    fn packages_are_named_once_and_by_distribution() {
        for (family, needs, command) in [
            (Family::Debian, &["mkfs.vfat", "newuidmap"][..], "sudo apt-get install dosfstools uidmap"),
            (Family::Ubuntu, &["kernel"], "sudo apt-get install linux-image-virtual"),
            (Family::Redhat, &["sfdisk", "unshare"], "sudo dnf install util-linux"),
            (Family::Suse, &["ovmf"], "sudo zypper install qemu-ovmf-x86_64"),
            (Family::Arch, &["kernel"], "sudo pacman -S linux"),
            (Family::Unknown, &["sfdisk", "mcopy"], "install packages that contain: sfdisk, mcopy"),
        ] {
            assert_eq!(install(family, needs).as_deref(), Some(command));
        }
        assert_eq!(install(Family::Debian, &["no such thing"]), None);
    }
}
