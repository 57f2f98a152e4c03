//! The command `goldsmith doctor`: examines the host and shows the results.

use super::examine::{CheckResult, Status, examine, is_able};
use super::facts::{HostFacts, Inputs};
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::output::print;
use crate::cli::progress::during;
use crate::cli::settings::{self, Global};
use crate::cli::terminal::{Mark, Style, Terminal};
use crate::cli::{hints, signals};
use crate::guest::{accel, libguestfs};

/// Looks at this host and prints what it finds.
pub(in crate::cli) fn run(global: &Global) -> Result<(), Failure> {
    crate::layer::prepare(&global.cache).map_err(|error| hints::store(&error))?;
    // Several programs are asked for their versions, which takes longer than people like to look at nothing.
    let facts = match global.terminal.live {
        true => during(global.terminal, "examine this host", |_| facts(global))?,
        false => facts(global)?,
    };
    let results = examine(&facts);
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

fn facts(global: &Global) -> Result<HostFacts, Failure> {
    let interrupt = signals::interrupt()?;
    let kvm = accel::kvm_verdict(&settings::qemu(), &global.cache, &interrupt)
        .map_err(|error| Failure::new(FailureKind::Host, &error))?;
    let libguestfs = libguestfs::version().map_err(|error| error.to_string());
    Ok(HostFacts::gather(Inputs { kvm, libguestfs, cache_dir: global.cache.clone() }))
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
