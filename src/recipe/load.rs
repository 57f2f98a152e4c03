//! Loading of a recipe file: reads it, checks it and composes it with its elements.
//!
//! The part of a recipe that describes its image is read first, and sees only the parameters. This part, or the base image,
//! decides the distribution. Then elements, packages, steps, checks and targets are rendered and composed. Errors in one part
//! do not hide errors in the others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::compose::{BODY, Composer, Own};
use super::composition::{Composition, System};
use super::params::{self, Declared, Values};
use super::schema::{Base, BaseFile, Disk, RecipeFile};
use super::secret::SecretSource;
use super::template::{Budget, Variables, render};
use super::verify::Known;
use super::{Layout, LoadOptions, Verify, base, below, check, include, options};
use crate::digest::Sha256;
use crate::distro;
use crate::element::library::Library;
use crate::element::schema::Param;
use crate::image::Output;
use crate::image::digests::Checksum;
use crate::recipe::terms::decode;
use crate::vocabulary::{Arch, Firmware};
use crate::yaml::{Diagnostic, Diagnostics, Node, Source, Span, read};

/// A recipe without errors.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The part that describes the image.
    pub recipe: Recipe,
    /// Composition of the recipe; `None` until its base image has been inspected.
    pub composition: Option<Composition>,
    /// Remarks for the user that are no errors.
    pub notes: Vec<String>,
}

/// The part of a recipe that describes its image, rendered.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// Name of the image.
    pub name: String,
    /// One sentence that describes the image.
    pub description: Option<String>,
    /// Architecture of the image.
    pub arch: Arch,
    /// Parameters with their values.
    pub params: BTreeMap<String, Json>,
    /// Base that the image starts from.
    pub base: Base,
    /// The distribution's data for bootstrapping, if the base is made of packages.
    pub bootstrap: Option<distro::Bootstrap>,
    /// Disk of the image.
    pub disk: Disk,
    /// Files to make from the disk.
    pub outputs: Vec<Output>,
    /// Checksums of the outputs.
    pub checksums: Vec<Checksum>,
    /// Settings for verifying the image; `None` if a build verifies nothing.
    pub verify: Option<Verify>,
    /// Secrets that its actions may ask for.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Folder of the recipe: relative paths begin here.
    pub dir: PathBuf,
    /// Digest of the recipe's text.
    pub digest: Sha256,
    /// Paths of the files that it includes, from the folder of the recipe, and the digests of their texts.
    pub included: BTreeMap<String, Sha256>,
}

/// Reads a recipe. `system` is the system on its base image, if that was inspected; a bootstrapped base needs none.
///
/// # Errors
///
/// All errors of the recipe and of its elements at once; a file that cannot be read is an error too.
pub fn load(path: &Path, options: &LoadOptions, system: Option<&System>) -> Result<Loaded, Diagnostics> {
    match read(path) {
        Ok(source) => load_source(path, &source, options, system),
        Err(error) => Err((*error).into()),
    }
}

/// Reads a recipe like [`load`], from its text. Elements and files that the recipe brings are still read.
pub fn load_str(
    path: &Path,
    text: &str,
    options: &LoadOptions,
    system: Option<&System>,
) -> Result<Loaded, Diagnostics> {
    load_source(path, &Source::new(path.display().to_string(), text), options, system)
}

fn load_source(
    path: &Path,
    source: &Arc<Source>,
    options: &LoadOptions,
    system: Option<&System>,
) -> Result<Loaded, Diagnostics> {
    let mut found = Vec::new();
    let mut notes = Vec::new();
    let asked = Asked { options, system, given: None, open: &[] };
    let loaded = recipe(path, source, asked, &mut found, &mut notes);
    match (Diagnostics::collect(found), loaded) {
        (None, Some((recipe, composition))) => Ok(Loaded { recipe, composition, notes }),
        (Some(errors), _) => Err(errors),
        (None, None) => Err(Diagnostic::of_file(source, "the recipe cannot be read").into()),
    }
}

/// How a recipe is read.
#[derive(Clone, Copy)]
struct Asked<'a> {
    options: &'a LoadOptions,
    system: Option<&'a System>,
    /// What a recipe that starts from this one gives its parameters, instead of what comes from outside.
    given: Option<&'a below::Request>,
    /// Recipes that start from this one.
    open: &'a [PathBuf],
}

