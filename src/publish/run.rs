//! The entry point of publishing: an operation at all targets in parallel.

use std::sync::Arc;

use super::context::{Context, Verb};
use super::error::PublishError;
use super::operation::Operation;
use super::{images, trees};
use crate::event::Once;
use crate::recipe::publish::Target;

/// The result at one target.
#[derive(Debug)]
pub struct Outcome {
    /// Name of the target, for people.
    pub target: String,
    /// What was done, in order, or the error.
    pub result: Result<Vec<Operation>, PublishError>,
}

/// Runs an operation at all targets in parallel. The outcomes are in the order of the targets.
pub fn run(verb: Verb, targets: &[Target], context: &Context<'_>) -> Vec<Outcome> {
    // Several targets may be in one cloud and give the same warnings; each warning is reported once.
    let context = &Context {
        subject: context.subject,
        places: context.places.clone(),
        allow_older: context.allow_older,
        keys: context.keys,
        reporter: Arc::new(Once::new(Arc::clone(&context.reporter))),
        interrupt: context.interrupt.clone(),
    };
    std::thread::scope(|scope| {
        let started: Vec<_> =
            targets.iter().map(|target| (target, scope.spawn(move || at(verb, target, context)))).collect();
        let ended = started.into_iter().map(|(target, thread)| Outcome {
            target: label(target),
            result: thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
        });
        ended.collect()
    })
}

fn at(verb: Verb, target: &Target, context: &Context<'_>) -> Result<Vec<Operation>, PublishError> {
    match target {
        Target::Glance(target) => images::run(verb, target, context),
        Target::Directory(target) => trees::directory(verb, target, context),
        Target::S3(target) => trees::s3_bucket(verb, target, context),
    }
}

/// Returns the name of a target for people: `glance mycloud RegionOne`.
pub fn label(target: &Target) -> String {
    match target {
        Target::Glance(glance) => {
            let said = [&glance.cloud, &glance.region].into_iter().flatten();
            said.fold("glance".to_owned(), |label, word| format!("{label} {word}"))
        }
        Target::Directory(directory) => format!("directory {}", directory.path.display()),
        Target::S3(s3) => format!("s3 {}", s3.bucket),
    }
}
