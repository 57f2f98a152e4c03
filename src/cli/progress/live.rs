//! The lines below the running steps of a terminal: the current output of a program, and the line about the whole build.

use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::reporter::{Sink, State};
use super::styles::{TICK, output_style, total_style};
use crate::cli::terminal::Terminal;

impl State {
    pub(super) fn output(&mut self, terminal: Terminal, line: &str) {
        if let Sink::Live { multi, output, total, .. } = &mut self.sink {
            let bar = output.get_or_insert_with(|| {
                let bar = ProgressBar::new_spinner().with_style(output_style(terminal));
                match total {
                    Some(total) => multi.insert_before(total, bar),
                    None => multi.add(bar),
                }
            });
            bar.set_message(line.to_owned());
        }
    }

    /// Shows how far a build is, if it is the only one of the display.
    pub(super) fn count(
        &mut self,
        terminal: Terminal,
        label: &str,
        (number, steps): (usize, usize),
        rest: Option<Duration>,
    ) {
        let begun = self.begun;
        if let Sink::Live { multi, total, ticks, .. } = &mut self.sink
            && label.is_empty()
        {
            let bar = total.get_or_insert_with(|| {
                let bar = multi.add(ProgressBar::new_spinner());
                if *ticks {
                    bar.enable_steady_tick(TICK);
                }
                bar
            });
            bar.set_style(total_style(terminal, begun, (Instant::now(), rest)));
            bar.set_message(format!("step {number} of {steps}"));
        }
    }

    pub(super) fn hide_total(&mut self) {
        if let Sink::Live { multi, total, .. } = &mut self.sink
            && let Some(bar) = total.take()
        {
            bar.finish_and_clear();
            multi.remove(&bar);
        }
    }

    pub(super) fn hide_output(&mut self) {
        if let Sink::Live { multi, output, .. } = &mut self.sink
            && let Some(bar) = output.take()
        {
            bar.finish_and_clear();
            multi.remove(&bar);
        }
    }
}
