//! Why an instance cannot be told what it should be.

use std::path::PathBuf;

/// Most bytes of user data: Nova takes 65535 characters of base64 (`user_data` in
/// `nova/api/openstack/compute/schemas/servers.py`).
pub const MAX_USER_DATA: usize = 65535 / 4 * 3;

/// Why an instance cannot be told what it should be.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Nova would not take it either.
    #[error("the user data has {bytes} bytes; OpenStack takes {MAX_USER_DATA} at most")]
    UserDataTooLong {
        /// How many.
        bytes: usize,
    },
    /// The service cannot listen.
    #[error("cannot start the metadata service on `{}`: {source}", socket.display())]
    Socket {
        /// Where it was to listen.
        socket: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}
