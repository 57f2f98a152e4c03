//! The rule that boot programs for Secure Boot are signed.

use super::view::{Judged, View};
use super::{early, efi};
use crate::recipe::Firmware;
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, each with its judge, in the order of reports.
pub(super) const RULES: Judged = &[(&SECURE_BOOT, secure_boot)];

/// Longest program of UEFI and longest kernel that are read, in bytes.
pub(super) const PROGRAM_LIMIT: u64 = 16 << 20;
pub(super) const KERNEL_LIMIT: u64 = 128 << 20;

pub(super) const SECURE_BOOT: Rule = Rule {
    id: "secure-boot",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "If the image has shim, firmware finds it, and GRUB and the kernel are signed",
    reason: "Firmware with Secure Boot, shim and GRUB each start only signed programs.",
    page: None,
    mend: "add the element `uefi`, and take GRUB and the kernel from the distribution's packages, which are signed",
};

/// Returns the programs whose content is read.
pub(super) fn programs(view: &View) -> Vec<String> {
    let Some(fallback) = efi::fallback(view) else { return Vec::new() };
    efi::grubs(view, &fallback).into_iter().chain([fallback]).collect()
}

/// Returns the kernel whose content is read, if the image has a shim.
pub(super) fn kernel(view: &View) -> Option<&str> {
    let claimed = !efi::shims(view).is_empty();
    early::kernel(&view.system).filter(|_| claimed).map(|kernel| kernel.path.as_str())
}

pub(super) fn secure_boot(view: &View) -> Finding {
    if !view.system.boot.firmware.contains(&Firmware::Uefi) {
        return SECURE_BOOT.skipped("the disk is not for UEFI");
    }
    let shims = efi::shims(view);
    if shims.is_empty() {
        return SECURE_BOOT.skipped("there is no shim: the image does not promise it");
    }
    let Some(fallback) = efi::fallback(view) else {
        return SECURE_BOOT.failed(["\\EFI\\BOOT has nothing that firmware would start"]);
    };
    let mut against = Vec::new();
    if !efi::has_shim(view) {
        let grub = efi::grubs(view, &fallback);
        against.push(match grub.is_empty() {
            true => format!("there is no GRUB that {fallback} would start"),
            false => format!("{fallback} is not {}", shims.join(" or ")),
        });
    }
    let mut seen = Vec::new();
    for path in programs(view).into_iter().chain(kernel(view).map(str::to_owned)) {
        match view.tree.bytes(&path) {
            Ok(bytes) => match is_signed(bytes.unwrap_or_default()) {
                Some(true) => seen.push(format!("{path} is signed")),
                Some(false) => against.push(format!("{path} has no signature")),
                None => against.push(format!("{path} is no program for UEFI")),
            },
            Err(error) => against.push(format!("{path}: {error}")),
        }
    }
    if against.is_empty() { SECURE_BOOT.passed(seen) } else { SECURE_BOOT.failed(against) }
}

/// Returns whether a program has a signature; `None` if it is no UEFI program. Only a boot shows whether firmware accepts the
/// signature. Offsets: Microsoft's "PE Format", headers and "The Attribute Certificate Table".
pub(super) fn is_signed(bytes: &[u8]) -> Option<bool> {
    let le16 = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?));
    let le32 = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize);
    let header = le32(0x3c)?;
    if !bytes.starts_with(b"MZ") || bytes.get(header..header.checked_add(4)?)? != b"PE\0\0" {
        return None;
    }
    let optional = header + 24;
    let directories = optional
        + match le16(optional)? {
            0x10b => 96,
            0x20b => 112,
            _ => return None,
        };
    // The fifth directory is the table of signatures. Unlike the others, it has an offset in the file.
    if le32(directories - 4)? < 5 {
        return Some(false);
    }
    let (at, size) = (le32(directories + 32)?, le32(directories + 36)?);
    let whole = at.checked_add(size).is_some_and(|end| end <= bytes.len());
    // A signature is longer than its header, and has the type PKCS_SIGNED_DATA.
    Some(whole && size > 8 && le32(at).is_some_and(|length| (9..=size).contains(&length)) && le16(at + 6) == Some(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a UEFI program with a table of signatures at this place.
    fn program(at: u32, size: u32) -> Vec<u8> {
        let mut bytes = vec![0; 512];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x40;
        bytes[0x40..0x44].copy_from_slice(b"PE\0\0");
        bytes[0x58..0x5a].copy_from_slice(&0x20b_u16.to_le_bytes());
        let directories = 0x58 + 112;
        bytes[directories - 4] = 16;
        bytes[directories + 32..directories + 36].copy_from_slice(&at.to_le_bytes());
        bytes[directories + 36..directories + 40].copy_from_slice(&size.to_le_bytes());
        // A signature of 64 bytes.
        bytes[400] = 64;
        bytes[406] = 2;
        bytes
    }

    #[test]
    fn signatures_are_found_where_the_header_says() {
        assert_eq!(is_signed(&program(400, 64)), Some(true));
        for (at, size) in [(0, 0), (400, 8), (400, 113), (401, 64), (u32::MAX, u32::MAX), (400, 32)] {
            assert_eq!(is_signed(&program(at, size)), Some(false), "{at} {size}");
        }
        let mut few = program(400, 64);
        few[0x58 + 108] = 4;
        assert_eq!(is_signed(&few), Some(false));
        let whole = program(400, 64);
        for end in 0..whole.len() {
            assert_ne!(is_signed(&whole[..end]), Some(true).filter(|_| end < 464), "{end}");
        }
        assert_eq!(is_signed(b"\x1f\x8b"), None);
        assert_eq!(is_signed(&[&b"MZ"[..], &[0xff; 100]].concat()), None);
    }
}
