//! The command `goldsmith ls`: what was built with this cache, and where it was published.

use clap::Args;
use serde_json::{Value, json};

use super::record::{Ended, Record, all};
use crate::cli::failure::Failure;
use crate::cli::options::CacheOption;
use crate::cli::output::{columns, print};
use crate::cli::settings::Global;
use crate::export::Artifact;
use crate::export::manifest::Summary;
use crate::text::printable;
use crate::units::ByteSize;

/// `goldsmith ls`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Ls {
    /// Only images with this name
    #[arg(value_name = "IMAGE")]
    image: Option<String>,
    /// The cache.
    #[command(flatten)]
    pub(in crate::cli) cache: CacheOption,
}

/// Lists what builds with this cache have made.
pub(in crate::cli) fn ls(args: &Ls, global: &Global) -> Result<(), Failure> {
    let mut records = all(&global.cache);
    records.retain(|record| args.image.as_ref().is_none_or(|image| record.name == *image));
    if global.json {
        print(&format!("{}\n", records.iter().map(json).collect::<Value>()));
        return Ok(());
    }
    if records.is_empty() {
        print(&format!("no build with the cache {} is recorded\n", global.cache.display()));
        return Ok(());
    }
    let mut rows = vec![["IMAGE", "BUILT", "RESULT", "SIZE", "SHA256", "FILE"].map(str::to_owned).to_vec()];
    let mut published = Vec::new();
    for record in &records {
        rows.extend(lines(record));
        for one in &record.published {
            let place = printable(format!("{} as {} at {}", one.name, one.place, one.target).as_bytes());
            published.push(vec![format!("{:.0}", one.time), place]);
        }
    }
    print(&columns(&rows));
    if !published.is_empty() {
        print(&format!("\npublished:\n{}", columns(&published)));
    }
    Ok(())
}

/// Returns the lines of a record: one for each artifact, or one for a directory without artifacts.
fn lines(record: &Record) -> Vec<Vec<String>> {
    let built = format!("{:.0}", record.ended);
    let line = |result: &str, size: String, digest: String, path: &std::path::Path| {
        let path = printable(path.display().to_string().as_bytes());
        vec![record.name.clone(), built.clone(), result.to_owned(), size, digest, path]
    };
    let Some(summary) = record.summary() else {
        let result = if record.result == Ended::Failed { "failed" } else { "gone" };
        return vec![line(result, "-".to_owned(), "-".to_owned(), &record.dir)];
    };
    let artifacts = summary.artifacts.iter().map(|artifact| {
        let result = state(record, &summary, artifact);
        let size = ByteSize::bytes(artifact.size).to_string();
        line(result, size, artifact.digests.sha256.short(), &record.dir.join(&artifact.file))
    });
    artifacts.collect()
}

/// Returns what is known of an artifact, in one or two words.
fn state(record: &Record, summary: &Summary, artifact: &Artifact) -> &'static str {
    match std::fs::metadata(record.dir.join(&artifact.file)) {
        Err(_) => "gone",
        Ok(file) if file.len() != artifact.size => "changed",
        // The artifacts are those of an earlier build.
        Ok(_) if record.result == Ended::Failed => "failed since",
        Ok(_) => match summary.verified {
            Some(verified) if verified.passed => "verified",
            Some(_) => "not fit",
            None => "not verified",
        },
    }
}

/// Returns the results of a record's lines, for tests.
#[cfg(test)]
pub(super) fn described(record: &Record) -> Vec<String> {
    lines(record).into_iter().map(|line| line[2].clone()).collect()
}

fn json(record: &Record) -> Value {
    let summary = record.summary();
    let artifacts = summary.iter().flat_map(|summary| {
        summary.artifacts.iter().map(move |artifact| {
            json!({
                "file": artifact.file, "format": artifact.output.format, "size": artifact.size,
                "sha256": artifact.digests.sha256, "state": state(record, summary, artifact),
            })
        })
    });
    json!({
        "image": record.name,
        "dir": record.dir,
        "recipe": record.recipe,
        "ended": record.ended,
        "result": record.result,
        "verified": summary.as_ref().and_then(|summary| summary.verified).map(|verified| verified.passed),
        "artifacts": artifacts.collect::<Value>(),
        "published": record.published,
    })
}
