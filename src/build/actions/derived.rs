//! Makes derived files again, such as the initramfs, if the build has changed files that they depend on.
//!
//! Every action may change such a file, and a plan does not show what `run` and packages change. So a script looks at the image:
//! it marks the state of the base before the first change, and compares at the end of `finish` and of the last step.

use std::collections::BTreeMap;

use super::program::UNDONE;
use super::{ActionError, Executor};
use crate::plan::Derived;

/// How the image gets its initramfs, as the element `kernel` does it.
const INITRAMFS: &str = include_str!("../../../elements/kernel/scripts/initramfs.sh");

/// How it gets the boot menu, as the element `bootloader` does it.
const GRUB: &str = include_str!("../../../elements/bootloader/scripts/configure.sh");

/// What tells of packages that are not installed as they should be.
pub(super) const PACKAGES: &str = include_str!("packages.sh");

/// The table of what is derived from what.
const TABLE: &str = include_str!("derived.sh");

impl Executor<'_> {
    /// Notes that everything derived is as the base has it, before anything changes.
    pub fn note_derived(&mut self) -> Result<(), ActionError> {
        self.look_at_derived("note what the base has", "note", None)
    }

    /// Makes everything again that is older than what it is made of, and looks at it.
    pub(super) fn make_derived(&mut self, derived: &Derived) -> Result<(), ActionError> {
        self.look_at_derived("make again what is derived from changed files", "make", derived.grub.as_deref())
    }

    fn look_at_derived(&mut self, label: &str, mode: &str, grub: Option<&str>) -> Result<(), ActionError> {
        // An image that has no shell has no program that makes anything.
        if !self.exists(label, "/bin/sh")? {
            return Ok(());
        }
        let mechanisms = serde_json::json!(self.mechanisms);
        let mechanisms = mechanisms.as_object().into_iter().flatten();
        let mut env: BTreeMap<_, _> = mechanisms
            .map(|(key, value)| (key.to_uppercase(), value.as_str().unwrap_or_default().to_owned()))
            .collect();
        env.insert("GRUB".to_owned(), grub.unwrap_or_default().to_owned());
        let parts = [("initramfs", INITRAMFS), ("grub", GRUB), ("packages", PACKAGES)];
        let functions: String = parts.iter().map(|(name, lines)| format!("{name}() (\n{lines}\n)\n")).collect();
        let script = format!("#!/bin/sh\nset -eu\n{functions}{TABLE}");
        self.program(label, script.as_bytes(), &[mode.to_owned()], env, false, None).map_err(ActionError::explained)
    }
}

impl ActionError {
    /// The error of a script that says in its last line what it could not do, and ends with [`UNDONE`].
    pub(super) fn explained(self) -> Self {
        match self {
            Self::Status { action, status: UNDONE, mut tail, .. } => {
                Self::Undone { action, message: tail.pop().unwrap_or_default(), tail }
            }
            error => error,
        }
    }
}
