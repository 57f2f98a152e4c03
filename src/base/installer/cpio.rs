//! Appends files to an initial RAM disk, as an archive in the format `newc` of cpio.
//!
//! The kernel unpacks all archives of an initial RAM disk one after the other, packed or not
//! (`Documentation/driver-api/early-userspace/buffer-format.rst`).

use std::io::{self, Write};

/// Boundary at which an archive begins: the kernel wants 4, and skips zeros before it.
const BOUNDARY: u64 = 512;

/// Mode of files: regular, and only root reads them.
const MODE: u32 = 0o100_600;

/// Writes zeros after an initial RAM disk of this length, and then an archive with the files.
pub(super) fn append(length: u64, files: &[(&str, &[u8])], to: &mut impl Write) -> io::Result<()> {
    to.write_all(&vec![0; (length.next_multiple_of(BOUNDARY) - length) as usize])?;
    let mut archive = Vec::new();
    for (number, (name, content)) in files.iter().enumerate() {
        // The kernel takes files with equal numbers for hard links.
        entry(number as u32 + 1, MODE, name, content, &mut archive)?;
    }
    entry(0, 0, "TRAILER!!!", b"", &mut archive)?;
    to.write_all(&archive)
}

fn entry(number: u32, mode: u32, name: &str, content: &[u8], archive: &mut Vec<u8>) -> io::Result<()> {
    let size = u32::try_from(content.len()).map_err(|_| io::Error::other("the file has more than 4 GiB"))?;
    let (links, name_size) = (1, name.len() as u32 + 1);
    // Number, mode, owner, group, links, time, size, four numbers of devices, length of the name, checksum.
    let fields = [number, mode, 0, 0, links, 0, size, 0, 0, 0, 0, name_size, 0];
    archive.extend_from_slice(b"070701");
    for field in fields {
        write!(archive, "{field:08x}")?;
    }
    archive.extend_from_slice(name.as_bytes());
    archive.push(0);
    pad(archive);
    archive.extend_from_slice(content);
    pad(archive);
    Ok(())
}

fn pad(archive: &mut Vec<u8>) {
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the entries of an archive: names, modes and contents.
    fn entries(mut archive: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut found = Vec::new();
        loop {
            let field = |number: usize| {
                let text = std::str::from_utf8(&archive[6 + 8 * number..14 + 8 * number]).expect("digits");
                u32::from_str_radix(text, 16).expect("digits")
            };
            assert_eq!(&archive[..6], b"070701");
            let (mode, size, name_size) = (field(1), field(6) as usize, field(11) as usize);
            let name = String::from_utf8(archive[110..110 + name_size - 1].to_vec()).expect("text");
            if name == "TRAILER!!!" {
                return found;
            }
            let begin = (110 + name_size).next_multiple_of(4);
            found.push((name, mode, archive[begin..begin + size].to_vec()));
            archive = &archive[(begin + size).next_multiple_of(4)..];
        }
    }

    #[test]
    fn an_archive_begins_at_a_boundary_and_holds_the_files() {
        for length in [0, 1, 511, 512, 513] {
            let files: [(&str, &[u8]); 2] = [("preseed.cfg", b"d-i x/y string z\n"), ("b", b"")];
            let mut written = Vec::new();
            append(length, &files, &mut written).expect("memory");
            let zeros = (length.next_multiple_of(512) - length) as usize;
            assert!(written[..zeros].iter().all(|byte| *byte == 0));
            let found = entries(&written[zeros..]);
            let told: Vec<_> =
                files.iter().map(|(name, content)| ((*name).to_owned(), 0o100_600, content.to_vec())).collect();
            assert_eq!(found, told, "{length}");
        }
    }
}
