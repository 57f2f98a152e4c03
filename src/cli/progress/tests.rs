use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use indicatif::{InMemoryTerm, ProgressDrawTarget};

use super::TerminalReporter;
use crate::cli::terminal::{Terminal, Verbosity};
use crate::event::{Event, Reporter as _};
use crate::plan::{Phase, StepId};

const FANCY: Terminal = Terminal { live: true, unicode: true, ..Terminal::PLAIN };

fn step(phase: Phase, element: &str) -> StepId {
    StepId { phase, element: element.to_owned() }
}

fn started(phase: Phase, element: &str, reason: Option<&str>) -> Event {
    let (expected, rest) = (Some(Duration::from_secs(30)), Some(Duration::from_secs(95)));
    let reason = reason.map(str::to_owned);
    Event::StepStarted { step: step(phase, element), number: 3, steps: 6, reason, expected, rest }
}

fn finished(phase: Phase, element: &str, millis: u64) -> Event {
    Event::StepFinished { step: step(phase, element), elapsed: Duration::from_millis(millis) }
}

fn cached(phase: Phase, element: &str) -> Event {
    Event::StepCached { step: step(phase, element), number: 1, remote: false }
}

fn activity(name: &str) -> Event {
    Event::ActivityStarted { activity: name.to_owned() }
}

fn output(line: &str) -> Event {
    Event::Output { line: line.to_owned() }
}

fn live(terminal: Terminal, width: u16) -> (TerminalReporter, InMemoryTerm) {
    let screen = InMemoryTerm::new(24, width);
    let target = ProgressDrawTarget::term_like(Box::new(screen.clone()));
    (TerminalReporter::live(terminal, target, false), screen)
}

/// A build in which two steps are cached, one has run, one runs beside a transfer.
fn a_build() -> Vec<Event> {
    vec![
        Event::BuildStarted { name: "debian-12".to_owned(), steps: 6 },
        cached(Phase::Base, "debian-12"),
        cached(Phase::Configure, "cloud-init"),
        activity("start the guest"),
        Event::ActivityFinished { activity: "start the guest".to_owned(), elapsed: Duration::from_millis(8123) },
        started(Phase::Configure, "sshd", Some("scripts/harden.sh changed")),
        output("Generating public/private ed25519 key pair."),
        finished(Phase::Configure, "sshd", 1234),
        Event::Warning { message: "the mirror is slow".to_owned() },
        activity("fetch base.qcow2"),
        Event::Progress { activity: "fetch base.qcow2".to_owned(), done: 512 << 20, total: Some(1 << 30) },
        started(Phase::Boot, "uefi", None),
        output("Installing for x86_64-efi platform."),
    ]
}

struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no thread panicked").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn plain(events: &[Event]) -> String {
    plain_with(Terminal::PLAIN, events)
}

fn plain_with(terminal: Terminal, events: &[Event]) -> String {
    let out = Arc::new(Mutex::new(Vec::new()));
    let reporter = TerminalReporter::plain(terminal, Box::new(Shared(Arc::clone(&out))));
    for event in events {
        reporter.report(event);
    }
    drop(reporter);
    let bytes = out.lock().expect("no thread panicked").clone();
    String::from_utf8(bytes).expect("text")
}

