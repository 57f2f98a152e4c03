//! Converts the library's errors into failures of a command: finds their kind, and adds hints about what to do next.

use std::error::Error;
use std::path::Path;

use super::failure::{Failure, FailureKind};
use super::settings::Global;
use crate::base::{BootstrapError, InstallError};
use crate::build::BuildError;
use crate::build::actions::ActionError;
use crate::diff::GatherError;
use crate::export::ExportError;
use crate::fetch::SignatureError;
use crate::fetch::container::ContainerError;
use crate::fetch::image::ImageError;
use crate::fetch::repository::RepositoryError;
use crate::fsx::PathError;
use crate::guest::GuestError;
use crate::image::convert::ConvertError;
use crate::image::local::LocalError;
use crate::image::read::OpenError;
use crate::image::unpack::UnpackError;
use crate::layer::StoreError;
use crate::machine::MachineError;
use crate::openstack::base::CloudBaseError;
use crate::pin::PinError;
use crate::pipeline::{HostError, PipelineError};
use crate::remote::RemoteError;
use crate::tree::TreeError;
use crate::verify::boot::BootError;
use crate::yaml::Diagnostics;

/// Hint for a full image.
const LARGER_DISK: &str = "make the disk larger: `disk: { size: ... }`";

/// Hint for a full file system of the host.
const MAKE_ROOM: &str = "`goldsmith cache gc --max-size 10GiB` makes room; --cache DIR puts the cache elsewhere";

/// Converts errors of a recipe, with the lines that they are about.
pub(super) fn recipe(found: &Diagnostics, global: &Global) -> Failure {
    recipe_found(found, global.terminal.color)
}

/// Converts errors of a recipe, for callers that know only whether colors are wanted.
pub(super) fn recipe_found(found: &Diagnostics, color: bool) -> Failure {
    let details = serde_json::json!(found.records());
    let message = match found.iter().collect::<Vec<_>>().as_slice() {
        [only] => only.message().to_owned(),
        all => format!("{} errors", all.len()),
    };
    Failure::rendered(FailureKind::Recipe, &message, found.render(color), details)
}

/// Converts errors of the remote cache.
pub(super) fn remote(error: &RemoteError) -> Failure {
    let failure = match error {
        RemoteError::Interrupted => return Failure::new(FailureKind::Interrupted, error),
        RemoteError::Store(error) => return store(error),
        error => Failure::new(FailureKind::Host, error),
    };
    match error.help() {
        Some(help) => failure.hint(help),
        None => failure,
    }
}

/// Converts errors of the layer store.
pub(super) fn store(error: &StoreError) -> Failure {
    match error {
        StoreError::Interrupted => Failure::new(FailureKind::Interrupted, error),
        StoreError::Foreign { .. } | StoreError::NoStore { .. } => Failure::new(FailureKind::Usage, error)
            .hint("`--cache DIR` or $XDG_CACHE_HOME name another directory; goldsmith makes it if it is not there"),
        StoreError::Shared { root, .. } => Failure::new(FailureKind::Usage, error)
            .hint(format!("`chmod 700 {}` keeps others out; or name another directory by --cache DIR", root.display())),
        StoreError::Access(_) => no_space(Failure::new(FailureKind::Host, error), error)
            .hint("`--cache DIR` or $XDG_CACHE_HOME name a directory that this user can write to"),
        _ => no_space(Failure::new(FailureKind::Host, error), error),
    }
}

