//! Launching the guest as the command line asks for it.

use std::path::Path;
use std::sync::Arc;

use super::args::{AccelArg, Machine};
use super::settings;
use crate::event::{Event, Reporter};
use crate::guest::accel::{AccelError, AccelWish, choose_accel};
use crate::guest::libguestfs::LibguestfsGuest;
use crate::guest::{Accel, Guest, GuestConfig, GuestError};
use crate::interrupt::Interrupt;
use crate::units::ByteSize;

/// What the command line says of the guest.
#[derive(Debug, Clone, Copy)]
pub(super) struct Launcher {
    accel: AccelWish,
    memory: ByteSize,
}

impl Launcher {
    pub(super) fn new(machine: &Machine) -> Self {
        Self::with(machine.accel, machine.memory)
    }

    /// A launcher of guests with so much memory.
    pub(super) fn with(accel: AccelArg, memory: ByteSize) -> Self {
        let accel = match accel {
            AccelArg::Auto => AccelWish::Auto,
            AccelArg::Kvm => AccelWish::Kvm,
            AccelArg::Tcg => AccelWish::Tcg,
        };
        Self { accel, memory }
    }

    /// How processors are provided, and why not by KVM where they are not. What is known of this host's KVM is below
    /// `cache`.
    pub(super) fn accel(&self, cache: &Path, interrupt: &Interrupt) -> Result<(Accel, Option<String>), GuestError> {
        choose_accel(self.accel, &settings::qemu(), cache, interrupt).map_err(|error| match error {
            AccelError::Interrupted => GuestError::Interrupted,
            error => GuestError::Launch(error.to_string()),
        })
    }

    /// Launches libguestfs' appliance. What is known of this host's KVM is below `cache`, the sockets go into a short
    /// private directory.
    pub(super) fn launch(
        &self,
        network: bool,
        cache: &Path,
        socket_dir: &Path,
        reporter: &Arc<dyn Reporter>,
        interrupt: &Interrupt,
    ) -> Result<Box<dyn Guest>, GuestError> {
        let (accel, reason) = self.accel(cache, interrupt)?;
        let message = match reason {
            Some(reason) => format!("the guest runs under {accel}: {reason}"),
            None => format!("the guest runs under {accel}"),
        };
        reporter.report(&Event::Detail { message });
        let config = GuestConfig {
            accel,
            memory: self.memory,
            cpus: Machine::cpus(),
            network,
            socket_dir: socket_dir.to_owned(),
        };
        Ok(Box::new(LibguestfsGuest::launch(&config, Arc::clone(reporter), interrupt)?))
    }
}