fn recipe(
    path: &Path,
    source: &Arc<Source>,
    asked: Asked<'_>,
    found: &mut Vec<Diagnostic>,
    notes: &mut Vec<String>,
) -> Option<(Recipe, Option<Composition>)> {
    let Asked { options, system, .. } = asked;
    let files = include::files(path, source, found)?;
    let source = &files.source;
    let budget = Arc::<Budget>::default();
    let values = parameters(&declarations(&files, found)?, asked, &budget, source, found, notes);
    let variables = Variables {
        values: values.values.clone(),
        faulty: values.faulty.iter().cloned().collect(),
        withheld: &check::BUILT_INS,
        budget: Arc::clone(&budget),
    };
    let mut heads = Vec::new();
    for file in &files.all {
        let head = file.node.filtered(|key| key != "params" && !BODY.contains(&key));
        heads.push((file, render(&head, &variables, source, found)?));
    }
    let mut head = include::merge(&heads, source, found)?;
    check::require(&mut head, &["name", "base"], source, found);
    check::some_output(&head, source, found);
    let (mut file, errors) = decode::<RecipeFile>(&mut head, source);
    found.extend(errors);
    head.map()?;
    if let Some(file) = &mut file {
        include::relocate(file, &head, &files);
    }
    check::recipe_head(&head, source, found);

    let dir = options::folder(path);
    for (what, dirs) in [("elements", &options.element_dirs), ("distributions", &options.distro_dirs)] {
        for dir in dirs.iter().filter(|dir| !dir.is_dir()) {
            let message = format!("no such directory of {what}");
            found.push(Diagnostic::of_file(&Source::new(dir.display().to_string(), ""), message));
        }
    }
    let (distros, errors) = options.distros(path);
    found.extend(errors);
    let mut dirs = options.element_dirs.clone();
    dirs.push(dir.join("elements"));
    for file in files.included() {
        let beside = file.folder(&dir).join("elements");
        if beside.is_dir() && !dirs.contains(&beside) {
            dirs.push(beside);
        }
    }
    let below = match &file {
        Some(RecipeFile { base: BaseFile::Recipe(base), .. }) => {
            let request = below::Request::of(base, &head, source);
            let read = request.read(path, asked.open, found)?;
            let asked = Asked { given: Some(&request), open: &read.open, ..asked };
            Some(recipe(&read.path, &read.source, asked, found, notes)?)
        }
        _ => None,
    };
    let arch = match &below {
        Some((base, _)) => base.arch,
        None => file.as_ref().and_then(|file| file.arch).unwrap_or(options.host_arch),
    };
    if let (Some((base, _)), Some(file)) = (&below, &mut file) {
        below::adopt(file, base.arch, &base.disk, &base.secrets, (&head, source), found);
    }
    check::layout(&head, arch, source, found);
    if let (Some(file), None) = (&mut file, &below)
        && head.get("disk").and_then(|disk| disk.get("layout")).is_none()
    {
        file.disk.layout = Layout::default_of(arch);
    }
    let layout = file.as_ref().map_or(Layout::default_of(arch), |file| file.disk.layout);
    let name = file.as_ref().map_or("image", |file| file.name.as_str()).to_owned();
    let outputs = file.as_ref().map(|file| file.outputs.clone());
    let mut composer = Composer {
        source,
        own: Own { files: &files, dir: &dir, name: &name, outputs: outputs.as_deref() },
        params: &values,
        secrets: head.get("secrets").and_then(Node::map).cloned().unwrap_or_default(),
        library: Library::with_distros(dirs, Arc::clone(&distros)),
        distros: Arc::clone(&distros),
        elements: BTreeMap::new(),
        arch,
        below: below.as_ref().and_then(|(_, composition)| composition.as_ref()),
        budget,
    };
    if let Some(file) = &file
        && let Some(verify) = &file.verify
    {
        // A base image has its own partitions and, if the recipe gives no size, its own disk size.
        let bootstrapped = matches!(file.base, BaseFile::Bootstrap(_));
        let sized = head.get("disk").and_then(|disk| disk.get("size")).is_some();
        let known = Known {
            arch: Some(arch),
            disk: (bootstrapped || sized).then_some(file.disk.size),
            firmware: bootstrapped.then(|| layout.firmware()),
        };
        check::verify(&head, verify, &known, source, found);
    }
    let bootstrapped = match file.as_mut().map(|file| &mut file.base) {
        Some(BaseFile::Bootstrap(bootstrap)) => {
            base::bootstrapped(bootstrap, arch, &distros, (&head, &dir), source, found)
        }
        _ => None,
    };
    let system = match (file.as_ref().map(|file| &file.base), &bootstrapped) {
        (Some(BaseFile::Bootstrap(_)), bootstrapped) => {
            bootstrapped.as_ref().map(|(distro, _)| System { distro: distro.clone(), firmware: layout.firmware() })
        }
        (Some(BaseFile::Recipe(_)), _) => {
            composer.below.map(|below| System { distro: below.distro.clone(), firmware: below.firmware.clone() })
        }
        _ => system.cloned(),
    };
    let composition = match system {
        Some(system) => {
            let (composition, errors, said) = composer.compose(&system);
            found.extend(errors);
            notes.extend(said);
            if let (Some(composition), Some(verify)) =
                (&composition, file.as_ref().and_then(|file| file.verify.as_ref()))
            {
                check::accepted(&head, verify, &options.rules, &composition.checks, source, found);
            }
            composition
        }
        // The elements of a base recipe are not known before its image has been inspected.
        None if below.is_some() => None,
        None => {
            let (errors, said) = composer.find_common_errors();
            found.extend(errors);
            notes.extend(said);
            None
        }
    };
    let file = file?;
    let mut included: BTreeMap<_, _> = files.included().map(|file| (file.name.clone(), file.digest)).collect();
    let (base, bootstrap) = match (file.base, below) {
        (BaseFile::Recipe(place), Some((recipe, _))) => {
            included.extend(below::files(&place.source, recipe.digest, &recipe.included));
            (below::base(&place.source, recipe.base), recipe.bootstrap)
        }
        (BaseFile::Image(image), _) => (Base::Image(image), None),
        (BaseFile::Bootstrap(bootstrap), _) => (Base::Bootstrap(bootstrap), bootstrapped.map(|(_, how)| how)),
        (BaseFile::Recipe(_), None) => return None,
    };
    let recipe = Recipe {
        name: file.name,
        description: file.description,
        arch,
        params: values.values,
        base,
        bootstrap,
        disk: file.disk,
        outputs: file.outputs,
        checksums: file.checksums,
        verify: file.verify,
        secrets: file.secrets,
        dir,
        digest: files.all[files.all.len() - 1].digest,
        included,
    };
    Some((recipe, composition))
}

