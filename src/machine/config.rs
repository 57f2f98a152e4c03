//! The configuration of a machine: the disk that it boots, its hardware and its network.

use std::path::PathBuf;

use crate::guest::Accel;
use crate::recipe::Arch;
use crate::recipe::verify::{Board, BootKind, NetworkAccess};
use crate::units::ByteSize;

/// The configuration of a machine: its disk, hardware and network.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// Provider of the processor: KVM or emulation.
    pub accel: Accel,
    /// Architecture of the machine.
    pub arch: Arch,
    /// Board, for x86-64. Other architectures have only one.
    pub board: Board,
    /// Firmware. Its variables are kept in `work`, so that they survive until the same disk boots again.
    pub boot: BootKind,
    /// Memory of the machine.
    pub memory: ByteSize,
    /// Number of processors.
    pub cpus: u32,
    /// Disk: a qcow2 overlay that the guest writes to.
    pub disk: PathBuf,
    /// Further disks, raw and read-only, with the metadata.
    pub drives: Vec<PathBuf>,
    /// A kernel that the machine starts instead of what is on its disks.
    pub kernel: Option<Kernel>,
    /// Disc in the drive for CDs and DVDs, from which the machine starts if nothing on its disk can be started.
    pub disc: Option<PathBuf>,
    /// Address of the network card: `52:54:00:67:6f:01`.
    pub mac: String,
    /// UUID of the machine, which the guest sees as that of its instance.
    pub uuid: String,
    /// Whether the machine identifies itself as one of OpenStack Nova.
    pub nova: bool,
    /// Networks that the guest may reach.
    pub network: NetworkAccess,
    /// Program that answers at 169.254.169.254; `None` for no answer.
    pub service: Option<Relay>,
    /// Whether the guest has a port for the QEMU guest agent.
    pub agent: bool,
    /// Private directory of this machine, which is kept with the disk.
    pub work: PathBuf,
    /// Reader of the serial console.
    pub console: Console,
}

/// A kernel outside of the disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// File with the kernel.
    pub file: PathBuf,
    /// File with its initial RAM disk.
    pub initrd: PathBuf,
    /// Command line of the kernel.
    pub arguments: String,
}

/// A program that answers at the address of a metadata service, TCP port 80.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// The program, an absolute path, and its arguments. Each connection starts it, and is its standard input and output.
    pub command: Vec<String>,
}

/// The reader of the serial console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// This program, by [`Machine::serial`](super::Machine::serial). When the guest restarts, the machine ends; when its kernel
    /// panics, the machine stops, so that its screen can be inspected.
    Watched,
    /// A person or program that takes [`Machine::console`](super::Machine::console). The guest may restart.
    Lent,
}
