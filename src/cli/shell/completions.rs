//! The command `goldsmith completions`: prints what a shell needs to complete commands and options.

use clap::{Args, Command, ValueEnum};
use clap_complete::Shell;

use super::visible::visible;
use crate::cli::output::print;

/// `goldsmith completions`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: ShellName,
}

/// A shell.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum ShellName {
    /// Put the result into ~/.local/share/bash-completion/completions/goldsmith
    Bash,
    /// Put the result into a directory of $fpath, as _goldsmith
    Zsh,
    /// Put the result into ~/.config/fish/completions/goldsmith.fish
    Fish,
}

/// Prints the completions for a shell.
pub(in crate::cli) fn completions(args: &Completions, grammar: &Command) {
    let shell = match args.shell {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut visible(grammar), "goldsmith", &mut text);
    print(&String::from_utf8_lossy(&text));
}