#[test]
fn a_terminal_shows_what_ended_and_what_runs() {
    let (reporter, screen) = live(FANCY, 100);
    for event in a_build() {
        reporter.report(&event);
    }
    insta::with_settings!({filters => vec![(r"(?m)^[⠋⠙⠹⠸⠼] (\S+ \S+).*$", "[spinner] $1 [elapsed]")]}, {
        insta::assert_snapshot!(screen.contents(), @r#"
        debian-12: 6 steps
        • 2 steps, up to configure cloud-init        cached
        ✓ start the guest                             8.1 s
        ✓ [3/6] configure sshd                        1.2 s  scripts/harden.sh changed
        warning: the mirror is slow
        [spinner] fetch base.qcow2 [elapsed]
        [spinner] [3/6] boot [elapsed]
          Installing for x86_64-efi platform.
          step 3 of 6, 0 s so far, about 1 min 35 s left
        "#);
    });
}

#[test]
fn after_the_end_nothing_is_redrawn_and_what_ran_is_marked() {
    let (reporter, screen) = live(FANCY, 100);
    for event in a_build() {
        reporter.report(&event);
    }
    reporter.finish();
    reporter.report(&output("too late"));
    insta::with_settings!({filters => vec![(r"(?m)^(✗.*?) +\d+\.\d s$", "$1 [elapsed]")]}, {
        insta::assert_snapshot!(screen.contents(), @r#"
        debian-12: 6 steps
        • 2 steps, up to configure cloud-init        cached
        ✓ start the guest                             8.1 s
        ✓ [3/6] configure sshd                        1.2 s  scripts/harden.sh changed
        warning: the mirror is slow
        ✗ fetch base.qcow2 [elapsed]
        ✗ [3/6] boot uefi [elapsed]
        "#);
    });
}

#[test]
fn long_output_is_cut_to_the_width() {
    let (reporter, screen) = live(FANCY, 60);
    reporter.report(&started(Phase::Install, "web", None));
    reporter.report(&output(&"x".repeat(500)));
    let contents = screen.contents();
    assert_eq!(contents.lines().count(), 3, "{contents}");
    assert!(contents.contains(&format!("\n  {}\n", "x".repeat(58))), "{contents}");
}

#[test]
fn a_step_tried_again_is_shown_once() {
    let (reporter, screen) = live(FANCY, 80);
    reporter.report(&started(Phase::Configure, "sshd", None));
    reporter.report(&Event::StepFailed { step: step(Phase::Configure, "sshd"), elapsed: Duration::from_secs(3) });
    reporter.report(&started(Phase::Configure, "sshd", None));
    reporter.report(&finished(Phase::Configure, "sshd", 2000));
    insta::assert_snapshot!(screen.contents(), @r#"
    ✗ [3/6] configure sshd                        3.0 s
    ✓ [3/6] configure sshd                        2.0 s
      step 3 of 6, 0 s so far, about 1 min 35 s left
    "#);
}

#[test]
fn colours_are_used_only_where_allowed() {
    for (color, expected) in [(false, false), (true, true)] {
        let (reporter, screen) = live(Terminal { color, ..FANCY }, 80);
        reporter.report(&started(Phase::Configure, "sshd", Some("new")));
        reporter.report(&output("a line"));
        reporter.report(&finished(Phase::Configure, "sshd", 2000));
        let formatted = String::from_utf8(screen.contents_formatted()).expect("text");
        assert_eq!(formatted.contains("\u{1b}[32m"), expected, "{formatted:?}");
    }
}

#[test]
fn without_a_terminal_every_start_and_end_is_a_line() {
    let text = plain(&a_build()[..11]);
    let told = text.rfind("stopped after").map_or(text.as_str(), |end| &text[..end + "stopped after".len()]);
    insta::assert_snapshot!(told, @r#"
    debian-12: 6 steps
    = 2 steps, up to configure cloud-init        cached
    start the guest: started
    start the guest: done in 8.1 s
    configure sshd: started (step 3 of 6; about 30 s, 1 min 35 s with all that follows; scripts/harden.sh changed)
    configure sshd: done in 1.2 s
    warning: the mirror is slow
    fetch base.qcow2: started
    fetch base.qcow2: 512 MiB of 1 GiB
    fetch base.qcow2: stopped after
    "#);
}

#[test]
fn plain_transfers_are_told_by_quarters() {
    let mut events = vec![activity("export")];
    events.extend((0..=1000).map(|done| Event::Progress {
        activity: "export".to_owned(),
        done: done << 20,
        total: Some(1000 << 20),
    }));
    events.push(Event::ActivityFinished { activity: "export".to_owned(), elapsed: Duration::from_secs(5) });
    insta::assert_snapshot!(plain(&events), @r#"
    export: started
    export: 250 MiB of 1000 MiB
    export: 500 MiB of 1000 MiB
    export: 750 MiB of 1000 MiB
    export: done in 5.0 s
    "#);
}

#[test]
fn a_build_that_is_cached_whole_is_one_line() {
    let events: Vec<_> = ["a", "b", "c"].map(|element| cached(Phase::Configure, element)).into();
    insta::assert_snapshot!(plain(&events), @r#"
    = 3 steps, up to configure c                 cached
    "#);
}

#[test]
fn a_person_decides_how_much_is_shown() {
    let events = [a_build(), vec![Event::Detail { message: "the guest resumed".to_owned() }]].concat();
    let with = |verbosity| plain_with(Terminal { verbosity, ..Terminal::PLAIN }, &events);
    assert_eq!(with(Verbosity::Quiet), "warning: the mirror is slow\n");
    let (normal, verbose) = (with(Verbosity::Normal), with(Verbosity::Verbose));
    for line in ["| Generating public/private ed25519 key pair.", "the guest resumed"] {
        assert!(verbose.contains(line) && !normal.contains(line), "{line}: {verbose}");
    }
}

#[test]
fn what_is_true_of_a_run_of_steps_is_said_once() {
    let (reporter, screen) = live(FANCY, 100);
    for element in ["sshd", "ntp", "swap"] {
        reporter.report(&started(Phase::Configure, element, Some("an earlier step changed")));
        reporter.report(&finished(Phase::Configure, element, 2000));
    }
    assert_eq!(screen.contents().matches("an earlier step changed").count(), 1, "{}", screen.contents());
}

#[test]
fn plain_lines_tell_what_still_runs() {
    let silent = Event::StillRunning { activity: "fetch".to_owned(), elapsed: Duration::from_secs(20) };
    assert_eq!(plain(&[silent]), "fetch: still running after 20.0 s\n");
}
