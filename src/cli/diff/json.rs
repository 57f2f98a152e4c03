//! The result of `goldsmith diff --json`.

use std::io::Write;
use std::path::Path;

use serde::ser::{Error as _, SerializeMap as _, SerializeSeq as _};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::cli::failure::{Failure, FailureKind};
use crate::diff::{Change, Difference, How, SECTIONS, Snapshot};

/// Version of the form of the result.
const FORMAT: u32 = 1;

/// Writes the difference as one object on a line. There may be many changes, so it is never whole in memory.
pub(super) fn write(
    difference: &Difference<'_>,
    images: [(&Path, &Snapshot); 2],
    content: bool,
    mut out: impl Write,
) -> Result<(), Failure> {
    let report = Report { difference, images, content };
    let mut written = serde_json::to_writer(&mut out, &report);
    if written.is_ok() {
        written = out.write_all(b"\n").and_then(|()| out.flush()).map_err(serde_json::Error::io);
    }
    match written {
        // A reader that went away, as `head` does, is no failure.
        Err(error) if !error.is_io() => Err(Failure::of(FailureKind::Host, error.to_string())),
        _ => Ok(()),
    }
}

struct Report<'a> {
    difference: &'a Difference<'a>,
    images: [(&'a Path, &'a Snapshot); 2],
    content: bool,
}

impl Serialize for Report<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let image = |(path, snapshot): (&Path, &Snapshot)| {
            let (size, files) = (snapshot.size, snapshot.files.len());
            json!({ "file": path.to_string_lossy(), "size": size, "files": files, "notes": snapshot.notes })
        };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", &FORMAT)?;
        map.serialize_entry("same", &self.difference.is_empty())?;
        map.serialize_entry("before", &image(self.images[0]))?;
        map.serialize_entry("after", &image(self.images[1]))?;
        for name in SECTIONS {
            let section = self.difference.sections.iter().find(|section| section.name == name);
            let changes = section.map(|section| section.changes.as_slice()).unwrap_or_default();
            map.serialize_entry(name, &changes.iter().map(|change| Line::new(change, None)).collect::<Vec<_>>())?;
        }
        map.serialize_entry("files", &Files(self))?;
        map.end()
    }
}

/// One change.
#[derive(Serialize)]
struct Line<'a> {
    name: &'a str,
    change: How,
    before: &'a Option<Map<String, Value>>,
    after: &'a Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    diff: Option<String>,
}

impl<'a> Line<'a> {
    fn new(change: &'a Change, diff: Option<String>) -> Self {
        Self { name: &change.name, change: change.how(), before: &change.before, after: &change.after, diff }
    }
}

struct Files<'a>(&'a Report<'a>);

impl Serialize for Files<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Report { difference, images: [(_, before), (_, after)], content } = self.0;
        let mut list = serializer.serialize_seq(Some(difference.files.len()))?;
        for change in &difference.files {
            let diff = if *content { change.content(&before.archive, &after.archive) } else { Ok(None) };
            list.serialize_element(&Line::new(&change.detailed(), diff.map_err(S::Error::custom)?))?;
        }
        list.end()
    }
}
