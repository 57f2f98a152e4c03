//! Ways of doing what distributions do in different ways. Each of them is code of this program or of an element.

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
    /// What installs packages in an image.
    PackageManager {
        /// apt, with dpkg below it.
        Apt = "apt",
        /// dnf, or yum before it, with rpm below it.
        Dnf = "dnf",
        /// zypper, with rpm below it.
        Zypper = "zypper",
    }
}

names! {
    /// What makes the initramfs.
    Initramfs {
        /// `update-initramfs`.
        InitramfsTools = "initramfs-tools",
        /// `dracut`.
        Dracut = "dracut",
    }
}

names! {
    /// How the boot loader is told of kernels and their arguments.
    Bootloader {
        /// GRUB, whose settings are `/etc/default/grub` and the files of `/etc/default/grub.d`.
        GrubDropIns = "grub-drop-ins",
        /// GRUB, whose settings are `/etc/default/grub`.
        Grub = "grub",
        /// The same, and boot entries are files of their own by the Boot Loader Specification, kept by `grubby`.
        GrubBls = "grub-bls",
    }
}

names! {
    /// How boot loaders get onto the EFI system partition.
    Efi {
        /// `grub-install` puts shim and a signed GRUB there.
        GrubInstall = "grub-install",
        /// Packages bring shim and a signed GRUB to the distribution's own path.
        Packaged = "packaged",
        /// `shim-install` puts them there.
        ShimInstall = "shim-install",
    }
}

names! {
    /// What configures network cards.
    Network {
        /// systemd-networkd.
        Networkd = "networkd",
        /// NetworkManager.
        NetworkManager = "network-manager",
    }
}

names! {
    /// Where the default locale is set, and who makes locales.
    Locale {
        /// `/etc/default/locale`; `locale-gen` makes what `/etc/locale.gen` lists.
        LocaleGen = "locale-gen",
        /// `/etc/locale.conf`; packages bring the locales.
        LocaleConf = "locale-conf",
    }
}

names! {
    /// Where the time zone is set.
    TimeZone {
        /// The link `/etc/localtime`, and its name in `/etc/timezone`.
        EtcTimezone = "etc-timezone",
        /// The link `/etc/localtime`.
        Localtime = "localtime",
    }
}

names! {
    /// How files get their SELinux labels.
    Relabel {
        /// There are none.
        None = "none",
        /// `setfiles`, which needs no running SELinux.
        Setfiles = "setfiles",
    }
}

/// Declares both forms: what a distribution has, and what a file says of it.
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
            /// These, and those of another where these say nothing.
            pub(super) fn or(self, other: Self) -> Self {
                Self { $($field: self.$field.or(other.$field),)* }
            }

            /// All of them, or the keys that are missing.
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
    /// What installs packages.
    packages: PackageManager,
    /// What makes the initramfs.
    initramfs: Initramfs,
    /// How the boot loader is told of kernels and their arguments.
    bootloader: Bootloader,
    /// How boot loaders get onto the EFI system partition.
    efi: Efi,
    /// What configures network cards.
    network: Network,
    /// Where the default locale is set.
    locale: Locale,
    /// Where the time zone is set.
    timezone: TimeZone,
    /// How files get their SELinux labels.
    relabel: Relabel,
}
