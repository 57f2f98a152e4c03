//! Loading of a recipe file with all images that it describes.

use std::path::Path;
use std::sync::Arc;

use super::composition::{Composition, System};
use super::matrix::{self, Cell, Matrix};
use super::reading::{Asked, Recipe, declarations, recipe};
use super::terms::decode;
use super::{LoadOptions, include};
use crate::yaml::{Diagnostic, Diagnostics, Source, Span, read};

/// A recipe without errors.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The part that describes the image.
    pub recipe: Recipe,
    /// Composition of the recipe; `None` until its base image has been inspected.
    pub composition: Option<Composition>,
    /// Remarks for the user that are no errors.
    pub notes: Vec<String>,
    /// Which image of the recipe's matrix it is; `None` if the recipe has no matrix.
    pub cell: Option<Cell>,
}

/// Reads a recipe of one image. `system` is the system on its base image, if that was inspected; a bootstrapped base needs none.
/// Of a recipe with a matrix, the options choose the image.
///
/// # Errors
///
/// All errors of the recipe and of its elements at once; a file that cannot be read is an error too.
pub fn load(path: &Path, options: &LoadOptions, system: Option<&System>) -> Result<Loaded, Diagnostics> {
    match read(path) {
        Ok(source) => one(path, &source, options, system),
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
    one(path, &Source::new(path.display().to_string(), text), options, system)
}

/// Reads a recipe with all images of its matrix, or with its one image.
///
/// # Errors
///
/// As [`load`].
pub fn load_all(path: &Path, options: &LoadOptions) -> Result<Vec<Loaded>, Diagnostics> {
    match read(path) {
        Ok(source) => all(path, &source, options, None),
        Err(error) => Err((*error).into()),
    }
}

/// Reads a recipe like [`load_all`], from its text.
pub fn load_all_str(
    path: &Path,
    text: &str,
    options: &LoadOptions,
    system: Option<&System>,
) -> Result<Vec<Loaded>, Diagnostics> {
    all(path, &Source::new(path.display().to_string(), text), options, system)
}

fn one(
    path: &Path,
    source: &Arc<Source>,
    options: &LoadOptions,
    system: Option<&System>,
) -> Result<Loaded, Diagnostics> {
    let mut images = all(path, source, options, system)?;
    match (images.len(), images.pop()) {
        (1, Some(image)) => Ok(image),
        (number, _) => {
            let message = format!("the recipe has a matrix of {number} images, and this needs a recipe of one image");
            Err(Diagnostic::of_file(source, message).into())
        }
    }
}

fn all(
    path: &Path,
    source: &Arc<Source>,
    options: &LoadOptions,
    system: Option<&System>,
) -> Result<Vec<Loaded>, Diagnostics> {
    let mut found = Vec::new();
    let images = images(path, source, options, system, &mut found);
    match Diagnostics::collect(found) {
        None if images.is_empty() => Err(Diagnostic::of_file(source, "the recipe cannot be read").into()),
        None => Ok(images),
        Some(errors) => Err(errors),
    }
}

fn images(
    path: &Path,
    source: &Arc<Source>,
    options: &LoadOptions,
    system: Option<&System>,
    found: &mut Vec<Diagnostic>,
) -> Vec<Loaded> {
    let Some(files) = include::files(path, source, found) else { return Vec::new() };
    let Some(declared) = declarations(&files, found) else { return Vec::new() };
    let matrix = declared.key("matrix").zip(declared.get("matrix")).map(|matrix| {
        let params = declared.get("params").cloned().and_then(|mut node| decode(&mut node, &files.source).0);
        matrix::read(matrix, &params.unwrap_or_default(), &files.source, found)
    });
    let cells: Vec<Option<&Cell>> = match &matrix {
        // Whatever else is wrong is told too.
        Some(matrix) if matrix.cells.is_empty() => vec![None],
        Some(matrix) => matrix.cells.iter().map(Some).collect(),
        None => vec![None],
    };
    let wanted = |cell: &Option<&Cell>| options.cell.is_none() || options.cell.as_ref() == *cell;
    let mut loaded: Vec<Loaded> = Vec::new();
    for cell in cells.into_iter().filter(wanted) {
        let mut notes = Vec::new();
        let asked = Asked { options, system, matrix: matrix.as_ref(), cell, given: None, open: &[] };
        let Some((recipe, composition)) = recipe(path, &files, asked, found, &mut notes) else { continue };
        if loaded.iter().any(|other| other.recipe.name == recipe.name) {
            found.push(same_name(&files, &recipe.name, matrix.as_ref()));
        }
        loaded.push(Loaded { recipe, composition, notes, cell: cell.cloned() });
    }
    loaded
}

/// Reports that several images of a matrix have the same name.
fn same_name(files: &include::Files, name: &str, matrix: Option<&Matrix>) -> Diagnostic {
    let node = files.all.iter().rev().find_map(|file| file.node.get("name"));
    let names = matrix.into_iter().flat_map(|matrix| &matrix.names);
    let suffix: String = names.map(|name| format!("-{{{{ {name} }}}}")).collect();
    Diagnostic::new(
        &files.source,
        node.map_or(Span::default(), |node| node.span),
        format!("several images of the matrix have the name `{name}`"),
    )
    .help(format!("write the parameters of the matrix into the name, like `{name}{suffix}`"))
}
