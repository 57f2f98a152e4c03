//! Reads one image of a recipe: the part that describes it first, which sees only the parameters. This part, or the base image,
//! decides the distribution. Then elements, packages, steps, checks and targets are rendered and composed. Errors in one part do not
//! hide errors in the others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use super::compose::{BODY, Composer, Own};
use super::composition::{Composition, System};
use super::matrix::{Cell, Matrix};
use super::params::{self, Declared, Values};
use super::schema::{Base, BaseFile, Disk, ImageBase, RecipeFile};
use super::secret::SecretSource;
use super::template::{Budget, Variables, render};
use super::verify::Known;
use super::{Installer, Layout, LoadOptions, Verify, answer, base, below, catalog, check, include, options};
use crate::digest::Sha256;
use crate::distro;
use crate::element::library::Library;
use crate::element::schema::Param;
use crate::image::Output;
use crate::image::digests::Checksum;
use crate::recipe::terms::decode;
use crate::vocabulary::Arch;
use crate::yaml::{Diagnostic, Node, Source, Span};

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

/// How a recipe is read.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) options: &'a LoadOptions,
    pub(super) system: Option<&'a System>,
    /// The matrix of the recipe, and the image of it that is read.
    pub(super) matrix: Option<&'a Matrix>,
    pub(super) cell: Option<&'a Cell>,
    /// What a recipe that starts from this one gives its parameters, instead of what comes from outside.
    pub(super) given: Option<&'a below::Request>,
    /// Recipes that start from this one.
    pub(super) open: &'a [PathBuf],
}

