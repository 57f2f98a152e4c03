//! What the image of a new recipe starts from.

use std::path::Path;

use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::digest::Sha256;
use crate::distro::mechanism::Init;
use crate::distro::{Distros, Release};
use crate::syntax;
use crate::yaml::{list, near};

/// The start of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// Packages of a distribution.
    Packages {
        /// Name of the distribution.
        distro: String,
        /// Name for people.
        title: String,
        /// Name of the release.
        release: String,
        /// Version of the release.
        version: String,
        /// Family of the distribution.
        family: String,
    },
    /// A disk image.
    Image {
        /// Path from the recipe, or address.
        source: String,
        /// Digest, or place of a list of digests.
        sha256: String,
    },
}

/// Finds what the words mean: a distribution if one has this name, else an image. `dir` is the directory of the recipe.
pub(super) fn start(from: &str, sha256: Option<&str>, dir: &Path, distros: &Distros) -> Result<Start, Failure> {
    let usage = |message: String| Failure::of(FailureKind::Usage, message);
    let (name, release) = from.split_once(':').map_or((from, None), |(name, release)| (name, Some(release)));
    if distros.get(name).is_some() {
        if sha256.is_some() {
            return Err(
                usage(format!("`{from}` is a distribution: its mirrors say the digests")).hint("leave out --sha256")
            );
        }
        return packages(name, release, distros);
    }
    let is_address = from.starts_with("http://") || from.starts_with("https://");
    if !is_address && !Path::new(from).is_file() {
        let failure = usage(format!("`{from}` is no known distribution, no file and no address"));
        let known = distros.bootstrapped();
        return Err(match near(name, &known) {
            Some(near) => failure.hint(format!("did you mean `{near}`?")),
            None => failure.hint(format!("distributions are {}", list(known))),
        });
    }
    let sha256 = match (sha256, is_address) {
        (Some(given), _) => {
            syntax::image_digest(given).map_err(|why| usage(format!("--sha256: {why}")))?;
            given.to_owned()
        }
        (None, false) => Sha256::of_file(Path::new(from)).map_err(|error| hints::file(&error))?.to_string(),
        (None, true) => {
            return Err(usage(format!("the digest of {from} is not known"))
                .hint("--sha256 gives it, or the address of the vendor's list, such as https://.../SHA256SUMS"));
        }
    };
    let source = if is_address { from.to_owned() } else { from_recipe(Path::new(from), dir) };
    syntax::image_source(&source).map_err(|why| usage(format!("--from: {why}")))?;
    Ok(Start::Image { source, sha256 })
}

/// Returns the path of a file as the recipe must name it.
fn from_recipe(file: &Path, dir: &Path) -> String {
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let (file, dir) = (absolute(file), absolute(dir));
    file.strip_prefix(dir).unwrap_or(&file).display().to_string()
}

/// Finds the release of a distribution.
fn packages(name: &str, release: Option<&str>, distros: &Distros) -> Result<Start, Failure> {
    let usage = |message: String| Failure::of(FailureKind::Usage, message);
    let Some(distribution) = distros.get(name) else { return Err(usage(format!("unknown distribution `{name}`"))) };
    let file = &distribution.file;
    if file.bootstrap.is_none() {
        return Err(usage(format!("`{name}` cannot be made of packages here"))
            .hint("start from a disk image of it: `--from FILE`, or `--from ADDRESS --sha256 DIGEST`")
            .hint(format!("can be made of packages: {}", list(distros.bootstrapped()))));
    }
    if distribution.mechanisms.init == Init::OpenRc {
        return Err(usage(format!("there is no recipe to begin with for {}, which has no systemd", file.title))
            .hint("the page Distributions of the book says which elements work with it"));
    }
    let numbered = |version: &str| version.starts_with(|first: char| first.is_ascii_digit());
    let found = match release {
        Some(wanted) => file.releases.iter().find(|one| one.name == wanted || one.version == wanted),
        // A moving release such as sid only if there is no other.
        None => {
            let is_out = |one: &&Release| numbered(&one.version) && !one.unreleased;
            file.releases.iter().rfind(is_out).or(file.releases.last())
        }
    };
    let Some(found) = found else {
        let names: Vec<_> = file.releases.iter().map(|one| one.name.as_str()).collect();
        let failure = usage(format!("unknown release `{}` of {}", release.unwrap_or_default(), file.name));
        return Err(match release.and_then(|wanted| near(wanted, &names)) {
            Some(near) => failure.hint(format!("did you mean `{}:{near}`?", file.name)),
            None => failure.hint(format!("known here: {}", list(names))),
        });
    };
    Ok(Start::Packages {
        distro: file.name.clone(),
        title: file.title.clone(),
        release: found.name.clone(),
        version: found.version.clone(),
        family: distribution.family.clone(),
    })
}
