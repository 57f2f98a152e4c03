//! The command `goldsmith doctor`: examines the host and shows the results.

use std::time::Instant;

use super::examine::{CheckResult, Status, examine, is_able};
use super::facts::{HostFacts, Inputs};
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::output::print;
use crate::cli::progress::TerminalReporter;
use crate::cli::settings::{self, Global};
use crate::cli::terminal::{Mark, Style, Terminal};
use crate::cli::{hints, signals};
use crate::event::{Event, Reporter as _};
use crate::guest::{accel, libguestfs};

/// Looks at this host and prints what it finds.
pub(in crate::cli) fn run(global: &Global) -> Result<(), Failure> {
    let host = |error: &dyn std::error::Error| Failure::new(FailureKind::Host, error);
    crate::layer::prepare(&global.cache).map_err(|error| hints::store(&error))?;
    let interrupt = signals::interrupt()?;
    // Several programs are asked for their versions, which takes longer than people like to look at nothing.
    let screen = TerminalReporter::on_stderr(global.terminal);
    let (activity, started) = ("examine this host".to_owned(), Instant::now());
    if global.terminal.live {
        screen.report(&Event::ActivityStarted { activity: activity.clone() });
    }
    let verdict = accel::kvm_verdict(&settings::qemu(), &global.cache, &interrupt).map_err(|error| host(&error))?;
    let facts = HostFacts::gather(Inputs {
        kvm: verdict,
        libguestfs: libguestfs::version().map_err(|error| error.to_string()),
        cache_dir: global.cache.clone(),
    });
    let results = examine(&facts);
    if global.terminal.live {
        screen.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
    }
    drop(screen);
    if global.json {
        print(&format!("{}\n", serde_json::json!(results)));
    } else {
        print(&table(&results, global.stdout));
        print(&verdict_line(&results));
    }
    if is_able(&results) {
        return Ok(());
    }
    Err(Failure::of(FailureKind::Host, "this host cannot build images yet").hint("install what is named above"))
}

/// Says in one line what the results mean.
fn verdict_line(results: &[CheckResult]) -> String {
    let of = |status: Status| results.iter().filter(|result| result.status == status).count();
    let warnings = match of(Status::Warning) {
        0 => String::new(),
        1 => "; 1 warning".to_owned(),
        count => format!("; {count} warnings"),
    };
    match (is_able(results), of(Status::Missing)) {
        (true, _) => format!("\nyes: this host can build images{warnings}\n"),
        (false, missing) => format!("\nno: this host cannot build images yet; missing: {missing}{warnings}\n"),
    }
}

/// The results as a table for people.
pub(super) fn table(results: &[CheckResult], terminal: Terminal) -> String {
    let width = results.iter().map(|result| result.name.len()).max().unwrap_or(0);
    let mut text = String::new();
    for result in results {
        let mark = terminal.mark(match result.status {
            Status::Ok => Mark::Done,
            Status::Warning => Mark::Warning,
            Status::Missing => Mark::Failed,
        });
        text.push_str(&format!("{mark} {:width$}  {}\n", result.name, result.detail));
        if let Some(fix) = &result.fix {
            text.push_str(&format!("  {:width$}  {} {fix}\n", "", terminal.paint(Style::Cyan, "fix:")));
        }
    }
    text
}
