//! The index of a tree (simplestreams): which versions of which images are there.

use std::path::PathBuf;
use std::sync::Arc;

use super::error::TreeError;
use super::image_version::STREAMS;
use super::sign::{OpenPgp, Signer};
use super::simplestreams::{self, Listed};
use super::storage::{Storage, rolled_back, versions};
use crate::digest::Sha256;
use crate::event::{Event, Reporter};
use crate::export::manifest::{self, Summary};
use crate::interrupt::Interrupt;

/// The index of a tree.
pub(super) struct Index<'a> {
    pub(super) storage: &'a dyn Storage,
    pub(super) signers: &'a [Signer],
    pub(super) reporter: &'a Arc<dyn Reporter>,
    pub(super) interrupt: &'a Interrupt,
}

impl Index<'_> {
    /// Writes the index of those versions that are there and that `wanted` accepts.
    pub(super) fn write(&self, wanted: impl Fn(&str, &str) -> bool) -> Result<(), TreeError> {
        let mut listed = listed(self.storage, self.reporter)?;
        listed.retain(|listed| wanted(&listed.image, &listed.version));
        self.refresh("json", &listed, None)?;
        match key_of(self.signers) {
            None => Ok(()),
            key => self.refresh("sjson", &listed, key),
        }
    }

    /// Writes both files with an ending, unless they have this content already. The index refers to the products, so the products
    /// come first.
    fn refresh(&self, ending: &str, listed: &[Listed], key: Option<&OpenPgp>) -> Result<(), TreeError> {
        let (index, products) = simplestreams::index(listed, ending);
        for (path, content) in [(simplestreams::PRODUCTS, products), (simplestreams::INDEX, index)] {
            let path = format!("{path}.{ending}");
            let found = known(self.storage, &path)?;
            let there = match (&found, key) {
                (None, _) => false,
                (Some(found), None) => *found == content,
                (Some(found), Some(key)) => key.verified(found)?.as_ref() == Some(&content),
            };
            match key {
                _ if there => {}
                None => self.storage.write(&path, &content)?,
                Some(key) => self.storage.write(&path, &key.clear_sign(&content, self.interrupt)?)?,
            }
        }
        Ok(())
    }
}

/// Returns the key that signs the index.
fn key_of(signers: &[Signer]) -> Option<&OpenPgp> {
    signers.iter().find_map(|signer| match signer {
        Signer::OpenPgp(key) => Some(key),
        Signer::Minisign(_) => None,
    })
}

/// Refuses a tree whose index is from another program, or is signed while no key can sign the next one: clients that want a signature
/// would read the old one for ever.
pub(super) fn check(storage: &dyn Storage, signers: &[Signer]) -> Result<(), TreeError> {
    for path in [simplestreams::INDEX, simplestreams::PRODUCTS] {
        for ending in ["json", "sjson"] {
            match known(storage, &format!("{path}.{ending}")) {
                Err(error @ TreeError::Foreign { .. }) => return Err(error),
                Ok(Some(_)) if ending == "sjson" && key_of(signers).is_none() => {
                    return Err(TreeError::SignedIndex(storage.place()));
                }
                // Other errors are reported when the index is written.
                _ => {}
            }
        }
    }
    Ok(())
}

/// Returns a file of the present index; an error if it is from another program.
fn known(storage: &dyn Storage, path: &str) -> Result<Option<Vec<u8>>, TreeError> {
    let found = storage.read(path)?;
    if found.as_ref().is_some_and(|content| !simplestreams::is_ours(content)) {
        return Err(TreeError::Foreign { path: PathBuf::from(format!("{}/{path}", storage.place())) });
    }
    Ok(found)
}

/// Lists all versions of all images, up to the ones that `latest` points to: clients take the youngest version, and later ones
/// are not promoted. Versions that were rolled back are left out.
fn listed(storage: &dyn Storage, reporter: &Arc<dyn Reporter>) -> Result<Vec<Listed>, TreeError> {
    let mut listed = Vec::new();
    let mut images = storage.folders("")?;
    images.retain(|image| image != STREAMS);
    images.sort();
    for image in images {
        let Some(latest) = storage.latest(&image)? else { continue };
        let gone = rolled_back(storage, &image)?;
        for version in
            versions(storage, &image)?.into_iter().filter(|version| *version <= latest && !gone.contains(version))
        {
            let path = format!("{image}/{version}/{}", manifest::FILE);
            // Another run may just have removed it.
            let Some(bytes) = storage.read(&path)? else { continue };
            let (size, sha256) = (bytes.len() as u64, Sha256::of(&bytes));
            match serde_json::from_slice::<Summary>(&bytes) {
                Ok(summary) => listed.push(Listed { image: image.clone(), version, summary, size, sha256 }),
                Err(error) => {
                    let message = format!("{path} of {} is left out of the index: {error}", storage.place());
                    reporter.report(&Event::Warning { message });
                }
            }
        }
    }
    Ok(listed)
}
