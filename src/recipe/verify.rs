//! The key `verify` of a recipe: how to verify the image, and checks of these settings.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::syntax;
use crate::units::ByteSize;
use crate::vocabulary::{Arch, Firmware};

/// Least and most memory of a machine. A kernel and its initial RAM disk do not fit into less.
const MEMORY: (ByteSize, ByteSize) = (ByteSize::mebibytes(64), ByteSize::mebibytes(1 << 20));

/// Processors of a machine if nobody sets a number.
pub const DEFAULT_CPUS: u32 = 2;

/// Most processors of a machine.
const CPUS: u32 = 64;

/// Shortest deadline of a boot: no machine is up earlier without KVM.
const DEADLINE: Duration = Duration::from_secs(10);

/// How the image is verified: `verify: {}` is enough. The image is looked at, and booted once per profile: every
/// firmware of `boot` with every way of `metadata`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Verify {
    /// Firmware to boot under; `[]` boots nothing. Default: all that the disk can boot under, with Secure Boot if it has a
    /// signed boot loader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boot: Option<Vec<BootKind>>,
    /// Sources of the instance's metadata. Goldsmith boots once for each firmware and source.
    pub metadata: Vec<Datasource>,
    /// QEMU machine type.
    pub machine: Board,
    /// Memory of the machine.
    pub memory: ByteSize,
    /// Number of processors. Default: 2, or 1 without KVM if this host has too few processors for all machines at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// Size of the machine's disk, as a flavor sets it. Default: 2 GiB more than the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<ByteSize>,
    /// What the machine reaches. Default: `user`.
    pub network: NetworkAccess,
    /// Account for the login by SSH key. Default: the account of the instance's owner in the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Services that may listen on all addresses, besides ports in checks: `tcp/80`, `udp/123`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<String>,
    /// Measure the least memory and the smallest disk with which the image boots, by about four further boots. The report and
    /// the properties of the published image name them.
    pub measure: bool,
    /// How long one boot may take, from power-on to the end of the first boot. Default: 10min.
    #[serde(skip_serializing_if = "Option::is_none", with = "crate::units::option_duration")]
    #[schemars(with = "Option<String>")]
    pub deadline: Option<Duration>,
    /// Failures to accept, each with a reason.
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
            cpus: None,
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
    /// Id of the check, as `goldsmith verify --list` shows it.
    pub check: String,
    /// Why this image may fail the check. The report shows this reason.
    pub because: String,
}

/// Facts about an image that are known before it is verified.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// Architecture of the image.
    pub arch: Option<Arch>,
    /// Size of the image's disk.
    pub disk: Option<ByteSize>,
    /// Firmware for which the image is partitioned.
    pub firmware: Option<Vec<Firmware>>,
}

/// An error in what a recipe says about verifying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Key that has the error.
    pub key: &'static str,
    /// Entry of the key's list, counted from 0.
    pub index: Option<usize>,
    /// Message of the error.
    pub message: String,
    /// Hint for the user.
    pub help: String,
}

