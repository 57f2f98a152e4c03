//! What people see: the only folder that knows terminals, colours, the environment and exit codes.

mod args;
mod bench;
mod build;
mod cache;
mod convert;
mod diff;
mod distros;
pub mod doctor;
mod elements;
pub mod failure;
mod guest;
mod hints;
mod images;
mod inspect;
pub mod jsonl;
pub mod logfile;
mod network;
mod on_failure;
mod place;
mod plan;
pub mod progress;
mod publish;
mod run;
mod settings;
mod signals;
pub mod terminal;
mod verify;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Arguments, SchemaFormat, Verb};
use failure::{Failure, FailureKind};
use settings::Global;
use terminal::Terminal;

/// Reads the command line, does what it says and tells how it ended.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") => {
            let text = error.render().to_string();
            let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
            let failure = Failure::of(FailureKind::Usage, message).hint("`--help` lists the options");
            print(&format!("{}\n", failure.to_json()));
            return ExitCode::from(failure.kind.exit_code());
        }
        Err(error) => error.exit(),
    };
    let terminal = Terminal::of_stderr();
    let json = arguments.json;
    keep_secrets();
    match execute(arguments, terminal) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if json {
                print(&format!("{}\n", failure.to_json()));
            } else {
                // Who closed standard error does not want to know.
                let _ = std::io::stderr().write_all(failure.to_text(terminal).as_bytes());
            }
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

/// Every command, argument and option. The documentation is made from this and compared with it.
pub fn grammar() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// This process has secrets of its user and of images: it leaves no core dump, nor do the children that libraries start,
/// and its own children do not see the credentials in its environment.
fn keep_secrets() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Core).maximum;
    // Lowering a limit is allowed to everybody.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
    let names = std::env::vars_os().map(|(name, _)| name);
    crate::process::withhold(names.filter(|name| crate::process::names_credential(name)));
}

/// Does what the command line says, and returns the exit code.
fn execute(arguments: Arguments, terminal: Terminal) -> Result<u8, Failure> {
    // It needs nothing of the rest, and QEMU may give it no environment.
    if let Verb::Relay { socket } = &arguments.command {
        return relay(socket);
    }
    let global = Global::new(arguments.cache, arguments.json, terminal)?;
    let done = match arguments.command {
        Verb::Build(args) => build::build(&args, &global),
        Verb::Plan(args) => plan::plan(&args, &global),
        Verb::Validate(args) => elements::validate(&args, &global),
        Verb::Inspect(args) => inspect::run(&args, &global),
        Verb::Verify(args) => return verify::verify(&args, &global),
        Verb::Run(args) => run::run(&args, &global),
        Verb::Publish(args) => publish::publish(&args, &global),
        Verb::Images(args) => images::images(&args, &global),
        Verb::Elements(args) => elements::elements(&args, &global),
        Verb::Distros(args) => distros::distros(&args, &global),
        Verb::Convert(args) => convert::run(&args, &global),
        Verb::Cache(args) => cache::cache(&args.command, &global),
        Verb::Schema { format, distros } => distros::known(&distros, &global).map(|known| {
            let schema = match format {
                SchemaFormat::Recipe => crate::recipe::json_schema::recipe_schema(&known),
                SchemaFormat::Element => crate::recipe::json_schema::element_schema(&known),
                SchemaFormat::Distro => crate::recipe::json_schema::distro_schema(),
            };
            print(&format!("{schema:#}\n"));
        }),
        Verb::Doctor => doctor::run(&global),
        Verb::Relay { socket } => return relay(&socket),
        Verb::Diff(args) => {
            let same = diff::diff(&args, &global)?;
            return Ok(if same { failure::exit::OK } else { failure::exit::DIFFERENT });
        }
    };
    done.map(|()| failure::exit::OK)
}

/// Connects standard input and output with a metadata service.
fn relay(socket: &std::path::Path) -> Result<u8, Failure> {
    crate::metadata::relay(socket, std::io::stdin(), std::io::stdout()).map(|()| failure::exit::OK).map_err(|error| {
        Failure::of(FailureKind::Host, format!("cannot relay to the metadata service `{}`: {error}", socket.display()))
    })
}

/// Writes a result to standard output. A reader that went away, as `head` does, is no failure.
fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}

/// Text in columns, each as wide as its widest cell; the last one is as long as it is.
fn columns(rows: &[Vec<String>]) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|i| rows.iter().filter_map(|row| row.get(i)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}
