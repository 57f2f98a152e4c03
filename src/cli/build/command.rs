//! The options of `goldsmith build`, and the function that runs it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::on_failure::{Handler, OnFailureOption};
use super::verdict;
use crate::build::actions::ActionError;
use crate::build::{AfterFailure, OnFailure};
use crate::cli::build_host::BuildHost;
use crate::cli::cloud::{self, CloudOptions};
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::cli::jsonl::JsonReporter;
use crate::cli::logfile::Deferred;
use crate::cli::options::{GuestOptions, PinOptions, RecipeOptions};
use crate::cli::output::{StandardOutput, columns, print};
use crate::cli::parse::parse_word;
use crate::cli::plan;
use crate::cli::progress::TerminalReporter;
use crate::cli::publish::{Environment, PublishReport};
use crate::cli::settings::{Global, read_secrets};
use crate::event::{Reporter, Tee};
use crate::export::Exported;
use crate::guest::Guest;
use crate::pipeline::{Made, Options, Pipeline, Publishing, Watch};
use crate::plan::StepId;
use crate::recipe::verify::NetworkAccess;
use crate::text::Redactor;
use crate::units::{ByteSize, parse_duration};

/// `goldsmith build`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Build {
    /// The recipe.
    #[command(flatten)]
    pub(in crate::cli) source: RecipeOptions,
    /// Directory for the artifacts [default: out/<image name>]
    #[arg(short, long, value_name = "DIR")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// The pinning of mirrors and base images.
    #[command(flatten)]
    pub(in crate::cli) pinning: PinOptions,
    /// The guest.
    #[command(flatten)]
    pub(in crate::cli) machine: GuestOptions,
    /// What steps with network access reach: user (what this host reaches), host (this host too), isolated (nothing)
    #[arg(long, value_name = "ACCESS", default_value = "user", value_parser = parse_word::<NetworkAccess>)]
    pub(in crate::cli) network: NetworkAccess,
    /// How long a program of a step may run, if its action sets no `timeout`
    #[arg(long, value_name = "TIME", default_value = "30min", value_parser = parse_duration)]
    pub(in crate::cli) timeout: Duration,
    /// What happens to the guest when a step fails
    #[arg(long, value_enum, default_value_t = OnFailureOption::Clean)]
    pub(in crate::cli) on_failure: OnFailureOption,
    /// Do not verify the image, even if the recipe has `verify`
    #[arg(long)]
    pub(in crate::cli) no_verify: bool,
    /// Publish the image to the recipe's targets after it has passed its checks
    #[arg(long, conflicts_with = "no_verify")]
    pub(in crate::cli) publish: bool,
    /// Publish the image although one that was built later is there
    #[arg(long, requires = "publish")]
    pub(in crate::cli) allow_older: bool,
    /// Show the plan instead of building it
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// The cloud, where the recipe's targets name none.
    #[command(flatten)]
    pub(in crate::cli) cloud: CloudOptions,
}

/// Builds the image a recipe describes.
pub(in crate::cli) fn build(args: &Build, global: &Global) -> Result<(), Failure> {
    let source = args.source.read(global)?;
    let recipe = source.loaded.recipe.clone();
    let screen = (!global.json).then(|| Arc::new(TerminalReporter::on_stderr(global.terminal)));
    let json = global.json.then(|| Arc::new(JsonReporter::new(StandardOutput)));
    let log = Arc::new(Deferred::new());
    let mut reporters: Vec<Arc<dyn Reporter>> = vec![Arc::clone(&log) as _];
    reporters.extend(screen.clone().map(|screen| screen as Arc<dyn Reporter>));
    reporters.extend(json.clone().map(|json| json as Arc<dyn Reporter>));
    let mut host = BuildHost::new(&args.machine, global)?;
    host.host.access = args.network;
    let mut workshop = host.workshop(Arc::new(Tee(reporters)), global)?;
    workshop.timeout = args.timeout;
    let failed = |error| hints::pipeline(&error, global.terminal.color);
    if args.dry_run {
        let pipeline = Pipeline::new(source, args.pinning.policy(), workshop, &host.host);
        let prepared = pipeline.prepare(&mut pipeline.session()).map_err(failed)?;
        return plan::show(&prepared.plan, &pipeline.workshop().store, global);
    }
    workshop.secrets = read_secrets(&recipe.secrets, &recipe.dir)?;
    let redactor = Redactor::new(workshop.secrets.values());
    let pipeline = Pipeline::new(source, args.pinning.policy(), workshop, &host.host);
    let out = args.out.clone().unwrap_or_else(|| Path::new("out").join(&recipe.name));
    log.open(&out, redactor.clone()).map_err(|error| Failure::new(FailureKind::Host, &error))?;
    let publish_report = PublishReport::new(json.clone(), global);
    let publish = args.publish.then(|| Publishing {
        places: cloud::places(&args.cloud),
        allow_older: args.allow_older,
        keys: &Environment,
        reporter: publish_report.reporter(),
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
    let outcome = outcome.map_err(|error| match (failed(error).redacted(&redactor), log) {
        (failure, Some(log)) if failure.kind == FailureKind::Build => {
            failure.hint(format!("the whole log is {}", log.display()))
        }
        (failure, _) => failure,
    })?;
    if let Some(verdict) = &outcome.made.verdict {
        verdict::judge(verdict, &outcome.made.exported)?;
    }
    publish_report.print(outcome.published)
}

/// The output of a build for the user.
struct Progress<'a> {
    on_failure: Handler<'a>,
    screen: Option<&'a TerminalReporter>,
    json: Option<&'a JsonReporter<StandardOutput>>,
}

impl OnFailure for Progress<'_> {
    fn failed(&mut self, step: &StepId, error: &ActionError, guest: &mut dyn Guest) -> AfterFailure {
        self.on_failure.failed(step, error, guest)
    }
}

impl Watch for Progress<'_> {
    fn verifying(&mut self, exported: &Exported) {
        let disk = exported.artifacts.iter().find(|artifact| artifact.output.format.is_disk());
        if let Some((screen, artifact)) = self.screen.zip(disk) {
            screen.note(&format!("image ready: {}; verifying it now", exported.dir.join(&artifact.file).display()));
        }
    }

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
            verdict::print_verdict(verdict, exported, self.json);
        }
    }
}

/// Lists the artifacts for people.
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
