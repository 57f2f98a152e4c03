//! Keeps the guest of a failed step, and lets programs of the host work in it.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Duration;

use serde_json::json;

use super::failure::AfterFailure;
use super::service::{self, Asked, Request, Service};
use crate::fsx::{IoContext as _, PathError};
use crate::guest::{Guest, GuestError};
use crate::interrupt::Interrupt;

/// Pause between two looks at the user's request to stop.
const POLL: Duration = Duration::from_millis(50);

/// Longest time of one command in the guest.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The reason why a guest does not wait any longer.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The socket cannot be made.
    #[error(transparent)]
    Socket(#[from] PathError),
    /// The guest has ended.
    #[error(transparent)]
    Guest(#[from] GuestError),
}

/// Does what programs of the host ask for at a socket, until one of them says how the build goes on, or the user asks to stop. Who can
/// open the socket is root in the guest.
///
/// # Errors
///
/// If there can be no socket, or the guest ends.
pub fn wait(guest: &mut dyn Guest, socket: &Path, interrupt: &Interrupt) -> Result<AfterFailure, WaitError> {
    let (sender, requests) = mpsc::channel::<Asked>();
    let _service = Service::start(socket, sender).at(socket)?;
    service::prepare(guest)?;
    let after = answer(guest, &requests, interrupt)?;
    // A step that runs again finds the guest as it was.
    service::clear(guest)?;
    Ok(after)
}

/// Answers requests until one of them ends the wait.
fn answer(
    guest: &mut dyn Guest,
    requests: &Receiver<Asked>,
    interrupt: &Interrupt,
) -> Result<AfterFailure, GuestError> {
    let network = guest.has_network();
    loop {
        if interrupt.is_raised() {
            return Ok(AfterFailure::Clean);
        }
        let asked = match requests.recv_timeout(POLL) {
            Ok(asked) => asked,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return Ok(AfterFailure::Clean),
        };
        let answer = match &asked.request {
            Err(message) => json!({ "error": message }),
            Ok(Request::End { retry }) => {
                let after = if *retry { AfterFailure::Retry } else { AfterFailure::Clean };
                asked.answer(&json!({}));
                return Ok(after);
            }
            Ok(request) => service::fulfil(guest, request, network, LONGEST)?,
        };
        asked.answer(&answer);
    }
}
