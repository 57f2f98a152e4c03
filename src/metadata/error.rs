//! Errors of metadata.

use std::path::PathBuf;

/// Longest user data, in bytes: Nova accepts 65535 characters of base64 (`user_data` in
/// `nova/api/openstack/compute/schemas/servers.py`).
pub const MAX_USER_DATA: usize = 65535 / 4 * 3;

/// An error of metadata.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The user data is longer than Nova accepts.
    #[error("the user data has {bytes} bytes; OpenStack takes {MAX_USER_DATA} at most")]
    UserDataTooLong {
        /// Size of the user data, in bytes.
        bytes: usize,
    },
    /// The service cannot listen on its socket.
    #[error("cannot start the metadata service on `{}`: {source}", socket.display())]
    Socket {
        /// Path of the socket.
        socket: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
}
