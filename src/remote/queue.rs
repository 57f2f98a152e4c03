//! The queue of layers that are to be shared.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use super::blob::Forbidden;
use super::lease::Lease;
use crate::event::Reporter;
use crate::interrupt::Interrupt;
use crate::layer::Layer;

/// The layers that are to be shared, and what came of them.
#[derive(Default)]
pub(super) struct Queue {
    pub(super) work: Mutex<Work>,
    pub(super) changed: Condvar,
    pub(super) stop: Interrupt,
}

#[derive(Default)]
pub(super) struct Work {
    pub(super) jobs: VecDeque<Job>,
    /// Whether a thread is at work.
    pub(super) running: bool,
    /// Number of layers that were ever put into the queue, and of those that are done.
    pub(super) queued: u64,
    pub(super) done: u64,
    /// The same in bytes of disks.
    pub(super) queued_bytes: u64,
    pub(super) done_bytes: u64,
    /// Bytes of the disk of the present layer that are done.
    pub(super) present: u64,
    /// Number of times that something has moved.
    pub(super) moves: u64,
    pub(super) uploaded: u64,
    pub(super) sent: u64,
}

pub(super) struct Job {
    pub(super) layer: Layer,
    pub(super) reporter: Arc<dyn Reporter>,
    pub(super) forbidden: Arc<Option<Forbidden>>,
    /// Is given back when the layer is shared, or cannot be.
    pub(super) lease: Option<Lease>,
}

impl Queue {
    pub(super) fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
