//! `goldsmith publish`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::args::parse_param;
use super::convert::parse_format;
use super::failure::{Failure, FailureKind};
use super::images::{self, CloudArgs};
use super::jsonl::JsonReporter;
use super::progress::TerminalReporter;
use super::settings::Global;
use super::{print, signals};
use crate::event::Reporter;
use crate::image::Format;
use crate::interrupt::Interrupt;
use crate::openstack::{CloudError, UploadError};
use crate::publish::glance::{self, PublishError, Published, Wanted};
use crate::publish::{Source, SourceError, properties};

/// `goldsmith publish`.
#[derive(Debug, Args)]
pub(super) struct Publish {
    /// Directory that a build has written its artifacts to: out/<image name>
    dir: PathBuf,
    /// Name of the image at the service [default: the image's own]
    #[arg(long)]
    name: Option<String>,
    /// Publish the artifact of this format [default: the first that the service takes]
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    format: Option<Format>,
    /// Who sees it: private, shared, community, public
    #[arg(long, default_value = "private")]
    visibility: String,
    /// A property beside those that follow from the image, or in place of one; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_param)]
    property: Vec<(String, String)>,
    /// A tag; may be given several times
    #[arg(long)]
    tag: Vec<String>,
    /// Let nobody delete it
    #[arg(long)]
    protected: bool,
    /// Leave it out of lists
    #[arg(long)]
    hidden: bool,
    /// The cloud.
    #[command(flatten)]
    cloud: CloudArgs,
}

/// Publishes an image that was built earlier.
pub(super) fn publish(args: &Publish, global: &Global) -> Result<(), Failure> {
    let source = Source::read(&args.dir, args.format).map_err(|error| source_failure(&error, &args.dir))?;
    let properties =
        properties::derive(&source, &args.property).map_err(|error| Failure::new(FailureKind::Usage, &error))?;
    let wanted = Wanted {
        name: args.name.clone().unwrap_or_else(|| source.summary.name.clone()),
        visibility: args.visibility.clone(),
        tags: args.tag.clone(),
        protected: args.protected,
        hidden: args.hidden,
        properties,
    };
    let cloud = images::connect(&args.cloud)?;
    let interrupt = Interrupt::new();
    signals::watch(interrupt.clone()).map_err(|error| Failure::new(FailureKind::Host, &error))?;
    let screen = (!global.json).then(|| Arc::new(TerminalReporter::on_stderr(global.terminal)));
    let lines = global.json.then(|| Arc::new(JsonReporter::new(std::io::stdout())));
    let reporter: Arc<dyn Reporter> = match (&screen, &lines) {
        (_, Some(lines)) => Arc::clone(lines) as _,
        (Some(screen), None) => Arc::clone(screen) as _,
        (None, None) => unreachable!("one of them is there"),
    };
    let published = glance::publish(&cloud, &source, &wanted, &reporter, &interrupt);
    if let Some(screen) = &screen {
        screen.finish();
    }
    let Published { image, before } = published.map_err(|error| failure(&error))?;
    match lines {
        Some(lines) => {
            lines.line(&json!({ "event": "published", "cloud": cloud.name(), "image": image, "before": before }))
        }
        None => {
            let how = if before { "was there before" } else { "is there" };
            print(&format!("{} {how} as {} on {}\n", wanted.name, image.id, cloud.name()));
        }
    }
    Ok(())
}

fn source_failure(error: &SourceError, dir: &Path) -> Failure {
    let failure = Failure::new(FailureKind::Usage, error);
    match error {
        SourceError::NoManifest { .. } => failure.hint("name the directory that `goldsmith build` has written to"),
        SourceError::NoArtifact { .. } => failure.hint("`outputs` of the recipe say what is made: qcow2, say"),
        SourceError::Changed { .. } => {
            failure.hint(format!("build it again: what is in {} is not what was made", dir.display()))
        }
    }
}

fn failure(error: &PublishError) -> Failure {
    let failure = match error {
        PublishError::Cloud(error) => return images::failure(error),
        PublishError::Upload(UploadError::Interrupted)
        | PublishError::Orphan { source: UploadError::Interrupted, .. } => {
            Failure::new(FailureKind::Interrupted, error)
        }
        error => Failure::new(FailureKind::Publish, error),
    };
    match error {
        PublishError::Refused(problems) => {
            let told = problems.iter().map(|problem| format!("{}; {}", problem.message, problem.help));
            Failure { causes: told.collect(), ..failure }
        }
        PublishError::Upload(UploadError::Cloud(cloud)) => match advice(cloud) {
            Some(help) => failure.hint(help),
            None => failure,
        },
        PublishError::Orphan { id, .. } => failure.hint(format!("`openstack image delete {id}` removes it")),
        PublishError::Busy { .. } => failure.hint("wait for it, or see who it is: `goldsmith images show ID`"),
        PublishError::Worn => failure.hint("give it another --name"),
        _ => failure,
    }
}

/// What to do about data that a service refuses.
fn advice(error: &CloudError) -> Option<String> {
    let CloudError::Refused { status, .. } = error else { return error.help() };
    match status {
        413 => Some(
            "it is larger than the service or the project's quota allows: free some, or ask the operators".to_owned(),
        ),
        415 => Some("the service looks into images: `goldsmith inspect FILE` tells what it objects to".to_owned()),
        410 => Some("somebody has deleted it in the meantime: publish it again".to_owned()),
        _ => error.help(),
    }
}
