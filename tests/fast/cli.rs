//! The program as a user meets it: what it says, where it says it, and how it ends. No guest is started.

mod bases;
mod begin;
mod cache;
mod configuration;
mod convert;
mod diffs;
mod explain;
mod fetching;
mod files;
mod first_minutes;
mod foreign;
mod hints;
mod history;
mod images;
mod inspect;
mod limits;
mod managing;
mod mirrors;
mod recipes;
mod relay;
mod run;
mod sandbox;
mod shell;
mod trees;
mod verbs;
mod verify;
