//! The command line: the only module that knows terminals, colours, the environment and exit codes.
//!
//! [`main`] reads the command line and runs a command. Each command has its own module, with its arguments; `options` has the
//! arguments that several commands share.

mod arguments;
mod artifact;
mod bases;
mod booting;
mod build;
mod build_host;
mod cache;
mod cloud;
mod config;
mod convert;
mod diff;
mod dispatch;
mod distros;
mod doctor;
mod element_test;
mod elements;
mod exec;
mod explain;
pub mod failure;
mod graph;
mod hints;
mod history;
mod image_session;
mod images;
mod init;
mod inspect;
mod installing;
pub mod jsonl;
mod lacking;
pub mod logfile;
mod matrix;
mod network;
mod options;
mod output;
mod parse;
mod plan;
pub mod progress;
mod publish;
mod remote_cache;
mod run;
mod settings;
mod shell;
mod signals;
mod telemetry;
pub mod terminal;
mod validate;
mod verify;
mod version;
mod view;

pub use config::{Setting, settings_of_files};
pub use dispatch::{grammar, main};
