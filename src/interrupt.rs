//! The user's request to stop, as a flag that all long work shares.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

type Callback = Box<dyn FnOnce() + Send>;

/// A flag that Ctrl-C or SIGTERM raises. It is never lowered.
///
/// Clones share the flag. Loops check it; a blocking call registers a callback that ends it.
#[derive(Clone, Default)]
pub struct Interrupt(Arc<Shared>);

#[derive(Default)]
struct Shared {
    raised: AtomicBool,
    callbacks: Mutex<Vec<Callback>>,
}

impl Interrupt {
    /// Makes a flag that is not raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// Raises the flag and runs the callbacks of [`Interrupt::on_raise`]. Do not call it in a signal handler, but from a thread
    /// that waits for signals.
    pub fn raise(&self) {
        self.0.raised.store(true, Ordering::SeqCst);
        let callbacks = std::mem::take(&mut *self.0.callbacks.lock().unwrap_or_else(PoisonError::into_inner));
        for callback in callbacks {
            callback();
        }
    }

    /// Returns whether the flag is raised.
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }

    /// Registers a callback for the moment when the flag is raised. If it is raised already, the callback runs at once.
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
