//! Pins the base of a recipe, because its inputs change over time: a mirror by the digests of its repositories, an image by the
//! digest of its file. A plan contains only pinned inputs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::build::{BuildError, OpenedImage, Session, Workshop};
use crate::digest::Sha256;
use crate::disk::qemu_img::{QemuImg, QemuImgError};
use crate::distro::Distros;
use crate::event::Event;
use crate::fetch::container::{self, ContainerError};
use crate::fetch::image::{self, CachedImage, ImageError, Means};
use crate::fetch::repository::{self, RepositoryError};
use crate::fetch::{MirrorCertificates, PinPolicy, host_mirrors, redacted};
use crate::fsx::{IoContext as _, PathError, write_private};
use crate::guest::Inspection;
use crate::openstack::base::{self as cloud_base, CloudBaseError};
use crate::plan::{BasePlan, InstallerPlan};
use crate::recipe::{Base, Firmware, ImageSource, Installer, InstallerFile, Recipe, System};
use crate::tree::{self, Facts, TreeError};
use crate::units::ByteSize;

/// A base with its pins.
#[derive(Debug, Clone)]
pub struct Pinned {
    /// The base for the plan.
    pub base: BasePlan,
    /// The opened base image, if the base is an image.
    pub image: Option<OpenedImage>,
    /// What the tree says about its system, if the base is a tree.
    pub tree: Option<Facts>,
}

/// An error of pinning a base.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// The mirror's repositories could not be read.
    #[error(transparent)]
    Repository(#[from] RepositoryError),
    /// The image could not be fetched, or cannot be a base.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The image could not be inspected.
    #[error(transparent)]
    Inspect(#[from] BuildError),
    /// The image could not be opened.
    #[error(transparent)]
    Open(#[from] QemuImgError),
    /// The container image is not available.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// The image of a cloud is not available, or cannot be a base.
    #[error(transparent)]
    Glance(#[from] CloudBaseError),
    /// The root tree cannot be used.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// A file with an earlier pin could not be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// No distribution that elements support is on the image.
    #[error(
        "{image} holds {product}, which is none of the known distributions ({}), and names none in `ID_LIKE`",
        known.join(", ")
    )]
    UnknownDistribution {
        /// The image.
        image: String,
        /// The operating system on it.
        product: String,
        /// Names of the known distributions.
        known: Vec<String>,
    },
    /// The architecture of the image is not that of the recipe.
    #[error("{image} is an image for {found}, and the recipe is for {wanted}")]
    WrongArch {
        /// The image.
        image: String,
        /// Architecture of the image.
        found: String,
        /// Architecture of the recipe.
        wanted: String,
    },
    /// The image is larger than the disk of the recipe.
    #[error("{image} is a disk of {found}, and the recipe's has {wanted}: set `disk.size` to {}MiB or more",
        found.get().div_ceil(ByteSize::MIB))]
    DiskTooSmall {
        /// The image.
        image: String,
        /// Virtual size of the image.
        found: ByteSize,
        /// Disk size of the recipe.
        wanted: ByteSize,
    },
}

