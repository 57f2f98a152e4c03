//! The entry point: reads the command line, runs the command and returns its exit code.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::{FromArgMatches as _, Parser as _};

use super::arguments::{Arguments, SchemaFormat, Verb};
use super::config::Settings;
use super::failure::{self, Failure, FailureKind};
use super::output::{check, is_begun, note, print};
use super::settings::Global;
use super::terminal::{Style, Terminal, Verbosity};
use super::{
    artifact, bases, build, cache, config, convert, diff, distros, doctor, element_test, elements, exec, explain,
    hints, history, images, init, inspect, jsonl, matrix, plan, publish, run, shell, validate, verify, version,
};

/// Reads the command line, runs the command, and returns its exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") => {
            let text = error.render().to_string();
            let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
            let failure = Failure::of(FailureKind::Usage, message).hint("`--help` lists the options");
            print_failure(&failure);
            return ExitCode::from(failure.kind.exit_code());
        }
        Err(error) if error.use_stderr() => error.exit(),
        Err(asked) if version::is_long(&asked) => {
            print(&version::long());
            return ended(Ok(failure::exit::OK), false, Terminal::of_stderr());
        }
        // The user asked for help or the version.
        Err(help) => {
            note(help.print());
            return ended(Ok(failure::exit::OK), false, Terminal::of_stderr());
        }
    };
    // Settings are defaults of options. Which files count is known when the command line was read.
    let (arguments, settings) = match configured(arguments) {
        Ok(configured) => configured,
        Err(failure) => {
            let json = std::env::args_os().any(|argument| argument == "--json");
            return ended(Err(failure), json, Terminal::of_stderr());
        }
    };
    let wished = |terminal: Terminal| terminal.wished(arguments.color, arguments.verbosity());
    let (stderr, stdout) = (wished(Terminal::of_stderr()), wished(Terminal::of_stdout()));
    let json = arguments.json;
    keep_secrets();
    if stderr.verbosity != Verbosity::Quiet {
        let warning = |note: &String| format!("{} {note}\n", stderr.paint(Style::Yellow, "warning:"));
        let text: String = settings.notes.iter().map(warning).collect();
        // Standard error may be closed: then nobody wants the text.
        let _ = std::io::stderr().write_all(text.as_bytes());
    }
    ended(execute(arguments, (stderr, stdout), settings), json, stderr)
}

/// Shows why a command failed, and returns the exit code. A command also fails if its output could not be written.
fn ended(result: Result<u8, Failure>, json: bool, terminal: Terminal) -> ExitCode {
    let written = check();
    // A standard output that takes no results takes no failures either.
    let json = json && written.is_ok();
    match result.and_then(|code| written.map(|()| code)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if json {
                print_failure(&failure);
            } else {
                // Standard error may be closed: then nobody wants the text.
                let _ = std::io::stderr().write_all(failure.to_text(terminal).as_bytes());
            }
            ExitCode::from(failure.kind.exit_code())
        }
    }
}

/// Prints a failure for programs. If the command has printed nothing yet, the line that begins the output comes first.
fn print_failure(failure: &Failure) {
    let begin = if is_begun() { String::new() } else { format!("{}\n", jsonl::first_line()) };
    print(&format!("{begin}{}\n", failure.to_json()));
}

/// Reads variables and configuration files, and the command line once more with their values as defaults.
fn configured(arguments: Arguments) -> Result<(Arguments, Settings), Failure> {
    if matches!(arguments.command, Verb::Relay { .. }) {
        return Ok((arguments, Settings::default()));
    }
    let recipes = arguments.command.recipes();
    let dir = match recipes.first() {
        Some(recipe) if recipe.is_dir() => recipe.as_path(),
        Some(recipe) => recipe.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new(".")),
        None => Path::new("."),
    };
    let variable = |name: &str| std::env::var_os(name);
    let names = std::env::vars_os().map(|(name, _)| name);
    let settings = Settings::load(dir, recipes, &variable, names, &grammar())
        .map_err(|errors| hints::recipe_found(&errors, Terminal::of_stderr().color))?;
    let command = settings.as_defaults(grammar());
    let arguments = command.try_get_matches().and_then(|mut matches| Arguments::from_arg_matches_mut(&mut matches));
    // The same words were read before; the values of settings were checked.
    let arguments = arguments.map_err(|error| Failure::of(FailureKind::Usage, error.render().to_string()))?;
    Ok((arguments, settings))
}

/// Returns all commands, arguments and options. The documentation is generated from them and compared with them.
pub fn grammar() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}

/// Protects secrets of the user and of images: disables core dumps of this process and of children that libraries start, and
/// hides credentials in the environment from its own children.
fn keep_secrets() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Core).maximum;
    // Every user may lower a limit.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum });
    let names = std::env::vars_os().map(|(name, _)| name);
    // The user's settings of Ansible are no part of a layer's key, so playbooks must not depend on them.
    let ansible = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("ANSIBLE_");
    crate::process::withhold(names.filter(|name| crate::process::names_credential(name) || ansible(name)));
}

/// Runs the command, and returns the exit code.
fn execute(mut arguments: Arguments, terminals: (Terminal, Terminal), settings: Settings) -> Result<u8, Failure> {
    // The relay needs no other settings, and QEMU may give it no environment.
    if let Verb::Relay { socket } = &arguments.command {
        return relay(socket);
    }
    for image in arguments.command.images_mut() {
        *image = artifact::image(image)?;
    }
    let global = Global::new(arguments.command.cache(), arguments.json, terminals, settings)?;
    let done = match arguments.command {
        Verb::Init(args) => init::init(&args, &global),
        Verb::Build(args) => build::build(&args, &global),
        Verb::Matrix(args) => matrix::matrix(&args, &grammar(), &global),
        Verb::Plan(args) => plan::plan(&args, &global),
        Verb::Validate(args) => validate::validate(&args, &global),
        Verb::Explain(args) => explain::explain(&args, &global),
        Verb::Test(args) => element_test::test(*args, &global),
        Verb::Ls(args) => history::ls(&args, &global),
        Verb::Log(args) => history::log(&args, &global),
        Verb::Inspect(args) => inspect::run(&args, &global),
        Verb::Verify(args) => return verify::verify(&args, &global),
        Verb::Run(args) => run::run(*args, &global),
        Verb::Publish(args) => publish::publish(&args, &global),
        Verb::Images(args) => images::images(&args, &global),
        Verb::Elements(args) => elements::elements(&args, &global),
        Verb::Distros(args) => distros::distros(&args, &global),
        Verb::Bases(args) => bases::bases(&args, &global),
        Verb::Convert(args) => convert::run(&args, &global),
        Verb::Cache(args) => cache::cache(&args.command, &global),
        Verb::Schema { format, distros } => distros::known(&distros, &global).map(|known| {
            let schema = match format {
                SchemaFormat::Recipe => crate::recipe::json_schema::recipe_schema(&known),
                SchemaFormat::Included => crate::recipe::json_schema::included_schema(&known),
                SchemaFormat::Element => crate::recipe::json_schema::element_schema(&known),
                SchemaFormat::Distro => crate::recipe::json_schema::distro_schema(),
                SchemaFormat::Config => config::schema(),
            };
            print(&format!("{schema:#}\n"));
        }),
        Verb::Config(args) => config::config(&args, &global),
        Verb::Completions(args) => {
            shell::completions(&args, &grammar());
            Ok(())
        }
        Verb::Man(args) => shell::man(&args, &grammar(), &global),
        Verb::Doctor { .. } => doctor::run(&global),
        Verb::Exec(args) => return exec::exec(&args, &global),
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
