//! Makes the workflow of recipes: from the command line, their plans, and the steps that their images share.

use super::words::words;
use crate::cli::build::Build;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::options::output_root;
use crate::cli::plan;
use crate::cli::settings::Global;
use crate::digest::Sha256;
use crate::engines::{Cell, Engine, Needs, Stage, Workflow};
use crate::image::Format;
use crate::pipeline::Source;
use crate::plan::{BasePlan, Graph, Plan};
use crate::units::ByteSize;

/// Memory that a build needs besides that of its guest.
const OVERHEAD: u64 = 512 << 20;

/// Room for packages and temporary files.
const ROOM: u64 = 4 << 30;

/// Arguments that are not those of a job, or that a job gets from the environment.
const OTHERS: [&str; 12] = [
    "out",
    "publish",
    "allow_older",
    "dry_run",
    "cell",
    "stage",
    "run",
    "jobs",
    "remote_cache",
    "remote_cache_trust",
    "remote_cache_key",
    "remote_cache_write",
];

/// Makes the workflow. `grammar` has all commands.
pub(super) fn of(
    build: &Build,
    engine: Engine,
    container: Option<&str>,
    grammar: &clap::Command,
    global: &Global,
) -> Result<Workflow, Failure> {
    refuse(build, engine, container)?;
    let remote = build.remote.shared(global)?;
    if engine == Engine::Slurm && remote.key.is_none() {
        return Err(Failure::of(FailureKind::Usage, "no key signs the layers that the nodes share")
            .hint("give --remote-cache-key FILE, a file that the nodes see: `goldsmith cache keygen FILE` makes one"));
    }
    let sources = build.source.read(global)?;
    let [_, _, ..] = sources.images.as_slice() else {
        return Err(Failure::of(FailureKind::Usage, "there is one image, and so nothing to spread over machines")
            .hint("`matrix` in a recipe makes it describe several images; or name several recipes"));
    };
    let plans = plan::plans(sources.images.clone(), &build.planning, global)?;
    let stages = Stage::all(&Graph::of(&plans));
    let cell = |(number, plan): (usize, &Plan)| Cell {
        number,
        name: plan.name.clone(),
        after: Stage::of_image(&stages, &plan.name),
    };
    let cells = plans.iter().enumerate().map(cell).collect();
    let out = build.out.clone().unwrap_or_else(|| output_root(global)).display().to_string();
    let commands = Commands { grammar, matches: &matches(grammar)?, out: &out };
    let recipes: Vec<String> = build.source.recipes.iter().map(|recipe| recipe.display().to_string()).collect();
    Ok(Workflow {
        name: name(&recipes, &plans),
        build: commands.of(&["build"], None, &OTHERS)?,
        collect: commands.of(&["matrix", "collect"], None, &OTHERS)?,
        publish: if build.publish { commands.publish(&sources.images)? } else { Vec::new() },
        recipes,
        out: out.clone(),
        remote,
        image: container.unwrap_or_default().to_owned(),
        needs: needs(build.planning.machine.memory, &plans),
        at_once: build.jobs,
        stages,
        cells,
    })
}

/// Refuses options that say nothing about a job.
fn refuse(build: &Build, engine: Engine, container: Option<&str>) -> Result<(), Failure> {
    let given = [
        ("--cell", build.cell.is_some()),
        ("--stage", build.stage.is_some()),
        ("--run", build.run.is_some()),
        ("--dry-run", build.dry_run),
        ("--allow-older", build.allow_older),
    ];
    if let Some((option, _)) = given.into_iter().find(|(_, given)| *given) {
        return Err(Failure::of(FailureKind::Usage, format!("`{option}` is no option of a whole matrix"))
            .hint("leave it out: the file of the engine has it where it belongs"));
    }
    if build.source.recipes.iter().any(|recipe| recipe.as_os_str() == "-") {
        return Err(Failure::of(FailureKind::Usage, "the jobs cannot read a recipe from standard input")
            .hint("name a file that the machines see too"));
    }
    let containers = [Engine::Kubernetes, Engine::Argo, Engine::Tekton];
    if containers.contains(&engine) && container.is_none() {
        let message = format!("{} runs containers, and no image with Goldsmith is named", engine.name());
        return Err(Failure::of(FailureKind::Usage, message).hint("give --image REGISTRY/goldsmith:VERSION"));
    }
    Ok(())
}

