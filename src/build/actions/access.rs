//! Converts access control lists of files to the texts that a tar file has for them.

use std::fmt::Write as _;

/// Tags of entries (`linux/posix_acl.h`), and the length of one (`linux/posix_acl_xattr.h`) after four bytes of version.
const OWNER: u16 = 0x01;
const USER: u16 = 0x02;
const GROUP: u16 = 0x04;
const NAMED_GROUP: u16 = 0x08;
const MASK: u16 = 0x10;
const OTHER: u16 = 0x20;
const ENTRY: usize = 8;

/// Keyword by which a tar file has the list that an extended attribute of this name is. As a text, it makes tar take lists
/// away from files that have none: they would get one from a directory with a default list.
pub(super) fn keyword(attribute: &str) -> Option<&'static str> {
    match attribute {
        "system.posix_acl_access" => Some("SCHILY.acl.access"),
        "system.posix_acl_default" => Some("SCHILY.acl.default"),
        _ => None,
    }
}

/// A list as acl_from_text(3) reads it. With a mode, it allows the owner, the group and others what that does, as after
/// chmod(2): where there is a mask, it is that which limits groups and named users. `None` if it is no list.
pub(super) fn text(list: &[u8], mode: Option<u32>) -> Option<String> {
    let entries = list.get(4..).filter(|entries| entries.len() % ENTRY == 0)?.chunks_exact(ENTRY);
    let tag = |entry: &[u8]| u16::from_le_bytes([entry[0], entry[1]]);
    let masked = entries.clone().any(|entry| tag(entry) == MASK);
    let mut text = String::new();
    for entry in entries {
        let id = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        let (name, given) = match tag(entry) {
            OWNER => ("user:".to_owned(), mode.map(|mode| mode >> 6)),
            USER => (format!("user:{id}"), None),
            GROUP => ("group:".to_owned(), mode.filter(|_| !masked).map(|mode| mode >> 3)),
            NAMED_GROUP => (format!("group:{id}"), None),
            MASK => ("mask:".to_owned(), mode.map(|mode| mode >> 3)),
            OTHER => ("other:".to_owned(), mode),
            _ => return None,
        };
        let rights = given.unwrap_or(u32::from(entry[2]));
        let shown = [(4, 'r'), (2, 'w'), (1, 'x')].map(|(bit, letter)| if rights & bit == 0 { '-' } else { letter });
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}:{}", shown.iter().collect::<String>());
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_texts_and_a_mode_is_in_them() {
        let mut list = vec![2, 0, 0, 0];
        for (tag, rights, id) in [
            (OWNER, 7u16, u32::MAX),
            (USER, 6, 1234),
            (GROUP, 5, u32::MAX),
            (NAMED_GROUP, 1, 8),
            (MASK, 4, u32::MAX),
            (OTHER, 0, u32::MAX),
        ] {
            list.extend(tag.to_le_bytes());
            list.extend(rights.to_le_bytes());
            list.extend(id.to_le_bytes());
        }
        let whole = "user::rwx\nuser:1234:rw-\ngroup::r-x\ngroup:8:--x\nmask::r--\nother::---\n";
        assert_eq!(text(&list, None).as_deref(), Some(whole));
        let with_mode = "user::rw-\nuser:1234:rw-\ngroup::r-x\ngroup:8:--x\nmask::---\nother::r--\n";
        assert_eq!(text(&list, Some(0o604)).as_deref(), Some(with_mode));
        assert_eq!(text(&list[..list.len() - 1], None), None);
        assert_eq!(text(&[], None), None);
    }
}
