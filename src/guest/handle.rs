//! The libguestfs handle: the crate's calls, with what the crate leaves out.
//!
//! The crate hides `errno`, panics on an error text that is not UTF-8 (a hostile disk can cause one) and
//! leaves the library's habit of writing to standard error as it is. An error handler of our own
//! mends all three: the library calls it instead of printing, before the crate reads the text.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fmt;
use std::ptr;

/// `GUESTFS_EVENT_WARNING`: printed by the library unless somebody listens.
const EVENT_WARNING: u64 = 0x0200;

type ErrorHandler = extern "C" fn(*mut c_void, *mut c_void, *const c_char);
type EventHandler = extern "C" fn(*mut c_void, *mut c_void, u64, c_int, c_int, *const c_char, usize, *const u64, usize);

#[link(name = "guestfs")]
unsafe extern "C" {
    fn guestfs_last_error(handle: *mut c_void) -> *const c_char;
    fn guestfs_last_errno(handle: *mut c_void) -> c_int;
    fn guestfs_set_error_handler(handle: *mut c_void, handler: Option<ErrorHandler>, data: *mut c_void);
    fn guestfs_set_event_callback(
        handle: *mut c_void,
        handler: EventHandler,
        events: u64,
        flags: c_int,
        data: *mut c_void,
    ) -> c_int;
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// What the library or the appliance says.
    pub(super) text: String,
    /// The system's error number, 0 where the appliance gave none.
    pub(super) errno: i32,
}

impl Failure {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), errno: 0 }
    }

    /// Whether a file system of the image was full. Programs of the appliance say it in words only.
    pub(super) fn is_no_space(&self) -> bool {
        self.errno == rustix::io::Errno::NOSPC.raw_os_error() || self.text.contains("No space left on device")
    }

    /// Whether there is nothing at the path.
    pub(super) fn is_not_found(&self) -> bool {
        [rustix::io::Errno::NOENT, rustix::io::Errno::NOTDIR].iter().any(|errno| errno.raw_os_error() == self.errno)
    }
}

/// An open handle. Closing it ends QEMU and removes what the library put on the host.
pub(super) struct Handle {
    inner: guestfs::Handle,
    raw: *mut c_void,
}

impl Handle {
    /// Opens a handle that prints nothing.
    pub(super) fn create() -> Result<Self, Failure> {
        let inner = guestfs::Handle::create().map_err(|_| Failure::new("out of memory"))?;
        let pointer = inner.c_pointer().map_err(|_| Failure::new("the handle has no address"))?;
        let raw = ptr::with_exposed_provenance_mut(usize::try_from(pointer).unwrap_or_default());
        // SAFETY: `raw` is the open handle; the handlers are functions, which live for ever, and take no data.
        let registered = unsafe {
            guestfs_set_error_handler(raw, Some(keep_ascii), ptr::null_mut());
            guestfs_set_event_callback(raw, ignore_warning, EVENT_WARNING, 0, ptr::null_mut())
        };
        if registered == -1 {
            return Err(Failure::new("cannot silence warnings"));
        }
        Ok(Self { inner, raw })
    }

    /// Makes a call.
    pub(super) fn call<T>(
        &self,
        call: impl FnOnce(&guestfs::Handle) -> Result<T, guestfs::Error>,
    ) -> Result<T, Failure> {
        call(&self.inner).map_err(|error| match error {
            guestfs::Error::IllegalString(_) => Failure::new("an argument contains a zero byte"),
            guestfs::Error::Utf8Error(_) => Failure::new("the answer, such as a file's name, is not UTF-8"),
            guestfs::Error::API(_) | guestfs::Error::Create => self.last_failure(),
        })
    }

    /// Runs a shell script in the appliance, outside the image, and returns what it prints.
    pub(super) fn appliance(&self, script: &str) -> Result<String, Failure> {
        // Linux takes no longer argument, and the shell gets the script as one.
        const ARGUMENT_LIMIT: usize = 128 * 1024 - 1;
        if script.len() > ARGUMENT_LIMIT {
            return Err(Failure::new("arguments and environment are longer than 128 KiB together"));
        }
        self.call(|g| g.debug("sh", &[script]))
    }

    fn last_failure(&self) -> Failure {
        // SAFETY: the handle is open; the text is valid until the next call and copied at once.
        unsafe {
            let text = guestfs_last_error(self.raw);
            if text.is_null() {
                return Failure::new("no reason given");
            }
            let text = CStr::from_ptr(text).to_string_lossy().trim_end().to_owned();
            Failure { text, errno: guestfs_last_errno(self.raw) }
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.raw).finish()
    }
}

/// Replaces what is not ASCII in the text of the last error, which the crate would panic on.
extern "C" fn keep_ascii(handle: *mut c_void, _data: *mut c_void, _message: *const c_char) {
    // SAFETY: the library stores the text, in memory of its own that only this thread reads, before it
    // calls the error handler; overwriting bytes other than the terminating zero keeps it a string.
    unsafe {
        let mut byte = guestfs_last_error(handle).cast_mut().cast::<u8>();
        while !byte.is_null() && *byte != 0 {
            if !byte.read().is_ascii() {
                byte.write(b'?');
            }
            byte = byte.add(1);
        }
    }
}

extern "C" fn ignore_warning(
    _: *mut c_void,
    _: *mut c_void,
    _: u64,
    _: c_int,
    _: c_int,
    _: *const c_char,
    _: usize,
    _: *const u64,
    _: usize,
) {
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_with_their_number_and_without_bytes_that_are_not_text() {
        let handle = Handle::create().expect("libguestfs is installed");
        let failure = handle.call(|g| g.add_drive("/nonexistent/\u{e4}", guestfs::AddDriveOptArgs::default()));
        let failure = failure.expect_err("no such drive");
        assert!(failure.text.contains("/nonexistent/??"), "{}", failure.text);
        assert!(failure.is_not_found(), "{failure:?}");
        assert!(!failure.is_no_space());
    }

    #[test]
    fn zero_bytes_and_endless_scripts_are_refused() {
        let handle = Handle::create().expect("libguestfs is installed");
        let failure = handle.appliance("echo \0").expect_err("zero byte");
        assert!(failure.text.contains("zero byte"), "{}", failure.text);
        let failure = handle.appliance(&"x".repeat(1 << 20)).expect_err("too long");
        assert!(failure.text.contains("128 KiB"), "{}", failure.text);
    }
}
