//! The remote cache of one run: its store, its keys, and what is known about the store so far.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::error::RemoteError;
use super::keys::{SigningKey, TrustedKeys};
use super::lease::{LeaseTimes, Leases};
use super::objects::ObjectStore;
use super::queue::Queue;
use crate::digest::Sha256;
use crate::event::{Event, Reporter};
use crate::interrupt::Interrupt;
use crate::layer::LayerKey;

/// Pause between two looks at what a thread does.
pub(super) const POLL: Duration = Duration::from_millis(20);

/// The settings of a remote cache.
pub struct Settings {
    /// The store.
    pub store: Arc<dyn ObjectStore>,
    /// Keys whose records are taken.
    pub trusted: TrustedKeys,
    /// The key that signs new records; without it, nothing is written.
    pub signer: Option<SigningKey>,
    /// The local cache, for temporary files and for what is remembered about the store.
    pub dir: PathBuf,
    /// Name of this machine, which others show while they wait for it; may be empty.
    pub machine: String,
    /// How often leases are renewed, and when they are taken over.
    pub leases: LeaseTimes,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("store", &self.store.place()).finish_non_exhaustive()
    }
}

/// The remote cache of one run. All images of the run share it.
pub struct RemoteCache {
    pub(super) store: Arc<dyn ObjectStore>,
    pub(super) trusted: Arc<TrustedKeys>,
    pub(super) signer: Option<SigningKey>,
    pub(super) dir: PathBuf,
    pub(super) queue: Queue,
    pub(super) leases: Arc<Leases>,
    state: Mutex<State>,
}

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Whether the store is not used any more.
    pub(super) off: bool,
    /// Whether the store has answered.
    pub(super) answered: bool,
    /// Warnings that were said.
    said: BTreeSet<String>,
    /// Digests of the disks of layers whose records count.
    pub(super) shared: BTreeMap<LayerKey, Sha256>,
    /// Layers with a blob that is missing or damaged.
    pub(super) broken: BTreeSet<LayerKey>,
    /// Layers that are faster to make than to fetch.
    pub(super) slower: BTreeSet<LayerKey>,
}

impl fmt::Debug for RemoteCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteCache").field("store", &self.store.place()).finish_non_exhaustive()
    }
}

impl RemoteCache {
    /// Makes the remote cache of a run. It sends no request.
    pub fn new(settings: Settings) -> Self {
        let Settings { store, trusted, signer, dir, machine, leases } = settings;
        let (trusted, queue, leases) = (Arc::new(trusted), Queue::default(), Arc::new(Leases::new(&machine, leases)));
        Self { store, trusted, signer, dir, queue, leases, state: Mutex::default() }
    }

    /// Returns the name of the store, for people.
    pub fn place(&self) -> String {
        self.store.place()
    }

    /// Returns whether this run writes to the store.
    pub fn writes(&self) -> bool {
        self.signer.is_some()
    }

    /// Returns whether the store has failed, and is not used any more.
    pub fn has_failed(&self) -> bool {
        self.is_off()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_off(&self) -> bool {
        self.state().off
    }

    /// Uses the store no more, and says why, once.
    pub(super) fn give_up(&self, reporter: &dyn Reporter, error: &RemoteError) {
        let before = std::mem::replace(&mut self.state().off, true);
        if !before {
            let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
            let reason = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
            let message = format!("the remote cache {} is not used any more in this run: {reason}", self.place());
            reporter.report(&Event::Warning { message });
        }
    }

    /// Says a warning, once.
    pub(super) fn warn(&self, reporter: &dyn Reporter, message: String) {
        if self.state().said.insert(message.clone()) {
            reporter.report(&Event::Warning { message });
        }
    }
}

/// Does something that may hang in a thread of its own, and waits for it. A thread that takes too long is left behind.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    interrupt: &Interrupt,
    work: impl FnOnce() -> Result<T, RemoteError> + Send + 'static,
) -> Result<T, RemoteError> {
    let (sender, receiver) = mpsc::sync_channel(1);
    std::thread::spawn(move || drop(sender.send(work())));
    let started = Instant::now();
    loop {
        if interrupt.is_raised() {
            return Err(RemoteError::Interrupted);
        }
        match receiver.recv_timeout(POLL) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Timeout) if started.elapsed() < limit => {}
            Err(_) => return Err(RemoteError::Silent(limit)),
        }
    }
}
