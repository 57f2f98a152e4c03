//! Runs `goldsmith init`.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{CiService, Init};
use super::ask::{ask, can_ask};
use super::base::{Start, start};
use super::ci;
use super::files::{Planned, write};
use super::text::About;
use crate::cli::element_test;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::output::print;
use crate::cli::settings::Global;
use crate::cli::{distros, hints};
use crate::distro::Distros;
use crate::element::library::Library;
use crate::image::read::{self, Options};
use crate::recipe::json_schema::{element_schema, recipe_schema};
use crate::syntax;
use crate::vocabulary::Arch;

/// What an image starts from if nobody says it.
const FROM: &str = "debian";

/// Size of the disk of an image that is made of packages, and of one from an address, whose size is not known.
const DISK: [u64; 2] = [4 << 30, 10 << 30];

/// Room that is added to the disk of an image.
const ROOM: u64 = 1 << 30;

/// Writes the first files of a project.
pub(in crate::cli) fn init(args: &Init, global: &Global) -> Result<(), Failure> {
    let known = distros::known(&[], global)?;
    let (name, from) = answers(args, &known, global)?;
    let start = start(&from, args.sha256.as_deref(), &args.dir, &known)?;
    let arch = Arch::host().unwrap_or(Arch::X86_64);
    let library =
        Library::with_distros(vec![args.dir.join("elements"), "elements".into()], std::sync::Arc::clone(&known));
    let about = About { name: &name, start: &start, gibibytes: disk(&from, &start)?, arch, library: &library };
    let mut files = match args.element {
        None => vec![Planned::new(format!("{name}.yaml"), about.recipe())],
        Some(_) => {
            let dir = Path::new("elements").join(&name);
            vec![
                Planned::new(dir.join("element.yaml"), about.element()),
                Planned::new(dir.join(element_test::RECIPE), about.test()),
                Planned::shared(".goldsmith/element.schema.json", format!("{:#}\n", element_schema(&known))),
            ]
        }
    };
    files.push(Planned::shared(".goldsmith/recipe.schema.json", format!("{:#}\n", recipe_schema(&known))));
    files.push(Planned::shared(".gitignore", "# What goldsmith builds.\n/out/\n"));
    files.extend(args.ci.map(|service| ci_file(service, &name, args.element.is_some())));
    let (written, kept) = write(&args.dir, &files)?;
    report(args, &files[0], (&written, &kept), global);
    Ok(())
}

/// Returns the file for a CI service.
fn ci_file(service: CiService, name: &str, element: bool) -> Planned {
    if element {
        let dir = format!("elements/{name}");
        let check = format!("goldsmith validate --elements elements {dir}/{}", element_test::RECIPE);
        return ci::file(service, &check, &format!("goldsmith test {dir}"), &format!("out/test-{name}"));
    }
    let build = format!("goldsmith build --refresh {name}.yaml");
    ci::file(service, &format!("goldsmith validate {name}.yaml"), &build, &format!("out/{name}"))
}

/// Returns the name, and what the image starts from: from the options, from a person, or the defaults.
fn answers(args: &Init, known: &Distros, global: &Global) -> Result<(String, String), Failure> {
    let usage = |message: String| Failure::of(FailureKind::Usage, message);
    let ended = || {
        usage("the input ended before all questions were answered".to_owned())
            .hint("options answer them: see `goldsmith init --help`")
    };
    let person = can_ask(global);
    let from = match &args.from {
        Some(from) => from.clone(),
        None if person => {
            let good = |from: &str| {
                start(from, args.sha256.as_deref(), &args.dir, known).map(|_| ()).map_err(|failure| failure.message)
            };
            ask("The image starts from this distribution or disk image", FROM, good).ok_or_else(ended)?
        }
        None => FROM.to_owned(),
    };
    let rule = if args.element.is_some() { syntax::element_name } else { syntax::image_name };
    let name = match (&args.element, &args.name) {
        (Some(name), _) | (None, Some(name)) => name.clone(),
        (None, None) => {
            let told = of_directory(&args.dir).filter(|name| rule(name).is_ok()).unwrap_or_else(|| "image".to_owned());
            if person { ask("Name of the image", &told, rule).ok_or_else(ended)? } else { told }
        }
    };
    rule(&name).map_err(usage)?;
    Ok((name, from))
}

/// Returns the name of a directory.
fn of_directory(dir: &Path) -> Option<String> {
    let absolute = dir.canonicalize().or_else(|_| std::path::absolute(dir)).ok()?;
    absolute.file_name().map(|name| name.to_string_lossy().into_owned())
}

/// Returns the size of the new disk in GiB.
fn disk(from: &str, start: &Start) -> Result<u64, Failure> {
    let file = PathBuf::from(from);
    let bytes = match start {
        Start::Packages { .. } => DISK[0],
        Start::Image { .. } if file.is_file() => {
            read::open(&file, &Options::default()).map_err(|error| hints::open(&error))?.source.size() + ROOM
        }
        Start::Image { .. } => DISK[1],
    };
    Ok(bytes.div_ceil(1 << 30))
}

/// Says what was written, and what to do next.
fn report(args: &Init, first: &Planned, (written, kept): (&[PathBuf], &[PathBuf]), global: &Global) {
    let path = args.dir.join(&first.path);
    let path = path.strip_prefix(".").unwrap_or(&path);
    let next: Vec<String> = match args.element {
        Some(_) => ["goldsmith", "test"]
            .map(str::to_owned)
            .into_iter()
            .chain(path.parent().map(|dir| dir.display().to_string()))
            .collect(),
        None => ["goldsmith".to_owned(), "build".to_owned(), path.display().to_string()].to_vec(),
    };
    if global.json {
        print(&format!("{}\n", json!({ "written": written, "kept": kept, "next": next })));
        return;
    }
    let mut text = String::new();
    written.iter().for_each(|path| text.push_str(&format!("wrote {}\n", path.display())));
    kept.iter().for_each(|path| text.push_str(&format!("kept {}, which was there\n", path.display())));
    if kept.iter().any(|path| path.ends_with(".gitignore")) {
        text.push_str("note: .gitignore should have the line `/out/`, because images are large\n");
    }
    if args.ci.is_some() {
        text.push_str(&format!("note: {}\n", ci::advice()));
    }
    text.push_str(&format!("next: {}\n", shlex::try_join(next.iter().map(String::as_str)).unwrap_or_default()));
    print(&text);
}
