//! Shows one activity of a command that reports nothing else.

use std::time::Instant;

use super::TerminalReporter;
use crate::cli::terminal::Terminal;
use crate::event::{Event, Reporter as _};

/// Shows an activity on standard error while something is done.
pub fn during<T>(terminal: Terminal, activity: &str, work: impl FnOnce(&TerminalReporter) -> T) -> T {
    let (screen, started) = (TerminalReporter::on_stderr(terminal), Instant::now());
    screen.report(&Event::ActivityStarted { activity: activity.to_owned() });
    let done = work(&screen);
    screen.report(&Event::ActivityFinished { activity: activity.to_owned(), elapsed: started.elapsed() });
    screen.finish();
    done
}
