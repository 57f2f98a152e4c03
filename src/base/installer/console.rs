//! Reads the serial console of an installer: its lines, what it works on, and whether it waits for a person.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use crate::machine::SerialView;
use crate::text::{Redactor, printable};

/// Idleness after which words that always ask a person count as a question.
const ASKED: Duration = Duration::from_secs(15);

/// Idleness after which any line that ends like a question counts as one.
const MAYBE_ASKED: Duration = Duration::from_secs(60);

/// Bytes of the last line that are looked at.
const LINE: u64 = 4096;

/// Longest name of a part of the work, in characters.
const NAME: usize = 70;

/// Progress, as Debian's installer prints it: `Installing the base system ... 7%... 14%`.
static PROGRESS: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"^\s*(\S.*?)\s*\.{2,3} ?\d{1,3}%").expect("a test compiles it"));

/// Beginnings of lines that are questions: of Debian's text frontend, of Subiquity and of Anaconda.
static QUESTION: LazyLock<Regex> = LazyLock::new(|| {
    let question =
        r"^Prompt: |\[Press enter to continue\]|\(yes\|no\)|^Please (make a selection|make your choice|respond)";
    Regex::new(question).expect("a test compiles it")
});

/// What a console shows that was not there before.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shown {
    /// A whole line.
    Line(String),
    /// The installer works on a new part.
    Part(String),
}

/// A reader of a console.
#[derive(Debug, Default)]
pub(super) struct Reader {
    redactor: Redactor,
    /// Number of bytes that were read.
    offset: u64,
    /// An incomplete line.
    partial: Vec<u8>,
    part: String,
}

impl Reader {
    /// Makes a reader that hides secrets.
    pub(super) fn new(redactor: Redactor) -> Self {
        Self { redactor, ..Self::default() }
    }

    /// Returns what is new.
    pub(super) fn read(&mut self, console: &SerialView) -> Vec<Shown> {
        let (lost, bytes) = console.since(self.offset);
        self.offset = console.total;
        if lost > 0 {
            self.partial.clear();
        }
        self.take(&bytes)
    }

    fn take(&mut self, bytes: &[u8]) -> Vec<Shown> {
        let mut shown = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            let line = self.redactor.redact(&printable(&self.partial));
            let part = PROGRESS.captures(&line).map(|found| found[1].chars().take(NAME).collect::<String>());
            match part {
                Some(part) if part == self.part => {}
                Some(part) => {
                    self.part.clone_from(&part);
                    shown.push(Shown::Part(part));
                }
                None if piece.ends_with(b"\n") && !line.trim().is_empty() => shown.push(Shown::Line(line)),
                None => {}
            }
            if piece.ends_with(b"\n") {
                self.partial.clear();
            }
            // A line without an end is stopped elsewhere; here it takes no memory.
            let excess = self.partial.len().saturating_sub(LINE as usize);
            self.partial.drain(..excess);
        }
        shown
    }
}

/// Returns the question that an installer asks, if it has been idle since: the last line that is not blank, if it reads like one. Debian's
/// installer ends the line of its prompt; of other lines only those without an end may be questions.
pub(super) fn question(console: &SerialView, idle: Duration) -> Option<String> {
    let (_, bytes) = console.since(console.total.saturating_sub(LINE));
    asked(&bytes, idle)
}

fn asked(bytes: &[u8], idle: Duration) -> Option<String> {
    let text = |line: &[u8]| printable(line).trim().to_owned();
    let last = bytes.split(|byte| *byte == b'\n').map(text).rfind(|line| !line.is_empty())?;
    let open = !bytes.ends_with(b"\n") && last.ends_with(['?', ':', '>', ']']);
    let asks = QUESTION.is_match(&last) && idle >= ASKED || open && idle >= MAYBE_ASKED;
    asks.then_some(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_parts_of_the_work_are_shown_once_and_without_secrets() {
        let mut reader = Reader::new(Redactor::new([b"hunter2".to_vec()].iter()));
        let line = |text: &str| Shown::Line(text.to_owned());
        let part = |text: &str| Shown::Part(text.to_owned());
        assert_eq!(reader.take(b"[    0.1] Linux version 6\r\n\r\nStarting"), [line("[    0.1] Linux version 6")]);
        assert_eq!(reader.take(b" up\r\nInstalling the base system  "), [line("Starting up")]);
        assert_eq!(reader.take(b"... 7%"), [part("Installing the base system")]);
        assert_eq!(reader.take(b"... 14%... 100%\r\n"), []);
        assert_eq!(
            reader.take(b"password hunter2\nSetting hunter2 ... 3%\n"),
            [line("password ***"), part("Setting ***")]
        );
        let long = vec![b'x'; 3 * LINE as usize];
        assert_eq!(reader.take(&long), []);
        assert!(reader.partial.len() <= LINE as usize);
    }

    #[test]
    fn a_question_is_known_by_its_words_or_by_its_end_and_only_once_nothing_happens() {
        let (soon, later) = (Duration::from_secs(20), Duration::from_secs(90));
        for (text, at_once, then) in [
            ("Choose a language:\n  1: C\nPrompt: '?' for help, default=1> ", true, true),
            ("Downloading a file failed:\n  1: Retry [*]\nPrompt: '?' for help, default=1> \r\n", true, true),
            ("Prompt: '?' for help, default=1> \nInstalling the base system\n", false, false),
            ("A bad mirror\n[Press enter to continue]", true, true),
            ("Continue with autoinstall? (yes|no)", true, true),
            ("Please make a selection from the above ['b' to begin installation]: ", true, true),
            ("What is your name? ", false, true),
            ("What is your name?\n", false, false),
            ("Installing the base system ... 7%... 14%", false, false),
            ("", false, false),
        ] {
            assert_eq!(asked(text.as_bytes(), Duration::from_secs(1)), None, "{text}");
            assert_eq!(asked(text.as_bytes(), soon).is_some(), at_once, "{text}");
            assert_eq!(asked(text.as_bytes(), later).is_some(), then, "{text}");
        }
    }
}
