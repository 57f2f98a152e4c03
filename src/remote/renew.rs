//! Renews the leases of a run in the background, and gives them back.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::cache::{POLL, RemoteCache, within};
use super::error::RemoteError;
use super::lease::{Content, Found, Held, Lease, Leases, bytes, name, read};
use crate::interrupt::Interrupt;
use crate::layer::LayerKey;

/// Longest pause of the thread that renews.
const TICK: Duration = Duration::from_millis(500);

/// Longest time for one request about a lease.
const PATIENCE: Duration = Duration::from_secs(10);

impl RemoteCache {
    /// Returns the content of a lease of this run.
    pub(super) fn lease(&self, made: Option<f64>, count: u64) -> Content {
        let key = self.signer.as_ref().map(super::keys::SigningKey::public).unwrap_or_default();
        let Leases { run, machine, .. } = &*self.leases;
        Content { holder: run.clone(), machine: machine.clone(), key, made, count }
    }

    /// Returns whether this run holds the lease of a layer.
    pub(super) fn holds(&self, key: &LayerKey) -> bool {
        self.leases.book().held.contains_key(key)
    }

    /// Notes that this run holds a lease now, and renews it until it is dropped.
    pub(super) fn hold(self: &Arc<Self>, key: LayerKey) -> Lease {
        let mut book = self.leases.book();
        book.ended.retain(|(ended, _)| *ended != key);
        book.held.insert(key, Held { count: 0, made: None, told: true, renewed: Instant::now() });
        if !std::mem::replace(&mut book.running, true) {
            let remote = Arc::clone(self);
            std::thread::spawn(move || remote.renew_all());
        }
        drop(book);
        Lease { leases: Arc::clone(&self.leases), key }
    }

    /// Renews the leases of this run, and gives back those that have ended, until there are none.
    fn renew_all(&self) {
        loop {
            let (ended, due) = {
                let mut book = self.leases.book();
                if book.held.is_empty() && book.ended.is_empty() {
                    book.running = false;
                    return self.leases.changed.notify_all();
                }
                let due = |held: &Held| !held.told || held.renewed.elapsed() >= self.leases.times.renewal;
                let due = book.held.iter().filter(|(_, held)| due(held));
                let due: Vec<_> = due.map(|(key, held)| (*key, held.made, held.count + 1)).collect();
                if due.is_empty() && book.ended.is_empty() {
                    let pause = TICK.min(self.leases.times.renewal / 2);
                    drop(self.leases.changed.wait_timeout(book, pause));
                    continue;
                }
                (book.ended.clone(), due)
            };
            for (key, renewed) in ended {
                // A lease that cannot be given back becomes stale.
                let _ = self.give_back(key, renewed);
                self.leases.book().ended.retain(|(ended, _)| *ended != key);
                self.leases.changed.notify_all();
            }
            let mut failed = false;
            for (key, made, count) in due {
                match self.renew(key, made, count) {
                    Ok(true) => {
                        if let Some(held) = self.leases.book().held.get_mut(&key) {
                            let told = held.made == made;
                            *held = Held { count, told, renewed: Instant::now(), ..*held };
                        }
                    }
                    // Another machine has taken it over.
                    Ok(false) => drop(self.leases.book().held.remove(&key)),
                    Err(_) => failed = true,
                }
            }
            if failed {
                std::thread::sleep(TICK);
            }
        }
    }

    /// Renews a lease, and returns whether it is still that of this run.
    fn renew(&self, key: LayerKey, made: Option<f64>, count: u64) -> Result<bool, RemoteError> {
        let (store, run) = (Arc::clone(&self.store), self.leases.run.clone());
        let bytes = bytes(&self.lease(made, count))?;
        within(PATIENCE, &Interrupt::new(), move || {
            let Some(Found { content: Some(content), version }) = read(&*store, &key)? else { return Ok(false) };
            Ok(content.holder == run && store.put_over(&name(&key), &bytes, &version)?)
        })
    }

    /// Removes a lease that was renewed then, unless another machine has taken it over.
    fn give_back(&self, key: LayerKey, renewed: Instant) -> Result<(), RemoteError> {
        let (store, run) = (Arc::clone(&self.store), self.leases.run.clone());
        // So soon after a renewal, nobody can have taken it over.
        let certain = self.leases.times.stale / 2;
        within(PATIENCE, &Interrupt::new(), move || {
            let ours = renewed.elapsed() < certain
                || read(&*store, &key)?.and_then(|found| found.content).is_some_and(|content| content.holder == run);
            if ours { store.remove(&name(&key)) } else { Ok(()) }
        })
    }

    /// Waits until the leases that have ended are given back, but not for long.
    pub(super) fn settle_leases(&self, limit: Duration) {
        let started = Instant::now();
        let mut book = self.leases.book();
        while !book.ended.is_empty() && started.elapsed() < limit {
            book = self.leases.changed.wait_timeout(book, POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
