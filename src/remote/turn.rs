//! Whose turn it is to make a layer: takes its lease, or waits for the machine that has it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::cache::{POLL, RemoteCache, within};
use super::error::RemoteError;
use super::find;
use super::keys::TrustedKeys;
use super::lease::{self, Content, Found, Lease};
use super::objects::{ObjectStore, Version};
use super::probe;
use super::record::Record;
use crate::digest::Sha256;
use crate::interrupt::Interrupt;
use crate::layer::LayerKey;

/// Longest time of the requests before a step: a build does not wait for a store.
const PATIENCE: Duration = Duration::from_secs(3);

/// Shortest and longest pause between two looks at a lease.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(2));

/// Time for an upload besides that in which the layer was made.
const GRACE: Duration = Duration::from_secs(60);

/// Time without an answer after which a build waits for no lease any more.
const SILENCE: Duration = Duration::from_secs(20);

/// Number of times that a lease may vanish while it is looked at.
const TRIES: usize = 3;

/// A layer that a build lacks.
#[derive(Debug, Clone, Copy)]
pub struct Lacking {
    /// Key of the layer.
    pub key: LayerKey,
    /// The layer below, and the digest of its disk if it is complete here.
    pub parent: Option<(LayerKey, Option<Sha256>)>,
}

/// What a build does about a layer that it lacks.
#[derive(Debug)]
pub enum Turn {
    /// It makes the layer, perhaps while others wait for it.
    Make(Option<Lease>),
    /// It fetches the layer, which another machine has shared.
    Fetch,
    /// It waits for the machine that is making the layer.
    Wait(Maker),
}

/// A machine that is making a layer.
#[derive(Debug, Clone)]
pub struct Maker {
    /// Its name, if it says one.
    pub machine: Option<String>,
    /// Whether it has made the layer, and is uploading it.
    pub uploads: bool,
    holder: String,
    version: Version,
    /// How long making the layer took.
    made: Option<Duration>,
}

impl Maker {
    fn of(Found { content, version }: Found) -> Self {
        let Some(Content { holder, machine, made, .. }) = content else {
            return Self { machine: None, uploads: false, holder: String::new(), version, made: None };
        };
        let made = made.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default());
        Self { machine: Some(machine).filter(|name| !name.is_empty()), uploads: made.is_some(), holder, version, made }
    }
}

/// What a look at a lease and a record has found.
enum Seen {
    /// The lease belongs to this run now.
    Ours,
    /// Nobody has it, and this run takes none.
    Free,
    /// Another run has it.
    Theirs(Found),
    /// The layer is there. Whether it fits ours.
    Shared(bool),
}

/// What a thread needs to look.
struct Look {
    store: Arc<dyn ObjectStore>,
    trusted: Arc<TrustedKeys>,
    lacking: Lacking,
    /// Whether the record in the store is no use.
    broken: bool,
    /// The lease of this run; `None` if it takes none.
    ours: Option<Content>,
    /// The version of the lease that may be replaced.
    stale: Option<Version>,
}

impl Look {
    fn look(&self) -> Result<Seen, RemoteError> {
        let Self { store, lacking, ours, .. } = self;
        let (name, mut stale) = (lease::name(&lacking.key), self.stale.as_ref());
        for _ in 0..TRIES {
            let taken = match (ours, stale.take()) {
                (None, _) => false,
                (Some(ours), None) => store.put_new(&name, &lease::bytes(ours)?)?,
                (Some(ours), Some(stale)) => store.put_over(&name, &lease::bytes(ours)?, stale)?,
            };
            // The layer may have come before its lease was given back.
            let shared = self.shared()?;
            if taken {
                return match shared {
                    Some(fits) => store.remove(&name).map(|()| Seen::Shared(fits)),
                    None => Ok(Seen::Ours),
                };
            }
            if let Some(fits) = shared {
                return Ok(Seen::Shared(fits));
            }
            let Some(found) = lease::read(&**store, &lacking.key)? else {
                if ours.is_none() {
                    return Ok(Seen::Free);
                }
                continue;
            };
            let Some(content) = &found.content else { return Ok(Seen::Theirs(found)) };
            // The answer to the first attempt of a request was lost.
            if ours.as_ref().is_some_and(|ours| ours.holder == content.holder) {
                return Ok(Seen::Ours);
            }
            // A layer by an untrusted key would not be taken.
            let trusted = self.trusted.has(&content.key);
            return Ok(if trusted { Seen::Theirs(found) } else { Seen::Free });
        }
        Ok(Seen::Free)
    }

