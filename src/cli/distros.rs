//! The command `goldsmith distros`: lists the known distributions, or shows the facts about one.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::failure::{Failure, FailureKind};
use super::hints;
use super::output::{columns, print};
use super::settings::Global;
use crate::distro::schema::PerArch;
use crate::distro::{self, Distribution};
use crate::recipe::Arch;
use crate::yaml::Diagnostics;

/// `goldsmith distros`.
#[derive(Debug, Args)]
pub(super) struct Distros {
    /// The distribution to show, by its name or an alias; without it, list all
    pub(super) name: Option<String>,
    /// Look for distributions in this directory first; repeat the option for several
    #[arg(long, value_name = "DIR")]
    pub(super) distros: Vec<PathBuf>,
}

/// Loads the distributions of some folders, of `distros` in the current directory, and of the program.
pub(super) fn known(dirs: &[PathBuf], global: &Global) -> Result<Arc<distro::Distros>, Failure> {
    if let Some(dir) = dirs.iter().find(|dir| !dir.is_dir()) {
        let message = format!("there is no directory of distributions at {}", dir.display());
        return Err(Failure::of(FailureKind::Usage, message));
    }
    // The same folders as for a recipe in the current directory.
    let dirs = [dirs, &global.settings.paths("distros"), &["distros".into()]].concat();
    let (known, found) = distro::Distros::load(&dirs);
    match Diagnostics::collect(found) {
        Some(found) => Err(hints::recipe(&found, global)),
        None => Ok(known),
    }
}

/// Lists distributions or shows one.
pub(super) fn distros(args: &Distros, global: &Global) -> Result<(), Failure> {
    let known = known(&args.distros, global)?;
    let text = match &args.name {
        Some(name) => {
            let one = known.find(name).map_err(|fault| hints::recipe(&fault.into(), global))?;
            if global.json { format!("{}\n", record(one)) } else { shown(one) }
        }
        None if global.json => format!("{}\n", known.iter().map(record).collect::<Json>()),
        None => columns(&known.iter().map(row).collect::<Vec<_>>()),
    };
    print(&text);
    Ok(())
}

/// Returns the kinds of bases that the distribution can be.
fn works(one: &Distribution) -> &'static str {
    if one.file.bootstrap.is_some() { "bootstrap, image" } else { "image" }
}

fn joined<T: AsRef<str>>(words: impl IntoIterator<Item = T>, none: &str) -> String {
    let words: Vec<_> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    if words.is_empty() { none.to_owned() } else { words.join(", ") }
}

fn row(one: &Distribution) -> Vec<String> {
    vec![
        one.file.name.clone(),
        one.family.clone(),
        joined(one.file.releases.iter().map(|release| &release.name), "-"),
        joined(one.file.architectures.iter().map(|arch| arch.name()), "-"),
        works(one).to_owned(),
    ]
}

/// Returns a distribution for programs: its file, with the facts that it takes from others.
fn record(one: &Distribution) -> Json {
    json!({
        "origin": one.origin.to_string(),
        "file": one.file_name(),
        "bootstrap": one.file.bootstrap.is_some(),
        "image": true,
        "distro": one.file,
    })
}

/// Returns a distribution for people: all facts about it.
fn shown(one: &Distribution) -> String {
    let file = &one.file;
    let mut text = format!("{}: {}, of the family {}\n", file.name, file.title, one.family);
    text.push_str(&format!("from {}\n", one.file_name()));
    let mut facts = vec![
        ("works as", works(one).to_owned()),
        ("architectures", joined(file.architectures.iter().map(|arch| arch.name()), "none")),
        ("also known as", joined(&file.aliases, "nothing else")),
    ];
    facts.extend(file.extends.iter().map(|other| ("extends", other.clone())));
    facts.extend(file.user.iter().map(|user| ("user of cloud-init", user.clone())));
    if let Some(how) = &file.bootstrap {
        facts.push(("keys", format!("{} (package {})", how.keyring.file, how.keyring.package)));
        facts.extend(how.keyring.fingerprints.iter().map(|key| ("only the key", key.clone())));
        facts.push(("suites", joined(how.suites.iter().chain(&how.security_suites), "none")));
        facts.push(("components", joined(&how.components, "none")));
        for (arch, mirrors) in &how.mirrors {
            let urls = joined(mirrors.main.iter().chain(&mirrors.security), "none");
            facts.push(("mirrors", format!("{}: {urls}", arch.name())));
        }
    }
    text.push_str(&columns(&facts.into_iter().map(|(what, value)| vec![what.to_owned(), value]).collect::<Vec<_>>()));
    for note in &file.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    if !file.releases.is_empty() {
        let end = |end: &Option<String>| end.as_ref().map_or(String::new(), |end| format!("updates until {end}"));
        let rows = file.releases.iter().map(|one| vec![format!("  {}", one.name), one.version.clone(), end(&one.end)]);
        text.push_str(&format!("\nreleases:\n{}", columns(&rows.collect::<Vec<_>>())));
    }
    let mechanisms = match json!(one.mechanisms) {
        Json::Object(all) => all.into_iter().map(|(name, how)| (name, how.as_str().unwrap_or_default().to_owned())),
        _ => return text,
    };
    section(&mut text, "mechanisms", mechanisms);
    section(&mut text, "packages", per_arch(&file.packages, |names| names.join(" ")));
    section(&mut text, "paths", per_arch(&file.paths, Clone::clone));
    section(&mut text, "units", file.units.clone().into_iter());
    text
}

/// Adds the names that templates see in a group, with their values.
fn section(text: &mut String, group: &str, values: impl Iterator<Item = (String, String)>) {
    let rows: Vec<_> = values.map(|(name, value)| vec![format!("  os.{group}.{name}"), value]).collect();
    text.push_str(&format!("\n{group}:\n{}", columns(&rows)));
}

fn per_arch<T: Serialize>(
    values: &BTreeMap<String, PerArch<T>>,
    written: impl Fn(&T) -> String,
) -> impl Iterator<Item = (String, String)> {
    let told = move |value: &PerArch<T>| match value {
        PerArch::All(value) => written(value),
        PerArch::Each(values) => {
            let each = |(arch, value): (&Arch, &T)| format!("{}: {}", arch.name(), written(value));
            values.iter().map(each).collect::<Vec<_>>().join("; ")
        }
    };
    values.iter().map(|(name, value)| (name.clone(), told(value))).collect::<Vec<_>>().into_iter()
}
