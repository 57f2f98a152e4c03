//! Records of layers: what a store knows about each, and who says so.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::blob::Blob;
use super::error::RemoteError;
use super::keys::{SigningKey, TrustedKeys};
use super::refusal::{FORMAT, Refusal};
use crate::layer::{Extra, LayerKey, LayerMeta};

/// Folder of the records.
pub(super) const FOLDER: &str = "layers";

/// The record of a layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Format of the record.
    pub(super) format: u64,
    /// Key of the layer.
    pub key: LayerKey,
    /// Version of the program that made the record.
    pub goldsmith: String,
    /// Content of `layer.json`: parent, digests, sizes, seconds that the step took.
    pub layer: LayerMeta,
    /// The files of the layer.
    pub blobs: Blobs,
}

/// The files of a layer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Blobs {
    /// The disk.
    pub disk: Blob,
    /// Files that were extracted from the disk.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extras: BTreeMap<Extra, Blob>,
}

/// A record as it is stored: its text, and a signature of exactly this text.
#[derive(Serialize, Deserialize)]
struct Signed {
    record: String,
    #[serde(default)]
    signature: String,
}

/// Returns the name of the record of a layer in the store.
pub(super) fn name(key: &LayerKey) -> String {
    format!("{FOLDER}/{key}")
}

impl Record {
    /// Makes the record of a layer whose files are in the store.
    pub(super) fn new(key: LayerKey, layer: LayerMeta, blobs: Blobs) -> Self {
        Self { format: FORMAT, key, goldsmith: env!("CARGO_PKG_VERSION").to_owned(), layer, blobs }
    }

    /// Returns the bytes that are stored.
    pub(super) fn signed(&self, signer: &SigningKey) -> Result<Vec<u8>, RemoteError> {
        let record = serde_json::to_string(self).map_err(|error| RemoteError::Sign(error.to_string()))?;
        let signature = signer.sign(&record, &name(&self.key)).map_err(RemoteError::Sign)?;
        serde_json::to_vec(&Signed { record, signature }).map_err(|error| RemoteError::Sign(error.to_string()))
    }

    /// Reads the stored bytes of the record of a layer.
    pub(super) fn open(bytes: &[u8], key: &LayerKey, trusted: &TrustedKeys) -> Result<Self, Refusal> {
        #[derive(Deserialize)]
        struct Format {
            format: u64,
        }
        let Ok(Signed { record, signature }) = serde_json::from_slice(bytes) else { return Err(Refusal::Unreadable) };
        // Nothing of an untrusted record is looked at.
        trusted.check(&record, &signature)?;
        let Ok(Format { format }) = serde_json::from_str(&record) else { return Err(Refusal::Unreadable) };
        if format != FORMAT {
            return Err(Refusal::Newer(format));
        }
        let record: Self = serde_json::from_str(&record).map_err(|_| Refusal::Unreadable)?;
        if record.key != *key { Err(Refusal::Other(record.key)) } else { Ok(record) }
    }

    /// Reads stored bytes without asking who has signed them. Nothing that a build uses may come from this.
    pub(super) fn claimed(bytes: &[u8]) -> Option<Self> {
        let Signed { record, .. } = serde_json::from_slice(bytes).ok()?;
        serde_json::from_str(&record).ok()
    }

    /// Returns all blobs of the layer.
    pub fn all_blobs(&self) -> impl Iterator<Item = &Blob> {
        std::iter::once(&self.blobs.disk).chain(self.blobs.extras.values())
    }

    /// Returns the number of bytes that a machine must fetch.
    pub fn bytes(&self) -> u64 {
        self.all_blobs().map(|blob| blob.size).fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::digest::Sha256;

    /// Makes the record of a layer that was never made.
    pub(in crate::remote) fn record(name: &str, parent: Option<(&str, &str)>) -> Record {
        let layer = LayerMeta {
            parent: parent.map(|(parent, _)| LayerKey::of(parent)),
            parent_sha256: parent.map(|(_, content)| Sha256::of(content.as_bytes())),
            image: None,
            size: 1,
            sha256: Sha256::of(name.as_bytes()),
            created: String::new(),
            seconds: 1.0,
            step: name.to_owned(),
            image_name: "image".to_owned(),
            facts: serde_json::Value::Null,
            extras: BTreeMap::new(),
        };
        let disk = Blob { sha256: Sha256::of(b"packed"), size: 6 };
        Record::new(LayerKey::of(name), layer, Blobs { disk, extras: BTreeMap::new() })
    }

    #[test]
    fn only_a_record_of_the_layer_by_a_trusted_key_counts() {
        let dir = tempfile::tempdir().expect("a directory");
        let [ours, theirs] =
            ["ours", "theirs"].map(|name| SigningKey::generate(&dir.path().join(name)).expect("a key"));
        let mut trusted = TrustedKeys::default();
        trusted.add(&ours.public()).expect("a public key");
        let (one, other) = (LayerKey::of("one"), LayerKey::of("other"));
        let signed = record("one", None).signed(&ours).expect("signed");
        let opened = Record::open(&signed, &one, &trusted).expect("it counts");
        assert_eq!(opened.layer.sha256, Sha256::of(b"one"));

        let refused = |bytes: &[u8], key| Record::open(bytes, key, &trusted).expect_err("it does not count");
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
        assert_eq!(refused(&signed, &other), Refusal::Other(one));
        assert!(matches!(refused(&record("one", None).signed(&theirs).expect("signed"), &one), Refusal::Untrusted(_)));
        assert_eq!(refused(text(&signed).replace("image", "imagf").as_bytes(), &one), Refusal::Forged);
        let mut unsigned: serde_json::Value = serde_json::from_slice(&signed).expect("JSON");
        unsigned.as_object_mut().expect("an object").remove("signature");
        assert_eq!(refused(unsigned.to_string().as_bytes(), &one), Refusal::Unsigned);
        assert_eq!(refused(b"\xff", &one), Refusal::Unreadable);
        assert_eq!(refused(b"", &one), Refusal::Unreadable);
        let newer = Record { format: 2, ..record("one", None) };
        assert_eq!(refused(&newer.signed(&ours).expect("signed"), &one), Refusal::Newer(2));
    }
}
