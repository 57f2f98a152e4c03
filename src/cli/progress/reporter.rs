//! The reporter that shows events as progress, on a terminal or as plain lines.
//!
//! On a terminal every step that has ended is a line that stays; below these lines the running steps are
//! redrawn, with the current line of output under them. Elsewhere every start and end is a line.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use super::silence::watch;
use super::styles::{TICK, bytes_style, spinner_style};

use crate::cli::terminal::{Mark, Style, Terminal, Verbosity, describe, duration, outlook};
use crate::event::{Event, Reporter};
use crate::plan::{Phase, StepId};

/// Width of the column of names, in characters.
const NAME_WIDTH: usize = 36;

/// A reporter that shows progress on a terminal, or elsewhere as plain lines.
pub struct TerminalReporter {
    terminal: Terminal,
    state: Arc<Mutex<State>>,
    /// Beginning of every name: the image, if the display has several; else empty.
    label: String,
}

pub(super) struct State {
    pub(super) sink: Sink,
    /// Consecutive cached steps that were not shown yet, with the labels of their images.
    cached: Vec<(String, Vec<StepId>)>,
    /// Width of the column of names, in characters.
    width: usize,
    pub(super) running: Vec<Running>,
    /// Reason of the last step of each image.
    said: BTreeMap<String, Option<String>>,
    /// When the display began.
    pub(super) begun: Instant,
    /// When a line was written last.
    pub(super) written: Instant,
    pub(super) finished: bool,
}

pub(super) enum Sink {
    Live {
        multi: MultiProgress,
        /// The current line of output.
        output: Option<ProgressBar>,
        /// The line about the whole build, at the bottom.
        total: Option<ProgressBar>,
        ticks: bool,
    },
    Plain(Box<dyn Write + Send>),
}

/// A step or activity that has not ended.
pub(super) struct Running {
    pub(super) name: String,
    /// Name with the number of the step.
    shown: String,
    reason: Option<String>,
    pub(super) bar: ProgressBar,
    /// Quarters of a transfer that were shown.
    quarters: u64,
    /// Bytes of a transfer that are done, and all bytes.
    pub(super) amount: Option<(u64, Option<u64>)>,
}

impl TerminalReporter {
    /// Makes a reporter on standard error.
    pub fn on_stderr(terminal: Terminal) -> Self {
        if terminal.live && terminal.verbosity != Verbosity::Quiet {
            // indicatif reads the width anew at every draw, and draws at most 20 times a second.
            Self::live(terminal, ProgressDrawTarget::stderr(), true)
        } else {
            let reporter = Self::plain(terminal, Box::new(io::stderr()));
            if terminal.verbosity != Verbosity::Quiet {
                watch(&reporter.state, State::still_running);
            }
            reporter
        }
    }

    /// Makes a reporter that writes one line for every start and end, without control characters.
    pub fn plain(terminal: Terminal, out: Box<dyn Write + Send>) -> Self {
        Self::new(terminal, Sink::Plain(out))
    }

    pub(super) fn live(terminal: Terminal, target: ProgressDrawTarget, ticks: bool) -> Self {
        let multi = MultiProgress::with_draw_target(target);
        Self::new(terminal, Sink::Live { multi, output: None, total: None, ticks })
    }

    fn new(terminal: Terminal, sink: Sink) -> Self {
        let state = State {
            sink,
            cached: Vec::new(),
            width: NAME_WIDTH,
            running: Vec::new(),
            finished: false,
            said: BTreeMap::new(),
            begun: Instant::now(),
            written: Instant::now(),
        };
        Self { terminal, state: Arc::new(Mutex::new(state)), label: String::new() }
    }

