//! Fetches layers that a build lacks and the store has.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::blob::{self, Blob, Content};
use super::cache::{POLL, RemoteCache, within};
use super::error::RemoteError;
use super::find::{PATIENCE, Standing, Wanted};
use super::lease;
use super::objects::ObjectStore;
use super::record::{self, Record};
use super::refusal::Refusal;
use crate::event::{Event, Reporter};
use crate::fsx::IoContext as _;
use crate::interrupt::Interrupt;
use crate::layer::{LayerKey, Lookup, Slot, Store, StoreError};
use crate::units::ByteSize;

/// Number of blobs that are fetched at the same time.
const AT_ONCE: usize = 4;

/// Time without a byte after which a store counts as silent.
const SILENCE: Duration = Duration::from_secs(5);

/// Time after which the speed of a transfer is known well enough.
const MEASURED: Duration = Duration::from_secs(2);

/// Least number of bytes whose transfer says how fast a store is.
const TELLING: u64 = 1 << 20;

/// Which layers are to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Those that are faster to fetch than to make.
    Faster,
    /// All that the store has.
    All,
}

/// A layer that is being fetched.
struct Fetched {
    slot: Slot,
    record: Record,
    /// Number of blobs that have not arrived.
    open: usize,
}

/// A blob to fetch.
struct Job {
    /// Place of the layer among those that are fetched.
    layer: usize,
    blob: Blob,
    content: Content,
    path: PathBuf,
    file: File,
}

/// What a thread that fetches has to say.
enum Note {
    Bytes(u64),
    Done(usize, Result<(), RemoteError>),
}

