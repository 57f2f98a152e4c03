//! The request for an installation.

use std::collections::BTreeMap;
use std::path::Path;

use crate::plan::InstallerPlan;
use crate::recipe::Arch;

/// A request for a disk that an installer makes.
#[derive(Clone, Copy)]
pub struct InstallRequest<'a> {
    /// The installer and its answers.
    pub plan: &'a InstallerPlan,
    /// Architecture of the machine.
    pub arch: Arch,
    /// Values of secrets for the answer file.
    pub secrets: &'a BTreeMap<String, Vec<u8>>,
    /// The proxy of this host's environment for addresses that begin with `http:`.
    pub proxy: Option<&'a str>,
    /// The disk: an empty qcow2 file. A failure leaves a part of a system on it.
    pub target: &'a Path,
}

impl std::fmt::Debug for InstallRequest<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InstallRequest").field("plan", &self.plan).field("target", &self.target).finish_non_exhaustive()
    }
}