    /// Returns a reporter for one of several images, which shows them on the same display. Their names have at most `longest`
    /// characters.
    pub fn of_image(&self, name: &str, longest: usize) -> Self {
        self.state().width = NAME_WIDTH + longest;
        Self { terminal: self.terminal, state: Arc::clone(&self.state), label: format!("{name}: ") }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Clears the display for as long as something else uses the terminal.
    pub fn suspend(&self, other: &mut dyn FnMut()) {
        let multi = match &self.state().sink {
            Sink::Live { multi, .. } => Some(multi.clone()),
            Sink::Plain(_) => None,
        };
        match multi {
            Some(multi) => multi.suspend(other),
            None => other(),
        }
    }

    /// Shows a line that belongs to no event.
    pub fn note(&self, line: &str) {
        let mut state = self.state();
        if !state.finished && self.terminal.verbosity != Verbosity::Quiet {
            state.print(self.terminal, &format!("{}{line}", self.label));
        }
    }

    /// Ends the display, before a result or an error is printed. Running steps are marked as stopped, and nothing is drawn
    /// afterwards. The reporter of one of several images ends only what it shows itself.
    pub fn finish(&self) {
        let mut state = self.state();
        if state.finished {
            return;
        }
        state.print_cached(self.terminal);
        let (own, others) = std::mem::take(&mut state.running)
            .into_iter()
            .partition::<Vec<_>, _>(|running| running.name.starts_with(&self.label));
        state.running = others;
        for running in own {
            state.end(self.terminal, &running, Mark::Stopped, running.bar.elapsed());
        }
        state.hide_output();
        state.hide_total();
        state.finished = self.label.is_empty();
    }
}

impl Drop for TerminalReporter {
    fn drop(&mut self) {
        self.finish();
    }
}

impl Reporter for TerminalReporter {
    fn report(&self, event: &Event) {
        let mut state = self.state();
        let quiet = self.terminal.verbosity == Verbosity::Quiet;
        if !state.finished && (!quiet || matches!(event, Event::Warning { .. })) {
            state.event(self.terminal, &self.label, event);
        }
    }
}

impl fmt::Debug for TerminalReporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TerminalReporter").field(&self.terminal).finish()
    }
}

impl State {
    fn event(&mut self, terminal: Terminal, label: &str, event: &Event) {
        let named = |name: &dyn fmt::Display| format!("{label}{name}");
        match event {
            Event::BuildStarted { name, steps } => {
                let name = terminal.paint(Style::Bold, name);
                self.print(terminal, &format!("{name}: {steps} steps"));
            }
            Event::ActivityStarted { activity } => {
                self.start(terminal, label, event, (named(activity), named(activity)), None, None);
            }
            Event::StepStarted { step, number, steps, reason, expected, rest } => {
                let shown = format!("{label}[{number}/{steps}] {step}");
                // What is true of a run of steps is said once.
                let repeated = self.said.insert(label.to_owned(), reason.clone()).is_some_and(|last| last == *reason);
                let reason = reason.clone().filter(|_| !repeated);
                self.start(terminal, label, event, (named(step), shown), reason, outlook(*expected, None));
                self.count(terminal, label, (*number, *steps), *rest);
            }
            Event::ActivityFinished { activity, elapsed } => {
                self.stop(terminal, &named(activity), Mark::Done, *elapsed)
            }
            Event::StepFinished { step, elapsed } => {
                self.stop(terminal, &named(step), Mark::Done, *elapsed);
                if step.phase == Phase::Finalize {
                    self.hide_total();
                }
            }
            Event::StepFailed { step, elapsed } => self.stop(terminal, &named(step), Mark::Failed, *elapsed),
            Event::StepCached { step, .. } => match self.cached.iter_mut().find(|(known, _)| known == label) {
                Some((_, steps)) => steps.push(step.clone()),
                None => self.cached.push((label.to_owned(), vec![step.clone()])),
            },
            Event::Progress { activity, done, total } => {
                self.progress(terminal, label, event, &named(activity), *done, *total);
            }
            Event::Output { .. } if terminal.verbosity == Verbosity::Verbose => {
                self.print(terminal, &named(&describe(event)));
            }
            Event::Output { line } => self.output(terminal, &named(line)),
            Event::Waiting { step } => {
                let name = named(step);
                match self.running.iter().find(|running| running.name == name) {
                    Some(running) if matches!(self.sink, Sink::Live { .. }) => {
                        running.bar.set_message(terminal.paint(Style::Dim, "waiting for another build"));
                    }
                    _ => self.print(terminal, &named(&describe(event))),
                }
            }
            Event::StillRunning { .. } => {
                if matches!(self.sink, Sink::Plain(_)) {
                    self.print(terminal, &named(&describe(event)));
                }
            }
            Event::Warning { message } => {
                let label = terminal.paint(Style::Yellow, "warning:");
                self.print(terminal, &format!("{label} {}", named(message)));
            }
            Event::Detail { .. } if terminal.verbosity == Verbosity::Verbose => {
                self.print(terminal, &terminal.paint(Style::Dim, &named(&describe(event))));
            }
            // These go to the log file only.
            Event::StageStarted { .. } | Event::StageFinished { .. } | Event::Detail { .. } => {}
        }
    }

    /// Writes a line that stays.
    fn print(&mut self, terminal: Terminal, line: &str) {
        self.print_cached(terminal);
        self.write(line);
    }

