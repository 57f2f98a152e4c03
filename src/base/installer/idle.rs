//! Tells how long a machine has done nothing: an installer that works in silence uses its processor, and one that waits does not.

use std::time::{Duration, Instant};

/// Shortest time over which the use of the processor is measured.
const WINDOW: Duration = Duration::from_secs(10);

/// Share of one processor, in hundredths, that an idle guest stays below: an emulated one takes one to three.
const IDLE: u32 = 5;

/// Units of a second in which the kernel counts the time of processes (`USER_HZ`, the same on all its architectures here).
const TICKS: u64 = 100;

/// A measure of the processor's time that a process uses.
#[derive(Debug)]
pub(super) struct Idle {
    /// When the last window began, and the time of the processor until then.
    window: (Instant, Duration),
    busy: Instant,
}

impl Idle {
    /// Begins at a moment, when a process has used this time of the processor.
    pub(super) fn new(now: Instant, used: Duration) -> Self {
        Self { window: (now, used), busy: now }
    }

    /// Takes the time of the processor that the process has used until now. Returns how long it has been idle.
    pub(super) fn look(&mut self, now: Instant, used: Duration) -> Duration {
        let (begin, before) = self.window;
        let passed = now.duration_since(begin);
        if passed >= WINDOW {
            if used.saturating_sub(before) * 100 > passed * IDLE {
                self.busy = now;
            }
            self.window = (now, used);
        }
        now.duration_since(self.busy)
    }
}

/// Returns the time of the processor that a process has used; none if it has ended.
pub(super) fn used(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    parse(&stat).unwrap_or_default()
}

/// Reads `utime` and `stime` of `/proc/PID/stat`: proc_pid_stat(5).
fn parse(stat: &str) -> Option<Duration> {
    // The name of the program, in brackets, may have spaces and brackets itself.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut times = rest.split_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = times.next()?.ok()? + times.next()?.ok()?;
    Some(Duration::from_millis(ticks * 1000 / TICKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_works_is_not_idle_and_one_that_ticks_is() {
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        let mut idle = Idle::new(begin, Duration::ZERO);
        assert_eq!(idle.look(begin + 5 * second, 5 * second), 5 * second, "too early to say");
        assert_eq!(idle.look(begin + 10 * second, 5 * second), Duration::ZERO);
        assert_eq!(idle.look(begin + 20 * second, 5 * second + second / 5), 10 * second);
        assert_eq!(idle.look(begin + 30 * second, 5 * second + second * 2 / 5), 20 * second);
        assert_eq!(idle.look(begin + 40 * second, 6 * second), Duration::ZERO, "a tenth of a busy host is work");
    }

    #[test]
    fn the_time_of_a_process_is_that_of_its_user_and_of_its_system_calls() {
        let stat = "12 (a) b) (c) S 1 2 3 4 5 6 7 8 9 10 150 250 13 14 15";
        assert_eq!(parse(stat), Some(Duration::from_secs(4)));
        assert_eq!(parse(""), None);
        let mut sum = 0_u64;
        while used(std::process::id()).is_zero() {
            sum = (0..1_000_000_u64).fold(sum, u64::wrapping_add);
        }
        assert_eq!(used(u32::MAX), Duration::ZERO);
    }
}
