//! The wish to stop, shared by everything that runs for long.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

type Callback = Box<dyn FnOnce() + Send>;

/// A flag that is raised once, by Ctrl-C or SIGTERM, and never lowered.
///
/// Clones share the flag. Loops look at it; a call that blocks registers what ends it.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    raised: AtomicBool,
    callbacks: Mutex<Vec<Callback>>,
}

impl Interrupt {
    /// A flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag and runs what [`Interrupt::on_raise`] registered. Not for signal handlers:
    /// call it from a thread that waits for signals.
    pub fn raise(&self) {
        self.0.raised.store(true, Ordering::SeqCst);
        let callbacks = std::mem::take(&mut *self.0.callbacks.lock().unwrap_or_else(PoisonError::into_inner));
        for callback in callbacks {
            callback();
        }
    }

    /// Whether the flag is raised.
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }

    /// Registers what to do when the flag is raised; done at once if it is.
    pub fn on_raise(&self, callback: impl FnOnce() + Send + 'static) {
        self.0.callbacks.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(callback));
        if self.is_raised() {
            self.raise();
        }
    }
}

impl fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Interrupt").field(&self.is_raised()).finish()
    }
}