    /// Writes a line. There is no place to report an error of the terminal, and the build goes on.
    pub(super) fn write(&mut self, line: &str) {
        self.written = Instant::now();
        let _ = match &mut self.sink {
            Sink::Live { multi, .. } => multi.println(line),
            Sink::Plain(out) => writeln!(out, "{line}"),
        };
    }

    /// Shows all cached steps of an image in one line.
    fn print_cached(&mut self, terminal: Terminal) {
        let (mark, width) = (terminal.mark(Mark::Cached), self.width);
        for (label, steps) in std::mem::take(&mut self.cached) {
            let name = match steps.as_slice() {
                [] => continue,
                [step] => format!("{label}{step}"),
                [.., last] => format!("{label}{} steps, up to {last}", steps.len()),
            };
            self.write(&format!("{mark} {name:width$} {:>12}", "cached"));
        }
    }

    fn start(
        &mut self,
        terminal: Terminal,
        label: &str,
        event: &Event,
        (name, shown): (String, String),
        reason: Option<String>,
        outlook: Option<String>,
    ) {
        let width = self.width;
        self.print_cached(terminal);
        // A step that is tried again takes the place of its first try.
        self.take(&name);
        let bar = match &self.sink {
            Sink::Plain(_) => {
                self.write(&format!("{label}{}", describe(event)));
                ProgressBar::hidden()
            }
            Sink::Live { multi, output, total, ticks } => {
                let bar =
                    ProgressBar::new_spinner().with_style(spinner_style(terminal, width)).with_prefix(shown.clone());
                let bar = match output.as_ref().or(total.as_ref()) {
                    Some(below) => multi.insert_before(below, bar),
                    None => multi.add(bar),
                };
                let about = outlook.into_iter().chain(reason.clone()).collect::<Vec<_>>().join("; ");
                bar.set_message(terminal.paint(Style::Dim, &about));
                if *ticks {
                    bar.enable_steady_tick(TICK);
                }
                bar
            }
        };
        self.running.push(Running { name, shown, reason, bar, quarters: 0, amount: None });
    }

    fn take(&mut self, name: &str) -> Option<Running> {
        let place = self.running.iter().position(|running| running.name == name)?;
        let running = self.running.remove(place);
        running.bar.finish_and_clear();
        if let Sink::Live { multi, .. } = &self.sink {
            multi.remove(&running.bar);
        }
        Some(running)
    }

    fn stop(&mut self, terminal: Terminal, name: &str, mark: Mark, elapsed: Duration) {
        let running = self.take(name).unwrap_or_else(|| Running {
            name: name.to_owned(),
            shown: name.to_owned(),
            reason: None,
            bar: ProgressBar::hidden(),
            quarters: 0,
            amount: None,
        });
        // Its last line of output does not belong to the steps that still run.
        self.hide_output();
        self.print_cached(terminal);
        self.end(terminal, &running, mark, elapsed);
    }

    fn end(&mut self, terminal: Terminal, running: &Running, mark: Mark, elapsed: Duration) {
        running.bar.finish_and_clear();
        let width = self.width;
        let line = match self.sink {
            Sink::Plain(_) => {
                let how = match mark {
                    Mark::Failed => "failed after",
                    Mark::Stopped => "stopped after",
                    Mark::Done | Mark::Cached | Mark::Warning => "done in",
                };
                format!("{}: {how} {}", running.name, duration(elapsed))
            }
            Sink::Live { .. } => {
                let line = format!("{} {:width$} {:>12}", terminal.mark(mark), running.shown, duration(elapsed));
                match &running.reason {
                    Some(reason) => format!("{line}  {}", terminal.paint(Style::Dim, reason)),
                    None => line,
                }
            }
        };
        self.write(&line);
    }

    fn progress(
        &mut self,
        terminal: Terminal,
        label: &str,
        event: &Event,
        activity: &str,
        done: u64,
        total: Option<u64>,
    ) {
        let width = self.width;
        let Some(running) = self.running.iter_mut().find(|running| running.name == activity) else { return };
        running.amount = Some((done, total));
        if matches!(self.sink, Sink::Live { .. }) {
            if running.quarters == 0 {
                running.quarters = 1;
                running.bar.set_style(bytes_style(terminal, width, total.is_some()));
            }
            if let Some(total) = total {
                running.bar.set_length(total);
            }
            running.bar.set_position(done);
            return;
        }
        let quarters = total.filter(|total| *total > 0).map_or(0, |total| done.min(total) / total.div_ceil(4).max(1));
        // The end of the activity shows the last quarter.
        if quarters > running.quarters && quarters < 4 {
            running.quarters = quarters;
            self.write(&format!("{label}{}", describe(event)));
        }
    }
}
