//! The line that breaks a long silence: what still runs, and how much of a transfer is done.

use std::time::Duration;

use super::reporter::State;
use super::silence::is_over;
use crate::cli::terminal::{amount, describe};
use crate::event::Event;

impl State {
    /// Tells what runs if nothing was told for long. Returns whether nobody waits any more.
    pub(super) fn still_running(&mut self) -> bool {
        if let Some(running) = self.running.last()
            && is_over(self.written.elapsed(), running.bar.elapsed())
        {
            let line = still(&running.name, running.bar.elapsed(), running.amount);
            self.write(&line);
        }
        self.finished
    }
}

/// Describes work that still runs, and the bytes that are done, and all bytes.
fn still(name: &str, elapsed: Duration, done: Option<(u64, Option<u64>)>) -> String {
    let line = describe(&Event::StillRunning { activity: name.to_owned(), elapsed });
    done.map_or_else(|| line.clone(), |(done, total)| format!("{line}, {}", amount(done, total)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_is_broken_with_what_is_done() {
        let told = |done| still("download packages", Duration::from_secs(20), done);
        assert_eq!(told(None), "download packages: still running after 20.0 s");
        assert_eq!(told(Some((1 << 20, None))), "download packages: still running after 20.0 s, 1 MiB");
        let of = "download packages: still running after 20.0 s, 1 MiB of 4 MiB";
        assert_eq!(told(Some((1 << 20, Some(4 << 20)))), of);
    }
}
