//! Mechanisms: the ways in which distributions do the same thing differently, such as installing packages. Code of this program
//! or of an element implements each of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Makes an enum of names that recipes' templates see as texts.
macro_rules! names {
    ($(#[$of:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$of])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        pub enum $name { $($(#[$doc])* #[serde(rename = $text)] $variant,)* }
    };
}

names! {
    /// The package manager of an image.
    PackageManager {
        /// apt, with dpkg below it.
        Apt = "apt",
        /// dnf, or yum before it, with rpm below it.
        Dnf = "dnf",
        /// zypper, with rpm below it.
        Zypper = "zypper",
        /// Alpine's apk.
        Apk = "apk",
        /// Arch Linux's pacman.
        Pacman = "pacman",
    }
}

names! {
    /// The program that makes the initramfs.
    Initramfs {
        /// `update-initramfs`.
        InitramfsTools = "initramfs-tools",
        /// `dracut`.
        Dracut = "dracut",
        /// Alpine's `mkinitfs`.
        Mkinitfs = "mkinitfs",
        /// Arch Linux's `mkinitcpio`.
        Mkinitcpio = "mkinitcpio",
    }
}

names! {
    /// The way in which the boot loader learns of kernels and their arguments.
    Bootloader {
        /// GRUB, whose settings are `/etc/default/grub` and the files of `/etc/default/grub.d`.
        GrubDropIns = "grub-drop-ins",
        /// GRUB, whose settings are `/etc/default/grub`.
        Grub = "grub",
        /// GRUB as `grub`, with boot entries in files by the Boot Loader Specification, which `grubby` keeps.
        GrubBls = "grub-bls",
    }
}

names! {
    /// The way in which boot loaders get onto the EFI system partition.
    Efi {
        /// `grub-install` puts shim and a signed GRUB there.
        GrubInstall = "grub-install",
        /// Packages bring shim and a signed GRUB to the distribution's own path.
        Packaged = "packaged",
        /// `shim-install` puts them there.
        ShimInstall = "shim-install",
        /// `grub-install` puts a GRUB without signature there, which Secure Boot does not start.
        GrubUnsigned = "grub-unsigned",
    }
}

names! {
    /// The program that configures network cards.
    Network {
        /// systemd-networkd.
        Networkd = "networkd",
        /// NetworkManager.
        NetworkManager = "network-manager",
        /// ifupdown: `/etc/network/interfaces`.
        Ifupdown = "ifupdown",
        /// dhcpcd, for all cards.
        Dhcpcd = "dhcpcd",
    }
}

names! {
    /// The program that starts services.
    Init {
        /// systemd.
        Systemd = "systemd",
        /// OpenRC: scripts in `/etc/init.d` that runlevels name.
        OpenRc = "openrc",
    }
}

names! {
    /// The file of the default locale, and the source of locales.
    Locale {
        /// `/etc/default/locale`; `locale-gen` makes what `/etc/locale.gen` lists.
        LocaleGen = "locale-gen",
        /// `/etc/locale.conf`; `locale-gen` makes what `/etc/locale.gen` lists.
        LocaleGenConf = "locale-gen-conf",
        /// `/etc/locale.conf`; packages bring the locales.
        LocaleConf = "locale-conf",
        /// No locales: the C library is musl.
        None = "none",
    }
}

names! {
    /// The files that set the time zone.
    TimeZone {
        /// The link `/etc/localtime`, and its name in `/etc/timezone`.
        EtcTimezone = "etc-timezone",
        /// The link `/etc/localtime`.
        Localtime = "localtime",
    }
}

names! {
    /// The program that makes the bundle of trusted certificates, and the files that it reads.
    Certificates {
        /// Debian's `update-ca-certificates`: `/usr/local/share/ca-certificates` and `/etc/ca-certificates.conf`.
        UpdateCaCertificates = "update-ca-certificates",
        /// `update-ca-trust`: `/etc/pki/ca-trust/source`.
        UpdateCaTrust = "update-ca-trust",
        /// SUSE's `update-ca-certificates`: `/etc/pki/trust`.
        PkiTrust = "pki-trust",
        /// Arch Linux's `update-ca-trust`: `/etc/ca-certificates/trust-source`.
        TrustSource = "trust-source",
    }
}

names! {
    /// The way in which files get their SELinux labels.
    Relabel {
        /// They get none, whatever the image's configuration says.
        None = "none",
        /// By the image's own `setfiles` and policy at the end of a build, if `/etc/selinux/config` turns SELinux on.
        Setfiles = "setfiles",
    }
}

/// Declares two types: the mechanisms of a distribution, and those that a file names.
macro_rules! mechanisms {
    ($($(#[$doc:meta])* $field:ident: $kind:ty,)*) => {
        /// The mechanisms of a distribution.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        pub struct Mechanisms { $($(#[$doc])* pub $field: $kind,)* }

        /// The mechanisms that a file names; it has the others from the distribution it extends.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields, default)]
        pub struct NamedMechanisms {
            $($(#[$doc])* #[serde(skip_serializing_if = "Option::is_none")] pub $field: Option<$kind>,)*
        }

        impl From<Mechanisms> for NamedMechanisms {
            fn from(all: Mechanisms) -> Self {
                Self { $($field: Some(all.$field),)* }
            }
        }

        impl NamedMechanisms {
            /// Returns these mechanisms, with those of `other` for missing ones.
            pub(super) fn or(self, other: Self) -> Self {
                Self { $($field: self.$field.or(other.$field),)* }
            }

            /// Returns all mechanisms, or the keys that are missing.
            pub(super) fn complete(self) -> Result<Mechanisms, Vec<&'static str>> {
                let missing: Vec<_> = [$((stringify!($field), self.$field.is_none()),)*]
                    .into_iter().filter_map(|(key, missing)| missing.then_some(key)).collect();
                match self {
                    Self { $($field: Some($field),)* } => Ok(Mechanisms { $($field,)* }),
                    _ => Err(missing),
                }
            }
        }
    };
}

mechanisms! {
    /// Package manager of the image.
    packages: PackageManager,
    /// Program that starts services.
    init: Init,
    /// Program that makes the initramfs.
    initramfs: Initramfs,
    /// Way in which the boot loader learns of kernels and their arguments.
    bootloader: Bootloader,
    /// Way in which boot loaders get onto the EFI system partition.
    efi: Efi,
    /// Program that configures network cards.
    network: Network,
    /// File of the default locale, and source of locales.
    locale: Locale,
    /// Files that set the time zone.
    timezone: TimeZone,
    /// Program that makes the bundle of trusted certificates.
    certificates: Certificates,
    /// Way in which files get their SELinux labels.
    relabel: Relabel,
}
