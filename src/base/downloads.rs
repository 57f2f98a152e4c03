//! The progress of downloading packages, from the sizes that package managers announce and the bytes that the script counts.

use std::time::Instant;

use super::failure::announced_download;
use crate::event::{Event, Reporter};

/// Name of the activity. It runs inside that of installing packages.
const ACTIVITY: &str = "download packages";

/// Beginning of the script's lines with the bytes that have arrived.
const COUNT: &str = "goldsmith-bytes: ";

/// The downloads of a bootstrap.
pub(super) struct Downloads<'a> {
    reporter: &'a dyn Reporter,
    begun: Option<Instant>,
    /// Bytes that have arrived since the bootstrap began.
    arrived: u64,
    /// Bytes that had arrived when the present download began.
    before: u64,
    /// Bytes of the present download, if the package manager has announced them.
    total: Option<u64>,
}

impl<'a> Downloads<'a> {
    pub(super) fn new(reporter: &'a dyn Reporter) -> Self {
        Self { reporter, begun: None, arrived: 0, before: 0, total: None }
    }

    /// Returns whether a line is one with the bytes that have arrived.
    pub(super) fn is_count(line: &str) -> bool {
        line.starts_with(COUNT)
    }

    /// Takes a line of the output. Returns whether it is only for this program.
    pub(super) fn line(&mut self, line: &str) -> bool {
        if let Some(count) = line.strip_prefix(COUNT) {
            self.arrived = count.parse().unwrap_or(self.arrived);
            // A package manager that announces nothing, as apk, has begun without a word.
            if self.begun.is_none() && self.total.is_none() {
                self.begin();
            }
            self.progress();
            return true;
        }
        if let Some(bytes) = announced_download(line).filter(|bytes| *bytes > 0) {
            match (self.begun, &mut self.total) {
                (Some(_), Some(total)) => *total += bytes,
                (_, total) => *total = Some(bytes),
            }
            if self.begun.is_none() {
                self.before = self.arrived;
                self.begin();
            }
            self.progress();
        }
        false
    }

    /// Ends what has not ended.
    pub(super) fn finish(&mut self) {
        if let Some(begun) = self.begun.take() {
            self.reporter.report(&Event::ActivityFinished { activity: ACTIVITY.to_owned(), elapsed: begun.elapsed() });
        }
    }

    fn begin(&mut self) {
        self.begun = Some(Instant::now());
        self.reporter.report(&Event::ActivityStarted { activity: ACTIVITY.to_owned() });
    }

    fn progress(&mut self) {
        if self.begun.is_none() {
            return;
        }
        let done = self.arrived.saturating_sub(self.before);
        self.reporter.report(&Event::Progress { activity: ACTIVITY.to_owned(), done, total: self.total });
        // Package managers announce sizes in three digits.
        if self.total.is_some_and(|total| done >= total / 100 * 99) {
            self.finish();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Default)]
    struct Seen(Mutex<Vec<String>>);

    impl Reporter for Seen {
        fn report(&self, event: &Event) {
            let told = match event {
                Event::ActivityStarted { .. } => "begin".to_owned(),
                Event::ActivityFinished { .. } => "end".to_owned(),
                Event::Progress { done, total, .. } => format!("{done} of {total:?}"),
                other => panic!("{other:?}"),
            };
            self.0.lock().expect("no panic").push(told);
        }
    }

    fn seen(lines: &[&str]) -> Vec<String> {
        let seen = Seen::default();
        let mut downloads = Downloads::new(&seen);
        for line in lines {
            assert_eq!(downloads.line(line), line.starts_with("goldsmith"), "{line}");
        }
        downloads.finish();
        seen.0.into_inner().expect("no panic")
    }

    #[test]
    fn bytes_are_those_of_each_announcement() {
        let first = "Need to get 1,000 kB of archives.";
        let second = "Need to get 2 MB/2,500 kB of archives.";
        let lines =
            [first, "goldsmith-bytes: 400000", "goldsmith-bytes: 995000", "Unpacking x", "goldsmith-bytes: 1000321"];
        let all = [&lines[..], &["Need to get 0 B/1,000 kB of archives.", second, "goldsmith-bytes: 2000321"]].concat();
        let total = "of Some(1000000)";
        let expected = [
            "begin".to_owned(),
            format!("0 {total}"),
            format!("400000 {total}"),
            format!("995000 {total}"),
            "end".to_owned(),
            "begin".to_owned(),
            "0 of Some(2000000)".to_owned(),
            "1000000 of Some(2000000)".to_owned(),
            "end".to_owned(),
        ];
        assert_eq!(seen(&all), expected);
    }

    #[test]
    fn what_nobody_announces_is_counted_all_the_same() {
        assert_eq!(seen(&["(1/9) Installing musl", "goldsmith-bytes: 7"]), ["begin", "7 of None", "end"]);
        assert_eq!(seen(&["Need to get 0 B/24.6 MB of archives.", "Setting up x"]), [""; 0]);
    }
}
