//! Signals that interrupt the program: SIGINT (Ctrl-C), SIGTERM and SIGHUP.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::failure::{Failure, FailureKind};
use crate::interrupt::Interrupt;

/// Returns a flag that these signals raise.
pub(super) fn interrupt() -> Result<Interrupt, Failure> {
    let interrupt = Interrupt::new();
    watch(interrupt.clone()).map_err(|error| Failure::new(FailureKind::Host, &error))?;
    Ok(interrupt)
}

/// Raises the flag at the first SIGINT, SIGTERM or SIGHUP. The second one ends the process at once; the kernel and libguestfs'
/// recovery process then end its children.
fn watch(interrupt: Interrupt) -> std::io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if interrupt.is_raised() {
                // Does not return: the default action of these signals is the end of the process.
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
            interrupt.raise();
        }
    });
    Ok(())
}
