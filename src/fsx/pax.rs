//! Extended headers of tar files (POSIX.1-2001, pax).

use std::collections::BTreeMap;

/// Reads the records of an extended header, of the form `LENGTH KEYWORD=VALUE` and a newline. The length counts the whole record.
/// Returns `None` if a record is malformed.
///
/// A value may have any byte. `tar::PaxExtensions` splits records at newlines, which extended attributes and access control lists
/// have.
pub(crate) fn records(mut bytes: &[u8]) -> Option<BTreeMap<Vec<u8>, Vec<u8>>> {
    let mut records = BTreeMap::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(&bytes[..space]).ok()?.parse().ok()?;
        if length <= space + 1 || length > bytes.len() || bytes[length - 1] != b'\n' {
            return None;
        }
        let record = &bytes[space + 1..length - 1];
        let equals = record.iter().position(|byte| *byte == b'=')?;
        records.insert(record[..equals].to_vec(), record[equals + 1..].to_vec());
        bytes = &bytes[length..];
    }
    Some(records)
}
