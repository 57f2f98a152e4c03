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

use super::probe::{self, Kind};
use super::read::fields::Fields;
use super::read::vmdk::Descriptor;
use super::read::{qcow2, vdi, vhd, vhdx, vmdk};
use crate::fsx::{IoContext as _, PathError};
use crate::text::printable;

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
        Kind::Disk(format) => format.facts().glance.map(|(disk, _)| disk),
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
    if is_long && starts(qcow2::MAGIC) {
        found.formats.push("qcow2");
        found.qcow2(&head);
    }
    if starts(vmdk::MAGIC) {
        found.formats.push("vmdk");
        found.vmdk(file)?;
    } else if is_descriptor(head.slice(0, 512)) {
        found.formats.push("vmdk");
        found.descriptor(Some(&Descriptor::read(file, 0, 64 << 10)?), &Fields::read(file, 0, 64 << 10)?);
    }
    for (name, is_so) in [
        ("vhd", starts(vhd::COOKIE)),
        ("vhdx", starts(vhdx::MAGIC)),
        ("vdi", is_long && head.le32(vdi::SIGNATURE_AT) == vdi::SIGNATURE),
        ("luks", starts(b"LUKS\xba\xbe")),
        ("iso", matches!(head.slice(32_769, 5), b"CD001" | b"NSR02" | b"NSR03")),
    ] {
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

/// Returns whether the text is a VMDK descriptor: it has the key `createType`.
fn is_descriptor(head: &[u8]) -> bool {
    let is_text = head.iter().all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
    is_text && head.to_ascii_lowercase().windows(12).any(|part| part == b"createtype=\"")
}

impl Found {
    fn fail(&mut self, reason: impl Into<String>) {
        self.failures.push(reason.into());
    }

    fn qcow2(&mut self, head: &Fields) {
        if head.be64(8) != 0 {
            self.fail("it has a backing file");
        }
        // oslo.utils checks the feature bits in every version.
        let features = head.be64(72);
        if features & 0b100 != 0 {
            self.fail("its data is in another file");
        }
        match head.be32(4) {
            2 => {}
            3 if features >> 4 == 0 => {}
            3 => self.fail("it has a feature of qcow2 that is not allowed, as subclusters are (`extended_l2`)"),
            version => self.fail(format!("qcow2 version {version} is not supported")),
        }
    }

    fn vmdk(&mut self, file: &File) -> io::Result<()> {
        let header = vmdk::Header::read(file, 0)?;
        if !(1..=3).contains(&header.version) {
            self.fail(format!("VMDK version {} is not supported", header.version));
        }
        if header.descriptor_offset != 1 {
            self.fail("its descriptor is not in the second sector");
            return Ok(());
        }
        let length = usize::try_from(header.descriptor_size.saturating_mul(512).min((1 << 20) - 1)).unwrap_or(0);
        self.descriptor(header.descriptor(file)?.as_ref(), &Fields::read(file, 512, length)?);
        if header.has_footer() {
            self.footer(file, &header)?;
        }
        Ok(())
    }

    fn descriptor(&mut self, descriptor: Option<&Descriptor>, fields: &Fields) {
        let text = fields.bytes().split(|byte| *byte == 0).next().unwrap_or_default();
        let Some(descriptor) = descriptor.filter(|_| text.is_ascii() && !text.is_empty()) else {
            self.fail("it has no descriptor");
            return;
        };
        let kind = descriptor.create_type.as_deref().unwrap_or_default();
        if !["monolithicSparse", "streamOptimized"].iter().any(|known| kind.eq_ignore_ascii_case(known)) {
            let kind = printable(kind.as_bytes());
            self.fail(format!("its subformat `{kind}` is not supported; monolithicSparse and streamOptimized are"));
            return;
        }
        let text = String::from_utf8_lossy(text).to_ascii_lowercase();
        let mut has_extent = false;
        for line in text.split('\n').map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let is_field = line.split_once('=').is_some_and(|(key, _)| !key.contains(' '));
            if line.starts_with("ddb") || is_field {
                continue;
            }
            if !matches!(line.split(' ').next(), Some("rw" | "rdonly" | "noaccess")) {
                self.fail(format!("its descriptor has the line `{}`", printable(line.as_bytes())));
                return;
            }
            has_extent = true;
            if line.contains('/') {
                self.fail("its descriptor names a file in another directory");
                return;
            }
        }
        if !has_extent {
            self.fail("its descriptor has no extent");
        }
    }

    /// Checks the footer: a marker, a copy of the header, and an end marker.
    fn footer(&mut self, file: &File, header: &vmdk::Header) -> io::Result<()> {
        let length = file.metadata()?.len();
        let footer = vmdk::Header::read_footer(file)?;
        let same = (footer.version, footer.descriptor_offset, footer.descriptor_size)
            == (header.version, header.descriptor_offset, header.descriptor_size);
        if !footer.whole || !same || footer.has_footer() {
            self.fail("its footer contradicts its header");
        }
        let marker = |end: u64| Fields::read(file, length.saturating_sub(end), 512);
        let (first, last) = (marker(1536)?, marker(512)?);
        let is_padded = first.slice(16, 496).iter().all(|byte| *byte == 0);
        if first.le32(8) != 0 || first.le32(12) != 3 || !is_padded {
            self.fail("the marker of its footer is not valid");
        }
        if last.bytes().iter().any(|byte| *byte != 0) {
            self.fail("the marker of its end is not valid");
        }
        Ok(())
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