/// Pins the base of a recipe.
///
/// An image that was not used before is fetched and inspected. For this, `session` launches its guest, which a later build
/// continues to use.
pub fn pin(recipe: &Recipe, policy: &PinPolicy, session: &mut Session<'_>) -> Result<Pinned, PinError> {
    let Workshop { cache, reporter, interrupt, network, clouds, secrets, .. } = session.workshop();
    let reporter = &**reporter;
    let means = Means { directory: &recipe.dir, cache, offline: policy.offline, network, reporter, interrupt };
    match &recipe.base {
        Base::Bootstrap(source) => {
            let how = recipe.bootstrap.as_ref().expect("a recipe that is made of packages says how");
            let told = network.mirrors.get(&source.distro).cloned().unwrap_or_default();
            let mirrors = told.or(host_mirrors(how)).or(how.mirrors(recipe.arch));
            // A person sees which mirror is waited for.
            let asked = repository::asked(source, (how, recipe.arch), &mirrors, cache, policy);
            let activity = format!("ask {}", asked.join(" and "));
            let started = Instant::now();
            if !asked.is_empty() {
                reporter.report(&Event::ActivityStarted { activity: activity.clone() });
            }
            let mut network = network.clone();
            if !asked.is_empty() {
                network.certificates =
                    MirrorCertificates::of(source, secrets).map_err(RepositoryError::Certificates)?;
            }
            let repositories =
                repository::pin(source, (how, recipe.arch), &mirrors, cache, policy, &network, interrupt)?;
            if !asked.is_empty() {
                reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
            }
            Ok(Pinned { base: BasePlan::Bootstrap { source: source.clone(), repositories }, image: None, tree: None })
        }
        Base::Image(source) => {
            if let Some(message) = unguarded(source, "image") {
                reporter.report(&Event::Warning { message });
            }
            let wanted = image::pin(source, &recipe.dir, cache, policy, network, interrupt)?;
            let image =
                image::fetch(source, &wanted, &recipe.dir, cache, policy.offline, network, reporter, interrupt)?;
            opened_image(redacted(&source.source), &image, recipe, policy, session)
        }
        Base::Glance(source) => {
            let pin = cloud_base::pin(source, clouds, policy, &means)?;
            let image = cloud_base::fetch(source, &pin, clouds, &means)?;
            opened_image(pin.to_string(), &image, recipe, policy, session)
        }
        Base::Tree(source) => {
            let (sha256, files) = match source.file() {
                Some(file) => {
                    if let Some(message) = unguarded(&file, "tree") {
                        reporter.report(&Event::Warning { message });
                    }
                    let wanted = image::pin(&file, &recipe.dir, cache, policy, network, interrupt)?;
                    let (path, sha256) = image::fetch_archive(&file, &wanted, &means)?;
                    (Some(sha256), tree::Source::Archive { origin: redacted(&source.source), file: path })
                }
                None => {
                    let path: PathBuf = recipe.dir.join(&source.source).components().collect();
                    let path = std::path::absolute(&path).at(&path)?;
                    (None, tree::Source::Directory { origin: source.source.clone(), path })
                }
            };
            opened_tree(redacted(&source.source), sha256, files, recipe, policy, &means)
        }
        Base::Installer(installer) => pinned_installer(installer, recipe, policy, &means),
        Base::Container(source) => {
            if source.insecure && source.source.starts_with("docker://") && !source.source.contains("@sha256:") {
                let message = format!(
                    "{} comes over http without a digest, as `base.container.insecure` allows: anybody on the way could name another \
                     image",
                    source.source
                );
                reporter.report(&Event::Warning { message });
            }
            let found = container::fetch(source, recipe.arch, policy, &means)?;
            let files = tree::Source::Layers { origin: source.source.clone(), files: found.layers };
            opened_tree(source.source.clone(), Some(found.sha256), files, recipe, policy, &means)
        }
    }
}

/// Fetches the files of an installer. A file of this host without a digest has that of what it has now.
fn pinned_installer(
    installer: &Installer,
    recipe: &Recipe,
    policy: &PinPolicy,
    means: &Means<'_>,
) -> Result<Pinned, PinError> {
    let Means { cache, network, reporter, interrupt, .. } = *means;
    let (mut digests, mut files) = (BTreeMap::new(), BTreeMap::new());
    for (key, file) in installer.source.files() {
        let InstallerFile { source, sha256, signed_by, insecure } = file.clone();
        let sha256 = match sha256 {
            Some(sha256) => sha256,
            None => image::digest_of_file(&recipe.dir.join(&source))?.to_string(),
        };
        let source = ImageSource { source, sha256, signed_by, insecure, ..ImageSource::default() };
        if let Some(message) = unguarded(&source, &format!("installer.{key}")) {
            reporter.report(&Event::Warning { message });
        }
        let wanted = image::pin(&source, &recipe.dir, cache, policy, network, interrupt)?;
        let (path, sha256) = image::fetch_archive(&source, &wanted, means)?;
        digests.insert(key.to_owned(), sha256);
        files.insert(key.to_owned(), path);
    }
    let answer = installer.answer.digest();
    let seed = serde_json::json!([digests, answer]).to_string();
    let refreshed = refreshed(cache, &format!("installer-{}", Sha256::of(seed.as_bytes())), policy)?;
    let plan = InstallerPlan { base: installer.clone(), answer, digests, files, refreshed };
    Ok(Pinned { base: BasePlan::Installer(Box::new(plan)), image: None, tree: None })
}

/// Looks into an image, unless that was done before.
fn opened_image(
    source: String,
    image: &CachedImage,
    recipe: &Recipe,
    policy: &PinPolicy,
    session: &mut Session<'_>,
) -> Result<Pinned, PinError> {
    let (found, wanted) = (ByteSize::bytes(image.virtual_size), recipe.disk.size);
    if found > wanted {
        return Err(PinError::DiskTooSmall { image: source, found, wanted });
    }
    let inspection = inspected(image, session)?;
    let wanted = recipe.arch.name();
    if inspection.arch != wanted {
        return Err(PinError::WrongArch { image: source, found: inspection.arch, wanted: wanted.to_owned() });
    }
    let refreshed = refreshed(&session.workshop().cache, &format!("image-{}", image.sha256), policy)?;
    let base = BasePlan::Image { source, sha256: image.sha256, refreshed };
    let file = image.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let opened = OpenedImage { file, virtual_size: image.virtual_size, inspection };
    Ok(Pinned { base, image: Some(opened), tree: None })
}

