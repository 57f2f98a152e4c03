//! The rules for a running image, by subject. A file has rules, what they ask the image, and their judges.

mod access;
mod boot;
mod check;
mod disk;
mod identity;
mod list;
mod metadata;
mod network;
mod services;

pub(super) use access::{KEY, PASSWORDS};
pub(super) use boot::{BOOT_TIME, BOOTS, CONSOLE_KERNEL, CONSOLE_LOGIN, POWER_OFF, REBOOT, SECURE_BOOT};
pub(super) use check::{Expected, unit};
pub(super) use disk::UNCHANGED;
#[cfg(feature = "testing")]
pub(super) use disk::{ROOT, root_fills};
pub(super) use identity::instances;
pub use list::rules;
pub(super) use list::{Questions, first_boot, questions, second_boot};
pub(super) use metadata::only_key;
pub(super) use network::SECOND_CARD;
pub(super) use services::AGENT;