/// Converts errors of pinning.
pub(super) fn pin(error: &PinError) -> Failure {
    match error {
        // The guest works; the file is not the image of a system.
        PinError::Inspect(error @ BuildError::Guest { source: GuestError::Call { .. }, .. }) => {
            Failure::new(FailureKind::Recipe, error).hint(
                "is `base.image.source` the image that is meant? `goldsmith inspect FILE` tells what is found in it",
            )
        }
        PinError::Inspect(error) => build(error),
        PinError::Image(ImageError::Interrupted) | PinError::Repository(RepositoryError::Interrupted) => {
            Failure::new(FailureKind::Interrupted, error)
        }
        PinError::Image(ImageError::WrongDigest { .. }) => Failure::new(FailureKind::Recipe, error)
            .hint("if the new file is the one that is meant, put its digest into `base.image.sha256`"),
        PinError::Image(ImageError::NoSuchFile { .. }) => Failure::new(FailureKind::Recipe, error)
            .hint("`base.image.source` and `sha256` are relative to the folder of the file that gives them"),
        PinError::Image(ImageError::NoSpace { .. }) => Failure::new(FailureKind::Host, error).hint(MAKE_ROOM),
        PinError::Image(ImageError::Sums { .. }) => Failure::new(FailureKind::Recipe, error)
            .hint("`base.image.sha256` may also be the digest itself, as `sha256sum` prints it"),
        PinError::Image(ImageError::Signature(SignatureError::NoProgram(_))) => Failure::new(FailureKind::Host, error),
        PinError::Image(ImageError::Signature(SignatureError::Key { package: Some(package), .. })) => {
            Failure::new(FailureKind::Host, error).hint(format!("install the package `{package}` on this machine"))
        }
        PinError::Image(ImageError::Signature(_)) => Failure::new(FailureKind::Recipe, error)
            .hint("`base.image.signed-by` must name the public key of the list's signer; nothing in the list was used"),
        PinError::Image(ImageError::Convert(error)) => convert(error),
        PinError::Image(ImageError::Format(error)) => open(error),
        PinError::UnknownDistribution { .. } => Failure::new(FailureKind::Recipe, error).hint(
            "`distros/NAME/distro.yaml` beside the recipe describes another one; `goldsmith distros` lists those that are known",
        ),
        PinError::Container(error) => container(error),
        PinError::Glance(error) => cloud_base(error),
        PinError::Tree(TreeError::Interrupted) => Failure::new(FailureKind::Interrupted, error),
        PinError::Tree(TreeError::Access(_) | TreeError::Changed(_)) => no_space(Failure::new(FailureKind::Host, error), error),
        PinError::Tree(_) => Failure::new(FailureKind::Recipe, error),
        PinError::Image(ImageError::Damaged { .. })
        | PinError::WrongArch { .. }
        | PinError::DiskTooSmall { .. } => Failure::new(FailureKind::Recipe, error),
        PinError::Image(ImageError::Http(_)) => no_space(Failure::new(FailureKind::Host, error), error).hint(
            "check the network and `base.image`; what arrived of a download is kept, the next build goes on from there",
        ),
        PinError::Image(_) | PinError::Repository(_) | PinError::Open(_) | PinError::File(_) => {
            no_space(Failure::new(FailureKind::Host, error), error)
        }
    }
}

/// Converts errors of an image of a cloud.
fn cloud_base(error: &CloudBaseError) -> Failure {
    match error {
        CloudBaseError::Cloud(error) => super::cloud::failure(error),
        CloudBaseError::Image(ImageError::Interrupted) => Failure::new(FailureKind::Interrupted, error),
        CloudBaseError::Count { found: None, .. } => Failure::new(FailureKind::Recipe, error)
            .hint("`goldsmith images list` lists the images of the cloud, and `--os-cloud` names another cloud"),
        CloudBaseError::Count { .. } => Failure::new(FailureKind::Recipe, error)
            .hint("`base.glance.image` may be an id, and with `base.glance.tag` the newest image counts"),
        CloudBaseError::Unfit { .. } => Failure::new(FailureKind::Recipe, error),
        _ => no_space(Failure::new(FailureKind::Host, error), error),
    }
}