/// Looks into a tree, unless that was done before. A directory can change, so it is read each time, and has the digest of what it has
/// now.
fn opened_tree(
    source: String,
    sha256: Option<Sha256>,
    files: tree::Source,
    recipe: &Recipe,
    policy: &PinPolicy,
    means: &Means<'_>,
) -> Result<Pinned, PinError> {
    let Means { cache, reporter, interrupt, .. } = *means;
    let note = |sha256: &Sha256| cache.join("images").join(format!("{sha256}.json"));
    let known = sha256.and_then(|sha256| Some((sha256, Facts::stored(&std::fs::read(note(&sha256)).ok()?)?)));
    let (sha256, facts) = match known {
        Some(known) => known,
        None => {
            let activity = "look into the tree".to_owned();
            let started = Instant::now();
            reporter.report(&Event::ActivityStarted { activity: activity.clone() });
            let found = files.read(recipe.disk.size, interrupt)?;
            let facts = found.facts(&files)?;
            let computed = sha256.unwrap_or_else(|| found.digest());
            if sha256.is_some() {
                let json = serde_json::to_vec_pretty(&facts).expect("every key of these facts is a string");
                write_private(&note(&computed), &json)?;
            }
            reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
            (computed, facts)
        }
    };
    if facts.arch != Some(recipe.arch) {
        let found = facts.arch.map_or("another architecture", |arch| arch.name()).to_owned();
        return Err(PinError::WrongArch { image: source, found, wanted: recipe.arch.name().to_owned() });
    }
    if facts.left.devices > 0 {
        let count = facts.left.devices;
        let message = format!("{source} has {count} device nodes outside of /dev, which the image does not get");
        reporter.report(&Event::Warning { message });
    }
    let refreshed = refreshed(cache, &format!("tree-{sha256}"), policy)?;
    Ok(Pinned { base: BasePlan::Tree { source, sha256, refreshed, files }, image: None, tree: Some(facts) })
}

/// Returns a warning if anybody on the way to the server could change the digest. `kind` is the key of the base.
fn unguarded(source: &ImageSource, kind: &str) -> Option<String> {
    (source.insecure && source.signed_by.is_none() && source.sha256.starts_with("http://")).then(|| {
        let list = redacted(&source.sha256);
        format!("{list} comes over http without a signature, as `base.{kind}.insecure` allows: anybody on the way could name another {kind}")
    })
}

/// Returns the system on an inspected image, in the terms of elements: by `ID` and `ID_LIKE` of os-release, or else by what
/// libguestfs recognizes.
pub fn system(image: &str, found: &Inspection, distros: &Distros) -> Result<System, PinError> {
    let names = found.ids.iter().map(String::as_str).chain([found.distro.as_str()]);
    let distribution = distros.recognise(names).ok_or_else(|| PinError::UnknownDistribution {
        image: image.to_owned(),
        product: found.product.clone(),
        known: distros.iter().map(|one| one.file.name.clone()).collect(),
    })?;
    let release = found.codename.clone().unwrap_or_else(|| found.version.clone());
    Ok(System { distro: distribution.named(release, found.version.clone()), firmware: found.firmware.clone() })
}

/// Returns the system of a tree, in the terms of elements. Its disk is laid out for some firmware.
pub fn tree_system(source: &str, found: &Facts, firmware: &[Firmware], distros: &Distros) -> Result<System, PinError> {
    let distribution =
        distros.recognise(found.ids.iter().map(String::as_str)).ok_or_else(|| PinError::UnknownDistribution {
            image: source.to_owned(),
            product: found.product.clone(),
            known: distros.iter().map(|one| one.file.name.clone()).collect(),
        })?;
    let release = found.codename.clone().unwrap_or_else(|| found.number.clone());
    Ok(System { distro: distribution.named(release, found.number.clone()), firmware: firmware.to_vec() })
}

/// Returns the inspection of an image: from the file beside it, or from a guest now.
fn inspected(image: &CachedImage, session: &mut Session<'_>) -> Result<Inspection, PinError> {
    let note = image.path.with_extension("json");
    if let Some(inspection) = std::fs::read(&note).ok().and_then(|json| serde_json::from_slice(&json).ok()) {
        return Ok(inspection);
    }
    let overlay = session.workshop().scratch.join("inspect.qcow2");
    QemuImg::default().create_overlay(&overlay, &image.path, image.format, image.virtual_size)?;
    let inspection = session.inspect(&overlay)?;
    let json = serde_json::to_vec_pretty(&inspection).expect("every key of an inspection is a string");
    write_private(&note, &json)?;
    Ok(inspection)
}

/// Returns when the user last asked to refresh the repositories of a base with this name.
fn refreshed(cache: &Path, base: &str, policy: &PinPolicy) -> Result<Option<String>, PathError> {
    let note: PathBuf = cache.join("pins").join(base);
    if let Some(time) = policy.newer_than {
        let now = jiff::Timestamp::try_from(time).unwrap_or_default().to_string();
        let dir = cache.join("pins");
        std::fs::create_dir_all(&dir).at(&dir)?;
        write_private(&note, now.as_bytes())?;
        return Ok(Some(now));
    }
    match std::fs::read_to_string(&note) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).at(&note),
    }
}
