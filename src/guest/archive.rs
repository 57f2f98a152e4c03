//! Writes all mounted files to one tar file.

use std::path::Path;

use super::calls::refused;
use super::libguestfs::LibguestfsGuest;
use super::{GuestError, script};

/// Smallest and largest size of the disk for an archive, in bytes. The disk is a sparse file, of a length that file systems of
/// hosts support.
const ARCHIVE_MIN: u64 = 256 << 20;
const ARCHIVE_MAX: u64 = 8 << 40;

/// Free bytes on the host below which a full archive is the host's fault.
const HOST_FULL: u64 = 64 << 20;

impl LibguestfsGuest {
    /// Returns the largest possible length of an archive of everything that is mounted: the used bytes, more if the file system
    /// compresses, and the overhead of tar.
    fn archive_limit(&self) -> Result<u64, GuestError> {
        const COMPRESSED: u64 = 4;
        const BESIDE: u64 = 4096;
        let mut limit = ARCHIVE_MIN;
        for path in &self.mounted {
            let stat = self.call(&format!("ask how full {path} is"), |g| g.statvfs(path))?;
            let difference = |all: i64, free: i64| all.saturating_sub(free).max(0).cast_unsigned();
            let used = difference(stat.blocks, stat.bfree).saturating_mul(stat.frsize.cast_unsigned());
            let files = difference(stat.files, stat.ffree);
            limit = used.saturating_mul(COMPRESSED).saturating_add(files.saturating_mul(BESIDE)).saturating_add(limit);
        }
        // With a part of a record at its end, a full disk would look like a broken one.
        Ok(limit.min(ARCHIVE_MAX).next_multiple_of(script::TAR_RECORD))
    }

    /// Implements [`Guest::archive`].
    pub(super) fn archive_tree(&mut self, target: &Path) -> Result<u64, GuestError> {
        const CALL: &str = "archive the root file system";
        let failed = |error: std::io::Error| refused(CALL, format!("{}: {error}", target.display()));
        if self.mounted.is_empty() {
            return Err(refused(CALL, "nothing is mounted".to_owned()));
        }
        let limit = self.archive_limit()?;
        let file = std::fs::File::create(target).map_err(failed)?;
        file.set_len(limit).map_err(failed)?;
        let printed = self.with_scratch(CALL, target, |guest, device| {
            let script = script::archive(device, &guest.mounted);
            guest.appliance(CALL, &script)
        });
        let printed = printed.map_err(|error| match error {
            // The disk of the archive is full, not the image's.
            GuestError::NoSpace { .. } => refused(CALL, archive_full(target, limit)),
            error => error,
        })?;
        let length = script::archive_length(&printed).map_err(|message| refused(CALL, message))?;
        if length > limit {
            return Err(refused(CALL, format!("it has {length} bytes on a disk of {limit}")));
        }
        file.set_len(length).map_err(failed)?;
        Ok(length)
    }
}

/// Returns the reason why an archive had no space.
fn archive_full(target: &Path, limit: u64) -> String {
    let dir = target.parent().unwrap_or(Path::new("/"));
    match crate::fsx::available_bytes(dir) {
        Ok(free) if free < HOST_FULL => format!("no space left on this machine in {}", dir.display()),
        _ => format!(
            "it is longer than {}, much more than is stored: the image has files that are mostly holes; \
             `find / -xdev -size +1G` in it finds them",
            crate::units::ByteSize::bytes(limit)
        ),
    }
}
