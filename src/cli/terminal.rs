//! The terminal: its abilities, and words for durations and events.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::time::Duration;

use clap::ValueEnum;

use crate::event::Event;
use crate::guest::terminal::RawMode;
use crate::guest::{self, Guest};
use crate::units::ByteSize;

/// The abilities of a stream, and how much is shown on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Whether a person watches: lines may be redrawn.
    pub live: bool,
    /// Whether escape sequences for colours may be used.
    pub color: bool,
    /// Whether characters beyond ASCII are shown.
    pub unicode: bool,
    /// How much of the work is shown.
    pub verbosity: Verbosity,
}

/// How much of the work is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verbosity {
    /// Warnings only.
    Quiet,
    /// The progress of the work.
    #[default]
    Normal,
    /// Also details, and every line of output of the programs of a build.
    Verbose,
}

/// When colours are used: the value of `--color`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Also in files and pipes
    Always,
    /// Never
    Never,
}

impl Terminal {
    /// Plain ASCII lines.
    pub const PLAIN: Self = Self { live: false, color: false, unicode: false, verbosity: Verbosity::Normal };

    /// Detects the abilities of standard error, by the process's environment.
    pub fn of_stderr() -> Self {
        Self::detect(std::io::stderr().is_terminal(), |name| std::env::var_os(name))
    }

    /// Detects the abilities of standard output.
    pub fn of_stdout() -> Self {
        Self::detect(std::io::stdout().is_terminal(), |name| std::env::var_os(name))
    }

    /// Returns the number of columns of the terminal that shows standard output; `None` if none does.
    pub fn stdout_width() -> Option<usize> {
        let stdout = std::io::stdout();
        let size = rustix::termios::tcgetwinsize(stdout.as_fd()).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    }

