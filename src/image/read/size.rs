//! Sizes of disks that are believed.

use crate::units::ByteSize;

/// Largest disk that is believed, in bytes: 64 TiB.
pub const MAX_SIZE: u64 = 64 << 40;

/// Why a disk of so many bytes is not believed.
pub(super) fn bad_size(bytes: u64) -> Option<String> {
    if bytes == 0 {
        return Some("the disk in it has no bytes".to_owned());
    }
    (bytes > MAX_SIZE).then(|| format!("its virtual size of {} is beyond all reason", ByteSize::bytes(bytes)))
}