impl Verify {
    /// Returns the errors in these settings for an image of which `known` is known.
    pub fn faults(&self, known: &Known) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut add = |key, index, message: String, help: &str| {
            faults.push(Fault { key, index, message, help: help.to_owned() });
        };
        let boots = self.boot.as_deref().unwrap_or_default();
        for (index, boot) in boots.iter().enumerate() {
            let at = Some(index);
            if boots[..index].contains(boot) {
                add("boot", at, format!("`{boot}` is there twice"), "once is enough: remove one of them");
            } else if let Some(arch) = known.arch.filter(|arch| *boot == BootKind::Bios && !arch.has_bios()) {
                add("boot", at, format!("machines of {} have no BIOS", arch.name()), "boot it under `uefi`");
            } else if *boot == BootKind::SecureBoot && self.machine == Board::Pc {
                let message = "the board `pc` has no Secure Boot".to_owned();
                add("boot", at, message, "take `machine: q35`, or leave out `secure-boot`");
            } else if let Some(firmware) = &known.firmware
                && !firmware.contains(&boot.firmware())
            {
                let message = format!("the disk has no boot loader for `{boot}`: its layout is not made for it");
                add("boot", at, message, "leave it out, or choose another `disk.layout`");
            }
        }
        if self.metadata.is_empty() && self.boot.as_ref().is_none_or(|boot| !boot.is_empty()) {
            let message = "an instance needs a way to get its metadata".to_owned();
            add("metadata", None, message, "name one of config-drive, openstack, nocloud; `boot: []` boots nothing");
        }
        if self.measure && self.boot.as_ref().is_some_and(Vec::is_empty) {
            let message = "`measure` needs a boot, and `boot: []` boots nothing".to_owned();
            add("measure", None, message, "name firmware in `boot`, or leave out `boot` or `measure`");
        }
        for (index, way) in self.metadata.iter().enumerate().filter(|(at, way)| self.metadata[..*at].contains(way)) {
            add("metadata", Some(index), format!("`{way}` is there twice"), "once is enough: remove one of them");
        }
        if self.memory < MEMORY.0 || self.memory > MEMORY.1 {
            let message = format!("a machine has between {} and {} of memory, not {}", MEMORY.0, MEMORY.1, self.memory);
            add("memory", None, message, "write it like 1GiB; `measure: true` finds out the least");
        }
        if let Some(cpus) = self.cpus.filter(|cpus| !(1..=CPUS).contains(cpus)) {
            let message = format!("a machine has between 1 and {CPUS} processors, not {cpus}");
            add("cpus", None, message, "2 are enough");
        }
        if let (Some(disk), Some(image)) = (self.disk, known.disk)
            && disk < image
        {
            let message = format!("the disk to boot on, {disk}, is smaller than the image, {image}");
            add("disk", None, message, "a cloud refuses that too: leave it out, or make it larger");
        }
        if let Some(Err(message)) = self.user.as_deref().map(syntax::user) {
            add("user", None, message, "leave it out for the account that cloud-init makes");
        }
        for (index, entry) in self.listen.iter().enumerate() {
            if let Err(message) = parse_listen(entry) {
                add("listen", Some(index), message, "write it like tcp/80 or udp/123");
            }
        }
        if self.deadline.is_some_and(|deadline| deadline < DEADLINE) {
            let message = "no machine is up within 10 s: every boot would fail".to_owned();
            add("deadline", None, message, "without KVM a boot takes about a minute: write it like 5min");
        }
        for (index, accept) in self.accept.iter().enumerate() {
            if accept.because.trim().is_empty() {
                let message = format!("`{}` is accepted without a reason", accept.check);
                add("accept", Some(index), message, "`because:` tells readers of the report why this is no failure");
            }
        }
        faults
    }
}

/// Returns the protocol and port of an entry of [`Verify::listen`]: `tcp/80`.
///
/// # Errors
///
/// A sentence that says what is wrong with the entry.
pub fn parse_listen(entry: &str) -> Result<(&str, u16), String> {
    let parts = entry.split_once('/').filter(|(protocol, _)| matches!(*protocol, "tcp" | "udp"));
    // `parse` takes a sign, which nobody writes before a port.
    let port = parts.and_then(|(_, port)| port.parse().ok().filter(|_| !port.starts_with('+')));
    match (parts, port) {
        (Some((protocol, _)), Some(port)) if port > 0 => Ok((protocol, port)),
        _ => Err(format!("`{entry}` is no protocol and port")),
    }
}

impl BootKind {
    /// The firmware that a disk must have a boot loader for.
    pub fn firmware(self) -> Firmware {
        match self {
            Self::Bios => Firmware::Bios,
            Self::Uefi | Self::SecureBoot => Firmware::Uefi,
        }
    }
}

/// Firmware that a machine is started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BootKind {
    /// PC BIOS (SeaBIOS).
    Bios,
    /// UEFI without Secure Boot (OVMF).
    Uefi,
    /// UEFI with Secure Boot, which starts only programs that are signed for the keys that every machine has.
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
    /// Intel 440FX, with PCI and without Secure Boot.
    Pc,
}

