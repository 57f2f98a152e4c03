//! Recipes that others start from: how they are found, what they are given, and what of them counts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::include::{is_relative, normal};
use super::params::{self, Given, Values};
use super::schema::{Base, BaseFile, BaseRecipe, Disk, RecipeFile};
use super::secret::SecretSource;
use crate::digest::Sha256;
use crate::element::schema::Param;
use crate::vocabulary::Arch;
use crate::yaml::{Diagnostic, Node, Source, Span, read};

/// What a recipe asks of its base recipe.
pub(super) struct Request {
    /// The file that asks.
    source: Arc<Source>,
    /// Path of the base recipe, from the folder of the recipe that asks, and its place.
    path: String,
    place: Span,
    /// The tree of `params`.
    params: Option<Node>,
}

/// The text of a base recipe.
pub(super) struct Read {
    pub(super) path: PathBuf,
    pub(super) source: Arc<Source>,
    /// Recipes that start from it, and the recipe itself, by paths without links.
    pub(super) open: Vec<PathBuf>,
}

impl Request {
    /// Returns the request of a recipe. `head` is the tree that it was decoded from.
    pub(super) fn of(base: &BaseRecipe, head: &Node, source: &Arc<Source>) -> Self {
        let node = head.get("base").and_then(|base| base.get("recipe"));
        let place = node.and_then(|node| node.get("source")).map_or(Span::default(), |node| node.span);
        let params = node.and_then(|node| node.get("params")).cloned();
        Self { source: Arc::clone(source), path: base.source.clone(), place, params }
    }

    /// Reads the base recipe. `asking` is the recipe that asks, and `open` are those that start from it.
    pub(super) fn read(&self, asking: &Path, open: &[PathBuf], found: &mut Vec<Diagnostic>) -> Option<Read> {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let path = asking.with_file_name(&self.path);
        let mut open = open.to_vec();
        open.push(real(asking));
        let mut fault = |message: String, help: &str| {
            found.push(Diagnostic::new(&self.source, self.place, message).help(help));
            None
        };
        if let Some(first) = open.iter().position(|open| *open == real(&path)) {
            let name = |path: &PathBuf| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut names: Vec<_> = open[first..].iter().map(name).collect();
            names.extend(names.first().cloned());
            let message = format!("recipes start from each other in a circle: {}", names.join(" -> "));
            return fault(message, "one of them must start from packages or an image");
        }
        match read(&path) {
            Ok(source) => Some(Read { path, source, open }),
            Err(error) => {
                let message = format!("`{}`: {}", self.path, error.message());
                fault(message, "the path begins in the folder of the file that names it")
            }
        }
    }

    /// Sets the parameters of the base recipe. Those that still have no value are reported where they are asked for.
    pub(super) fn give(&self, values: &mut Values, params: &BTreeMap<String, Param>, found: &mut Vec<Diagnostic>) {
        let map = self.params.as_ref().and_then(Node::map);
        let entries = map.map_or(&[][..], |map| &map.entries);
        let given: Given<'_> = entries.iter().map(|(key, node)| (key.text.as_str(), (key.span, node))).collect();
        params::give(values, params, &given, "the base recipe", &self.source, found);
        for name in params::unset(values, params).into_iter().map(str::to_owned).collect::<Vec<_>>() {
            if map.is_none_or(|map| !map.faulty.contains(&name)) {
                let message = format!("the base recipe needs parameter `{name}`");
                let help = format!("write `params: {{ {name}: ... }}` beside `source`");
                found.push(Diagnostic::new(&self.source, self.place, message).help(help));
            }
            values.faulty.push(name);
        }
    }
}

/// Takes over what the base recipe decides: its architecture, its disk and its secrets.
pub(super) fn adopt(
    file: &mut RecipeFile,
    arch: Arch,
    disk: &Disk,
    secrets: &BTreeMap<String, SecretSource>,
    (head, source): (&Node, &Arc<Source>),
    found: &mut Vec<Diagnostic>,
) {
    let BaseFile::Recipe(base) = &file.base else { return };
    if let (Some(node), Some(own)) = (head.get("arch"), file.arch)
        && own != arch
    {
        let message = format!("the base recipe makes an image for {}", arch.name());
        found.push(Diagnostic::new(source, node.span, message).help("leave `arch` out"));
    }
    if let Some(key) = head.key("disk") {
        let message = "the disk is the one of the base recipe";
        found.push(Diagnostic::new(source, key.span, message).help("write `disk` into the base recipe"));
    }
    file.disk = disk.clone();
    let dir = folder(&base.source);
    for (name, secret) in secrets {
        let secret = secret.clone().below(dir);
        match file.secrets.get(name) {
            Some(own) if *own != secret => {
                let key = head.get("secrets").and_then(|secrets| secrets.key(name));
                let message = format!("the base recipe has a secret `{name}` of another source");
                let place = key.map_or(Span::default(), |key| key.span);
                found.push(Diagnostic::new(source, place, message).help("give this one another name"));
            }
            Some(_) => {}
            None => {
                file.secrets.insert(name.clone(), secret);
            }
        }
    }
}

/// Returns the base of a base recipe, with paths that begin in the folder of the recipe that starts from it.
pub(super) fn base(recipe: &str, base: Base) -> Base {
    let dir = folder(recipe);
    let moved = |path: &mut String| {
        if is_relative(path) {
            *path = dir.join(&*path).to_string_lossy().into_owned();
        }
    };
    match base {
        Base::Image(mut image) => {
            moved(&mut image.source);
            moved(&mut image.sha256);
            image.signed_by.iter_mut().for_each(moved);
            Base::Image(image)
        }
        Base::Tree(mut tree) => {
            moved(&mut tree.source);
            tree.sha256.iter_mut().for_each(moved);
            tree.signed_by.iter_mut().for_each(moved);
            Base::Tree(tree)
        }
        Base::Container(mut container) => {
            container.move_below(dir);
            Base::Container(container)
        }
        Base::Installer(mut installer) => {
            installer.source.move_paths(&mut |_, path| moved(path));
            Base::Installer(installer)
        }
        // The one path of a bootstrap, the keyring's, is absolute. Images of clouds have none.
        base @ (Base::Bootstrap(_) | Base::Glance(_)) => base,
    }
}

/// Returns the files of a base recipe, by paths from the folder of the recipe that starts from it.
pub(super) fn files(recipe: &str, digest: Sha256, included: &BTreeMap<String, Sha256>) -> BTreeMap<String, Sha256> {
    let dir = folder(recipe);
    let own = (normal(Path::new(recipe)), digest);
    included.iter().map(|(path, digest)| (normal(&dir.join(path)), *digest)).chain([own]).collect()
}

fn folder(recipe: &str) -> &Path {
    Path::new(recipe).parent().unwrap_or(Path::new(""))
}
