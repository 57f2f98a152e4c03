//! The largest size of a disk that readers accept.

use crate::units::ByteSize;

/// Largest size of a disk that Goldsmith accepts, in bytes: 64 TiB.
pub const MAX_SIZE: u64 = 64 << 40;

/// Says why a size is not accepted, or returns `None`.
pub(in crate::image) fn bad_size(bytes: u64) -> Option<String> {
    if bytes == 0 {
        return Some("the disk in it has no bytes".to_owned());
    }
    (bytes > MAX_SIZE).then(|| format!("its virtual size of {} exceeds the limit of 64 TiB", ByteSize::bytes(bytes)))
}
