//! Notices when nothing was told for long while something runs.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Silence after which a person wants to know that the work goes on.
const FIRST: Duration = Duration::from_secs(10);

/// Silence after which it is told again, when the same has run for a minute: logs of CI services keep every line.
const LATER: Duration = Duration::from_secs(30);

/// Time between two looks.
const TICK: Duration = Duration::from_secs(1);

/// Returns whether it is time to say that something still runs, after a silence of this length.
pub(in crate::cli) fn is_over(silence: Duration, running: Duration) -> bool {
    silence >= if running <= Duration::from_secs(60) { FIRST } else { LATER }
}

/// Looks at a state once in a second, until it is gone or the look says that it has ended.
pub(in crate::cli) fn watch<T: Send + 'static>(state: &Arc<Mutex<T>>, look: impl Fn(&mut T) -> bool + Send + 'static) {
    let state = Arc::downgrade(state);
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(TICK);
            let Some(state) = state.upgrade() else { return };
            if look(&mut state.lock().unwrap_or_else(PoisonError::into_inner)) {
                return;
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_broken_after_ten_seconds_and_later_less_often() {
        let over = |silence, running| is_over(Duration::from_secs(silence), Duration::from_secs(running));
        assert!(!over(9, 9) && over(10, 10) && over(10, 60) && !over(10, 61) && !over(29, 90) && over(30, 90));
    }

    #[test]
    fn a_state_that_is_gone_is_watched_no_longer() {
        let state = Arc::new(Mutex::new(0));
        watch(&state, |seen| {
            *seen += 1;
            *seen >= 2
        });
        std::thread::sleep(4 * TICK);
        assert_eq!(*state.lock().expect("no panic"), 2, "it looks once in a second, until it is told to stop");
    }
}