impl RemoteCache {
    /// Fetches the layers of a plan, the base first, that are not in the local store. Returns the layers that have come. A store that fails
    /// is no error: the build makes what is missing.
    ///
    /// # Errors
    ///
    /// If the local store fails, or the user asks to stop.
    pub fn fetch(
        &self,
        wanted: &[Wanted<'_>],
        wish: Wish,
        local: &Store,
        reporter: &dyn Reporter,
        interrupt: &Interrupt,
    ) -> Result<BTreeSet<LayerKey>, StoreError> {
        let mut done = BTreeSet::new();
        if self.is_off() {
            return Ok(done);
        }
        let mut standings = match self.look(wanted, local, interrupt) {
            Ok(standings) => standings,
            Err(error) => return self.after(error, reporter).map(|()| done),
        };
        if wish == Wish::All || self.is_made_above(wanted, &standings, interrupt) {
            standings.iter_mut().for_each(Standing::take);
        }
        for standing in &standings {
            match standing {
                // Another machine was first with a layer below.
                Standing::Refused(Refusal::Parent) => {
                    let message = format!("a layer of {} was made on another parent than ours", self.place());
                    reporter.report(&Event::Detail { message });
                }
                Standing::Slower(record) => {
                    self.state().slower.insert(record.key);
                    let message = format!("`{}` is faster to make than to fetch", record.layer.step);
                    reporter.report(&Event::Detail { message });
                }
                Standing::Refused(refusal) => {
                    self.warn(
                        reporter,
                        format!("a layer of the remote cache {} is not taken: {refusal}", self.place()),
                    );
                }
                _ => {}
            }
        }
        let begin = standings.iter().take_while(|standing| matches!(standing, Standing::Here)).count();
        let mut records: Vec<Record> = Vec::new();
        for standing in standings {
            if let Standing::Remote(record) = standing {
                records.push(*record);
            }
        }
        let wanted = &wanted[begin..begin + records.len()];
        let Some(layers) = claim(wanted, records, local, reporter, interrupt)? else { return Ok(done) };
        match self.transfer(wanted, layers, reporter, interrupt, &mut done) {
            Ok(()) => Ok(done),
            Err(error) => self.after(error, reporter).map(|()| done),
        }
    }

    /// Returns whether a machine is making the layer that follows some that are faster to make than to fetch. It will fit only these.
    fn is_made_above(&self, wanted: &[Wanted<'_>], standings: &[Standing], interrupt: &Interrupt) -> bool {
        let slower = standings.iter().rposition(|standing| matches!(standing, Standing::Slower(_)));
        let Some(above) = slower.and_then(|at| wanted.get(at + 1)) else { return false };
        let (store, key) = (Arc::clone(&self.store), above.key);
        within(PATIENCE, interrupt, move || lease::read(&*store, &key)).is_ok_and(|found| found.is_some())
    }

    /// Ends the use of the store after an error, or the build if the user asked for it.
    fn after(&self, error: RemoteError, reporter: &dyn Reporter) -> Result<(), StoreError> {
        if matches!(error, RemoteError::Interrupted) {
            return Err(StoreError::Interrupted);
        }
        self.give_up(reporter, &error);
        Ok(())
    }

    /// Fetches layers, and shows the progress.
    fn transfer(
        &self,
        wanted: &[Wanted<'_>],
        layers: VecDeque<Fetched>,
        reporter: &dyn Reporter,
        interrupt: &Interrupt,
        done: &mut BTreeSet<LayerKey>,
    ) -> Result<(), RemoteError> {
        let activity = match layers.len() {
            0 => return Ok(()),
            1 => "fetch a layer from the remote cache".to_owned(),
            count => format!("fetch {count} layers from the remote cache"),
        };
        reporter.report(&Event::ActivityStarted { activity: activity.clone() });
        let started = Instant::now();
        let mut shown = Instant::now();
        let mut on_bytes = |done, total| {
            if shown.elapsed() > Duration::from_millis(100) {
                shown = Instant::now();
                reporter.report(&Event::Progress { activity: activity.clone(), done, total: Some(total) });
            }
        };
        let received = self.receive(wanted, layers, (reporter, interrupt), &mut on_bytes, done);
        let elapsed = started.elapsed();
        reporter.report(&Event::ActivityFinished { activity, elapsed });
        let received = received?;
        if received >= TELLING {
            self.remember(received as f64 / elapsed.as_secs_f64().max(0.001));
        }
        let message = format!("{} layers came from {}: {}", done.len(), self.place(), ByteSize::bytes(received));
        reporter.report(&Event::Detail { message });
        Ok(())
    }

    /// Fetches the blobs of layers in parallel, and completes the layers in order. Returns the number of bytes that came.
    fn receive(
        &self,
        wanted: &[Wanted<'_>],
        mut layers: VecDeque<Fetched>,
        (reporter, interrupt): (&dyn Reporter, &Interrupt),
        on_bytes: &mut dyn FnMut(u64, u64),
        done: &mut BTreeSet<LayerKey>,
    ) -> Result<u64, RemoteError> {
        let jobs = jobs(&layers)?;
        let total = layers.iter().map(|layer| layer.record.bytes()).sum::<u64>();
        let making: f64 = layers.iter().map(|layer| layer.record.layer.seconds).sum();
        // Whatever ends this, ends the threads.
        let stop = RaisedAtEnd(Interrupt::new());
        let notes = start(jobs, &self.store, &stop.0);
        let (started, mut last) = (Instant::now(), Instant::now());
        let (mut received, mut next, mut limit) = (0, 0, layers.len());
        while next < limit {
            if interrupt.is_raised() {
                return Err(RemoteError::Interrupted);
            }
            let note = match notes.try_recv() {
                Ok(note) => note,
                Err(TryRecvError::Disconnected) => break,
                // Only who has heard everything can tell that a store is slow.
                Err(TryRecvError::Empty) => {
                    let elapsed = started.elapsed();
                    if last.elapsed() > SILENCE {
                        return Err(RemoteError::Silent(SILENCE));
                    }
                    if elapsed > MEASURED && rest(received, total, elapsed) > making {
                        let seconds = elapsed.as_secs_f64();
                        self.remember(received as f64 / seconds);
                        return Err(RemoteError::Slow { received, total, seconds });
                    }
                    match notes.recv_timeout(POLL) {
                        Ok(note) => note,
                        Err(RecvTimeoutError::Timeout) => continue,
                        Err(RecvTimeoutError::Disconnected) => break,
                    }
                }
            };
            match note {
                Note::Bytes(bytes) => received += bytes,
                Note::Done(at, Ok(())) => {
                    // A layer above one that failed is not there any more.
                    if let Some(layer) = layers.get_mut(at - next) {
                        layer.open -= 1;
                    }
                    while let Some(Fetched { slot, record, .. }) = complete(&mut layers) {
                        let (key, sha256) = (record.key, record.layer.sha256);
                        slot.adopt(record.layer, wanted[next].ingredients)?;
                        self.state().shared.insert(key, sha256);
                        done.insert(key);
                        next += 1;
                    }
                }
                // Layers below it are complete all the same.
                Note::Done(at, Err(error)) if error.is_about_one_layer() => {
                    self.state().broken.insert(wanted[at].key);
                    let place = self.place();
                    self.warn(
                        reporter,
                        format!("a layer of the remote cache {place} is no use, and is made again by a build: {error}"),
                    );
                    limit = limit.min(at);
                    layers.truncate(limit.saturating_sub(next));
                }
                Note::Done(_, Err(error)) => return Err(error),
            }
            last = Instant::now();
            on_bytes(received, total);
        }
        Ok(received)
    }
}

/// Takes the lowest layer, if all of it has arrived.
fn complete(layers: &mut VecDeque<Fetched>) -> Option<Fetched> {
    if layers.front()?.open == 0 { layers.pop_front() } else { None }
}

/// Raises a flag when it is dropped.
struct RaisedAtEnd(Interrupt);

impl Drop for RaisedAtEnd {
    fn drop(&mut self) {
        self.0.raise();
    }
}

/// Claims layers, the base first as every build does. `None` if another build is making one of them, which then goes on.
fn claim(
    wanted: &[Wanted<'_>],
    records: Vec<Record>,
    local: &Store,
    reporter: &dyn Reporter,
    interrupt: &Interrupt,
) -> Result<Option<VecDeque<Fetched>>, StoreError> {
    let mut layers = VecDeque::new();
    for (layer, record) in wanted.iter().zip(records) {
        let mut on_wait = || {
            let message = "another build makes a layer that this one would fetch".to_owned();
            reporter.report(&Event::Detail { message });
        };
        match local.claim(&layer.key, interrupt, &mut on_wait)? {
            Lookup::Miss(slot) => {
                let open = record.all_blobs().count();
                layers.push_back(Fetched { slot, record, open });
            }
            Lookup::Hit(_) => return Ok(None),
        }
    }
    Ok(Some(layers))
}

/// Opens a file for every blob.
fn jobs(layers: &VecDeque<Fetched>) -> Result<VecDeque<Job>, RemoteError> {
    let mut jobs = VecDeque::new();
    for (number, Fetched { slot, record, .. }) in layers.iter().enumerate() {
        let mut job = |blob: Blob, content: Content, path: PathBuf| -> Result<(), RemoteError> {
            let file = File::options().write(true).create_new(true).open(&path).at(&path)?;
            jobs.push_back(Job { layer: number, blob, content, path, file });
            Ok(())
        };
        let meta = &record.layer;
        let disk = Content { size: meta.size, sha256: meta.sha256 };
        job(record.blobs.disk, disk, slot.disk_path().to_owned())?;
        for (extra, blob) in &record.blobs.extras {
            let kept = meta.extras.get(extra).ok_or_else(|| RemoteError::Damaged {
                name: record::name(&record.key),
                reason: format!("it has no digest of {}", extra.file()),
            })?;
            job(*blob, Content { size: kept.size, sha256: kept.sha256 }, slot.directory().join(extra.file()))?;
        }
    }
    Ok(jobs)
}

/// Starts the threads that fetch.
fn start(jobs: VecDeque<Job>, store: &Arc<dyn ObjectStore>, stop: &Interrupt) -> mpsc::Receiver<Note> {
    let (sender, receiver) = mpsc::channel();
    let threads = jobs.len().min(AT_ONCE);
    let jobs = Arc::new(Mutex::new(jobs));
    for _ in 0..threads {
        let (jobs, store, stop, sender) = (Arc::clone(&jobs), Arc::clone(store), stop.clone(), sender.clone());
        std::thread::spawn(move || {
            loop {
                let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(job) = job.filter(|_| !stop.is_raised()) else { return };
                let done = get(&job, &*store, &stop, &mut |bytes| drop(sender.send(Note::Bytes(bytes))));
                if sender.send(Note::Done(job.layer, done)).is_err() {
                    return;
                }
            }
        });
    }
    receiver
}

/// Fetches one blob.
fn get(job: &Job, store: &dyn ObjectStore, stop: &Interrupt, on_bytes: &mut dyn FnMut(u64)) -> Result<(), RemoteError> {
    let name = job.blob.name();
    let found = store.get(&name, stop)?.ok_or(RemoteError::Missing(name))?;
    blob::unpack(&job.blob, found.content, job.content, &job.path, &job.file, stop, on_bytes)
}

/// Returns how many seconds the rest of a transfer will take.
fn rest(received: u64, total: u64, elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * total.saturating_sub(received) as f64 / (received as f64).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_transfer_is_foreseen() {
        let two = Duration::from_secs(2);
        assert!((rest(25, 100, two) - 6.0).abs() < 0.01);
        assert!(rest(0, 1000, two) > 1000.0 && rest(1000, 1000, two) < 0.01);
    }
}
