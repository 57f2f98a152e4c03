//! A store in a repository of a registry.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::blob;
use super::error::RemoteError;
use super::objects::{Found, Listed, ObjectStore, Version};
use super::record::{self, Record};
use crate::digest::Sha256;
use crate::fetch::Network;
use crate::fetch::container::{Repository, RepositoryError, Sent};
use crate::fsx::IoContext as _;
use crate::interrupt::Interrupt;

/// Media types of a manifest, of what it is about, of its configuration, and of blobs.
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const ARTIFACT: &str = "application/vnd.goldsmith.layer.v1";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const BLOB: &str = "application/vnd.goldsmith.layer.blob.v1+zstd";

/// The configuration of a manifest that has none (OCI Image Format Specification 1.1, "Guidance for an Empty Descriptor").
const NOTHING: &[u8] = b"{}";

/// Annotations with the record, and with the time of the last use.
const RECORD: &str = "goldsmith.record";
const USED: &str = "org.opencontainers.image.created";

/// What the tags of records begin with.
const TAG: &str = "layer-";

/// A store in a repository of a registry.
///
/// A blob is a blob of the registry. A record is an annotation of a manifest with the tag `layer-KEY`, whose layers are the blobs of the
/// layer: so the registry keeps them as long as the manifest. A registry has no conditions for writes, so there are no leases, and the
/// first writer wins only if nobody writes at the same moment.
#[derive(Debug)]
pub struct Oci {
    repository: Repository,
}

impl Oci {
    /// Makes a store in a repository. It sends no request. `insecure` allows http.
    pub fn new(host: &str, name: &str, insecure: bool, network: &Network) -> Self {
        Self { repository: Repository::new(host, name, insecure, network) }
    }

    fn manifest(&self, name: &str) -> Result<Option<Manifest>, RemoteError> {
        let Some(tag) = tag(name) else { return Ok(None) };
        let Some(content) = self.repository.manifest(&tag, MANIFEST)? else { return Ok(None) };
        let value: Value = serde_json::from_slice(&content).unwrap_or_default();
        let annotation = |name: &str| value["annotations"][name].as_str().unwrap_or_default();
        Ok(Some(Manifest {
            sha256: Sha256::of(&content),
            used: annotation(USED).parse::<Timestamp>().ok().map(SystemTime::from),
            record: annotation(RECORD).as_bytes().to_vec(),
        }))
    }

    fn write(&self, name: &str, content: &[u8]) -> Result<(), RemoteError> {
        let damaged = |reason: &str| RemoteError::Damaged { name: name.to_owned(), reason: reason.to_owned() };
        let tag = tag(name).ok_or_else(|| damaged("a registry keeps only layers"))?;
        let text = std::str::from_utf8(content).map_err(|_| damaged("it is no text"))?;
        let nothing = Sha256::of(NOTHING);
        if self.repository.blob_size(&nothing)?.is_none() {
            let open = || -> io::Result<Box<dyn Read>> { Ok(Box::new(NOTHING)) };
            let sent = Sent { kind: "application/octet-stream", size: NOTHING.len() as u64, open: &open };
            self.repository.put_blob(&nothing, &sent, &Interrupt::new())?;
        }
        let config = descriptor(EMPTY, &nothing, NOTHING.len() as u64);
        let record = Record::claimed(content);
        let mut layers: Vec<Value> =
            record.iter().flat_map(Record::all_blobs).map(|blob| descriptor(BLOB, &blob.sha256, blob.size)).collect();
        if layers.is_empty() {
            layers.push(config.clone());
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": ARTIFACT,
            "config": config,
            "layers": layers,
            "annotations": { RECORD: text, USED: Timestamp::now().to_string() },
        });
        Ok(self.repository.put_manifest(&tag, MANIFEST, manifest.to_string().as_bytes())?)
    }

    /// Returns the blobs that records name: a registry has no list of its blobs.
    fn blobs(&self) -> Result<Vec<Listed>, RemoteError> {
        let mut found = std::collections::BTreeMap::new();
        for Listed { name, modified, .. } in self.records()? {
            let Some(manifest) = self.manifest(&format!("{}/{name}", record::FOLDER))? else { continue };
            for blob in Record::claimed(&manifest.record).iter().flat_map(Record::all_blobs) {
                let name = format!("{}.zst", blob.sha256);
                found.insert(name.clone(), Listed { name, size: blob.size, modified });
            }
        }
        Ok(found.into_values().collect())
    }

    fn records(&self) -> Result<Vec<Listed>, RemoteError> {
        let mut found = Vec::new();
        for tag in self.repository.tags()? {
            let Some(name) = tag.strip_prefix(TAG) else { continue };
            // Another machine may remove it at the same time, and some registries list tags of removed manifests.
            let Some(manifest) = self.manifest(&format!("{}/{name}", record::FOLDER))? else { continue };
            let (size, modified) = (manifest.record.len() as u64, manifest.used.unwrap_or(SystemTime::UNIX_EPOCH));
            found.push(Listed { name: name.to_owned(), size, modified });
        }
        Ok(found)
    }
}

