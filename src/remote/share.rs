//! Shares layers: puts them into the store, in the background, one after the other.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::blob::{self, Blob, Content, Forbidden};
use super::cache::{RemoteCache, within};
use super::error::RemoteError;
use super::find::{self, Read};
use super::lease::Lease;
use super::queue::Job;
use super::record::{self, Blobs, Record};
use crate::digest::Sha256;
use crate::event::{Event, Reporter};
use crate::interrupt::Interrupt;
use crate::layer::{Extra, Layer, LayerKey};
use crate::workdir::WorkDir;

/// Longest time until the store answers for the first time, and later: an upload at the same time slows it down.
const FIRST: Duration = Duration::from_secs(3);
const LATER: Duration = Duration::from_secs(20);

/// Longest time without progress at the end of a build.
const SILENCE: Duration = Duration::from_secs(60);

/// Time after which a user's interrupt ends everything.
const BRIEFLY: Duration = Duration::from_secs(1);

/// Age of a record after which its use is recorded.
const TOUCH: Duration = Duration::from_secs(24 * 3600);

/// What became of a layer that was to be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shared {
    /// It was uploaded; so many bytes were sent.
    Uploaded(u64),
    /// It was there already.
    There,
    /// Another machine was first with another layer of the same key.
    Other,
    /// Its parent is not in the store, or another one is.
    Unshared,
}

/// What became of all layers that were to be shared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Pushed {
    /// Layers that were uploaded.
    pub uploaded: usize,
    /// Bytes that were sent for them.
    pub sent: u64,
    /// Layers that were there already.
    pub there: usize,
    /// Layers of which, or below which, the store has another one.
    pub other: usize,
    /// Layers that are damaged.
    pub failed: usize,
}

/// Puts layers of a build into the queue of its remote cache.
#[derive(Clone)]
pub struct Sharer {
    remote: Arc<RemoteCache>,
    reporter: Arc<dyn Reporter>,
    forbidden: Arc<Option<Forbidden>>,
}

impl std::fmt::Debug for Sharer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sharer").field("remote", &self.remote).finish_non_exhaustive()
    }
}

impl Sharer {
    /// Makes a sharer for a build with these secrets, whose values are never uploaded. `None` if nothing is written to the store.
    pub fn new<'a>(
        remote: &Arc<RemoteCache>,
        reporter: &Arc<dyn Reporter>,
        secrets: impl Iterator<Item = &'a Vec<u8>>,
    ) -> Option<Self> {
        let forbidden = Arc::new(Forbidden::of(secrets));
        let (remote, reporter) = (Arc::clone(remote), Arc::clone(reporter));
        remote.writes().then_some(Self { remote, reporter, forbidden })
    }

    /// Shares a layer in the background, unless the store has it, and gives its lease back then. Its parent must be in the store, or in the
    /// queue before it.
    pub fn share(&self, layer: Layer, lease: Option<Lease>) {
        let Self { remote, reporter, forbidden } = self;
        if remote.is_off() {
            return;
        }
        let mut work = remote.queue.work();
        (work.queued, work.queued_bytes) = (work.queued + 1, work.queued_bytes + layer.meta.size);
        let (reporter, forbidden) = (Arc::clone(reporter), Arc::clone(forbidden));
        work.jobs.push_back(Job { layer, reporter, forbidden, lease });
        if !std::mem::replace(&mut work.running, true) {
            let remote = Arc::clone(remote);
            std::thread::spawn(move || remote.work());
        }
    }
}

impl RemoteCache {
    /// Shares all layers in the queue.
    fn work(&self) {
        loop {
            let job = {
                let mut work = self.queue.work();
                let job = work.jobs.pop_front();
                work.running = job.is_some();
                job
            };
            let Some(Job { layer, reporter, forbidden, lease }) = job else { return self.queue.changed.notify_all() };
            let size = layer.meta.size;
            let on_bytes = |done: u64| {
                let mut work = self.queue.work();
                (work.present, work.moves) = (done.min(size), work.moves + 1);
            };
            let stop = &self.queue.stop;
            let result = match self.is_off() || stop.is_raised() {
                true => Ok(Shared::Unshared),
                false => self.share(&layer, forbidden.as_ref().as_ref(), &on_bytes, stop),
            };
            let mut sent = None;
            match result {
                Ok(Shared::Uploaded(bytes)) => sent = Some(bytes),
                Ok(Shared::Other) => {
                    let message = format!("`{}` is not shared: another machine was first", layer.meta.step);
                    reporter.report(&Event::Detail { message });
                }
                Ok(Shared::There | Shared::Unshared) | Err(RemoteError::Interrupted) => {}
                Err(error) if error.is_about_one_layer() => {
                    self.warn(&*reporter, format!("a layer is not shared with {}: {error}", self.place()));
                }
                Err(error) => self.give_up(&*reporter, &error),
            }
            drop(lease);
            let mut work = self.queue.work();
            work.present = 0;
            (work.done, work.done_bytes) = (work.done + 1, work.done_bytes + size);
            if let Some(bytes) = sent {
                (work.uploaded, work.sent) = (work.uploaded + 1, work.sent + bytes);
            }
            self.queue.changed.notify_all();
        }
    }

