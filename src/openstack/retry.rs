//! Retries of requests after temporary errors.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

use super::CloudError;
use crate::interrupt::Interrupt;

/// Number of tries in total.
pub(super) const ATTEMPTS: u32 = 4;

/// Longest wait that a service may demand.
const LONGEST: Duration = Duration::from_secs(60);

/// Pause between two checks of the interrupt.
const POLL: Duration = Duration::from_millis(50);

/// Repeats a request while it fails with temporary errors.
pub(super) fn retried<T>(
    interrupt: &Interrupt,
    mut ask: impl FnMut() -> Result<T, CloudError>,
) -> Result<T, CloudError> {
    let mut attempt = 1;
    loop {
        match ask() {
            Err(error) if error.may_pass() && attempt < ATTEMPTS && pause(attempt, &error, interrupt) => attempt += 1,
            result => return result,
        }
    }
}

/// Waits before the next try: as long as the service demands, or 0.5 s, 1 s, 2 s. Returns `false` if the user interrupts.
pub(super) fn pause(attempt: u32, error: &CloudError, interrupt: &Interrupt) -> bool {
    let told = match error {
        CloudError::Refused { retry_after, .. } => *retry_after,
        _ => None,
    };
    match told {
        Some(told) => sleep(told.min(LONGEST), interrupt),
        None => wait(attempt, interrupt),
    }
}

/// Waits before the next try. Returns `false` if the user interrupts.
pub(super) fn wait(attempt: u32, interrupt: &Interrupt) -> bool {
    sleep(Duration::from_millis(250 << attempt.min(6)), interrupt)
}

fn sleep(time: Duration, interrupt: &Interrupt) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end && !interrupt.is_raised() {
        std::thread::sleep(POLL.min(end.saturating_duration_since(Instant::now())));
    }
    !interrupt.is_raised()
}

/// Reads a `Retry-After` header: seconds, or a date (RFC 9110, section 10.2.3).
pub(super) fn retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = DateTimeParser::new().parse_timestamp(text.trim()).ok()?;
    // A date in the past needs no waiting.
    Some(then.duration_since(now).try_into().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_say_when_to_come_back() {
        let now: Timestamp = "2026-01-02T03:04:05Z".parse().expect("a time");
        for (text, seconds) in [
            ("0", Some(0)),
            (" 120 ", Some(120)),
            ("Fri, 02 Jan 2026 03:05:05 GMT", Some(60)),
            ("Fri, 02 Jan 2026 03:00:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }

    #[test]
    fn who_stops_does_not_wait_to_the_end() {
        let interrupt = Interrupt::new();
        interrupt.raise();
        let busy = || CloudError::Refused {
            method: "GET".to_owned(),
            url: "http://h".to_owned(),
            status: 503,
            message: String::new(),
            request_id: None,
            retry_after: Some(LONGEST),
        };
        let (started, mut asked) = (Instant::now(), 0);
        let result = retried(&interrupt, || {
            asked += 1;
            Err::<(), _>(busy())
        });
        assert!(result.is_err() && asked == 1 && started.elapsed() < LONGEST / 2, "asked {asked} times");
    }
}