    /// Returns these abilities as the user wants to use them.
    #[must_use]
    pub fn wished(self, color: ColorChoice, verbosity: Verbosity) -> Self {
        let color = match color {
            ColorChoice::Auto => self.color,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        Self { color, verbosity, ..self }
    }

    /// Detects the abilities of a stream, by `NO_COLOR`, `TERM` and the locale.
    pub fn detect(is_terminal: bool, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name: &str| variable(name).filter(|value| !value.is_empty());
        let live = is_terminal && set("TERM").is_some_and(|term| term != "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set).unwrap_or_default();
        let locale = locale.to_string_lossy().to_ascii_lowercase();
        Self {
            live,
            color: live && set("NO_COLOR").is_none(),
            unicode: locale.contains("utf-8") || locale.contains("utf8"),
            verbosity: Verbosity::Normal,
        }
    }

    /// Returns text in a style, if the terminal has colours.
    pub fn paint(self, style: Style, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let code = match style {
            Style::Bold => "1",
            Style::Dim => "2",
            Style::Red => "31;1",
            Style::Green => "32",
            Style::Yellow => "33;1",
            Style::Cyan => "36",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Returns a coloured mark for the start of a line.
    pub fn mark(self, mark: Mark) -> String {
        let (style, fancy, plain) = match mark {
            Mark::Done => (Style::Green, "✓", "+"),
            Mark::Cached => (Style::Dim, "•", "="),
            Mark::Failed | Mark::Stopped => (Style::Red, "✗", "x"),
            Mark::Warning => (Style::Yellow, "!", "!"),
        };
        self.paint(style, if self.unicode { fancy } else { plain })
    }
}

/// The style of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Bold.
    Bold,
    /// Faint.
    Dim,
    /// Red and bold: errors.
    Red,
    /// Green: success.
    Green,
    /// Yellow and bold: warnings.
    Yellow,
    /// Cyan: hints.
    Cyan,
}

/// The mark of a line: the result of a step, or a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// The step succeeded.
    Done,
    /// The step's layer was cached.
    Cached,
    /// The step failed.
    Failed,
    /// The step was stopped.
    Stopped,
    /// A warning.
    Warning,
}

/// Returns a duration for people: `1.2 s`, `3 min 05 s`, `2 h 10 min`.
pub fn duration(elapsed: Duration) -> String {
    let tenths = (elapsed.as_millis() + 50) / 100;
    let seconds = (elapsed.as_millis() + 500) / 1000;
    if tenths < 600 {
        format!("{}.{} s", tenths / 10, tenths % 10)
    } else if seconds < 3600 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else {
        format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60)
    }
}

/// Returns how long a step and what follows it will take by earlier builds: `about 30 s, 3 min 05 s with all that follows`.
pub fn outlook(expected: Option<Duration>, rest: Option<Duration>) -> Option<String> {
    let expected = expected.filter(|expected| *expected >= Duration::from_secs(1))?;
    let whole = |time: Duration| duration(Duration::from_secs(time.as_secs().max(1))).replace(".0 s", " s");
    let about = format!("about {}", whole(expected));
    Some(match rest.filter(|rest| *rest >= expected + Duration::from_secs(2)) {
        Some(rest) => format!("{about}, {} with all that follows", whole(rest)),
        None => about,
    })
}

/// Describes how much of a transfer is done.
pub(in crate::cli) fn amount(done: u64, total: Option<u64>) -> String {
    let done = ByteSize::bytes(done);
    total.map_or_else(|| done.to_string(), |total| format!("{done} of {}", ByteSize::bytes(total)))
}

/// Describes an event in one sentence, for logs and for streams that are no terminal.
pub fn describe(event: &Event) -> String {
    match event {
        Event::BuildStarted { name, steps } => format!("build of {name}: {steps} steps"),
        Event::StageStarted { stage } => format!("stage {}: started", stage.name()),
        Event::StageFinished { stage, elapsed } => format!("stage {}: done in {}", stage.name(), duration(*elapsed)),
        Event::ActivityStarted { activity } => format!("{activity}: started"),
        Event::ActivityFinished { activity, elapsed } => format!("{activity}: done in {}", duration(*elapsed)),
        Event::Progress { activity, done, total } => format!("{activity}: {}", amount(*done, *total)),
        Event::StepCached { step, remote: false, .. } => format!("{step}: cached"),
        Event::StepCached { step, remote: true, .. } => format!("{step}: from the remote cache"),
        Event::StepStarted { step, number, steps, reason, expected, rest } => {
            let mut about = vec![format!("step {number} of {steps}")];
            about.extend(outlook(*expected, *rest));
            about.extend(reason.clone());
            format!("{step}: started ({})", about.join("; "))
        }
        Event::StillRunning { activity, elapsed } => format!("{activity}: still running after {}", duration(*elapsed)),
        Event::Output { line } => format!("| {line}"),
        Event::StepFinished { step, elapsed } => format!("{step}: done in {}", duration(*elapsed)),
        Event::StepFailed { step, elapsed } => format!("{step}: failed after {}", duration(*elapsed)),
        Event::Waiting { step } => format!("{step}: waiting for another build that makes this layer"),
        Event::Warning { message } => format!("warning: {message}"),
        Event::Detail { message } => message.clone(),
    }
}

/// Connects a shell of the guest with this process's terminal, until the person leaves it.
pub fn guest_shell(guest: &mut dyn Guest) -> Result<i32, String> {
    let (stdin, stderr) = (std::io::stdin(), std::io::stderr());
    let kind = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
    let lent = guest::Terminal::of(stdin.as_fd(), stderr.as_fd(), &kind).map_err(|error| error.to_string())?;
    let _raw = RawMode::enter(stdin.as_fd()).map_err(|error| error.to_string())?;
    guest.shell("", lent).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_what_is_shown() {
        type Case<'a> = (bool, &'a [(&'a str, &'a str)], (bool, bool, bool));
        let cases: &[Case<'_>] = &[
            (true, &[("TERM", "xterm"), ("LANG", "en_US.UTF-8")], (true, true, true)),
            (true, &[("TERM", "xterm"), ("LANG", "C")], (true, true, false)),
            (true, &[("TERM", "xterm"), ("LANG", "C"), ("LC_ALL", "C.utf8")], (true, true, true)),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "1")], (true, false, false)),
            (true, &[("TERM", "xterm"), ("NO_COLOR", "")], (true, true, false)),
            (true, &[("TERM", "dumb")], (false, false, false)),
            (true, &[], (false, false, false)),
            (false, &[("TERM", "xterm"), ("LANG", "C.UTF-8")], (false, false, true)),
        ];
        for (is_terminal, variables, (live, color, unicode)) in cases {
            let look = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
            let expected = Terminal { live: *live, color: *color, unicode: *unicode, ..Terminal::PLAIN };
            assert_eq!(Terminal::detect(*is_terminal, look), expected, "{variables:?}");
        }
    }

    #[test]
    fn the_option_wins_over_what_the_terminal_can_do() {
        for (color, choice, used) in [
            (true, ColorChoice::Auto, true),
            (false, ColorChoice::Auto, false),
            (false, ColorChoice::Always, true),
            (true, ColorChoice::Never, false),
        ] {
            let terminal = Terminal { color, ..Terminal::PLAIN }.wished(choice, Verbosity::Quiet);
            assert_eq!((terminal.color, terminal.verbosity), (used, Verbosity::Quiet), "{choice:?}");
        }
    }

    #[test]
    fn durations_are_short() {
        for (millis, words) in [
            (0, "0.0 s"),
            (1_240, "1.2 s"),
            (59_949, "59.9 s"),
            (59_960, "1 min 00 s"),
            (185_000, "3 min 05 s"),
            (7_800_000, "2 h 10 min"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), words);
        }
    }

    #[test]
    fn without_colours_no_escape_is_written() {
        assert_eq!(Terminal::PLAIN.paint(Style::Red, "x"), "x");
        assert_eq!(Terminal { color: true, ..Terminal::PLAIN }.paint(Style::Red, "x"), "\u{1b}[31;1mx\u{1b}[0m");
    }
}
