//! The failure of a call of libguestfs.

/// The failure of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::guest) struct Failure {
    /// The message of the library or the appliance.
    pub(in crate::guest) text: String,
    /// The system's error number; 0 if the appliance gave none.
    pub(in crate::guest) errno: i32,
}

impl Failure {
    pub(in crate::guest) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), errno: 0 }
    }

    /// Returns whether a file system of the image was full. Programs of the appliance report this only as text.
    pub(in crate::guest) fn is_no_space(&self) -> bool {
        self.errno == rustix::io::Errno::NOSPC.raw_os_error() || self.text.contains("No space left on device")
    }

    /// Returns whether the path does not exist.
    pub(in crate::guest) fn is_not_found(&self) -> bool {
        [rustix::io::Errno::NOENT, rustix::io::Errno::NOTDIR].iter().any(|errno| errno.raw_os_error() == self.errno)
    }
}
