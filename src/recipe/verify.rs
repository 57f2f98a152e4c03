//! What a recipe says about verifying its image.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::units::ByteSize;

/// How the image is verified: `verify: {}` is enough. The image is looked at, and booted once per profile: every
/// firmware of `boot` with every way of `metadata`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Verify {
    /// Firmware to boot under; `[]` boots nothing. Default: what the disk can boot under, with Secure Boot where it
    /// has a signed boot loader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<Vec<BootKind>>,
    /// Ways in which the instance gets its metadata.
    pub metadata: Vec<Datasource>,
    /// Board of the machine.
    pub machine: Board,
    /// Memory of the machine.
    pub memory: ByteSize,
    /// Number of processors.
    pub cpus: u32,
    /// Size of the disk the image is booted on, as a flavor gives it. Default: 2 GiB more than the image has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<ByteSize>,
    /// What the machine may reach. Default: `user` for an image of a recipe.
    pub network: NetworkAccess,
    /// Account that the key of the metadata must log in as. Default: cloud-init's default user in the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Services that may listen on all addresses, beside those of elements' checks: `tcp/80`, `udp/123`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<String>,
    /// Find out the least memory and disk the image boots with, by booting with less.
    pub measure: bool,
    /// How long one boot may take, from power-on to the end of first boot. Default: 10min.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::units::option_duration")]
    #[schemars(with = "Option<String>")]
    pub deadline: Option<Duration>,
    /// Findings that are known and no failure of this image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accept: Vec<Accept>,
}

impl Default for Verify {
    fn default() -> Self {
        Self {
            boot: None,
            metadata: vec![Datasource::ConfigDrive],
            machine: Board::Q35,
            memory: ByteSize::mebibytes(1024),
            cpus: 2,
            disk: None,
            network: NetworkAccess::User,
            user: None,
            listen: Vec::new(),
            measure: false,
            deadline: None,
            accept: Vec::new(),
        }
    }
}

/// A check whose failure is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Accept {
    /// Its id, as `goldsmith verify --list` shows it.
    pub check: String,
    /// Why its failure is no failure of this image; it is told with the finding.
    pub because: String,
}

/// Firmware that a machine is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BootKind {
    /// PC BIOS: SeaBIOS.
    Bios,
    /// UEFI without Secure Boot: OVMF.
    Uefi,
    /// UEFI that starts nothing but what is signed with the keys every machine has.
    SecureBoot,
}

/// A way in which an instance gets its metadata; named as in cloud-init.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Datasource {
    /// A disk labelled `config-2`, as OpenStack attaches it.
    ConfigDrive,
    /// The metadata service of OpenStack at 169.254.169.254.
    #[serde(rename = "openstack")]
    OpenStack,
    /// A disk labelled `cidata`.
    #[serde(rename = "nocloud")]
    NoCloud,
}

/// Board of a virtual machine, in QEMU's terms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Board {
    /// Intel Q35, with PCI Express.
    Q35,
    /// Intel 440FX, with PCI. Without Secure Boot.
    Pc,
}

/// What a virtual machine may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NetworkAccess {
    /// What this host reaches, by QEMU's user network; services that listen on the host's own loopback address too.
    User,
    /// Nothing but the metadata service. There is neither a default route nor DNS then.
    Isolated,
}

macro_rules! names {
    ($type:ty { $($variant:ident => $name:literal),* }) => {
        impl $type {
            /// The name that recipes use.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}

names!(BootKind { Bios => "bios", Uefi => "uefi", SecureBoot => "secure-boot" });
names!(Datasource { ConfigDrive => "config-drive", OpenStack => "openstack", NoCloud => "nocloud" });
names!(Board { Q35 => "q35", Pc => "pc" });
names!(NetworkAccess { User => "user", Isolated => "isolated" });
