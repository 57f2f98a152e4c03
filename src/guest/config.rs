//! The settings for launching a guest.

use std::fmt;
use std::path::PathBuf;

/// The accelerator of the guest's processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// Hardware virtualisation by the Linux kernel.
    Kvm,
    /// QEMU's translator: works everywhere.
    Tcg,
}

impl fmt::Display for Accel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kvm => "KVM",
            Self::Tcg => "TCG",
        })
    }
}

/// The settings for launching a guest.
#[derive(Debug, Clone)]
pub struct GuestConfig {
    /// Acceleration to use.
    pub accel: Accel,
    /// Memory of the guest.
    pub memory: crate::units::ByteSize,
    /// Number of processors.
    pub cpus: u32,
    /// The access of programs that use the network. If this is `None`, the guest has no network interface. The link is up only
    /// while such a program runs.
    pub network: Option<crate::recipe::verify::NetworkAccess>,
    /// The emulator for programs of the image, if their architecture is not the host's.
    pub emulator: Option<super::Emulator>,
    /// Directory for the guest's sockets. It has a short path and is private. Its creator removes it.
    pub socket_dir: PathBuf,
}
