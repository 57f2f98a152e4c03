//! What is booted, and on what.

use std::path::PathBuf;

use crate::guest::Accel;
use crate::recipe::Arch;
use crate::recipe::verify::{Board, BootKind, NetworkAccess};
use crate::units::ByteSize;

/// What to boot, and on what.
#[derive(Debug, Clone)]
pub struct MachineConfig {
    /// How the processor is provided.
    pub accel: Accel,
    /// Architecture.
    pub arch: Arch,
    /// Board; other architectures than x86-64 have one only, whatever this says.
    pub board: Board,
    /// Firmware. Its variables are kept in `work`, so that they last where the same disk is booted again.
    pub boot: BootKind,
    /// Memory.
    pub memory: ByteSize,
    /// Number of processors.
    pub cpus: u32,
    /// The disk, a qcow2 overlay that is written to.
    pub disk: PathBuf,
    /// Further disks, raw and never written to: what holds the metadata.
    pub drives: Vec<PathBuf>,
    /// Address of the network card: `52:54:00:67:6f:01`.
    pub mac: String,
    /// Identity of the machine, which the guest sees as that of its instance.
    pub uuid: String,
    /// Whether the machine says that it is one of OpenStack's, as Nova's do.
    pub nova: bool,
    /// What the guest may reach.
    pub network: NetworkAccess,
    /// What answers at 169.254.169.254; nothing does if this is `None`.
    pub service: Option<Relay>,
    /// Whether the guest finds a port for the QEMU guest agent.
    pub agent: bool,
    /// A private directory of this machine, which stays with the disk.
    pub work: PathBuf,
    /// Who reads the serial console.
    pub console: Console,
}

/// A program that answers at the address of a metadata service, TCP port 80.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    /// The program, an absolute path, and its arguments. It is started for each connection, which is its standard
    /// input and output.
    pub command: Vec<String>,
}

/// Who reads the serial console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// This program: [`Machine::serial`](super::Machine::serial). The machine ends where the guest wants to start again, and is stopped where its
    /// kernel panics, so that what it shows can be looked at.
    Watched,
    /// Whoever takes [`Machine::console`](super::Machine::console). The machine starts again where the guest wants it.
    Lent,
}
