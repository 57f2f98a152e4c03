//! The command `goldsmith bases`: lists the official cloud images that a recipe can name as its base.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use super::distros::known;
use super::failure::{Failure, FailureKind};
use super::output::{columns, print};
use super::settings::Global;
use crate::distro::CloudImage;
use crate::yaml::near;

/// `goldsmith bases`.
#[derive(Debug, Args)]
pub(super) struct Bases {
    /// The image to show, by its name; without it, list all
    pub(super) name: Option<String>,
    /// Look for distributions in this directory first; repeat the option for several
    #[arg(long, value_name = "DIR")]
    pub(super) distros: Vec<PathBuf>,
}

/// Lists cloud images or shows one.
pub(super) fn bases(args: &Bases, global: &Global) -> Result<(), Failure> {
    let distros = known(&args.distros, global)?;
    let images = distros.cloud_images();
    let text = match &args.name {
        Some(name) => {
            let Some(image) = distros.cloud_image(name) else {
                let names = images.iter().flat_map(|image| [&image.name].into_iter().chain(&image.alias));
                let mut failure = Failure::of(FailureKind::Usage, format!("unknown cloud image `{name}`"));
                failure.hints.extend(near(name, names).map(|meant| format!("did you mean `{meant}`?")));
                return Err(failure.hint("`goldsmith bases` lists all"));
            };
            if global.json { format!("{}\n", record(&image)) } else { shown(&image) }
        }
        None if global.json => format!("{}\n", images.iter().map(record).collect::<Json>()),
        None => columns(&images.iter().map(row).collect::<Vec<_>>()),
    };
    print(&text);
    Ok(())
}

fn architectures(image: &CloudImage) -> String {
    image.files.keys().map(|arch| arch.name()).collect::<Vec<_>>().join(", ")
}

fn signed(image: &CloudImage) -> &'static str {
    if image.keyring.is_some() { "signed checksums" } else { "checksums by https" }
}

fn row(image: &CloudImage) -> Vec<String> {
    vec![image.name.clone(), image.title.clone(), architectures(image), signed(image).to_owned()]
}

/// Returns an image for programs.
fn record(image: &CloudImage) -> Json {
    json!({
        "name": image.name,
        "alias": image.alias,
        "title": image.title,
        "files": image.files,
        "keyring": image.keyring,
    })
}

/// Returns an image for people.
fn shown(image: &CloudImage) -> String {
    let mut facts = vec![("title", image.title.clone())];
    facts.extend(image.alias.iter().map(|alias| ("also known as", alias.clone())));
    for (arch, file) in &image.files {
        facts.push((arch.name(), file.source.clone()));
        facts.push(("", file.checksums.clone()));
    }
    match &image.keyring {
        Some(keyring) => {
            facts.push(("keys", format!("{} (package {})", keyring.file, keyring.package)));
            facts.extend(keyring.fingerprints.iter().map(|key| ("only the key", key.clone())));
        }
        None => {
            facts.push(("keys", "none: the vendor signs no list of checksums, so https alone protects it".to_owned()))
        }
    }
    let rows: Vec<_> = facts.into_iter().map(|(what, value)| vec![what.to_owned(), value]).collect();
    format!("{}\n{}\nin a recipe: base: {{ image: {} }}\n", image.name, columns(&rows), image.name)
}
