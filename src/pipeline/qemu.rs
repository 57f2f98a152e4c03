//! The real host, which runs guests with libguestfs and boots images with QEMU.

use std::path::PathBuf;
use std::sync::Arc;

use super::host::{BootRequest, Host, HostError};
use crate::base::{self, InstallError, InstallRequest};
use crate::event::{Event, Reporter};
use crate::guest::accel::{AccelError, AccelWish, choose_accel};
use crate::guest::libguestfs::LibguestfsGuest;
use crate::guest::{Accel, Emulator, Guest, GuestConfig, GuestError};
use crate::interrupt::Interrupt;
use crate::recipe::Arch;
use crate::recipe::verify::{NetworkAccess, Verify};
use crate::units::ByteSize;
use crate::verify::boot::{self, Booted, Room, Settings};
use crate::workdir::WorkDir;

/// This computer, with QEMU and libguestfs.
#[derive(Debug, Clone)]
pub struct QemuHost {
    /// Wanted way to run virtual machines: KVM or emulation.
    pub accel: AccelWish,
    /// Memory of guests.
    pub memory: ByteSize,
    /// Processors of guests.
    pub cpus: u32,
    /// Network access of programs in guests.
    pub access: NetworkAccess,
    /// QEMU program for this computer's architecture.
    pub qemu: PathBuf,
    /// The cache, which stores the result of the KVM probe. Virtual machines write below its `tmp`.
    pub cache: PathBuf,
    /// A private directory with a short path, for sockets.
    pub sockets: PathBuf,
    /// Command that connects its standard input and output to a Unix socket. The socket's path is added as last argument. Virtual
    /// machines with a metadata service need it.
    pub relay: Vec<String>,
    /// Room for virtual machines that boot images.
    pub room: Room,
}

impl QemuHost {
    /// Returns how virtual machines run, and the reason if it is not KVM.
    ///
    /// # Errors
    ///
    /// If KVM is wanted but does not work, or if the user interrupts the probe.
    pub fn accel(&self, interrupt: &Interrupt) -> Result<(Accel, Option<String>), GuestError> {
        choose_accel(self.accel, &self.qemu, &self.cache, interrupt).map_err(|error| match error {
            AccelError::Interrupted => GuestError::Interrupted,
            error => GuestError::Launch(error.to_string()),
        })
    }
}

impl QemuHost {
    /// Returns how a machine of this architecture runs: KVM runs no other processor's code than the host's.
    ///
    /// # Errors
    ///
    /// As [`QemuHost::accel`].
    pub fn accel_for(&self, arch: Arch, interrupt: &Interrupt) -> Result<Accel, GuestError> {
        if Arch::host() == Some(arch) { Ok(self.accel(interrupt)?.0) } else { Ok(Accel::Tcg) }
    }
}

impl Host for QemuHost {
    fn launch(
        &self,
        arch: Option<Arch>,
        network: bool,
        reporter: &Arc<dyn Reporter>,
        interrupt: &Interrupt,
    ) -> Result<Box<dyn Guest>, GuestError> {
        let (accel, reason) = self.accel(interrupt)?;
        let message = match reason {
            Some(reason) => format!("the guest runs under {accel}: {reason}"),
            None => format!("the guest runs under {accel}"),
        };
        reporter.report(&Event::Detail { message });
        let emulator =
            arch.map(Emulator::of).transpose().map_err(|error| GuestError::Launch(error.to_string()))?.flatten();
        if let Some(emulator) = &emulator {
            let program = emulator.program.display();
            let message = format!("programs for {} run under {program}", emulator.arch.name());
            reporter.report(&Event::Detail { message });
        }
        let socket_dir = self.sockets.clone();
        let network = network.then_some(self.access);
        let config = GuestConfig { accel, memory: self.memory, cpus: self.cpus, network, emulator, socket_dir };
        Ok(Box::new(LibguestfsGuest::launch(&config, Arc::clone(reporter), interrupt)?))
    }

    fn install(
        &self,
        request: &InstallRequest<'_>,
        reporter: &Arc<dyn Reporter>,
        interrupt: &Interrupt,
    ) -> Result<(), InstallError> {
        let accel = self.accel_for(request.arch, interrupt)?;
        let message = format!("the installer runs under {accel}");
        reporter.report(&Event::Detail { message });
        let work = WorkDir::create(&self.cache.join("tmp"), "install-")?;
        base::install(request, accel, work.path(), &**reporter, interrupt)
    }

    fn boot(&self, request: &BootRequest<'_>) -> Result<Option<Booted>, HostError> {
        let profiles = boot::profiles(request.verify, request.subject);
        if profiles.is_empty() {
            return Ok(None);
        }
        let arch = request.subject.arch.as_deref().and_then(Arch::of_kernel);
        // Without an architecture, this host's own is better than none.
        let arch = arch.or_else(Arch::host).unwrap_or(Arch::X86_64);
        let accel = self.accel_for(arch, request.interrupt)?;
        let cpus = request.verify.cpus.unwrap_or_else(|| boot::fair_cpus(accel, boot::machines(&profiles)));
        let verify = Verify { cpus: Some(cpus), ..request.verify.clone() };
        // Instances write gigabytes, more than the directory of small files may hold.
        let work = WorkDir::create(&self.cache.join("tmp"), "verify-")?;
        let settings = Settings {
            image: request.image,
            local: request.local,
            verify: &verify,
            profiles: &profiles,
            checks: request.checks,
            subject: request.subject,
            arch,
            accel,
            relay: &self.relay,
            work: work.path(),
            sockets: &self.sockets,
            room: &self.room,
            reporter: request.reporter,
            interrupt: request.interrupt,
        };
        Ok(Some(boot::boot(&settings)?))
    }
}
