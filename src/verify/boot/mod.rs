//! Checks of the running image: Goldsmith boots an image in QEMU as a cloud would, logs in, and looks.
//!
//! Each profile is a separate instance, on a temporary overlay. The first instance is also rebooted with another network card. If
//! there is only one profile, a second instance is booted for comparison. On request, further instances are booted with less
//! memory and disk, until one does not come up.

mod answers;
mod down;
mod error;
mod guest;
mod job;
mod judge;
mod login;
mod measure;
mod probe;
mod profiles;
mod room;
mod rules;
mod run;
mod schedule;
#[cfg(feature = "testing")]
mod seam;
mod settings;

pub use error::BootError;
pub use profiles::profiles;
pub use room::{Room, fair_cpus};
pub use rules::rules;
pub use schedule::{boot, machines};
#[cfg(feature = "testing")]
pub use seam::root_seen;
pub use settings::{Booted, GROWTH, Settings};
