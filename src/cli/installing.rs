//! Failures of installers: what people see of them, and the picture of the screen.

use std::path::{Path, PathBuf};

use super::failure::{Failure, FailureKind};
use crate::base::InstallError;
use crate::build::BuildError;
use crate::fsx::{PathError, write_private};
use crate::pipeline::PipelineError;

/// Converts errors of an installer that are its own. `error` is the error of the build that it caused.
pub(super) fn failure(error: &BuildError, source: &InstallError) -> Failure {
    match source {
        InstallError::Stopped(stopped) => Failure::new(FailureKind::Build, error).hint(stopped.help),
        InstallError::Proxy(_) => Failure::new(FailureKind::Host, error).hint(
            "without `proxy: true` in `base.installer` the installer gets none; its answer file can name another",
        ),
        InstallError::Request(_) | InstallError::Secret(_) => Failure::new(FailureKind::Recipe, error),
        InstallError::NoHost | InstallError::Machine(_) | InstallError::Guest(_) | InstallError::File(_) => {
            Failure::new(FailureKind::Host, error)
        }
        InstallError::Interrupted => Failure::new(FailureKind::Interrupted, error),
    }
}

/// Writes the picture of the screen of an installer that was stopped. Returns its path; `None` if there is no picture.
pub(super) fn keep_picture(error: &PipelineError, out: &Path, name: &str) -> Result<Option<PathBuf>, PathError> {
    let PipelineError::Build(BuildError::Install(source)) = error else { return Ok(None) };
    let InstallError::Stopped(stopped) = &**source else { return Ok(None) };
    let Some(picture) = &stopped.picture else { return Ok(None) };
    let path = out.join(format!("{name}.failed.png"));
    write_private(&path, picture)?;
    Ok(Some(path))
}
