//! The command `goldsmith man`: makes the manual pages of all commands.

use std::path::PathBuf;

use clap::{Args, Command};
use clap_mangen::Man;
use serde_json::json;

use super::visible::visible;
use crate::cli::explain::CODES;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::output::print;
use crate::cli::settings::Global;
use crate::fsx::{IoContext as _, write_atomic};

/// `goldsmith man`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ManPages {
    /// Directory for the pages of all commands; without it, the page of goldsmith itself goes to standard output
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
}

/// Writes the pages of all commands into a directory, or prints the first page.
pub(in crate::cli) fn man(args: &ManPages, grammar: &Command, global: &Global) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::new(FailureKind::Host, error);
    let date = date()?;
    let mut command = visible(grammar);
    command.build();
    let mut pages = Vec::new();
    collect(&command, &date, &mut pages).map_err(|error| failed(&error))?;
    let Some(dir) = &args.dir else {
        let text = pages.first().map(|(_, text)| text.as_str()).unwrap_or_default();
        print(text);
        return Ok(());
    };
    std::fs::create_dir_all(dir).at(dir).map_err(|error| failed(&error))?;
    for (file, text) in &pages {
        write_atomic(&dir.join(file), text.as_bytes()).map_err(|error| failed(&error))?;
    }
    let files: Vec<_> = pages.iter().map(|(file, _)| dir.join(file)).collect();
    print(&match global.json {
        true => format!("{}\n", json!({ "pages": files })),
        false => format!("{}: {} pages; `man -l {}` shows the first\n", dir.display(), pages.len(), files[0].display()),
    });
    Ok(())
}

/// Adds the page of a command and those of its commands.
fn collect(command: &Command, date: &str, pages: &mut Vec<(String, String)>) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).replace(' ', "-");
    let mut page = Vec::new();
    let source = format!("goldsmith {}", env!("CARGO_PKG_VERSION"));
    let top = pages.is_empty();
    Man::new(command.clone())
        .title(name.to_uppercase())
        .section("1")
        .date(date)
        .source(source)
        .manual("Goldsmith")
        .render(&mut page)?;
    let mut text = smooth(&String::from_utf8_lossy(&page));
    if top {
        text.push_str(&ending());
    } else {
        text.push_str(".SH \"SEE ALSO\"\n\\fBgoldsmith\\fR(1)\n");
    }
    pages.push((format!("{name}.1"), text));
    for command in command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help") {
        collect(command, date, pages)?;
    }
    Ok(())
}

/// Returns the day that the pages name: that of the source in a package, so that the same source makes the same pages, else today.
fn date() -> Result<String, Failure> {
    let time = match std::env::var("SOURCE_DATE_EPOCH") {
        Err(_) => jiff::Timestamp::now(),
        Ok(text) => {
            let time = text.parse().ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
            time.ok_or_else(|| {
                Failure::of(
                    FailureKind::Usage,
                    format!("SOURCE_DATE_EPOCH is `{text}`, and not a number of seconds since 1970"),
                )
            })?
        }
    };
    Ok(format!("{time:.0}").chars().take("2026-11-30".len()).collect())
}

/// Writes a break between paragraphs once, and not as a break of lines, an empty line and another break, of which readers complain.
fn smooth(page: &str) -> String {
    page.replace("\n.br\n\n.br\n", "\n.sp\n")
}

/// Returns the sections that the grammar does not have.
fn ending() -> String {
    let mut text = ".SH \"EXIT STATUS\"\n".to_owned();
    for code in &CODES {
        text.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", code.number, code.meaning));
    }
    text.push_str(".SH FILES\n.TP\n\\fI~/.cache/goldsmith\\fR\nLayers, packages, base images and records of builds.\n");
    text.push_str(".TP\n\\fIout/NAME\\fR\nThe artifacts of the image NAME.\n");
    text
}
