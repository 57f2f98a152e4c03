//! Gives all files of the final image their labels of SELinux.

use std::collections::BTreeMap;

use super::{ActionError, Executor};
use crate::distro::mechanism::Relabel;
use crate::inspect::selinux;

/// What the final step does if the image turns SELinux on.
const LABELS: &str = include_str!("labels.sh");

impl Executor<'_> {
    /// Gives every file the label that the image's own policy says, if the image turns SELinux on and has a policy. Labels that are
    /// right stay as they are.
    pub fn label(&mut self) -> Result<(), ActionError> {
        let label = "label files for SELinux";
        if self.mechanisms.relabel == Relabel::None {
            return Ok(());
        }
        let Some(policy) = selinux::policy(&self.text(label, selinux::CONFIG)?) else { return Ok(()) };
        let contexts = selinux::contexts(&policy);
        // Without a policy, no file can have a label, and a check of the image says so.
        if !self.exists(label, &contexts)? {
            return Ok(());
        }
        let script = format!("#!/bin/sh\nset -eu\n{LABELS}");
        let env = BTreeMap::from([("LC_ALL".to_owned(), "C".to_owned())]);
        self.program(label, script.as_bytes(), &[contexts], env, false, None).map_err(ActionError::explained)
    }
}
