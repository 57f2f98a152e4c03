//! Asks the service to import, and waits for the end of the import.

use std::time::{Duration, Instant};

use serde::Deserialize;
use ureq::http::Method as Verb;

use super::super::image::Image;
use super::super::{Cloud, CloudError, Store};
use super::error::ImportError;
use super::request::{Import, Method, Stores, request};
use super::task::{Progress, Task};
use super::verdict::{FAILED, STORES, Verdict, judge, names, seen_progress};
use crate::interrupt::Interrupt;

/// Default time without any change after which an import counts as stuck: Glance itself gives up after an hour
/// (`glance.api.v2.images`, `_enforce_import_lock`).
pub const IMPORT_TIMEOUT: Duration = Duration::from_secs(60 * 60);

/// Shortest and longest pause between two requests for the image.
const POLL: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];

/// Pause between two requests for the tasks while the image shows that the import goes on. To list tasks, Glance writes to its
/// database (`tasks_get_by_image`), at the same time as the task itself may write.
const TASKS: Duration = Duration::from_secs(5);

/// The options of waiting for an import.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Time without any change after which the import counts as stuck.
    pub timeout: Duration,
    /// Receiver of the progress.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// The user's request to stop.
    pub interrupt: &'a Interrupt,
}

impl std::fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// The result of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The image.
    pub image: Image,
    /// Wanted stores that do not have the image.
    pub missing: Vec<String>,
}

#[derive(Deserialize)]
struct Info {
    #[serde(rename = "import-methods")]
    methods: Methods,
}

#[derive(Deserialize)]
struct Methods {
    value: Vec<String>,
}

#[derive(Deserialize)]
struct Tasks {
    tasks: Vec<Task>,
}

impl Cloud {
    /// Returns the import methods of the service; none if it does not support imports.
    ///
    /// # Errors
    ///
    /// If the service does not answer.
    pub fn import_methods(&self) -> Result<Vec<String>, CloudError> {
        match self.get::<Info>("/v2/info/import") {
            Err(CloudError::Refused { status: 404, .. }) => Ok(Vec::new()),
            info => info.map(|info| info.methods.value),
        }
    }

    /// Returns the tasks of an image; none if the service does not show them, which needs version 2.12 of the API.
    ///
    /// # Errors
    ///
    /// If the service does not answer.
    pub fn tasks(&self, id: &str) -> Result<Vec<Task>, CloudError> {
        match self.get::<Tasks>(&format!("/v2/images/{id}/tasks")) {
            Err(CloudError::Refused { status: 404, .. }) => Ok(Vec::new()),
            tasks => tasks.map(|tasks| tasks.tasks),
        }
    }

    /// Imports data into an image and waits for the end. The image must be `queued`, have staged data, or be `active` for a copy.
    ///
    /// # Errors
    ///
    /// If the import fails. The record is left as it is, and the service may still be at work on it.
    pub fn import(&self, id: &str, import: &Import, watch: Watch<'_>) -> Result<Imported, ImportError> {
        // If there is nothing left to do, the service makes no task. Then only the stores show the result.
        let asked = match &import.stores {
            Stores::Preferred => Vec::new(),
            Stores::Named(names) => names.clone(),
            Stores::All => writable(self.stores()?),
        };
        let before = self.tasks(id)?;
        match self.call(&Verb::POST, &format!("/v2/images/{id}/import"), Some(&request(import))) {
            // The request may have arrived in spite of the error.
            Err(CloudError::Unreachable { .. }) if self.tasks(id)?.len() > before.len() => {}
            Err(error) => return Err(without_secrets(error, &import.method).into()),
            Ok(()) => {}
        }
        let image = self.wait(id, &import.method, &asked, &before, watch)?;
        let missing: Vec<_> = match image.properties.contains_key(STORES) {
            true => asked.into_iter().filter(|store| !names(&image, STORES).contains(store)).collect(),
            false => names(&image, FAILED),
        };
        if import.all_must_succeed && !missing.is_empty() {
            return Err(ImportError::Missing { stores: missing });
        }
        Ok(Imported { image, missing })
    }

