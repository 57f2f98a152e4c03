//! How bars and lines of the terminal look.

use std::fmt;
use std::time::{Duration, Instant};

use indicatif::{ProgressState, ProgressStyle};

use crate::cli::terminal::{Style, Terminal, duration};

/// Time between two pictures of a spinner.
pub(super) const TICK: Duration = Duration::from_millis(125);

pub(super) fn spinner_style(terminal: Terminal, width: usize) -> ProgressStyle {
    style(terminal, &format!("{{spinner}} {{prefix:{width}}} {{time:>12}}  {{wide_msg}}"))
}

pub(super) fn bytes_style(terminal: Terminal, width: usize, has_total: bool) -> ProgressStyle {
    let amount = if has_total {
        "{wide_bar} {binary_bytes:>10} of {binary_total_bytes:10} {binary_bytes_per_sec:>12}"
    } else {
        "{binary_bytes:>10} {binary_bytes_per_sec:>12}"
    };
    style(terminal, &format!("{{spinner}} {{prefix:{width}}} {{time:>12}}  {amount}"))
        .progress_chars(if terminal.unicode { "━╸ " } else { "=> " })
}

pub(super) fn output_style(terminal: Terminal) -> ProgressStyle {
    style(terminal, &format!("  {}", terminal.paint(Style::Dim, "{wide_msg}")))
}

/// The line about the whole build: the step, how long the build runs, and how long it will take by earlier builds.
pub(super) fn total_style(
    terminal: Terminal,
    begun: Instant,
    (step_begun, rest): (Instant, Option<Duration>),
) -> ProgressStyle {
    let left = move |_: &ProgressState, out: &mut dyn fmt::Write| {
        let left = rest.and_then(|rest| rest.checked_sub(step_begun.elapsed()));
        let left = left.filter(|left| left.as_secs() > 0).map(|left| format!(", about {} left", in_seconds(left)));
        // Writing to a string cannot fail.
        let _ = write!(out, ", {} so far{}", in_seconds(begun.elapsed()), left.unwrap_or_default());
    };
    style(terminal, &format!("  {}", terminal.paint(Style::Bold, "{msg}{left}"))).with_key("left", left)
}

/// Returns a duration without parts of seconds.
fn in_seconds(elapsed: Duration) -> String {
    if elapsed.as_secs() < 60 { format!("{} s", elapsed.as_secs()) } else { duration(elapsed) }
}

fn style(terminal: Terminal, template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_spinner())
        .tick_chars(if terminal.unicode { "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏ " } else { "-\\|/ " })
        .with_key("time", |state: &ProgressState, out: &mut dyn fmt::Write| {
            let elapsed = state.elapsed();
            // Writing to a string cannot fail.
            let _ = out.write_str(&in_seconds(elapsed));
        })
}
