//! The place where a recipe's image is made.

use std::sync::Arc;

use super::args::{self, Machine};
use super::failure::{Failure, FailureKind};
use super::settings::Global;
use super::{guest, hints, network, signals};
use crate::build::Workshop;
use crate::event::Reporter;
use crate::interrupt::Interrupt;
use crate::pipeline::{QemuHost, Source};
use crate::workdir::WorkDir;

/// Directories and programs that a build works with.
pub(super) struct Place {
    /// Sockets and scratch files of this process; removed with it.
    private: WorkDir,
    /// Libguestfs and QEMU.
    pub(super) host: QemuHost,
}

impl Place {
    pub(super) fn new(machine: &Machine, global: &Global) -> Result<Self, Failure> {
        let private = WorkDir::in_tmp(&std::env::temp_dir()).map_err(|error| {
            Failure::new(FailureKind::Host, &error).hint("TMPDIR names a directory for temporary files")
        })?;
        let host = guest::host(machine.accel, machine.memory, &global.cache, private.path())?;
        Ok(Self { private, host })
    }

    /// What a build works with, ended by the signals that end a program.
    pub(super) fn workshop(&self, reporter: Arc<dyn Reporter>, global: &Global) -> Result<Workshop, Failure> {
        let interrupt = Interrupt::new();
        signals::watch(interrupt.clone()).map_err(|error| Failure::new(FailureKind::Host, &error))?;
        let made = Workshop::new(&global.cache, self.private.path(), reporter, interrupt);
        Ok(Workshop { network: network::network()?, ..made.map_err(|error| hints::store(&error))? })
    }
}

/// Reads a recipe.
pub(super) fn read(source: &args::Source, global: &Global) -> Result<Source, Failure> {
    Source::read(&source.recipe, source.load_options()?).map_err(|found| hints::recipe(&found, global))
}
