//! `goldsmith build`.

mod verdict;

use std::io::Stdout;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::args::{self, Build, Machine};
use super::failure::{Failure, FailureKind};
use super::jsonl::JsonReporter;
use super::logfile::Deferred;
use super::on_failure::Handler;
use super::progress::TerminalReporter;
use super::publish::{Environment, Telling};
use super::settings::{Global, read_secrets};
use super::{columns, guest, hints, images, print, signals};

use crate::base::workdir::WorkDir;
use crate::build::actions::ActionError;
use crate::build::{AfterFailure, OnFailure, Workshop};
use crate::event::{Reporter, Tee};
use crate::export::Exported;
use crate::guest::Guest;
use crate::interrupt::Interrupt;
use crate::pipeline::{Made, Options, Pipeline, Publishing, QemuHost, Source, Watch};
use crate::plan::StepId;
use crate::units::ByteSize;

/// The place where a recipe's image is made.
pub(super) struct Place {
    /// Sockets and scratch files of this process; removed with it.
    private: WorkDir,
    /// Libguestfs and QEMU.
    pub(super) host: QemuHost,
}

impl Place {
    pub(super) fn new(machine: &Machine, global: &Global) -> Result<Self, Failure> {
        let private = WorkDir::create(&std::env::temp_dir(), "goldsmith-").map_err(|error| {
            Failure::new(FailureKind::Host, &error).hint("TMPDIR names a directory for temporary files")
        })?;
        let host = guest::host(machine.accel, machine.memory, &global.cache, private.path())?;
        Ok(Self { private, host })
    }

    /// What a build works with, ended by the signals that end a program.
    pub(super) fn workshop(&self, reporter: Arc<dyn Reporter>, global: &Global) -> Result<Workshop, Failure> {
        let interrupt = Interrupt::new();
        signals::watch(interrupt.clone()).map_err(|error| Failure::new(FailureKind::Host, &error))?;
        Workshop::new(&global.cache, self.private.path(), reporter, interrupt).map_err(|error| hints::store(&error))
    }
}

/// Reads a recipe.
pub(super) fn read(source: &args::Source, global: &Global) -> Result<Source, Failure> {
    Source::read(&source.recipe, source.load_options()?).map_err(|found| hints::recipe(&found, global))
}

/// Builds the image a recipe describes.
pub(super) fn build(args: &Build, global: &Global) -> Result<(), Failure> {
    let source = read(&args.source, global)?;
    let recipe = source.loaded.recipe.clone();
    let screen = (!global.json).then(|| Arc::new(TerminalReporter::on_stderr(global.terminal)));
    let json = global.json.then(|| Arc::new(JsonReporter::new(std::io::stdout())));
    let log = Arc::new(Deferred::new());
    let mut reporters: Vec<Arc<dyn Reporter>> = vec![Arc::clone(&log) as _];
    reporters.extend(screen.clone().map(|screen| screen as Arc<dyn Reporter>));
    reporters.extend(json.clone().map(|json| json as Arc<dyn Reporter>));
    let place = Place::new(&args.machine, global)?;
    let mut workshop = place.workshop(Arc::new(Tee(reporters)), global)?;
    workshop.timeout = args.timeout;
    let failed = |error| hints::pipeline(&error, global.terminal.color);
    if args.dry_run {
        let pipeline = Pipeline::new(source, args.pinning.policy(), workshop, &place.host);
        let prepared = pipeline.prepare(&mut pipeline.session()).map_err(failed)?;
        return super::plan::show(&prepared.plan, &pipeline.workshop().store, global);
    }
    workshop.secrets = read_secrets(&recipe.secrets, &recipe.dir)?;
    let pipeline = Pipeline::new(source, args.pinning.policy(), workshop, &place.host);
    let out = args.out.clone().unwrap_or_else(|| Path::new("out").join(&recipe.name));
    log.open(&out).map_err(|error| Failure::new(FailureKind::Host, &error))?;
    let telling = Telling::new(json.clone(), global);
    let publish = args.publish.then(|| Publishing {
        places: images::places(&args.cloud),
        keys: &Environment,
        reporter: telling.reporter(),
    });
    let suspend = |talk: &mut dyn FnMut()| match &screen {
        Some(screen) => screen.suspend(talk),
        None => talk(),
    };
    let kept = out.join(format!("{}.failed.qcow2", recipe.name));
    let on_failure = Handler { wish: args.on_failure, kept, suspend: &suspend };
    let mut progress = Progress { on_failure, screen: screen.as_deref(), json: json.as_deref() };
    let outcome = pipeline.run(&Options { out: out.clone(), verify: !args.no_verify, publish }, &mut progress);
    if outcome.is_err()
        && let Some(screen) = &screen
    {
        screen.finish();
    }
    let log = log.close(&out);
    let outcome = outcome.map_err(|error| match (failed(error), log) {
        (failure, Some(log)) if failure.kind == FailureKind::Build => {
            failure.hint(format!("the whole log is {}", log.display()))
        }
        (failure, _) => failure,
    })?;
    if let Some(verdict) = &outcome.made.verdict {
        verdict::judge(verdict, &outcome.made.exported)?;
    }
    telling.told(outcome.published)
}

/// Shows a build to the user.
struct Progress<'a> {
    on_failure: Handler<'a>,
    screen: Option<&'a TerminalReporter>,
    json: Option<&'a JsonReporter<Stdout>>,
}

impl OnFailure for Progress<'_> {
    fn failed(&mut self, step: &StepId, error: &ActionError, guest: &mut dyn Guest) -> AfterFailure {
        self.on_failure.failed(step, error, guest)
    }
}

impl Watch for Progress<'_> {
    fn made(&mut self, made: &Made) {
        if let Some(screen) = self.screen {
            screen.finish();
        }
        let exported = &made.exported;
        match self.json {
            Some(json) => json.line(&json!({ "event": "exported", "dir": exported.dir, "artifacts": exported.artifacts, "unchanged": exported.unchanged })),
            None => print(&summary(exported)),
        }
        if let Some(verdict) = &made.verdict {
            verdict::tell(verdict, exported, self.json);
        }
    }
}

/// Where the artifacts are, for people.
fn summary(exported: &Exported) -> String {
    let rows: Vec<_> = exported
        .artifacts
        .iter()
        .map(|artifact| {
            let path = exported.dir.join(&artifact.file);
            let size = ByteSize::bytes(artifact.size).to_string();
            vec![path.display().to_string(), size, format!("sha256 {}", artifact.digests.sha256)]
        })
        .collect();
    let unchanged = if exported.unchanged { "nothing changed; the artifacts are up to date\n" } else { "" };
    format!("{unchanged}{}", columns(&rows))
}
