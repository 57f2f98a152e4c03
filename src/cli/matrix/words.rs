//! The words of a command line, for commands in the files of engines.

use clap::parser::ValueSource;
use clap::{ArgAction, ArgMatches, Command};

use crate::cli::failure::{Failure, FailureKind};

/// Returns the words of this process's command line, from a command of two words such as `matrix plan`, that another command takes as
/// well, without some arguments.
pub(super) fn words(matches: &ArgMatches, other: &Command, without: &[&str]) -> Result<Vec<String>, Failure> {
    let mut words = Vec::new();
    for arg in other.get_arguments() {
        let id = arg.get_id().as_str();
        let given = matches.try_contains_id(id).unwrap_or(false)
            && matches.value_source(id) == Some(ValueSource::CommandLine)
            && !without.contains(&id);
        if !given {
            continue;
        }
        let option = arg.get_long().map(|long| format!("--{long}"));
        if matches!(arg.get_action(), ArgAction::SetTrue) {
            words.extend(option);
            continue;
        }
        for value in matches.get_raw(id).into_iter().flatten() {
            let value = value
                .to_str()
                .ok_or_else(|| Failure::of(FailureKind::Usage, format!("`{}` is no UTF-8 text", value.display())))?;
            // A value may begin with a dash.
            words.push(option.as_ref().map_or(value.to_owned(), |option| format!("{option}={value}")));
        }
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words_of(line: &str, command: &[&str], without: &[&str]) -> Vec<String> {
        let mut grammar = crate::cli::grammar();
        let matches = grammar.try_get_matches_from_mut(line.split(' ')).expect("it is right");
        let (_, matrix) = matches.subcommand().expect("a command");
        let (_, plan) = matrix.subcommand().expect("a command");
        let other = command
            .iter()
            .fold(crate::cli::grammar(), |found, name| found.find_subcommand(name).expect("it is there").clone());
        words(plan, &other, without).expect("text")
    }

    #[test]
    fn commands_get_the_words_that_they_take() {
        let line = "goldsmith matrix plan a.yaml b.yaml -p x=-1 --param y=2 --memory 2GiB --for slurm --no-verify --quiet --out o";
        assert_eq!(
            words_of(line, &["build"], &["out"]),
            ["a.yaml", "b.yaml", "--param=x=-1", "--param=y=2", "--memory=2GiB", "--no-verify"]
        );
        assert_eq!(words_of(line, &["publish"], &["out"]), ["--param=x=-1", "--param=y=2"]);
    }
}
