//! Saves the state of a guest that has just started.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::GuestError;
use super::appliance::saved;
use super::libguestfs::{LibguestfsGuest, text};
use super::script;
use crate::fsx::{self, Access, IoContext as _, NewFile};

/// Limit for saving the state. It takes less than a second on an idle machine.
const SAVE_DEADLINE: Duration = Duration::from_secs(60);

/// Bandwidth for saving the state, in bytes per second: more than any disk has. QEMU's default is that of a network.
const SAVE_BANDWIDTH: u64 = 1 << 40;

/// Time between two looks at the progress of saving.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl LibguestfsGuest {
    /// Saves the state of the machine, which has just started and has no disk. The result inside says whether it is saved; an
    /// error is one of the guest, which cannot be used any more.
    pub(super) fn save(&mut self, state: &Path) -> Result<Result<(), String>, GuestError> {
        const CALL: &str = "save the state of the guest";
        if self.appliance(CALL, saved::LISTENS).is_err() {
            return Ok(Err("its kernel would repeat its random numbers".to_owned()));
        }
        let dir = state.parent().unwrap_or(Path::new("/"));
        let file = match std::fs::create_dir_all(dir).at(dir).and_then(|()| {
            if fsx::available_bytes(dir)? < saved::SPARE.get() {
                return Err(io::Error::from(io::ErrorKind::StorageFull)).at(dir);
            }
            NewFile::create(state, Access::Private)
        }) {
            Ok(file) => file,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let to = format!("exec:cat >{}", script::quote(&text(file.path())?));
        self.qmp(CALL, "migrate-set-parameters", &json!({ "max-bandwidth": SAVE_BANDWIDTH }))?;
        self.qmp(CALL, "migrate", &json!({ "uri": to }))?;
        let until = Instant::now() + SAVE_DEADLINE;
        let status = loop {
            let answer =
                self.qmp.execute("query-migrate", &json!({})).map_err(|error| self.explain_qmp(CALL, &error))?;
            match answer.get("status").and_then(Value::as_str) {
                Some("completed") => break Ok(()),
                Some("failed" | "cancelled") => {
                    let reason = answer.get("error-desc").and_then(Value::as_str);
                    break Err(reason.unwrap_or("QEMU gives no reason").to_owned());
                }
                _ if Instant::now() > until => {
                    self.qmp(CALL, "migrate_cancel", &json!({}))?;
                    break Err(format!("it takes longer than {} s", SAVE_DEADLINE.as_secs()));
                }
                _ => std::thread::sleep(LOOK_AGAIN),
            }
        };
        // QEMU stops the machine when its state is complete.
        self.qmp(CALL, "cont", &json!({}))?;
        let saved = status.and_then(|()| file.persist().map_err(|error| error.to_string()));
        saved::prune(state);
        Ok(saved)
    }
}