/// Reads the command line of this process once more, for the words that the jobs take.
fn matches(grammar: &clap::Command) -> Result<clap::ArgMatches, Failure> {
    let read = grammar.clone().try_get_matches_from(std::env::args_os());
    let mut read = read.map_err(|error| Failure::of(FailureKind::Usage, error.render().to_string()))?;
    let matrix = read.remove_subcommand().and_then(|(_, mut matrix)| matrix.remove_subcommand());
    Ok(matrix.map(|(_, matches)| matches).expect("the command has two words"))
}

/// Commands of jobs.
struct Commands<'a> {
    grammar: &'a clap::Command,
    matches: &'a clap::ArgMatches,
    out: &'a str,
}

impl Commands<'_> {
    /// Returns the words of a command, with another directory for the artifacts if it has its own.
    fn of(&self, names: &[&str], out: Option<&str>, without: &[&str]) -> Result<Vec<String>, Failure> {
        let command = names.iter().fold(self.grammar, |found, name| found.find_subcommand(name).unwrap_or(found));
        let mut all: Vec<String> = ["goldsmith"].iter().chain(names).map(|word| (*word).to_owned()).collect();
        all.extend(words(self.matches, command, without)?);
        all.push(format!("--out={}", out.unwrap_or(self.out)));
        Ok(all)
    }

    /// Returns the commands that publish the images, one for each recipe.
    fn publish(&self, images: &[Source]) -> Result<Vec<Vec<String>>, Failure> {
        let mut commands: Vec<Vec<String>> = Vec::new();
        let mut last = None;
        for image in images.iter().filter(|image| last.replace(image.path.clone()) != Some(image.path.clone())) {
            // The one image of a recipe without a matrix has its directory here too.
            let alone = image.loaded.cell.is_none();
            let dir = format!("{}/{}", self.out, image.loaded.recipe.name);
            let without = if alone { [&OTHERS[..], &["only"]].concat() } else { OTHERS.to_vec() };
            let mut command = self.of(&["publish"], alone.then_some(dir.as_str()), &without)?;
            command.insert(2, image.path.display().to_string());
            commands.push(command);
        }
        Ok(commands)
    }
}

/// Returns a DNS label: the name of the first recipe, and what makes it another one when the plans change.
fn name(recipes: &[String], plans: &[Plan]) -> String {
    let stem = recipes.first().map(|recipe| std::path::Path::new(recipe).file_stem().unwrap_or_default());
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let stem: String = stem.unwrap_or_default().to_string_lossy().chars().map(plain).take(30).collect();
    let keys: String = plans.iter().flat_map(|plan| plan.steps.iter().map(|step| step.key.to_string())).collect();
    let digest = Sha256::of(keys.as_bytes()).to_string();
    format!("{}-{}", format!("g-{}", stem.trim_matches('-')).trim_end_matches('-'), &digest[..6])
}

fn needs(memory: ByteSize, plans: &[Plan]) -> Needs {
    let disk = plans.iter().map(|plan| plan.disk.size.get()).max().unwrap_or(0);
    // The layers of a disk have at most its size, and so has an artifact.
    let (memory, disk) = (memory.get() + OVERHEAD, 2 * disk + ROOM);
    let mounts = plans.iter().any(|plan| {
        let erofs = plan.outputs.iter().any(|output| output.format == Format::Erofs);
        erofs || !matches!(plan.base, BasePlan::Image { .. })
    });
    Needs { memory: memory.div_ceil(ByteSize::MIB), disk: disk.div_ceil(ByteSize::MIB), mounts }
}
