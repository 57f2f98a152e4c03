//! The host of guests and machines, as the command line asks for it.

use std::path::Path;

use super::args::{AccelArg, Machine};
use super::failure::{Failure, FailureKind};
use super::settings;
use crate::guest::accel::AccelWish;
use crate::pipeline::QemuHost;
use crate::recipe::verify::NetworkAccess;
use crate::units::ByteSize;

/// The hidden verb that QEMU starts for each connection to the metadata service.
pub(super) const RELAY: &str = "relay";

/// This computer, for guests with so much memory. `cache` notes what is known of its KVM; sockets go into a private
/// directory with a short name.
pub(super) fn host(accel: AccelArg, memory: ByteSize, cache: &Path, sockets: &Path) -> Result<QemuHost, Failure> {
    let accel = match accel {
        AccelArg::Auto => AccelWish::Auto,
        AccelArg::Kvm => AccelWish::Kvm,
        AccelArg::Tcg => AccelWish::Tcg,
    };
    let program = std::env::current_exe().map_err(|error| Failure::new(FailureKind::Host, &error))?;
    Ok(QemuHost {
        accel,
        memory,
        cpus: Machine::cpus(),
        access: NetworkAccess::User,
        qemu: settings::qemu(),
        cache: cache.to_owned(),
        sockets: sockets.to_owned(),
        relay: vec![program.display().to_string(), RELAY.to_owned()],
    })
}
