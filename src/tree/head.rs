//! Beginnings of files, which tell what a system is.

use std::io::{self, Read};

/// Longest text that describes a system, in bytes. os-release files have some hundred.
const TEXT: u64 = 64 << 10;

/// Bytes of the header of a program up to its architecture, with it.
const HEADER: usize = 20;

/// Returns whether a file may be the text that describes the system (os-release(5)).
pub(super) fn is_text(path: &[u8], size: u64) -> bool {
    size <= TEXT && path.windows(10).any(|part| part == b"os-release")
}

/// Reads the beginning of a file: its architecture, if it is a program (elf(5)), and its text.
pub(super) fn head_of(data: &mut dyn Read, is_text: bool) -> io::Result<(Option<u16>, Option<Vec<u8>>)> {
    let mut head = Vec::new();
    data.take(if is_text { TEXT } else { HEADER as u64 }).read_to_end(&mut head)?;
    let is_program = head.starts_with(b"\x7fELF") && head.len() >= HEADER;
    // Both architectures that images can have are little-endian.
    let machine = is_program.then(|| u16::from_le_bytes([head[18], head[19]]));
    Ok((machine, is_text.then_some(head)))
}
