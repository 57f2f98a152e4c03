//! How a guest is launched.

use std::fmt;
use std::path::PathBuf;

/// How the guest's processor is provided.
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

/// How to launch a guest.
#[derive(Debug, Clone)]
pub struct GuestConfig {
    /// Acceleration to use.
    pub accel: Accel,
    /// Memory of the guest.
    pub memory: crate::units::ByteSize,
    /// Number of processors.
    pub cpus: u32,
    /// What programs may reach that use the network; the guest has no network interface if this is `None`. Its link is
    /// down but while such a program runs.
    pub network: Option<crate::recipe::verify::NetworkAccess>,
    /// Directory for the guest's sockets; short, private, removed by whoever made it.
    pub socket_dir: PathBuf,
}
