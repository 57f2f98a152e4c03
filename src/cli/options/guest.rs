//! Options of guests and machines, and the host they run on.

use std::path::Path;

use clap::{Args, ValueEnum};

use crate::cli::failure::{Failure, FailureKind};
use crate::cli::settings;
use crate::guest::accel::AccelWish;
use crate::pipeline::QemuHost;
use crate::recipe::verify::NetworkAccess;
use crate::units::ByteSize;
use crate::verify::boot::Room;

/// The hidden verb that QEMU starts for each connection to the metadata service.
pub(in crate::cli) const RELAY: &str = "relay";

/// Least memory with which the guest starts.
const LEAST_MEMORY: ByteSize = ByteSize::mebibytes(256);

/// The guest.
#[derive(Debug, Clone, Args)]
pub(in crate::cli) struct GuestOptions {
    /// How the guest's processor runs
    #[arg(long, value_enum, default_value_t = AccelOption::Auto)]
    pub(in crate::cli) accel: AccelOption,
    /// Memory of the guest
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = parse_memory)]
    pub(in crate::cli) memory: ByteSize,
}

/// `--accel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum AccelOption {
    /// KVM if Goldsmith has seen a kernel run under it on this host, else TCG
    Auto,
    /// KVM; fail if it does not work
    Kvm,
    /// QEMU's emulation, which is slower
    Tcg,
}

impl AccelOption {
    /// Returns this computer as the host of guests with this memory. `cache` keeps the verdict about KVM; `sockets` is a
    /// private directory with a short name.
    pub(in crate::cli) fn host(self, memory: ByteSize, cache: &Path, sockets: &Path) -> Result<QemuHost, Failure> {
        let accel = match self {
            Self::Auto => AccelWish::Auto,
            Self::Kvm => AccelWish::Kvm,
            Self::Tcg => AccelWish::Tcg,
        };
        let program = std::env::current_exe().map_err(|error| Failure::new(FailureKind::Host, &error))?;
        Ok(QemuHost {
            accel,
            memory,
            cpus: cpus(),
            access: NetworkAccess::User,
            qemu: settings::qemu(),
            cache: cache.to_owned(),
            sockets: sockets.to_owned(),
            relay: vec![program.display().to_string(), RELAY.to_owned()],
            room: Room::default(),
        })
    }
}

/// Returns the number of the guest's processors: as the host, but at most 4, because starting more costs more time than they
/// save.
fn cpus() -> u32 {
    let count = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(count.min(4)).unwrap_or(1)
}

fn parse_memory(text: &str) -> Result<ByteSize, String> {
    match ByteSize::parse(text)? {
        size if size < LEAST_MEMORY => Err(format!("the guest does not start with less than {LEAST_MEMORY}")),
        size => Ok(size),
    }
}
