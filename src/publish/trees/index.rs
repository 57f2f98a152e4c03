//! The index of a tree, kept in step with the versions that are there.

use std::path::PathBuf;
use std::sync::Arc;

use super::edition::STREAMS;
use super::error::TreeError;
use super::shelf::{Shelf, rolled_back, versions};
use super::sign::{OpenPgp, Signer};
use super::simplestreams::{self, Listed};
use crate::digest::Sha256;
use crate::event::{Event, Reporter};
use crate::export::manifest::{self, Summary};
use crate::interrupt::Interrupt;

/// The index of a tree.
pub(super) struct Index<'a> {
    pub(super) shelf: &'a dyn Shelf,
    pub(super) signers: &'a [Signer],
    pub(super) reporter: &'a Arc<dyn Reporter>,
    pub(super) interrupt: &'a Interrupt,
}

impl Index<'_> {
    /// Writes it, of the versions that are there and wanted.
    pub(super) fn write(&self, wanted: impl Fn(&str, &str) -> bool) -> Result<(), TreeError> {
        let mut listed = listed(self.shelf, self.reporter)?;
        listed.retain(|listed| wanted(&listed.image, &listed.version));
        self.refresh("json", &listed, None)?;
        let key = self.signers.iter().find_map(|signer| match signer {
            Signer::OpenPgp(key) => Some(key),
            Signer::Minisign(_) => None,
        });
        if key.is_some() {
            return self.refresh("sjson", &listed, key);
        }
        // An index that was signed once would stay behind.
        for path in [simplestreams::INDEX, simplestreams::PRODUCTS].map(|path| format!("{path}.sjson")) {
            if known(self.shelf, &path)?.is_some() {
                let message = format!("{path} of {} is removed: nobody signs it any more", self.shelf.place());
                self.reporter.report(&Event::Warning { message });
                self.shelf.remove(&path)?;
            }
        }
        Ok(())
    }

    /// Writes both files with an ending, where they are not there with this content. Who reads the index goes on to the
    /// products, so these come first.
    fn refresh(&self, ending: &str, listed: &[Listed], key: Option<&OpenPgp>) -> Result<(), TreeError> {
        let (index, products) = simplestreams::index(listed, ending);
        for (path, content) in [(simplestreams::PRODUCTS, products), (simplestreams::INDEX, index)] {
            let path = format!("{path}.{ending}");
            let found = known(self.shelf, &path)?;
            let there = match (&found, key) {
                (None, _) => false,
                (Some(found), None) => *found == content,
                (Some(found), Some(key)) => key.verified(found)?.as_ref() == Some(&content),
            };
            match key {
                _ if there => {}
                None => self.shelf.write(&path, &content)?,
                Some(key) => self.shelf.write(&path, &key.clear_sign(&content, self.interrupt)?)?,
            }
        }
        Ok(())
    }
}

/// Refuses a tree whose index another program has made.
pub(super) fn check(shelf: &dyn Shelf) -> Result<(), TreeError> {
    for path in [simplestreams::INDEX, simplestreams::PRODUCTS] {
        for ending in ["json", "sjson"] {
            // What cannot be read now is told when the index is written.
            if let Err(error @ TreeError::Foreign { .. }) = known(shelf, &format!("{path}.{ending}")) {
                return Err(error);
            }
        }
    }
    Ok(())
}

/// A file of the index as it is now. One that tells of other things than our images was made by another program.
fn known(shelf: &dyn Shelf, path: &str) -> Result<Option<Vec<u8>>, TreeError> {
    let found = shelf.read(path)?;
    if found.as_ref().is_some_and(|content| !simplestreams::is_ours(content)) {
        return Err(TreeError::Foreign { path: PathBuf::from(format!("{}/{path}", shelf.place())) });
    }
    Ok(found)
}

/// All versions of all images that are there, up to those that `latest` leads to: clients take the youngest, and what is younger
/// is not promoted. Those that were rolled back are not among them.
fn listed(shelf: &dyn Shelf, reporter: &Arc<dyn Reporter>) -> Result<Vec<Listed>, TreeError> {
    let mut listed = Vec::new();
    let mut images = shelf.folders("")?;
    images.retain(|image| image != STREAMS);
    images.sort();
    for image in images {
        let Some(latest) = shelf.latest(&image)? else { continue };
        let gone = rolled_back(shelf, &image)?;
        for version in
            versions(shelf, &image)?.into_iter().filter(|version| *version <= latest && !gone.contains(version))
        {
            let path = format!("{image}/{version}/{}", manifest::FILE);
            // Somebody may have removed it at this moment.
            let Some(bytes) = shelf.read(&path)? else { continue };
            let (size, sha256) = (bytes.len() as u64, Sha256::of(&bytes));
            match serde_json::from_slice::<Summary>(&bytes) {
                Ok(summary) => listed.push(Listed { image: image.clone(), version, summary, size, sha256 }),
                Err(error) => {
                    let message = format!("{path} of {} is left out of the index: {error}", shelf.place());
                    reporter.report(&Event::Warning { message });
                }
            }
        }
    }
    Ok(listed)
}
