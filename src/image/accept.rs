//! Checks whether OpenStack would accept an image file.
//!
//! Glance inspects an upload with `container_format=bare`, and Nova inspects its download. Both use oslo.utils
//! (`imageutils/format_inspector.py`, version 10). The content must have exactly one known format, the image's `disk_format`, and
//! pass the safety checks of that format. This module has the same rules; `tests/fast/image_read/oslo.rs` compares them with the
//! original. `virt/images.py` of Nova has further rules.

use std::fs::File;
use std::io;
use std::path::Path;

use serde::Serialize;

use super::Format;
use super::probe::{self, Kind};
use super::read::fields::Fields;
use crate::fsx::{IoContext as _, PathError};

/// A service that inspects images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// The image service.
    Glance,
    /// The compute service, with libvirt.
    Nova,
}

/// The decision of one service about a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    /// The service.
    pub service: Service,
    /// The `disk_format` for an upload of the file: the format of its content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_format: Option<&'static str>,
    /// Whether the service accepts the file.
    pub accepted: bool,
    /// One sentence for each rule that the file breaks, or one that says that it breaks none.
    pub reasons: Vec<String>,
}

/// Returns the decision of each service about a file.
pub fn accept(path: &Path) -> Result<[Verdict; 2], PathError> {
    let file = File::open(path).at(path)?;
    let kind = probe::identify(&file).at(path)?;
    let found = inspect(&file).at(path)?;
    Ok([Service::Glance, Service::Nova].map(|service| judge(service, kind, &found)))
}

/// The findings of oslo.utils' inspectors about a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Found {
    /// Names of the formats whose inspectors recognize the file; empty for raw.
    formats: Vec<&'static str>,
    /// Safety checks that fail.
    failures: Vec<String>,
}

fn judge(service: Service, kind: Kind, found: &Found) -> Verdict {
    let claimed = match kind {
        Kind::Disk(format) => format.traits().glance.map(|(disk, _)| disk),
        Kind::Unknown => Some("raw"),
        Kind::Packed(_) => None,
        Kind::Other(_) if found.formats.contains(&"iso") => Some("iso"),
        Kind::Other(_) => None,
    };
    let Some(disk_format) = claimed else {
        let reason = match kind {
            Kind::Packed(codec) => format!("it is a {} file; a cloud boots disks, so unpack it first", codec.name()),
            Kind::Other(other) => format!("it is {}", other.what),
            Kind::Disk(_) | Kind::Unknown => "its format has no name in the image service".to_owned(),
        };
        return Verdict { service, disk_format: None, accepted: false, reasons: vec![reason] };
    };
    let mut reasons = Vec::new();
    // A medium that boots has a boot sector too.
    let formats: Vec<_> = match found.formats.as_slice() {
        ["iso", "gpt"] => vec!["iso"],
        formats => formats.to_vec(),
    };
    match formats.as_slice() {
        [] if disk_format == "raw" => {}
        ["gpt"] if disk_format == "raw" => {}
        [one] if *one == disk_format => {}
        // Known by its first bytes only, which a fixed VHD has at its end.
        [] | ["gpt"] if disk_format == "vhd" => reasons.push(
            "it is a fixed VHD, which OpenStack recognizes as `raw`, not as `vhd`; use `raw`, which is the same disk, or a \
             dynamic VHD"
                .to_owned(),
        ),
        [] => reasons.push(format!("its content is not recognized as `{disk_format}`")),
        [one] => reasons.push(format!("its content is recognized as `{one}`, not as `{disk_format}`")),
        several => reasons.push(format!("its content looks like several formats at once: {}", several.join(", "))),
    }
    reasons.extend(found.failures.iter().cloned());
    if service == Service::Nova && disk_format == "vhd" {
        reasons.push("qemu-img calls the format `vpc`, which Nova's libvirt driver does not take as `vhd`".to_owned());
    }
    let accepted = reasons.is_empty();
    if accepted {
        reasons.push(format!("its content has the format `{disk_format}`, and it passes all safety checks"));
    }
    Verdict { service, disk_format: Some(disk_format), accepted, reasons }
}

/// Inspects a file as oslo.utils does. The findings of an inspector count only if its format matches.
fn inspect(file: &File) -> io::Result<Found> {
    let head = Fields::read(file, 0, 34 << 10)?;
    let is_long = head.bytes().len() >= 512;
    let starts = |magic: &[u8]| head.bytes().starts_with(magic);
    let mut found = Found::default();
    for format in Format::all() {
        let (Some(reader), Some((name, _))) = (format.reader(), format.traits().glance) else { continue };
        if let Some(failures) = reader.inspect_as_openstack(&head, file)? {
            found.formats.push(name);
            found.failures.extend(failures);
        }
    }
    for (name, is_so) in
        [("luks", starts(b"LUKS\xba\xbe")), ("iso", matches!(head.slice(32_769, 5), b"CD001" | b"NSR02" | b"NSR03"))]
    {
        if is_so {
            found.formats.push(name);
        }
    }
    if is_long && starts(b"QED\0") {
        found.formats.push("qed");
        found.fail("the format QED is not allowed");
    }
    let is_fat = head.u8(0x10) == 2 && head.u8(0x15) == 0xf8;
    if is_long && head.slice(510, 2) == [0x55, 0xaa] && !is_fat {
        found.formats.push("gpt");
        // On a medium that boots, oslo.utils checks only the file system.
        if !found.formats.contains(&"iso") {
            found.boot_record(&head);
        }
    }
    Ok(found)
}

impl Found {
    fn fail(&mut self, reason: impl Into<String>) {
        self.failures.push(reason.into());
    }

    /// Checks the four entries of the boot record; see the UEFI specification, 5.2.3, for the entry that protects a GPT.
    fn boot_record(&mut self, head: &Fields) {
        let mut used = Vec::new();
        let mut protects = false;
        for (index, at) in (0..4).map(|index| (index, 446 + index * 16)) {
            let kind = head.u8(at + 4);
            if !matches!(head.u8(at), 0 | 0x80) {
                self.fail(format!("entry {index} of its boot record has an invalid boot flag"));
                return;
            }
            if kind != 0 {
                used.push(index);
            }
            if kind == 0xee {
                protects = true;
                if head.slice(at + 1, 3) != [0, 2, 0] {
                    self.fail("the entry of its boot record that protects the GPT does not begin at 0/0/2, as old programs do not write it");
                    return;
                }
                if head.le32(at + 8) != 1 {
                    self.fail("the entry of its boot record that protects the GPT does not begin at sector 1");
                    return;
                }
            }
        }
        if protects && used != [0] {
            self.fail("its boot record has more than the entry that protects the GPT (a hybrid boot record)");
        } else if used.is_empty() {
            self.fail("its boot record has no partition");
        }
    }
}
