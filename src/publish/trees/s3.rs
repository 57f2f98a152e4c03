//! Publishes to a bucket of an object store, by the S3 API.
//!
//! A store has no folders and renames nothing. The manifest makes a version complete, so it is written last and removed first.
//! `latest` is a small object that contains the name of the version.

use std::collections::BTreeMap;
use std::time::Duration;

use rusty_s3::actions::ListObjectsV2Response;

use super::error::TreeError;
use super::image_version::{Content, Entry, LATEST, made_at};
use super::storage::Storage;
use crate::bucket::{Client, Credentials, Object, Place, Progress, S3Error, Upload, body, header, is_older, open};
use crate::export::manifest::{self, Summary};
use crate::fsx::{FileLock, IoContext as _};
use crate::interrupt::Interrupt;

/// A tree in a bucket.
pub struct Store {
    place: Place,
    client: Client,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Store {
    /// Makes the tree of a bucket. It sends no request.
    ///
    /// # Errors
    ///
    /// If the address is not valid.
    pub fn new(place: Place, credentials: Credentials) -> Result<Self, S3Error> {
        let client = Client::new(&place, credentials)?;
        Ok(Self { place, client })
    }

    fn object<'a>(&'a self, key: &'a str, changes: bool) -> Object<'a> {
        Object { key, acl: self.place.acl.as_deref(), changes, condition: None }
    }

    /// Lists the objects and folders in a folder, by their full names.
    fn list(&self, path: &str) -> Result<(String, Vec<ListObjectsV2Response>), S3Error> {
        let key = self.place.key(path);
        let prefix = if key.is_empty() { key } else { format!("{key}/") };
        let pages = self.client.list(&prefix)?;
        Ok((prefix, pages))
    }

    fn get(&self, path: &str) -> Result<Option<Vec<u8>>, S3Error> {
        let key = self.place.key(path);
        let get = self.client.bucket.get_object(Some(&self.client.credentials), &key);
        match self.client.send(get, &[], None, &Interrupt::new()) {
            Ok(answer) => body(answer, &key).map(Some),
            Err(S3Error::Refused { status: 404, code, .. }) if code != "NoSuchBucket" => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn delete(&self, path: &str) -> Result<(), S3Error> {
        let key = self.place.key(path);
        let delete = self.client.bucket.delete_object(Some(&self.client.credentials), &key);
        match self.client.send(delete, &[], None, &Interrupt::new()) {
            Ok(_) | Err(S3Error::Refused { status: 404, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads the manifest of a version's folder.
    fn manifest(&self, folder: &str) -> Result<Option<Summary>, S3Error> {
        let bytes = self.get(&format!("{folder}/{}", manifest::FILE))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    /// Uploads one file.
    fn send(&self, folder: &str, entry: &Entry, progress: &Progress<'_>) -> Result<(), TreeError> {
        let key = self.place.key(&format!("{folder}/{}", entry.name));
        let object = self.object(&key, false);
        let path = match &entry.content {
            Content::Made(content) => return Ok(self.client.write(&object, content, progress.interrupt)?),
            Content::Artifact(path) => path,
        };
        let file = open(path)?;
        match self.client.upload(&object, &file, entry.size, &entry.sha256, progress) {
            Ok(()) => {}
            Err(Upload::S3(error)) => return Err(error.into()),
            Err(Upload::File(error)) => return Err(error).at(path).map_err(TreeError::from),
            Err(Upload::Differs(found)) => {
                return Err(TreeError::Differs { file: path.display().to_string(), expected: entry.sha256, found });
            }
        }
        // The store's object must have the size of the file.
        let head = self.client.bucket.head_object(Some(&self.client.credentials), &key);
        let answer = self.client.send(head, &[], None, progress.interrupt)?;
        match header(&answer, "content-length").and_then(|size| size.parse::<u64>().ok()) {
            Some(size) if size == entry.size => Ok(()),
            size => {
                let reason = format!("its size is {size:?}, and {} bytes were sent", entry.size);
                Err(S3Error::Answer { what: key, reason }.into())
            }
        }
    }
}

impl Storage for Store {
    fn place(&self) -> String {
        let Place { bucket, prefix, .. } = &self.place;
        let slash = if prefix.is_empty() { "" } else { "/" };
        format!("s3://{bucket}{slash}{prefix}")
    }

    /// Locks nothing, because stores have no locks. If two runs publish the same image at once, the index may lack one version
    /// until the next run.
    fn lock(&self, _: &Interrupt) -> Result<Option<FileLock>, TreeError> {
        Ok(None)
    }

    fn remove_leftovers(&self, image: &str, older_than: Duration, dry_run: bool) -> Result<Vec<String>, TreeError> {
        let aborted = self.client.abort_stale(&format!("{}/", self.place.key(image)), older_than, dry_run)?;
        let mut removed: Vec<_> = aborted
            .into_iter()
            .map(|key| format!("the incomplete upload of s3://{}/{key}", self.place.bucket))
            .collect();
        for version in self.folders(image)?.into_iter().filter(|version| made_at(version).is_some()) {
            let folder = format!("{image}/{version}");
            let (_, pages) = self.list(&folder)?;
            let mut objects = pages.iter().flat_map(|page| &page.contents);
            let whole = objects.clone().any(|object| object.key.ends_with(&format!("/{}", manifest::FILE)));
            let stale = objects.all(|object| is_older(object.last_modified.as_deref(), older_than));
            if !whole && stale {
                if !dry_run {
                    self.discard(&folder)?;
                }
                removed.push(format!("{}/{folder}", self.place()));
            }
        }
        Ok(removed)
    }

    fn folders(&self, path: &str) -> Result<Vec<String>, TreeError> {
        let (prefix, pages) = self.list(path)?;
        let folders = pages.iter().flat_map(|page| &page.common_prefixes);
        let names = folders.filter_map(|folder| folder.prefix.strip_prefix(&prefix)?.strip_suffix('/'));
        Ok(names.filter(|name| !name.is_empty() && !name.starts_with('.')).map(str::to_owned).collect())
    }

    fn files(&self, path: &str) -> Result<BTreeMap<String, u64>, TreeError> {
        let (prefix, pages) = self.list(path)?;
        let mut files = BTreeMap::new();
        for object in pages.iter().flat_map(|page| &page.contents) {
            let Some(name) = object.key.strip_prefix(&prefix).filter(|name| !name.is_empty()) else { continue };
            let size = object.size.ok_or_else(|| S3Error::Answer {
                what: object.key.clone(),
                reason: "the list has no size of it".to_owned(),
            })?;
            files.insert(name.to_owned(), size);
        }
        Ok(files)
    }

    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, TreeError> {
        Ok(self.get(path)?)
    }

    fn write(&self, path: &str, content: &[u8]) -> Result<(), TreeError> {
        let key = self.place.key(path);
        Ok(self.client.write(&self.object(&key, true), content, &Interrupt::new())?)
    }

    fn remove(&self, path: &str) -> Result<(), TreeError> {
        Ok(self.delete(path)?)
    }

    /// Artifacts that are there are not sent again. If one of them must change, the manifest goes first, so that the version is
    /// incomplete until everything is there.
    fn put(
        &self,
        folder: &str,
        files: &[Entry],
        progress: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<(), TreeError> {
        let found = self.files(folder)?;
        let known = if found.contains_key(manifest::FILE) { self.manifest(folder)? } else { None };
        let known = known.map(|summary| summary.artifacts).unwrap_or_default();
        let there = |entry: &Entry| {
            let told =
                known.iter().any(|artifact| artifact.file == entry.name && artifact.digests.sha256 == entry.sha256);
            told && found.get(&entry.name) == Some(&entry.size) && matches!(entry.content, Content::Artifact(_))
        };
        let changes = |entry: &Entry| {
            matches!(entry.content, Content::Artifact(_)) && found.contains_key(&entry.name) && !there(entry)
        };
        if files.iter().any(changes) {
            self.delete(&format!("{folder}/{}", manifest::FILE))?;
        }
        let (mut before, mut sent) = (0, Vec::new());
        for entry in files {
            if !there(entry) {
                sent.push(&entry.name);
                if let Err(error) = self.send(folder, entry, &Progress { before, report: progress, interrupt }) {
                    // Objects from before stay: they may be part of a version.
                    for name in sent.into_iter().filter(|name| !found.contains_key(*name)) {
                        self.delete(&format!("{folder}/{name}"))?;
                    }
                    return Err(error);
                }
            }
            before += entry.size;
            progress(before);
        }
        for name in found.keys().filter(|name| !files.iter().any(|entry| entry.name == **name)) {
            self.delete(&format!("{folder}/{name}"))?;
        }
        Ok(())
    }

    fn discard(&self, folder: &str) -> Result<(), TreeError> {
        let files = self.files(folder)?;
        self.delete(&format!("{folder}/{}", manifest::FILE))?;
        for name in files.keys().filter(|name| *name != manifest::FILE) {
            self.delete(&format!("{folder}/{name}"))?;
        }
        Ok(())
    }

    fn latest(&self, image: &str) -> Result<Option<String>, TreeError> {
        let content = self.get(&format!("{image}/{LATEST}"))?;
        Ok(content.map(|content| String::from_utf8_lossy(&content).trim().to_owned()))
    }

    fn point(&self, image: &str, version: Option<&str>) -> Result<(), TreeError> {
        let path = format!("{image}/{LATEST}");
        match version {
            Some(version) => self.write(&path, format!("{version}\n").as_bytes()),
            None => self.remove(&path),
        }
    }
}
