//! Gives settings to the options of the command line, as their defaults, and lets the options check values.

use clap::Command;
use clap::error::ErrorKind;
use clap::error::{ContextKind, ContextValue};
use serde_json::Value as Json;

use super::keys::{EVERY, KEYS, Key};
use super::place::Entries;

/// Returns a value as the words of a command line.
pub(super) fn words(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns what is wrong with a value, as the option says it that the key stands for.
pub(super) fn complaint(key: &Key, value: &Json, grammar: &Command) -> Option<String> {
    let (option, commands) = key.option?;
    let command = *commands.first()?;
    if value.is_boolean() {
        return None;
    }
    let mut given = vec!["goldsmith".to_owned()];
    given.extend((command != EVERY).then(|| command.to_owned()));
    given.push(format!("--{option}={}", words(value)));
    // Whatever the command lacks is no fault of the value.
    let error = grammar.clone().try_get_matches_from(given).err()?;
    if ![ErrorKind::InvalidValue, ErrorKind::ValueValidation].contains(&error.kind()) {
        return None;
    }
    let text = error.render().to_string();
    let first = text.lines().next().unwrap_or_default();
    let reason = first.split_once(">': ").map(|(_, reason)| reason.to_owned());
    let known = match error.get(ContextKind::ValidValue) {
        Some(ContextValue::Strings(words)) => Some(format!("known here: {}", words.join(", "))),
        _ => None,
    };
    let about = reason.or(known).unwrap_or_else(|| "it cannot be used".to_owned());
    Some(format!("`{}`: {about}", words(value)))
}

/// Returns the command line's grammar, with these values as defaults of options.
pub(super) fn with_defaults(mut command: Command, entries: &Entries) -> Command {
    for key in KEYS {
        let (Some((option, commands)), Some(entry)) = (key.option, entries.get(key.name)) else { continue };
        for name in commands {
            let value = words(&entry.value);
            let set = |command: Command| {
                let id =
                    command.get_arguments().find(|arg| arg.get_long() == Some(option)).map(|arg| arg.get_id().clone());
                match id {
                    Some(id) => command.mut_arg(id, |arg| arg.default_value(value)),
                    None => command,
                }
            };
            command = if *name == EVERY { set(command) } else { command.mut_subcommand(name, set) };
        }
    }
    command
}
