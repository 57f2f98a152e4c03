//! Commands and their options, from the command line itself.

use clap::{Arg, ArgAction, Command};
use goldsmith::cli::grammar;

use super::generated::{head, row};

/// Every command that people type, from the first word on: `goldsmith cache gc`.
fn all() -> Vec<(String, Command)> {
    fn add(prefix: &str, command: &Command, found: &mut Vec<(String, Command)>) {
        for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = format!("{prefix} {}", command.get_name());
            found.push((name.clone(), command.clone()));
            add(&name, command, found);
        }
    }
    let mut found = Vec::new();
    add("goldsmith", &grammar(), &mut found);
    found
}

fn anchor(name: &str) -> String {
    name.replace(' ', "-")
}

/// A list of the commands.
pub(crate) fn table() -> String {
    let mut text = head(["command", "what it does"]);
    for (name, command) in all() {
        text.push_str(&row([&format!("[`{name}`](#{})", anchor(&name)), &about(&command)]));
    }
    text
}

/// Each command with its arguments and options, those of all commands first.
pub(crate) fn options() -> String {
    let mut text = format!("## Options of every command\n\n{}\n", arguments(&grammar(), |_| true));
    for (name, command) in all() {
        text.push_str(&format!("## `{name}`\n\n{}\n\n", about(&command)));
        let usage: Vec<String> = command
            .get_positionals()
            .map(|arg| if arg.is_required_set() { placeholder(arg) } else { format!("[{}]", placeholder(arg)) })
            .collect();
        let usage = if command.has_subcommands() { vec!["COMMAND".to_owned()] } else { usage };
        let usage = [vec![name, "[OPTIONS]".to_owned()], usage].concat().join(" ");
        text.push_str(&format!("```text\n{usage}\n```\n\n"));
        let own = arguments(&command, |arg| !arg.get_id().as_str().starts_with("help"));
        if own.lines().count() > 2 {
            text.push_str(&format!("{own}\n"));
        }
    }
    text
}

fn about(command: &Command) -> String {
    command.get_about().map(|about| format!("{about}.")).unwrap_or_default()
}

fn placeholder(arg: &Arg) -> String {
    let names: Vec<_> = arg.get_value_names().into_iter().flatten().map(|name| name.to_string()).collect();
    if names.is_empty() { arg.get_id().as_str().to_uppercase() } else { names.join(" ") }
}

fn arguments(command: &Command, wanted: impl Fn(&Arg) -> bool) -> String {
    let mut text = head(["argument", "default", "meaning"]);
    for arg in command.get_arguments().filter(|arg| !arg.is_hide_set() && wanted(arg)) {
        let takes_value = matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
        let mut name = match (arg.get_short(), arg.get_long()) {
            (Some(short), Some(long)) => format!("-{short}, --{long}"),
            (Some(short), None) => format!("-{short}"),
            (None, Some(long)) => format!("--{long}"),
            (None, None) => placeholder(arg),
        };
        if takes_value && arg.get_long().is_some() {
            name.push_str(&format!(" {}", placeholder(arg)));
        }
        let help = arg.get_long_help().or(arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let (help, told) = match help.split_once(" [default: ") {
            Some((help, default)) => (help.to_owned(), default.trim_end_matches(']').to_owned()),
            None => (help, String::new()),
        };
        let defaults: Vec<_> = arg.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
        let default = match (takes_value, defaults.is_empty()) {
            (true, false) => format!("`{}`", defaults.join(", ")),
            _ => told,
        };
        text.push_str(&row([&format!("`{name}`"), &default, &format!("{}{}.", help.replace('\n', " "), choices(arg))]));
    }
    text
}

/// The words that an argument knows, with their meanings.
fn choices(arg: &Arg) -> String {
    if !matches!(arg.get_action(), ArgAction::Set | ArgAction::Append) {
        return String::new();
    }
    let values: Vec<_> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set())
        .map(|value| {
            let help = value.get_help().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("`{}`{help}", value.get_name())
        })
        .collect();
    if values.is_empty() { String::new() } else { format!(": {}", values.join(", ")) }
}