/// Reads an image of a recipe, and composes it if its distribution is known.
pub(super) fn recipe(
    path: &Path,
    files: &include::Files,
    asked: Asked<'_>,
    found: &mut Vec<Diagnostic>,
    notes: &mut Vec<String>,
) -> Option<(Recipe, Option<Composition>)> {
    let Asked { options, system, .. } = asked;
    let source = &files.source;
    let budget = Arc::<Budget>::default();
    let values = parameters(&declarations(files, found)?, asked, &budget, source, found, notes);
    let variables = Variables {
        values: values.values.clone(),
        faulty: values.faulty.iter().cloned().collect(),
        withheld: &check::BUILT_INS,
        budget: Arc::clone(&budget),
    };
    let mut heads = Vec::new();
    for file in &files.all {
        let head = file.node.filtered(|key| !DECLARATIONS.contains(&key) && !BODY.contains(&key));
        heads.push((file, render(&head, &variables, source, found)?));
    }
    let mut head = include::merge(&heads, source, found)?;
    check::require(&mut head, &["name", "base"], source, found);
    check::some_output(&head, source, found);
    let (mut file, errors) = decode::<RecipeFile>(&mut head, source);
    found.extend(errors);
    head.map()?;
    if let Some(file) = &mut file {
        include::relocate(file, &head, files);
    }
    check::recipe_head(&head, source, found);

    let dir = options::folder(path);
    if let Some(RecipeFile { base: BaseFile::Tree(tree), .. }) = &file {
        check::tree(&head, tree, &dir, source, found);
    }
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
            let files = include::files(&read.path, &read.source, found)?;
            if let Some(key) = files.all.iter().find_map(|file| file.node.key("matrix")) {
                let message = "a base recipe describes one image, and this has a matrix";
                let help = "make a recipe of one image, from which both start";
                found.push(Diagnostic::new(&files.source, key.span, message).help(help));
            }
            let asked = Asked { matrix: None, cell: None, given: Some(&request), open: &read.open, ..asked };
            Some(recipe(&read.path, &files, asked, found, notes)?)
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
    if let Some(RecipeFile { base: BaseFile::Image(image), .. }) = &mut file
        && let ImageBase::Named(name) = image
    {
        let span = head.get("base").and_then(|base| base.get("image")).map_or(Span::default(), |node| node.span);
        if let Some(named) = catalog::image(name, arch, &distros, (span, source), found) {
            *image = ImageBase::File(named);
        }
    }
    check::layout(&head, arch, source, found);
    if let (Some(file), None) = (&mut file, &below)
        && let Some(layout) = check::partitions(&file.disk, &head, arch, source, found)
    {
        file.disk.layout = layout;
    }
    if let (Some(file), None) = (&mut file, &below)
        && head.get("disk").is_none_or(|disk| disk.get("layout").is_none() && disk.get("partitions").is_none())
    {
        file.disk.layout = Layout::default_of(arch);
    }
    let layout = file.as_ref().map_or(Layout::default_of(arch), |file| file.disk.layout);
    let name = file.as_ref().map_or("image", |file| file.name.as_str()).to_owned();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let outputs = file.as_ref().map(|file| file.outputs.clone());
    let names: Vec<String> = file.iter().flat_map(|file| file.secrets.keys().cloned()).collect();
    let installed = match file.as_mut().map(|file| &mut file.base) {
        Some(BaseFile::Installer(wanted)) => {
            answer::installer(wanted, (&head, &dir), arch, &distros, (&names, variables), source, found)
        }
        _ => None,
    };
    let mut composer = Composer {
        source,
        own: Own {
            files,
            dir: &dir,
            name: &name,
            steps: if asked.cell.is_some() { &stem } else { &name },
            outputs: outputs.as_deref(),
        },
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
        let bootstrapped = matches!(file.base, BaseFile::Bootstrap(_) | BaseFile::Tree(_) | BaseFile::Container(_));
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
        (Some(BaseFile::Installer(_)), _) => installed.as_ref().map(|(system, _)| system.clone()),
        (Some(BaseFile::Recipe(_)), _) => {
            composer.below.map(|below| System { distro: below.distro.clone(), firmware: below.firmware.clone() })
        }
        _ => system.cloned(),
    };
    let composition = match system {
        Some(system) => {
            let (mut composition, errors, said) = composer.compose(&system);
            found.extend(errors);
            if let (Some(composition), Some(file), None) = (&mut composition, &file, &below) {
                check::file_system_packages(&file.disk, composition, &head, source, found);
            }
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
        (BaseFile::Container(container), _) => (Base::Container(container), None),
        (BaseFile::Installer(source), _) => {
            let (_, answer) = installed?;
            (Base::Installer(Box::new(Installer { source: *source, answer: answer? })), None)
        }
        (BaseFile::Glance(image), _) => (Base::Glance(image), None),
        (BaseFile::Tree(tree), _) => (Base::Tree(tree), None),
        (BaseFile::Image(ImageBase::File(image)), _) => (Base::Image(image), None),
        (BaseFile::Bootstrap(bootstrap), _) => (Base::Bootstrap(bootstrap), bootstrapped.map(|(_, how)| how)),
        (BaseFile::Recipe(_), None) | (BaseFile::Image(ImageBase::Named(_)), _) => return None,
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

/// Keys that are read before there are values of parameters.
const DECLARATIONS: [&str; 2] = ["params", "matrix"];

/// Merges what the files say about parameters, their matrix and secrets.
pub(super) fn declarations(files: &include::Files, found: &mut Vec<Diagnostic>) -> Option<Node> {
    let trees =
        files.all.iter().map(|file| (file, file.node.filtered(|key| key == "secrets" || DECLARATIONS.contains(&key))));
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
    let of_matrix = asked.matrix.map(|matrix| &matrix.names);
    let outside = Declared { params: &params, secrets: &secrets, of_matrix };
    match asked.given {
        Some(request) => request.give(&mut values, &params, found),
        None => params::give_outside(&mut values, outside, &asked.options.params, found, notes),
    }
    for (name, value) in asked.cell.into_iter().flat_map(|cell| &cell.0) {
        values.set(name, value.clone());
    }
    // A matrix with errors gives no values.
    let told = asked.matrix.is_some() && asked.cell.is_none();
    for name in params::unset(&values, &params).into_iter().map(str::to_owned).collect::<Vec<_>>() {
        if told {
            values.faulty.push(name);
            continue;
        }
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
