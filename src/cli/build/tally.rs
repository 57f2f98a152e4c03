//! Counts what a build did, for the summary at its end.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::cli::terminal::duration;
use crate::event::{Event, Reporter};

/// The steps of a build, and when it began.
#[derive(Debug)]
pub(super) struct Tally {
    begun: Instant,
    cached: AtomicUsize,
    run: AtomicUsize,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self { begun: Instant::now(), cached: AtomicUsize::new(0), run: AtomicUsize::new(0) }
    }

    /// Returns how many steps were cached, how many have run, and how long all took.
    pub(super) fn numbers(&self) -> (usize, usize, Duration) {
        (self.cached.load(Ordering::Relaxed), self.run.load(Ordering::Relaxed), self.begun.elapsed())
    }

    /// Returns the same in words.
    pub(super) fn words(&self) -> String {
        let (cached, run, elapsed) = self.numbers();
        format!("{} steps in {}: {cached} cached, {run} run", cached + run, duration(elapsed))
    }
}

impl Reporter for Tally {
    fn report(&self, event: &Event) {
        match event {
            Event::StepCached { .. } => self.cached.fetch_add(1, Ordering::Relaxed),
            Event::StepFinished { .. } => self.run.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
    }
}