/// Converts errors of a container image.
fn container(error: &ContainerError) -> Failure {
    match error {
        error if error.is_interrupt() => Failure::new(FailureKind::Interrupted, error),
        ContainerError::NoLogin { host, .. } => Failure::new(FailureKind::Host, error).hint(format!(
            "`podman login {host}` or `skopeo login {host}` stores one, which Goldsmith reads"
        )),
        ContainerError::WrongLogin { host, .. } => Failure::new(FailureKind::Host, error)
            .hint(format!("`podman login {host}` or `skopeo login {host}` stores another one; it must be allowed to pull the image")),
        ContainerError::Fetch(ImageError::NoSpace { .. }) => Failure::new(FailureKind::Host, error).hint(MAKE_ROOM),
        ContainerError::Fetch(ImageError::NoSuchFile { .. }) => Failure::new(FailureKind::Recipe, error)
            .hint("paths in `base.container.source` are relative to the folder of the file that gives them"),
        ContainerError::Fetch(ImageError::Http(_)) => no_space(Failure::new(FailureKind::Host, error), error)
            .hint("check the network and `base.container`; what arrived of a layer is kept, the next build goes on from there"),
        ContainerError::Fetch(_) => no_space(Failure::new(FailureKind::Host, error), error),
        _ => Failure::new(FailureKind::Recipe, error),
    }
}

/// Converts errors of a whole pipeline. `color` is for errors of the recipe, which show its lines.
pub(super) fn pipeline(error: &PipelineError, color: bool) -> Failure {
    match error {
        PipelineError::Recipe(found) => recipe_found(found, color),
        PipelineError::NoTarget => {
            Failure::new(FailureKind::Recipe, error).hint("add `publish:` with a target, such as `- glance: {}`")
        }
        PipelineError::Store(error) => store(error),
        PipelineError::Pin(error) => pin(error),
        PipelineError::Build(error) => build(error),
        PipelineError::Export(error) => export(error),
        PipelineError::LostExamination => Failure::new(FailureKind::Verification, error)
            .hint("`goldsmith cache verify --repair` removes damaged layers; build it again after that"),
        PipelineError::Local(error) => local(error),
        PipelineError::Host(error) => host(error),
        PipelineError::File(error) => file(error),
    }
}

/// Converts errors of a host that boots an image.
pub(super) fn host(error: &HostError) -> Failure {
    match error {
        HostError::Guest(error) => guest_error(error),
        HostError::Boot(BootError::Machine(error)) => machine(error),
        HostError::Boot(BootError::Interrupted) => Failure::new(FailureKind::Interrupted, error),
        HostError::Boot(_) => Failure::new(FailureKind::Host, error),
        HostError::File(error) => file(error),
    }
}

/// Converts errors of a build.
pub(super) fn build(error: &BuildError) -> Failure {
    match error {
        BuildError::Interrupted => Failure::new(FailureKind::Interrupted, error)
            .hint("the layers of all finished steps are kept: the next build goes on from there"),
        BuildError::Store(source) => store(source),
        BuildError::Bootstrap(source) => bootstrap(error, source),
        BuildError::Install(source) => match &**source {
            InstallError::Machine(source) => machine(source),
            InstallError::Guest(source) => guest_error(source),
            InstallError::File(source) => file(source),
            source => super::installing::failure(error, source),
        },
        BuildError::NotInstalled { .. } => Failure::new(FailureKind::Build, error)
            .hint("the answer file, the files of the installer and `distro` and `release` in the recipe must agree"),
        BuildError::PackageNotFound(_) => Failure::new(FailureKind::Build, error)
            .hint("check its name; if it is new on the mirror, `--refresh` looks again"),
        BuildError::Guest { source, .. } => guest(Failure::new(kind_of(source), error), source),
        BuildError::HostFull { .. } => Failure::new(FailureKind::Host, error).hint(MAKE_ROOM),
        BuildError::Layout(_) => Failure::new(FailureKind::Recipe, error),
        BuildError::Hidden { .. } => Failure::new(FailureKind::Recipe, error)
            .hint("let a step write elsewhere, or let an instance write there after it has got the key"),
        BuildError::Ansible(_) => Failure::new(FailureKind::Usage, error)
            .hint("`--allow-ansible` permits it; read the playbook first, if it is not yours"),
        BuildError::Keep(_) | BuildError::Extract(_) | BuildError::Vanished(_) => {
            no_space(Failure::new(FailureKind::Host, error), error)
        }
        BuildError::Step { source, kept, .. } => {
            let mut failure = Failure::new(FailureKind::Build, error);
            if !source.tail().is_empty() {
                failure.causes.push(format!("it printed last:\n  | {}", source.tail().join("\n  | ")));
            }
            if let Some(kept) = kept {
                failure = failure.hint(format!("the disk as it was then: `guestfish --ro -i -a {}`", kept.display()));
            }
            match &**source {
                ActionError::Guest { source, .. } => guest(failure, source),
                ActionError::Status { full: Some(_), .. } => failure.hint(LARGER_DISK),
                ActionError::Status { .. } | ActionError::Undone { .. } if kept.is_none() => {
                    failure.hint("`--on-failure shell` opens a shell in the guest at this step, `keep` keeps its disk")
                }
                ActionError::PackageNotFound { .. } => {
                    failure.hint("check its name; the repositories are those that the image has set up")
                }
                _ => failure,
            }
        }
    }
}