    /// Returns whether the store has the layer, and whether it fits.
    fn shared(&self) -> Result<Option<bool>, RemoteError> {
        if self.broken {
            return Ok(None);
        }
        let Lacking { key, parent } = &self.lacking;
        let read = find::read(&*self.store, &self.trusted, key, &Interrupt::new())?;
        Ok(read.and_then(|read| read.record.ok()).map(|Record { layer, .. }| {
            layer.parent == parent.map(|(parent, _)| parent)
                && layer.parent_sha256 == parent.and_then(|(_, digest)| digest)
        }))
    }
}

impl RemoteCache {
    /// Finds out whose turn it is to make a layer. A store that fails or ignores conditions has no leases.
    pub fn turn(self: &Arc<Self>, lacking: &Lacking, interrupt: &Interrupt) -> Turn {
        if self.is_off() || self.leases.book().off {
            return Turn::Make(None);
        }
        match self.try_turn(lacking, interrupt) {
            Ok(Some(seen)) => self.decide(lacking, seen),
            Ok(None) => Turn::Make(None),
            Err(error) => self.without(&error),
        }
    }

    /// Uses no leases any more. What else the store does will show whether it is of use.
    fn without(&self, error: &RemoteError) -> Turn {
        if !matches!(error, RemoteError::Interrupted) {
            self.leases.book().off = true;
        }
        Turn::Make(None)
    }

    fn try_turn(&self, lacking: &Lacking, interrupt: &Interrupt) -> Result<Option<Seen>, RemoteError> {
        if self.state().slower.contains(&lacking.key) || !self.fits(lacking.parent, interrupt)? {
            return Ok(None);
        }
        if self.writes() && !self.keeps_conditions(interrupt)? {
            self.leases.book().off = true;
            return Ok(None);
        }
        let seen = self.look_at(lacking, None, interrupt)?;
        match seen {
            // Whoever was dead a moment ago has left this lease too.
            Seen::Theirs(Found { content: Some(Content { holder, .. }), version })
                if self.writes() && self.leases.book().dead.contains(&holder) =>
            {
                self.look_at(lacking, Some(version), interrupt).map(Some)
            }
            seen => Ok(Some(seen)),
        }
    }

    fn decide(self: &Arc<Self>, lacking: &Lacking, seen: Seen) -> Turn {
        match seen {
            Seen::Ours => Turn::Make(Some(self.hold(lacking.key))),
            Seen::Free | Seen::Shared(false) => Turn::Make(None),
            Seen::Shared(true) => Turn::Fetch,
            Seen::Theirs(found) => Turn::Wait(Maker::of(found)),
        }
    }

    fn look_at(&self, lacking: &Lacking, stale: Option<Version>, interrupt: &Interrupt) -> Result<Seen, RemoteError> {
        let look = Look {
            store: Arc::clone(&self.store),
            trusted: Arc::clone(&self.trusted),
            lacking: *lacking,
            broken: self.state().broken.contains(&lacking.key),
            ours: self.writes().then(|| self.lease(None, 0)),
            stale,
        };
        within(PATIENCE, interrupt, move || look.look())
    }

