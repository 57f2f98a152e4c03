//! Copies one file of a recipe or element to a temporary file of the host, from which it goes into the image, and checks its
//! digest.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;

use tempfile::NamedTempFile;

use super::carry;
use super::error::ActionError;
use crate::digest::Sha256;
use crate::fsx::IoContext as _;
use crate::plan::{Asset, AssetKind, Origin};

/// A copy of a file's content, proved to be what the plan was made of. Removed when it is dropped.
pub(super) fn staged(
    name: &str,
    files: &BTreeMap<String, Asset>,
    scratch: &Path,
) -> Result<NamedTempFile, ActionError> {
    let Some((_, Asset { kind: AssetKind::File { sha256, origin }, .. })) = carry::content(name, files) else {
        let message = "is not among the files of the recipe or element".to_owned();
        return Err(ActionError::Unfit { action: name.to_owned(), message });
    };
    let mut copy = NamedTempFile::new_in(scratch).at(scratch)?;
    match origin {
        Origin::Embedded(bytes) => copy.write_all(bytes).at(copy.path())?,
        Origin::File(path) => {
            let mut file = std::fs::File::open(path).at(path)?;
            std::io::copy(&mut file, &mut copy).at(path)?;
        }
    }
    if Sha256::of_file(copy.path())? == *sha256 { Ok(copy) } else { Err(carry::changed(name)) }
}
