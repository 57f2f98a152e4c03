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
    remote: AtomicUsize,
    run: AtomicUsize,
}

/// What a build did so far.
pub(super) struct Counted {
    /// Steps whose layers were in a cache.
    pub(super) cached: usize,
    /// Those of them whose layers came from the remote cache.
    pub(super) remote: usize,
    /// Steps that have run.
    pub(super) run: usize,
    /// How long all took.
    pub(super) elapsed: Duration,
}

impl Tally {
    pub(super) fn new() -> Self {
        let [cached, remote, run] = [(); 3].map(|()| AtomicUsize::new(0));
        Self { begun: Instant::now(), cached, remote, run }
    }

    /// Returns the numbers so far.
    pub(super) fn counted(&self) -> Counted {
        let [cached, remote, run] = [&self.cached, &self.remote, &self.run].map(|count| count.load(Ordering::Relaxed));
        Counted { cached, remote, run, elapsed: self.begun.elapsed() }
    }

    /// Returns the same in words.
    pub(super) fn words(&self) -> String {
        let Counted { cached, remote, run, elapsed } = self.counted();
        let remote = if remote > 0 { format!(" ({remote} from the remote cache)") } else { String::new() };
        format!("{} steps in {}: {cached} cached{remote}, {run} run", cached + run, duration(elapsed))
    }
}

impl Reporter for Tally {
    fn report(&self, event: &Event) {
        match event {
            Event::StepCached { remote, .. } => {
                self.remote.fetch_add(usize::from(*remote), Ordering::Relaxed);
                self.cached.fetch_add(1, Ordering::Relaxed);
            }
            Event::StepFinished { .. } => {
                self.run.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }
}