/// Converts errors of an export.
pub(super) fn export(error: &ExportError) -> Failure {
    match error {
        ExportError::Interrupted => Failure::new(FailureKind::Interrupted, error),
        ExportError::NoSpace { .. } => Failure::new(FailureKind::Host, error)
            .hint("give another directory by --out, or make room; the layers are kept"),
        ExportError::Foreign { .. } => {
            Failure::new(FailureKind::Usage, error).hint("move it away, or give another directory by --out")
        }
        ExportError::Misfit { .. } => Failure::new(FailureKind::Recipe, error),
        ExportError::MissingTool { .. } => {
            Failure::new(FailureKind::Host, error).hint("`goldsmith doctor` says how to install what is missing")
        }
        ExportError::Tool { .. } => Failure::new(FailureKind::Host, error),
        ExportError::Open(_) | ExportError::Read(_) => Failure::new(FailureKind::Host, error).hint(
            "`goldsmith cache verify --repair` removes layers that were damaged; the next build makes them again",
        ),
        ExportError::Write { .. } | ExportError::File(_) => no_space(Failure::new(FailureKind::Host, error), error),
    }
}

/// Converts errors of a conversion.
pub(super) fn convert(error: &ConvertError) -> Failure {
    match error {
        ConvertError::Open(error) => open(error),
        ConvertError::Read { source, .. } if source.kind() == std::io::ErrorKind::InvalidData => {
            Failure::new(FailureKind::Recipe, error)
                .hint("get the file again, and compare its checksum with the publisher's")
        }
        ConvertError::Same(_) => Failure::new(FailureKind::Usage, error).hint("give another name for the new file"),
        ConvertError::Exists(_) => Failure::new(FailureKind::Usage, error).hint("`--force` replaces a file"),
        ConvertError::TooLarge { .. } => Failure::new(FailureKind::Recipe, error).hint(
            "--max-size allows more; qcow2, vmdk, vhdx and vdi files have no bytes for what is empty on the disk",
        ),
        ConvertError::NoFile(_) => Failure::new(FailureKind::Usage, error),
        ConvertError::Misfit { .. } => Failure::new(FailureKind::Usage, error).hint("choose another format"),
        ConvertError::Interrupted => Failure::new(FailureKind::Interrupted, error),
        ConvertError::NoSpace { .. } => {
            Failure::new(FailureKind::Host, error).hint("make room there, or write elsewhere")
        }
        ConvertError::Read { .. } | ConvertError::Write { .. } | ConvertError::Access(_) => {
            Failure::new(FailureKind::Host, error)
        }
    }
}

/// Converts errors of opening an image file.
pub(super) fn open(error: &OpenError) -> Failure {
    let kind = match error {
        OpenError::Access(access) if access.source.kind() == std::io::ErrorKind::NotFound => FailureKind::Usage,
        OpenError::Refused { .. }
        | OpenError::Unpack {
            source: UnpackError::Read(_) | UnpackError::Bomb { .. } | UnpackError::TooLarge { .. },
            ..
        } => FailureKind::Recipe,
        OpenError::Unpack { source: UnpackError::Interrupted, .. } => FailureKind::Interrupted,
        OpenError::Access(_) | OpenError::Unpack { .. } => FailureKind::Host,
    };
    error.help().into_iter().fold(Failure::new(kind, error), Failure::hint)
}

