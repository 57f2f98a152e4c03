//! Reads files of the image with libguestfs.

use super::calls::{MESSAGE_LIMIT, kind_of, refused};
use super::libguestfs::LibguestfsGuest;
use super::{FileKind, GuestError};

impl LibguestfsGuest {
    /// Returns the size of a regular file. Reading anything else could block forever.
    pub(super) fn regular_size(&self, call: &str, path: &str) -> Result<u64, GuestError> {
        let stat = self.call(call, |g| g.statns(path))?;
        match kind_of(stat.st_mode) {
            FileKind::File => Ok(stat.st_size.cast_unsigned()),
            _ => Err(refused(call, "it is not a regular file".to_owned())),
        }
    }

    /// Reads a file of the image.
    pub(super) fn read_file(&self, path: &str, limit: u64) -> Result<Vec<u8>, GuestError> {
        let call = format!("read {path}");
        let size = self.regular_size(&call, path)?;
        if size > limit {
            return Err(refused(&call, format!("it has {size} bytes, more than the {limit} that are allowed")));
        }
        // One message for each part: the call for whole files waits a twentieth of a second for each.
        let part_size = i32::try_from(MESSAGE_LIMIT).unwrap_or(i32::MAX);
        let mut content = Vec::new();
        while (content.len() as u64) < size {
            let offset = i64::try_from(content.len()).unwrap_or(i64::MAX);
            let part = self.call(&call, |g| g.pread(path, part_size, offset))?;
            if part.is_empty() {
                break;
            }
            content.extend(part);
        }
        Ok(content)
    }
}
