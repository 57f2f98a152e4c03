//! Runs `goldsmith explain`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::answer::Answer;
use super::places::Places;
use super::subject::{Content, Subject};
use super::{described, general};
use crate::cli::cloud::CloudOptions;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::cli::options::{CacheOption, GuestOptions, PinOptions, PlanningOptions, ReadingOptions};
use crate::cli::output::print;
use crate::cli::plan;
use crate::cli::settings::Global;
use crate::layer::Store;
use crate::pipeline::Source;
use crate::plan::Plan;
use crate::yaml::{list, near};

/// `goldsmith explain`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Explain {
    /// A check of every image, or an exit code. Or a recipe, then what of it is meant: a step or an element, a path in the image
    /// (from `/` on), a package, or a check of an element
    #[arg(required = true, value_name = "WHAT")]
    words: Vec<String>,
    /// What the recipe is read with.
    #[command(flatten)]
    reading: ReadingOptions,
    /// The guest, which looks into a base image.
    #[command(flatten)]
    machine: GuestOptions,
    /// The cache.
    #[command(flatten)]
    pub(in crate::cli) cache: CacheOption,
}

/// Explains one thing.
pub(in crate::cli) fn explain(args: &Explain, global: &Global) -> Result<(), Failure> {
    let answers = match args.words.as_slice() {
        [word] => vec![without_recipe(word)?],
        [recipe, words @ ..] => of_recipe(Path::new(recipe), &words.join(" "), args, global)?,
        [] => Vec::new(),
    };
    if global.json {
        match answers.as_slice() {
            [answer] => print(&format!("{}\n", json!(answer.json()))),
            _ => print(&format!("{}\n", answers.iter().map(|answer| json!(answer.json())).collect::<Value>())),
        }
    } else {
        print(&answers.iter().map(Answer::text).collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}

/// Explains an exit code or a check of every image.
fn without_recipe(word: &str) -> Result<Answer, Failure> {
    let usage = |message: String| Failure::of(FailureKind::Usage, message);
    if let Ok(number) = word.parse::<u64>() {
        return general::code(number).ok_or_else(|| {
            usage(format!("no command of Goldsmith ends with exit code {number}"))
                .hint("codes above 128 are those of a shell: 128 and the number of the signal that ended the program")
        });
    }
    if let Some(answer) = general::check(word) {
        return Ok(answer);
    }
    if Path::new(word).is_file() {
        return Err(usage(format!("{word} is a file: what of it is meant?"))
            .hint(format!("name a step, a path in the image or a package too: `goldsmith explain {word} STEP`")));
    }
    let failure = usage(format!("there is no check and no exit code `{word}`"));
    let failure = match near(word, general::checks()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint("`goldsmith verify --list` shows all checks"),
    };
    Err(failure
        .hint("steps, files, packages and checks of elements need the recipe first: `goldsmith explain RECIPE WHAT`"))
}

/// Explains a part of a recipe.
fn of_recipe(recipe: &Path, words: &str, args: &Explain, global: &Global) -> Result<Vec<Answer>, Failure> {
    let source = one(recipe, args, global)?;
    // No network: an explanation must not change what the next build uses.
    let pinning = PinOptions { refresh: false, offline: true };
    let offline = PlanningOptions { pinning, machine: args.machine.clone(), cloud: CloudOptions::default() };
    let planned = plan::plans(vec![source.clone()], &offline, global);
    let (planned, unknown) = match planned {
        Ok(mut plans) => {
            let store = Store::open(&global.cache).map_err(|error| hints::store(&error))?;
            (plans.pop().map(|plan| (plan, store)), String::new())
        }
        Err(failure) if source.loaded.composition.is_none() => return Err(failure),
        Err(_) => {
            let recipe = recipe.display();
            (None, format!("no plan can be made without a network; `goldsmith plan {recipe}` makes it"))
        }
    };
    let content = match &planned {
        Some((plan, _)) => Some(Content::of_plan(plan)),
        None => Content::of_recipe(&source),
    };
    let Some(content) = content else { return Ok(Vec::new()) };
    let known = args.reading.load_options(global)?.distros(recipe).0;
    let places = Places::of(&source, args.reading.element_dirs(), known);
    let answers = match content.find(words) {
        Some(Subject::Steps(steps)) => steps
            .into_iter()
            .map(|at| {
                let state = match &planned {
                    Some((plan, store)) => state(plan, at, store).map(Ok),
                    None => Ok(Err(unknown.clone())),
                };
                Ok(described::step(&content.steps[at], &state?, &places))
            })
            .collect::<Result<Vec<_>, Failure>>()?,
        Some(Subject::File(path)) => match described::file(path, &content, &places) {
            Some(answer) => vec![answer],
            None => {
                let message = format!("no action of the recipe or its elements names {path}");
                return Err(Failure::of(FailureKind::Usage, message).hint(
                    "a package or a script may bring it: `goldsmith inspect` and `goldsmith diff` look into images",
                ));
            }
        },
        Some(Subject::Package(name)) => vec![described::package(name, content.packages[name], &places)],
        Some(Subject::Check(at)) => {
            let (id, check) = &content.checks[at];
            vec![described::check(id, check, &places)]
        }
        None => match general::check(words) {
            Some(answer) => vec![answer],
            None => return Err(nothing(words, recipe, &content)),
        },
    };
    Ok(answers)
}

/// Reads the recipe, which must describe one image.
fn one(recipe: &Path, args: &Explain, global: &Global) -> Result<Source, Failure> {
    let path: PathBuf = recipe.to_owned();
    let mut images = args.reading.read(&[path], global)?.images;
    match images.pop() {
        Some(source) if images.is_empty() => Ok(source),
        last => {
            let names = images.iter().chain(&last).map(|source| source.loaded.recipe.name.as_str());
            let message = format!("{} describes several images: {}", recipe.display(), list(names));
            Err(Failure::of(FailureKind::Usage, message).hint("choose one by `--only IMAGE`"))
        }
    }
}

/// Returns why a step is not cached; `None` if it is.
fn state(plan: &Plan, at: usize, store: &Store) -> Result<Option<String>, Failure> {
    let step = &plan.steps[at];
    if store.find(&step.key).map_err(|error| hints::store(&error))?.is_some() {
        return Ok(None);
    }
    let reason = store.explain(&step.ingredients, &step.id.to_string(), &plan.name);
    Ok(Some(reason.unwrap_or_else(|| "no build with this cache has made it".to_owned())))
}

/// Fails for words that mean nothing, with a suggestion.
fn nothing(words: &str, recipe: &Path, content: &Content<'_>) -> Failure {
    let message = format!("{} has no step, element, package or check `{words}`", recipe.display());
    let failure = Failure::of(FailureKind::Usage, message);
    let failure = match near(words, content.names()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None => failure.hint(format!("`goldsmith plan {}` lists the steps", recipe.display())),
    };
    failure.hint("a path in the image begins with `/`")
}
