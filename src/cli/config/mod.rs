//! Settings of users and projects, in files and variables, and the command `goldsmith config`.

mod command;
mod keys;
mod options;
mod place;
mod reading;
mod reference;
mod settings;

pub(super) use command::{Config, config, schema};
pub use reference::{Setting, settings_of_files};
pub(super) use settings::Settings;
