//! Code that the commands `goldsmith images` share: finds an image, and shows the progress of long work.

use std::sync::Arc;
use std::time::Instant;

use super::render;
use crate::cli::cloud;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::jsonl::JsonReporter;
use crate::cli::output::StandardOutput;
use crate::cli::progress::TerminalReporter;
use crate::cli::settings::Global;
use crate::cli::signals;
use crate::event::{Event, Reporter};
use crate::interrupt::Interrupt;
use crate::openstack::Cloud;
use crate::openstack::image::{FindError, Image};

/// Runs long work: reports it, and lets signals interrupt it. `work` reports the bytes that are done, and all bytes.
pub(super) fn watched<T, E>(
    activity: &str,
    global: &Global,
    work: impl FnOnce(&(dyn Fn(u64, Option<u64>) + Sync), &Interrupt) -> Result<T, E>,
) -> Result<Result<T, E>, Failure> {
    let interrupt = signals::interrupt()?;
    let screen = Arc::new(TerminalReporter::on_stderr(global.terminal));
    let reporter: Arc<dyn Reporter> =
        if global.json { Arc::new(JsonReporter::new(StandardOutput)) } else { Arc::clone(&screen) as _ };
    let started = Instant::now();
    reporter.report(&Event::ActivityStarted { activity: activity.to_owned() });
    let told = |done, total| reporter.report(&Event::Progress { activity: activity.to_owned(), done, total });
    let result = work(&told, &interrupt);
    if result.is_ok() {
        reporter.report(&Event::ActivityFinished { activity: activity.to_owned(), elapsed: started.elapsed() });
    }
    screen.finish();
    Ok(result)
}

/// Finds the image that the user named.
pub(super) fn find(cloud: &Cloud, image: &str) -> Result<Image, Failure> {
    cloud.image(image).map_err(|error| find_failure(&error))
}

fn find_failure(error: &FindError) -> Failure {
    match error {
        FindError::Cloud(error) => cloud::failure(error),
        FindError::None { .. } => Failure::new(FailureKind::Usage, error)
            .hint("`goldsmith images list` shows all that this project sees; hidden ones with --hidden"),
        FindError::Several { images, .. } => {
            let mut failure = Failure::new(FailureKind::Usage, error).hint("name the one you mean by its id");
            failure.causes.extend(images.iter().map(render::candidate));
            failure
        }
    }
}