    /// Waits for the end of an earlier import.
    ///
    /// # Errors
    ///
    /// If the import fails.
    pub fn await_import(&self, id: &str, method: &Method, watch: Watch<'_>) -> Result<Image, ImportError> {
        self.wait(id, method, &[], &[], watch)
    }

    fn wait(
        &self,
        id: &str,
        method: &Method,
        asked: &[String],
        before: &[Task],
        watch: Watch<'_>,
    ) -> Result<Image, ImportError> {
        let (mut last, mut changed, mut began, mut pause) = (None, Instant::now(), false, POLL[0]);
        let (mut progress, mut task, mut asked_tasks) = (Progress::default(), None, Instant::now());
        let copies = (*method == Method::CopyImage).then_some(asked);
        loop {
            if watch.interrupt.is_raised() {
                return Err(ImportError::Interrupted);
            }
            let mut image = self.image_that_is_there(id)?;
            let mut verdict = judge(&image, None, copies, began);
            if verdict != Verdict::Running || asked_tasks.elapsed() >= TASKS {
                (task, asked_tasks) = (self.newest_task(id, before)?, Instant::now());
                // When a task reports the end, the image shows the result.
                image = self.image_that_is_there(id)?;
                verdict = judge(&image, task.as_ref(), copies, began);
            }
            match verdict {
                Verdict::Done if image.status == "active" => return Ok(image),
                Verdict::Done => return Err(ImportError::Status { status: image.status }),
                Verdict::Failed(message) => return Err(ImportError::Failed { method: method.name(), message }),
                Verdict::Running => {}
            }
            began |= image.status == "importing";
            progress = seen_progress(progress, &image, task.as_ref());
            (watch.progress)(progress);
            let seen = (image.status.clone(), image.updated_at, image.properties, task.clone());
            if last.as_ref() != Some(&seen) {
                (last, changed, pause) = (Some(seen), Instant::now(), POLL[0]);
            }
            let silence = changed.elapsed();
            if silence >= watch.timeout {
                return Err(ImportError::Stuck { method: method.name(), silence, status: image.status });
            }
            std::thread::sleep(pause);
            pause = (pause * 3 / 2).min(POLL[1]);
        }
    }

    fn image_that_is_there(&self, id: &str) -> Result<Image, ImportError> {
        self.image_by_id(id)?.ok_or_else(|| ImportError::Status { status: "deleted".to_owned() })
    }

    /// Returns the newest task that was not there before the import.
    fn newest_task(&self, id: &str, before: &[Task]) -> Result<Option<Task>, CloudError> {
        let tasks = self.tasks(id)?.into_iter().filter(|task| before.iter().all(|known| known.id != task.id));
        Ok(tasks.max_by(|one, other| one.created_at.cmp(&other.created_at)))
    }
}

/// Returns the names of the stores that `all_stores` means.
pub fn writable(stores: Vec<Store>) -> Vec<String> {
    stores.into_iter().filter(|store| !store.read_only).map(|store| store.id).collect()
}

/// Removes the URL from the service's message. It may contain a password or a signature.
fn without_secrets(error: CloudError, method: &Method) -> CloudError {
    match (error, method) {
        (
            CloudError::Refused { method, url, status, message, request_id, retry_after },
            Method::WebDownload(address),
        ) => {
            let message = message.replace(address.as_str(), "the address");
            CloudError::Refused { method, url, status, message, request_id, retry_after }
        }
        (error, _) => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_not_repeated() {
        let method = Method::WebDownload("https://me:secret@host/file?signature=secret".to_owned());
        let refused = CloudError::Refused {
            method: "POST".to_owned(),
            url: "http://glance/v2/images/1/import".to_owned(),
            status: 400,
            message: "no: https://me:secret@host/file?signature=secret".to_owned(),
            request_id: None,
            retry_after: None,
        };
        assert!(!without_secrets(refused, &method).to_string().contains("secret"));
    }
}
