//! What a shell and `man` know about the program, made from the command line itself: `goldsmith completions` and `goldsmith man`.

mod completions;
mod man;
mod visible;

pub(super) use completions::{Completions, completions};
pub(super) use man::{ManPages, man};