    /// Waits until the layers that are in the queue now are shared, and shows the progress. If the user asks to stop, or the store
    /// stops to take data, the rest is given up. Then it gives back the leases of this run.
    pub fn finish(&self, reporter: &dyn Reporter, interrupt: &Interrupt) {
        self.finish_queue(reporter, interrupt);
        self.settle_leases(if interrupt.is_raised() || self.is_off() { BRIEFLY } else { FIRST });
    }

    fn finish_queue(&self, reporter: &dyn Reporter, interrupt: &Interrupt) {
        let (target, total) = {
            let work = self.queue.work();
            (work.queued, work.queued_bytes)
        };
        let activity = "share layers with the remote cache".to_owned();
        let (started, mut last, mut moved) = (Instant::now(), (0, 0), Instant::now());
        let mut shown = false;
        loop {
            let (done, bytes, moves) = {
                let mut work = self.queue.work();
                if work.done < target {
                    let waited = self.queue.changed.wait_timeout(work, Duration::from_millis(100));
                    work = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                (work.done, work.done_bytes + work.present, work.moves)
            };
            if done >= target {
                break;
            }
            if !std::mem::replace(&mut shown, true) {
                reporter.report(&Event::ActivityStarted { activity: activity.clone() });
            }
            if last != (done, moves) {
                (last, moved) = ((done, moves), Instant::now());
                reporter.report(&Event::Progress { activity: activity.clone(), done: bytes, total: Some(total) });
            }
            if interrupt.is_raised() {
                self.queue.stop.raise();
                if moved.elapsed() > BRIEFLY {
                    return;
                }
            } else if moved.elapsed() > SILENCE {
                self.queue.stop.raise();
                self.give_up(reporter, &RemoteError::Silent(SILENCE));
                break;
            }
        }
        if shown {
            reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
        }
        let (uploaded, sent) = {
            let work = self.queue.work();
            (work.uploaded, work.sent)
        };
        if uploaded > 0 {
            let sent = crate::units::ByteSize::bytes(sent);
            let message = format!("{uploaded} layers of this run were shared with {}: {sent}", self.place());
            reporter.report(&Event::Detail { message });
        }
    }

    /// Shares layers, parents before their children. `on_progress` receives the number of bytes that are done, and the total.
    ///
    /// # Errors
    ///
    /// If the store fails, or the user asks to stop.
    pub fn push(
        &self,
        layers: &[Layer],
        reporter: &dyn Reporter,
        on_progress: &mut dyn FnMut(u64, u64),
        interrupt: &Interrupt,
    ) -> Result<Pushed, RemoteError> {
        let total = layers.iter().map(|layer| layer.meta.size).sum();
        let (mut pushed, mut done) = (Pushed::default(), 0);
        for layer in layers {
            let size = layer.meta.size;
            let progress = std::cell::RefCell::new(&mut *on_progress);
            let on_bytes = |bytes: u64| (progress.borrow_mut())(done + bytes.min(size), total);
            match self.share(layer, None, &on_bytes, interrupt) {
                Ok(Shared::Uploaded(bytes)) => {
                    (pushed.uploaded, pushed.sent) = (pushed.uploaded + 1, pushed.sent + bytes);
                }
                Ok(Shared::There) => pushed.there += 1,
                Ok(Shared::Other | Shared::Unshared) => pushed.other += 1,
                Err(error) if error.is_about_one_layer() => {
                    pushed.failed += 1;
                    self.warn(reporter, format!("layer {} is not shared: {error}", layer.key.short()));
                }
                Err(error) => return Err(error),
            }
            done += size;
            on_progress(done, total);
        }
        Ok(pushed)
    }

    /// Shares a layer whose parent is in the store. `on_bytes` receives the number of bytes of the disk that are done.
    ///
    /// # Errors
    ///
    /// If the store fails, or the layer has something that must not be shared.
    pub(super) fn share(
        &self,
        layer: &Layer,
        forbidden: Option<&Forbidden>,
        on_bytes: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<Shared, RemoteError> {
        let Some(signer) = &self.signer else { return Ok(Shared::Unshared) };
        let Layer { key, meta, .. } = layer;
        if let Some(parent) = &meta.parent
            && self.shared_digest(parent, interrupt)? != meta.parent_sha256
        {
            return Ok(Shared::Unshared);
        }
        let broken = self.state().broken.contains(key);
        let before = self.read_record(key, interrupt)?;
        if let Some(Read { record: Ok(record), .. }) = &before
            && record.layer.parent_sha256 == meta.parent_sha256
            && !broken
            && self.has_blobs(record)?
        {
            self.touch(key, before.as_ref())?;
            self.state().shared.insert(*key, record.layer.sha256);
            return Ok(if record.layer.sha256 == meta.sha256 { Shared::There } else { Shared::Other });
        }
        let (blobs, sent) = self.upload(layer, forbidden, broken, on_bytes, interrupt)?;
        let mut meta = meta.clone();
        meta.extras.retain(|extra, _| blobs.extras.contains_key(extra));
        let record = Record::new(*key, meta, blobs);
        let (name, bytes) = (record::name(key), record.signed(signer)?);
        match &before {
            Some(Read { version, .. }) => self.store.put_over(&name, &bytes, version)?,
            None => self.store.put_new(&name, &bytes)?,
        };
        // Some stores ignore conditions, and the answer to a request may be lost: what is there now decides.
        let now = self.read_record(key, interrupt)?;
        let Some(Read { record: Ok(there), .. }) = now else { return Ok(Shared::Unshared) };
        let mut state = self.state();
        state.broken.remove(key);
        state.shared.insert(*key, there.layer.sha256);
        Ok(if there.layer.sha256 == record.layer.sha256 { Shared::Uploaded(sent) } else { Shared::Other })
    }

    /// Uploads the files of a layer, and returns the number of bytes that were sent. Blobs that are there are not sent again.
    fn upload(
        &self,
        layer: &Layer,
        forbidden: Option<&Forbidden>,
        again: bool,
        on_bytes: &dyn Fn(u64),
        interrupt: &Interrupt,
    ) -> Result<(Blobs, u64), RemoteError> {
        let work = WorkDir::create(&self.dir.join("tmp"), "share-")?;
        let packed = work.path().join("blob.zst");
        let size = layer.meta.size;
        let mut sent = 0;
        let mut one = |path: &std::path::Path, content: Content, is_disk: bool| -> Result<Blob, RemoteError> {
            let step = || RemoteError::Secret { step: layer.meta.step.clone() };
            // Half of the progress is that of packing. Other files than the disk only show that something moves.
            let half = |done: u64, of: u64| if is_disk { done.saturating_mul(size / 2) / of.max(1) } else { size };
            let on_packed = |done: u64| on_bytes(half(done, content.size));
            let blob = blob::pack(path, content, &packed, forbidden, &on_packed, interrupt)?.ok_or_else(step)?;
            let name = blob.name();
            if again || self.store.size(&name)? != Some(blob.size) {
                let on_sent = |done: u64| on_bytes(if is_disk { size / 2 } else { 0 } + half(done, blob.size));
                self.store.upload(&name, &packed, &blob.sha256, &on_sent, interrupt)?;
                sent += blob.size;
            }
            Ok(blob)
        };
        let disk = one(&layer.disk, Content { size, sha256: layer.meta.sha256 }, true)?;
        let mut blobs = Blobs { disk, extras: Default::default() };
        let kept: Vec<(Extra, _)> = layer.meta.extras.iter().map(|(extra, meta)| (*extra, *meta)).collect();
        for (extra, meta) in kept {
            if let Some(path) = layer.extra(extra) {
                let blob = one(&path, Content { size: meta.size, sha256: meta.sha256 }, false)?;
                blobs.extras.insert(extra, blob);
            }
        }
        Ok((blobs, sent))
    }

    /// Returns the digest of a layer's disk in the store; `None` if its record does not count.
    fn shared_digest(&self, key: &LayerKey, interrupt: &Interrupt) -> Result<Option<Sha256>, RemoteError> {
        if let Some(known) = self.state().shared.get(key) {
            return Ok(Some(*known));
        }
        let read = self.read_record(key, interrupt)?;
        Ok(read.and_then(|read| read.record.ok()).map(|record| record.layer.sha256))
    }

    fn read_record(&self, key: &LayerKey, interrupt: &Interrupt) -> Result<Option<Read>, RemoteError> {
        let (store, trusted, stop, key) = (Arc::clone(&self.store), Arc::clone(&self.trusted), interrupt.clone(), *key);
        let limit = if self.state().answered { LATER } else { FIRST };
        let read = within(limit, interrupt, move || find::read(&*store, &trusted, &key, &stop))?;
        self.state().answered = true;
        Ok(read)
    }

    /// Returns whether the store has all blobs of a layer.
    fn has_blobs(&self, record: &Record) -> Result<bool, RemoteError> {
        for blob in record.all_blobs() {
            if self.store.size(&blob.name())? != Some(blob.size) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Records that a layer is used, so that it stays.
    fn touch(&self, key: &LayerKey, read: Option<&Read>) -> Result<(), RemoteError> {
        let Some(Read { bytes, version, modified, .. }) = read else { return Ok(()) };
        let age = modified.and_then(|time| time.elapsed().ok()).unwrap_or_default();
        if age > TOUCH { self.store.touch(&record::name(key), bytes, version) } else { Ok(()) }
    }
}