/// What a virtual machine may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NetworkAccess {
    /// What this host reaches, except services of this host and the metadata service of a cloud in which this host runs.
    User,
    /// What this host reaches, and services of this host, also on its loopback address.
    Host,
    /// Only the machine's own metadata service, without a default route and DNS.
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
names!(NetworkAccess { User => "user", Host => "host", Isolated => "isolated" });

#[cfg(test)]
mod tests {
    use super::*;

    fn told(verify: &Verify, known: &Known) -> Vec<(&'static str, Option<usize>)> {
        verify.faults(known).iter().map(|fault| (fault.key, fault.index)).collect()
    }

    #[test]
    fn what_cannot_work_is_told_before_it_is_tried() {
        use BootKind::{Bios, SecureBoot, Uefi};
        let good = Verify::default();
        let boot = |boot: &[BootKind]| Verify { boot: Some(boot.to_vec()), ..Verify::default() };
        let one = |key: &'static str, index| vec![(key, index)];
        let accept = Accept { check: "dhcp".to_owned(), because: " ".to_owned() };
        for (verify, expected) in [
            (good.clone(), Vec::new()),
            (boot(&[Bios, Uefi, SecureBoot]), Vec::new()),
            (boot(&[Uefi, Bios, Uefi]), one("boot", Some(2))),
            (Verify { machine: Board::Pc, ..boot(&[Bios, SecureBoot]) }, one("boot", Some(1))),
            (Verify { metadata: Vec::new(), ..good.clone() }, one("metadata", None)),
            (Verify { metadata: Vec::new(), ..boot(&[]) }, Vec::new()),
            (Verify { measure: true, ..boot(&[]) }, one("measure", None)),
            (Verify { measure: true, ..good.clone() }, Vec::new()),
            (Verify { metadata: vec![Datasource::NoCloud; 2], ..good.clone() }, one("metadata", Some(1))),
            (Verify { memory: ByteSize::mebibytes(63), ..good.clone() }, one("memory", None)),
            (Verify { cpus: Some(0), ..good.clone() }, one("cpus", None)),
            (Verify { cpus: Some(65), ..good.clone() }, one("cpus", None)),
            (Verify { user: Some("a b".to_owned()), ..good.clone() }, one("user", None)),
            (Verify { listen: vec!["tcp/80".to_owned(), "80".to_owned()], ..good.clone() }, one("listen", Some(1))),
            (Verify { deadline: Some(Duration::from_secs(9)), ..good.clone() }, one("deadline", None)),
            (Verify { accept: vec![accept], ..good.clone() }, one("accept", Some(0))),
        ] {
            assert_eq!(told(&verify, &Known::default()), expected, "{verify:?}");
        }
    }

    #[test]
    fn what_is_known_of_the_image_counts() {
        let known = Known {
            arch: Some(Arch::X86_64),
            disk: Some(ByteSize::mebibytes(3072)),
            firmware: Some(vec![Firmware::Uefi]),
        };
        let disk = |mebibytes| Verify { disk: Some(ByteSize::mebibytes(mebibytes)), ..Verify::default() };
        assert_eq!(told(&disk(3071), &known), [("disk", None)]);
        assert_eq!(told(&disk(3072), &known), []);
        let boot = Verify { boot: Some(vec![BootKind::SecureBoot, BootKind::Bios]), ..Verify::default() };
        assert_eq!(told(&boot, &known), [("boot", Some(1))]);
        let arm = Known { arch: Some(Arch::Aarch64), ..Known::default() };
        assert_eq!(told(&boot, &arm), [("boot", Some(1))]);
    }

    #[test]
    fn ports_have_a_protocol() {
        assert_eq!(parse_listen("tcp/80"), Ok(("tcp", 80)));
        assert_eq!(parse_listen("udp/65535"), Ok(("udp", 65535)));
        for entry in ["", "80", "tcp", "tcp/", "tcp/0", "tcp/65536", "tcp/+1", "icmp/1", "TCP/1", "tcp/80/81"] {
            assert!(parse_listen(entry).is_err(), "{entry}");
        }
    }
}