/// Merges what the files say about parameters and secrets.
fn declarations(files: &include::Files, found: &mut Vec<Diagnostic>) -> Option<Node> {
    let trees = files.all.iter().map(|file| (file, file.node.filtered(|key| ["params", "secrets"].contains(&key))));
    include::merge(&trees.collect::<Vec<_>>(), &files.source, found)
}

/// Declarations and values of the recipe's parameters.
fn parameters(
    root: &Node,
    asked: Asked<'_>,
    budget: &Arc<Budget>,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
    notes: &mut Vec<String>,
) -> Values {
    let mut declared = root.get("params").cloned();
    let mut params = BTreeMap::new();
    if let Some(node) = &mut declared {
        let (decoded, errors) = decode::<BTreeMap<String, Param>>(node, source);
        found.extend(errors);
        params = decoded.unwrap_or_default();
    }
    let budget = Arc::clone(budget);
    let nothing = Variables { withheld: &check::BUILT_INS, budget, ..Variables::default() };
    let mut values = params::defaults(&params, declared.as_ref(), &nothing, source, found);
    let secrets = root.get("secrets").and_then(Node::map).map_or(&[][..], |map| &map.entries);
    let secrets: BTreeSet<&str> = secrets.iter().map(|(key, _)| key.text.as_str()).collect();
    let outside = Declared { params: &params, secrets: &secrets };
    match asked.given {
        Some(request) => request.give(&mut values, &params, found),
        None => params::give_outside(&mut values, outside, &asked.options.params, found, notes),
    }
    for name in params::unset(&values, &params).into_iter().map(str::to_owned).collect::<Vec<_>>() {
        let span = declared.as_ref().and_then(|node| node.key(&name)).map_or(Span::default(), |key| key.span);
        let variable = params::VARIABLE;
        found.push(
            Diagnostic::new(source, span, format!("parameter `{name}` has no value"))
                .help(format!("give it with `--param {name}=VALUE`, or give it a default"))
                .help(format!("a file of `--params` can give it too, or the variable `{variable}{name}`")),
        );
        values.faulty.push(name);
    }
    // A parameter with a wrong declaration is not reported again as unknown where it is used.
    let undeclared = declared.as_ref().and_then(Node::map).map_or(&[][..], |map| &map.faulty);
    values.faulty.extend(undeclared.iter().cloned());
    values
}

impl Layout {
    /// Returns the layout of a new disk whose recipe names none: for all firmware of the architecture.
    pub fn default_of(arch: Arch) -> Self {
        if arch.has_bios() { Self::BiosUefi } else { Self::Uefi }
    }

    /// Firmware that a disk with this layout boots under.
    pub fn firmware(self) -> Vec<Firmware> {
        match self {
            Self::BiosUefi => vec![Firmware::Bios, Firmware::Uefi],
            Self::Bios => vec![Firmware::Bios],
            Self::Uefi => vec![Firmware::Uefi],
        }
    }

    /// Returns the layout of a disk that boots under this firmware. If none is known, the disk may boot under any.
    pub fn of(firmware: &[Firmware]) -> Self {
        match firmware {
            [Firmware::Bios] => Self::Bios,
            [Firmware::Uefi] => Self::Uefi,
            _ => Self::BiosUefi,
        }
    }
}