    /// Returns whether a layer on top of this one will fit what the others have. What others make on another layer is no use here.
    fn fits(&self, parent: Option<(LayerKey, Option<Sha256>)>, interrupt: &Interrupt) -> Result<bool, RemoteError> {
        let Some((key, digest)) = parent else { return Ok(true) };
        if self.holds(&key) {
            return Ok(true);
        }
        let Some(digest) = digest else { return Ok(false) };
        if let Some(known) = self.state().shared.get(&key) {
            return Ok(*known == digest);
        }
        let (store, trusted, stop) = (Arc::clone(&self.store), Arc::clone(&self.trusted), interrupt.clone());
        let read = within(PATIENCE, interrupt, move || find::read(&*store, &trusted, &key, &stop))?;
        let shared = read.and_then(|read| read.record.ok()).map(|record| record.layer.sha256);
        // A layer that is not there yet will be the one of this machine, if it shares.
        Ok(shared.map_or_else(|| self.writes(), |shared| shared == digest))
    }

    /// Returns whether the store keeps conditions. It is asked once, and the answer remembered.
    fn keeps_conditions(&self, interrupt: &Interrupt) -> Result<bool, RemoteError> {
        // Builds of several images begin at the same time.
        let mut known = self.leases.conditions();
        if let Some(kept) = *known {
            return Ok(kept);
        }
        let kept = match self.known_conditions() {
            Some(kept) => kept,
            None => {
                let (store, unique) = (Arc::clone(&self.store), self.leases.run.clone());
                let kept = within(PATIENCE, interrupt, move || probe::conditions(&*store, &unique))?;
                kept.iter().for_each(|kept| self.remember_conditions(*kept));
                kept.unwrap_or(false)
            }
        };
        *known = Some(kept);
        Ok(kept)
    }

    /// Waits until another machine has shared a layer, gives up or dies, but not longer than `limit`; and if only the upload is left, not
    /// much longer than it would take to make the layer. `on_change` receives the maker when what it does has changed.
    pub fn wait(
        self: &Arc<Self>,
        lacking: &Lacking,
        mut maker: Maker,
        limit: Duration,
        interrupt: &Interrupt,
        on_change: &mut dyn FnMut(&Maker),
    ) -> Turn {
        let (started, mut changed, mut answered) = (Instant::now(), Instant::now(), Instant::now());
        let (mut uploading, mut pause) = (maker.uploads.then(Instant::now), PAUSES.0);
        on_change(&maker);
        loop {
            if interrupt.is_raised() || self.is_off() {
                return Turn::Make(None);
            }
            let upload = uploading.zip(maker.made).is_some_and(|(since, made)| since.elapsed() > made + GRACE);
            if upload || started.elapsed() > limit {
                return Turn::Make(None);
            }
            let dead = changed.elapsed() > self.leases.times.stale || self.leases.book().dead.contains(&maker.holder);
            let stale = dead.then(|| maker.version.clone());
            if dead && !self.writes() {
                return Turn::Make(None);
            }
            match self.look_at(lacking, stale, interrupt) {
                Ok(Seen::Theirs(found)) => {
                    let now = Maker::of(found);
                    answered = Instant::now();
                    let mut book = self.leases.book();
                    if now.version != maker.version {
                        changed = Instant::now();
                        book.dead.remove(&now.holder);
                    }
                    drop(book);
                    uploading = if now.uploads { uploading.or_else(|| Some(Instant::now())) } else { None };
                    let other = (&now.machine, now.uploads) != (&maker.machine, maker.uploads);
                    maker = now;
                    if other {
                        on_change(&maker);
                    }
                }
                Ok(seen) => {
                    if dead && matches!(seen, Seen::Ours) {
                        self.leases.book().dead.insert(maker.holder.clone());
                    }
                    return self.decide(lacking, seen);
                }
                // Who hears nothing cannot tell whether the other one is dead.
                Err(error) => {
                    changed = Instant::now();
                    if answered.elapsed() > SILENCE {
                        return self.without(&error);
                    }
                }
            }
            let slept = Instant::now();
            while slept.elapsed() < pause && !interrupt.is_raised() {
                std::thread::sleep(POLL);
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }
}
