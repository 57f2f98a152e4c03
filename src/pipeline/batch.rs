//! Several images in one run. They share layers, and each layer is made once.

use std::collections::{HashMap, HashSet};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::interrupt::Interrupt;
use crate::layer::{LayerKey, Store};

/// Time between two looks for layers that other images wait for.
const POLL: Duration = Duration::from_millis(100);

/// What became of an image of a batch.
#[derive(Debug)]
pub enum Ended<T> {
    /// The work on it has ended.
    Tried(T),
    /// A step that it shares with an earlier image has failed, so nothing was done for it.
    Blocked {
        /// Number of the image whose step failed.
        by: usize,
        /// The layer that is missing.
        layer: LayerKey,
    },
    /// The user interrupted the run before the image was begun.
    Interrupted,
}

/// What the work on an image has led to.
#[derive(Debug)]
pub struct Tried<T> {
    /// Result for the caller.
    pub result: T,
    /// The layer that could not be made. Images with this layer are not tried.
    pub failed: Option<LayerKey>,
}

/// Works on several images, at most `limit` at the same time. `chains` are the layers of each image, the base first.
///
/// An image begins when no other image is about to make a layer that both have. So images do not wait for each other while they hold
/// a guest. A failed image does not stop the others.
pub fn run<T: Send>(
    chains: &[Vec<LayerKey>],
    limit: usize,
    store: &Store,
    interrupt: &Interrupt,
    work: impl Fn(usize) -> Tried<T> + Sync,
) -> Vec<Ended<T>> {
    let batch = Batch { chains, store, interrupt, state: Mutex::new(State::of(chains.len())), changed: Condvar::new() };
    std::thread::scope(|scope| {
        for _ in 0..limit.clamp(1, chains.len().max(1)) {
            scope.spawn(|| {
                while let Some(image) = batch.next() {
                    let tried = work(image);
                    batch.end(image, tried);
                }
            });
        }
    });
    let ended = batch.state.into_inner().unwrap_or_else(PoisonError::into_inner).ended;
    ended.into_iter().map(|ended| ended.unwrap_or(Ended::Interrupted)).collect()
}

struct Batch<'a, T> {
    chains: &'a [Vec<LayerKey>],
    store: &'a Store,
    interrupt: &'a Interrupt,
    state: Mutex<State<T>>,
    changed: Condvar,
}

struct State<T> {
    /// Images that were not begun, in order.
    pending: Vec<usize>,
    running: Vec<usize>,
    /// Layers that could not be made, and the image that tried.
    failed: HashMap<LayerKey, usize>,
    /// Layers that were seen in the store.
    made: HashSet<LayerKey>,
    ended: Vec<Option<Ended<T>>>,
}

impl<T> State<T> {
    fn of(images: usize) -> Self {
        Self {
            pending: (0..images).collect(),
            running: Vec::new(),
            failed: HashMap::new(),
            made: HashSet::new(),
            ended: (0..images).map(|_| None).collect(),
        }
    }
}

impl<T> Batch<'_, T> {
    /// Waits for an image that can begin. Returns `None` if there is none any more.
    fn next(&self) -> Option<usize> {
        let mut state = self.state();
        loop {
            if self.interrupt.is_raised() {
                return None;
            }
            self.block(&mut state);
            if state.pending.is_empty() {
                return None;
            }
            let ready = (0..state.pending.len()).find(|place| self.is_ready(state.pending[*place], &mut state));
            if let Some(place) = ready {
                let image = state.pending.remove(place);
                state.running.push(image);
                return Some(image);
            }
            state = self.changed.wait_timeout(state, POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn end(&self, image: usize, tried: Tried<T>) {
        let mut state = self.state();
        state.running.retain(|running| *running != image);
        if let Some(layer) = tried.failed {
            state.failed.entry(layer).or_insert(image);
        }
        state.ended[image] = Some(Ended::Tried(tried.result));
        self.changed.notify_all();
    }

    /// Ends images with a layer that could not be made.
    fn block(&self, state: &mut State<T>) {
        let State { pending, failed, ended, .. } = state;
        pending.retain(|image| {
            let missing = self.chains[*image].iter().find_map(|layer| Some((*layer, *failed.get(layer)?)));
            if let Some((layer, by)) = missing {
                ended[*image] = Some(Ended::Blocked { by, layer });
            }
            missing.is_none()
        });
    }

    /// Returns whether every layer that an image has in common with a running one is made.
    fn is_ready(&self, image: usize, state: &mut State<T>) -> bool {
        let State { running, made, .. } = state;
        running.iter().all(|other| {
            let both = self.chains[image].iter().zip(&self.chains[*other]);
            let Some((last, _)) = both.take_while(|(one, other)| one == other).last() else { return true };
            // A store that cannot be read fails the image itself, with a message.
            let there = made.contains(last) || self.store.find(last).map_or(true, |layer| layer.is_some());
            if there {
                made.insert(*last);
            }
            there
        })
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