/// A manifest with a record.
struct Manifest {
    sha256: Sha256,
    used: Option<SystemTime>,
    record: Vec<u8>,
}

fn descriptor(kind: &str, sha256: &Sha256, size: u64) -> Value {
    json!({ "mediaType": kind, "digest": format!("sha256:{sha256}"), "size": size })
}

/// Returns the tag of a record.
fn tag(name: &str) -> Option<String> {
    let key = name.strip_prefix(record::FOLDER)?.strip_prefix('/')?;
    Some(format!("{TAG}{key}"))
}

/// Returns the digest in the name of a blob.
fn digest(name: &str) -> Option<Sha256> {
    Sha256::parse(name.strip_prefix(blob::FOLDER)?.strip_prefix('/')?.strip_suffix(".zst")?)
}

impl ObjectStore for Oci {
    fn place(&self) -> String {
        format!("oci://{}", self.repository.place())
    }

    fn may_keep_conditions(&self) -> bool {
        false
    }

    fn get(&self, name: &str, _: &Interrupt) -> Result<Option<Found>, RemoteError> {
        if let Some(sha256) = digest(name) {
            let found = self.repository.blob(&sha256)?;
            return Ok(found.map(|content| Found { version: Version(name.to_owned()), modified: None, content }));
        }
        Ok(self.manifest(name)?.map(|Manifest { sha256, used, record }| Found {
            version: Version(sha256.to_string()),
            modified: used,
            content: Box::new(Cursor::new(record)),
        }))
    }

    fn size(&self, name: &str) -> Result<Option<u64>, RemoteError> {
        match digest(name) {
            Some(sha256) => Ok(self.repository.blob_size(&sha256)?),
            None => Ok(self.manifest(name)?.map(|manifest| manifest.record.len() as u64)),
        }
    }

    fn put_new(&self, name: &str, content: &[u8]) -> Result<bool, RemoteError> {
        if self.manifest(name)?.is_some() {
            return Ok(false);
        }
        self.write(name, content).map(|()| true)
    }

    fn put_over(&self, name: &str, content: &[u8], version: &Version) -> Result<bool, RemoteError> {
        match self.manifest(name)? {
            Some(found) if found.sha256.to_string() == version.0 => {
                self.write(name, content)?;
                // Without a tag, only its digest keeps it. A registry that does not allow this collects it some day.
                let _ = self.repository.remove_manifest(&found.sha256);
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn upload(
        &self,
        name: &str,
        file: &Path,
        sha256: &Sha256,
        on_bytes: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<(), RemoteError> {
        let damaged = |reason: &str| RemoteError::Damaged { name: name.to_owned(), reason: reason.to_owned() };
        if digest(name).as_ref() != Some(sha256) {
            return Err(damaged("its name is not its SHA-256"));
        }
        let size = std::fs::metadata(file).at(file)?.len();
        let open = || -> io::Result<Box<dyn Read>> {
            Ok(Box::new(Counted { file: File::open(file)?, done: 0, on_bytes, interrupt }))
        };
        let sent = Sent { kind: "application/octet-stream", size, open: &open };
        match self.repository.put_blob(sha256, &sent, interrupt) {
            Err(RepositoryError::Refused { method: "PUT", status: 400, .. }) => {
                Err(damaged("the registry has received another SHA-256"))
            }
            result => Ok(result?),
        }
    }

    fn list(&self, folder: &str) -> Result<Vec<Listed>, RemoteError> {
        match folder {
            record::FOLDER => self.records(),
            blob::FOLDER => self.blobs(),
            _ => Ok(Vec::new()),
        }
    }

    fn remove(&self, name: &str) -> Result<(), RemoteError> {
        if let Some(sha256) = digest(name) {
            return Ok(self.repository.remove_blob(&sha256)?);
        }
        match self.manifest(name)? {
            Some(found) => Ok(self.repository.remove_manifest(&found.sha256)?),
            None => Ok(()),
        }
    }

    /// The time of the last use is in the manifest, so it is written again.
    fn touch(&self, name: &str, content: &[u8], version: &Version) -> Result<(), RemoteError> {
        self.put_over(name, content, version).map(drop)
    }

    /// A registry removes uploads that were never completed by itself.
    fn remove_leftovers(&self, _: bool) -> Result<Vec<String>, RemoteError> {
        Ok(Vec::new())
    }
}

/// A file that is being sent.
struct Counted<'a> {
    file: File,
    done: u64,
    on_bytes: &'a dyn Fn(u64),
    interrupt: &'a Interrupt,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.is_raised() {
            return Err(io::Error::other("interrupted"));
        }
        let count = self.file.read(buffer)?;
        self.done += count as u64;
        (self.on_bytes)(self.done);
        Ok(count)
    }
}