fn bootstrap(error: &BuildError, source: &BootstrapError) -> Failure {
    let kind = match source {
        BootstrapError::Interrupted => FailureKind::Interrupted,
        BootstrapError::Tree(TreeError::Access(_) | TreeError::Changed(_)) => FailureKind::Host,
        BootstrapError::DiskTooSmall { .. } | BootstrapError::Layout(_) | BootstrapError::Tree(_) => {
            FailureKind::Recipe
        }
        BootstrapError::Unsatisfiable { .. } | BootstrapError::Failed(_) => FailureKind::Build,
        BootstrapError::NoSpace { .. } => return Failure::new(FailureKind::Host, error).hint(MAKE_ROOM),
        _ => FailureKind::Host,
    };
    no_space(Failure::new(kind, error), error)
}

/// Converts errors of a machine that boots an image.
pub(super) fn machine(error: &MachineError) -> Failure {
    let kind = match error {
        MachineError::Unsupported(_) => FailureKind::Usage,
        MachineError::Interrupted => FailureKind::Interrupted,
        _ => FailureKind::Host,
    };
    let failure = no_space(Failure::new(kind, error), error);
    error.help().into_iter().fold(failure, Failure::hint)
}

/// Converts errors of a guest outside a build.
pub(super) fn guest_error(error: &GuestError) -> Failure {
    guest(Failure::new(kind_of(error), error), error)
}

/// Converts errors of files of this host.
pub(super) fn file(error: &PathError) -> Failure {
    no_space(Failure::new(FailureKind::Host, error), error)
}

/// Converts errors of an image that the user named.
pub(super) fn local(error: &LocalError) -> Failure {
    let failure = |kind| Failure::new(kind, error);
    match error {
        LocalError::Open(source) => open(source),
        LocalError::Read { source, .. } if source.kind() == std::io::ErrorKind::InvalidData => {
            failure(FailureKind::Recipe)
        }
        LocalError::Read { .. } => failure(FailureKind::Host),
        LocalError::Write(_) => no_space(failure(FailureKind::Host), error),
        LocalError::Interrupted => failure(FailureKind::Interrupted),
    }
}

/// Converts errors of reading the content of an image that the user named.
pub(super) fn gather(error: &GatherError, image: &Path) -> Failure {
    let mut failure = match error {
        GatherError::Guest(source) => guest(Failure::new(kind_of(source), error), source),
        GatherError::NoSystem(notes) => {
            let mut failure = Failure::new(FailureKind::Usage, error);
            failure.causes.extend(notes.iter().map(|note| crate::text::printable(note.as_bytes())));
            failure
        }
        GatherError::File(_) | GatherError::Archive(_) => no_space(Failure::new(FailureKind::Host, error), error),
        GatherError::Interrupted => Failure::new(FailureKind::Interrupted, error),
    };
    failure.message = format!("{}: {}", image.display(), failure.message);
    failure
}

fn kind_of(error: &GuestError) -> FailureKind {
    match error {
        GuestError::Launch(_) => FailureKind::Host,
        GuestError::Interrupted => FailureKind::Interrupted,
        _ => FailureKind::Build,
    }
}

fn guest(failure: Failure, error: &GuestError) -> Failure {
    match error {
        GuestError::Launch(_) => failure.hint("`goldsmith doctor` checks what the guest needs of this host"),
        GuestError::Died(_) => failure
            .hint("the layers of all finished steps are kept; if it happens again, the host may be out of memory"),
        GuestError::Deadline(_) => {
            failure.hint("`timeout:` of the action or `--timeout` give it longer; is it waiting for input?")
        }
        GuestError::NoSpace { .. } => failure.hint(LARGER_DISK),
        GuestError::Call { .. } | GuestError::Interrupted => failure,
    }
}

/// Adds a hint if a full disk is the cause of an error.
fn no_space(failure: Failure, error: &(dyn Error + 'static)) -> Failure {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<PathError>().is_some_and(PathError::is_no_space) {
            return failure.hint(MAKE_ROOM);
        }
        cause = error.source();
    }
    failure
}
