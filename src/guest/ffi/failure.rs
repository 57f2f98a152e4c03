//! Why a call failed.

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::guest) struct Failure {
    /// What the library or the appliance says.
    pub(in crate::guest) text: String,
    /// The system's error number, 0 where the appliance gave none.
    pub(in crate::guest) errno: i32,
}

impl Failure {
    pub(in crate::guest) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), errno: 0 }
    }

    /// Whether a file system of the image was full. Programs of the appliance say it in words only.
    pub(in crate::guest) fn is_no_space(&self) -> bool {
        self.errno == rustix::io::Errno::NOSPC.raw_os_error() || self.text.contains("No space left on device")
    }

    /// Whether there is nothing at the path.
    pub(in crate::guest) fn is_not_found(&self) -> bool {
        [rustix::io::Errno::NOENT, rustix::io::Errno::NOTDIR].iter().any(|errno| errno.raw_os_error() == self.errno)
    }
}
