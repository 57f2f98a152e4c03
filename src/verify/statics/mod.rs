//! Checks of the disk: what must be true of an image, judged by its files and partitions without booting it.
//!
//! All facts are gathered in a few calls of the guest; every judge is a pure function of them.

mod access;
mod boot;
mod dhcp;
mod disk;
mod drivers;
mod early;
mod efi;
mod elements;
mod examine;
mod guide;
mod hygiene;
mod leftovers;
mod netplan;
mod network;
mod rules;
mod selinux;
mod signed;
mod sshd;
mod table;
#[cfg(all(test, feature = "testing"))]
mod tests;
mod texts;
mod unit;
mod usage;
mod view;

pub use examine::{Seen, examine, examine_attached};
pub use rules::rules;
