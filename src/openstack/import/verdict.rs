//! Judges the state of an import by the image and its newest task.

use serde_json::Value;

use super::task::{Progress, Task};
use crate::openstack::image::Image;
use crate::text::printable;

/// Properties of an image in which Glance reports an import.
const TASK: &str = "os_glance_import_task";
const IMPORTING: &str = "os_glance_importing_to_stores";
pub(super) const FAILED: &str = "os_glance_failed_import";
pub(super) const STORES: &str = "stores";

/// The state of an import.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Running,
    Done,
    Failed(Option<String>),
}

/// Judges an import by its image and its newest task. `copies` are the target stores if the import is a copy. `began` is whether
/// the image was in import before.
pub(super) fn judge(image: &Image, task: Option<&Task>, copies: Option<&[String]>, began: bool) -> Verdict {
    match task.map(|task| (task.status.as_str(), task.message.as_ref())) {
        Some(("success", _)) => return Verdict::Done,
        Some(("failure", message)) => {
            return Verdict::Failed(message.filter(|text| !text.is_empty()).map(|text| printable(text.as_bytes())));
        }
        Some(_) => return Verdict::Running,
        None => {}
    }
    // After some failures, Glance leaves the list of stores unchanged.
    let fell_back = copies.is_none() && began && image.status == "queued";
    if image.properties.contains_key(TASK) || (!names(image, IMPORTING).is_empty() && !fell_back) {
        return Verdict::Running;
    }
    let failed = names(image, FAILED);
    let failure = || Verdict::Failed((!failed.is_empty()).then(|| format!("not in {}", failed.join(", "))));
    match copies {
        Some(copies) if copies.iter().all(|store| names(image, STORES).contains(store)) => Verdict::Done,
        Some(_) if failed.is_empty() => Verdict::Running,
        Some(_) => failure(),
        None => match image.status.as_str() {
            "active" => Verdict::Done,
            "queued" if fell_back || !failed.is_empty() => failure(),
            "queued" | "uploading" | "importing" => Verdict::Running,
            _ => failure(),
        },
    }
}

pub(super) fn seen_progress(before: Progress, image: &Image, task: Option<&Task>) -> Progress {
    let left = names(image, IMPORTING).len() as u64;
    let stores = before.stores.max(left);
    // `Copied N MiB`: glance.async_.flows.api_image_import, `_status_callback`.
    let message = task.and_then(|task| task.message.as_deref()).unwrap_or_default();
    let copied = message.split_whitespace().find_map(|word| word.parse::<u64>().ok()).unwrap_or(0);
    // Until the next store has data, the message is about the one before.
    let copied = if left == stores { copied << 20 } else { 0 };
    Progress { stores, settled: stores - left, copied }
}

/// Returns the names in a property, which the service separates by commas.
pub(super) fn names(image: &Image, property: &str) -> Vec<String> {
    let list = image.properties.get(property).and_then(Value::as_str).unwrap_or_default();
    list.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(status: &str, properties: &Value) -> Image {
        let mut image = json!({ "id": "1", "status": status, "visibility": "private" });
        for (name, value) in properties.as_object().expect("an object") {
            image[name] = value.clone();
        }
        serde_json::from_value(image).expect("an image")
    }

    fn task(status: &str, message: &str) -> Task {
        serde_json::from_value(json!({ "id": "t", "status": status, "message": message })).expect("a task")
    }

    #[test]
    fn tasks_tell_what_has_become_of_an_import() {
        let queued = image("queued", &json!({ FAILED: "slow" }));
        let failed = |message: &str| Verdict::Failed(Some(message.to_owned()));
        assert_eq!(judge(&queued, Some(&task("processing", "")), None, true), Verdict::Running);
        assert_eq!(judge(&queued, Some(&task("failure", "no \u{1b}[1mspace")), None, true), failed("no space"));
        assert_eq!(judge(&queued, Some(&task("failure", "")), None, true), Verdict::Failed(None));
        assert_eq!(judge(&queued, Some(&task("success", "")), None, true), Verdict::Done);
    }

    #[test]
    fn without_tasks_the_image_tells() {
        let (one, two) = (["fast".to_owned()], ["fast".to_owned(), "slow".to_owned()]);
        let not_in = |store: &str| Verdict::Failed(Some(format!("not in {store}")));
        for (status, properties, copies, began, expected) in [
            ("queued", json!({}), None, false, Verdict::Running),
            ("queued", json!({}), None, true, Verdict::Failed(None)),
            ("queued", json!({ FAILED: "slow" }), None, false, not_in("slow")),
            ("queued", json!({ FAILED: "slow", TASK: "t" }), None, true, Verdict::Running),
            ("queued", json!({ IMPORTING: "slow" }), None, true, Verdict::Failed(None)),
            ("uploading", json!({}), None, false, Verdict::Running),
            ("importing", json!({ IMPORTING: "slow" }), None, true, Verdict::Running),
            ("active", json!({ IMPORTING: "slow", STORES: "fast" }), None, true, Verdict::Running),
            ("active", json!({ IMPORTING: "", STORES: "fast,slow" }), None, true, Verdict::Done),
            ("killed", json!({}), None, true, Verdict::Failed(None)),
            ("active", json!({ STORES: "fast" }), Some(&one[..]), false, Verdict::Done),
            ("active", json!({ STORES: "fast" }), Some(&two[..]), false, Verdict::Running),
            ("active", json!({ STORES: "fast", FAILED: "slow" }), Some(&two[..]), false, not_in("slow")),
        ] {
            let judged = judge(&image(status, &properties), None, copies, began);
            assert_eq!(judged, expected, "{status} {properties} {copies:?} {began}");
        }
    }

    #[test]
    fn progress_counts_all_stores() {
        let both = image("importing", &json!({ IMPORTING: "fast,slow" }));
        let first = seen_progress(Progress::default(), &both, Some(&task("processing", "Copied 1 MiB")));
        assert_eq!(first.bytes(4 << 20), (1 << 20, 8 << 20));
        let second = image("importing", &json!({ IMPORTING: "slow" }));
        let second = seen_progress(first, &second, Some(&task("processing", "Copied 4 MiB")));
        assert_eq!(second.bytes(4 << 20), (4 << 20, 8 << 20));
        assert_eq!(Progress::default().bytes(3), (0, 3));
    }
}
