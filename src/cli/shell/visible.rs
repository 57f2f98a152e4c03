//! The commands that people type.

use clap::Command;

/// Returns the grammar without commands that only other programs run.
pub(super) fn visible(whole: &Command) -> Command {
    let mut command = Command::new("goldsmith").version(env!("CARGO_PKG_VERSION")).disable_help_subcommand(true);
    if let Some(about) = whole.get_about() {
        command = command.about(about.clone());
    }
    command = command.args(whole.get_arguments().cloned());
    command.subcommands(whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned())
}
