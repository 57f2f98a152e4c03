//! An open handle of libguestfs, and its errors.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use super::failure::Failure;

/// The event `GUESTFS_EVENT_WARNING`. The library prints warnings unless a callback receives them.
const EVENT_WARNING: u64 = 0x0200;

/// The type `guestfs_h`, whose content only the library knows.
#[repr(C)]
pub(super) struct Opaque {
    _private: [u8; 0],
}

type ErrorHandler = unsafe extern "C" fn(*mut Opaque, *mut c_void, *const c_char);
type EventHandler =
    unsafe extern "C" fn(*mut Opaque, *mut c_void, u64, c_int, c_int, *const c_char, usize, *const u64, usize);

#[link(name = "guestfs")]
unsafe extern "C" {
    fn guestfs_create() -> *mut Opaque;
    fn guestfs_close(g: *mut Opaque);
    fn guestfs_last_error(g: *mut Opaque) -> *const c_char;
    fn guestfs_last_errno(g: *mut Opaque) -> c_int;
    fn guestfs_set_error_handler(g: *mut Opaque, cb: Option<ErrorHandler>, opaque: *mut c_void);
    fn guestfs_set_event_callback(
        g: *mut Opaque,
        cb: EventHandler,
        event_bitmask: u64,
        flags: c_int,
        opaque: *mut c_void,
    ) -> c_int;
}

/// The functions above as `guestfs.h` declares them.
#[cfg(test)]
pub(super) const DECLARED: [&str; 6] = [
    "guestfs_h *guestfs_create (void)",
    "void guestfs_close (guestfs_h *g)",
    "const char *guestfs_last_error (guestfs_h *g)",
    "int guestfs_last_errno (guestfs_h *g)",
    "void guestfs_set_error_handler (guestfs_h *g, guestfs_error_handler_cb cb, void *opaque)",
    "int guestfs_set_event_callback (guestfs_h *g, guestfs_event_callback cb, uint64_t event_bitmask, int flags, void *opaque)",
];

/// An open handle. Closing it ends QEMU and removes the library's files on the host.
///
/// Its pointer keeps it in the thread that opened it: the error is read after the call that failed, and a call of another thread
/// in between would replace it.
#[derive(Debug)]
pub(in crate::guest) struct Handle {
    raw: NonNull<Opaque>,
}

impl Handle {
    /// Opens a handle that prints nothing.
    pub(in crate::guest) fn create() -> Result<Self, Failure> {
        // SAFETY: the function has no conditions.
        let raw = NonNull::new(unsafe { guestfs_create() });
        let handle = Self { raw: raw.ok_or_else(|| Failure::new("out of memory"))? };
        // SAFETY: the handle is open; no handler of errors is one that does nothing; the other one is a function, which
        // lives for ever, and takes no data.
        let registered = unsafe {
            guestfs_set_error_handler(handle.raw(), None, ptr::null_mut());
            guestfs_set_event_callback(handle.raw(), ignore_warning, EVENT_WARNING, 0, ptr::null_mut())
        };
        if registered == -1 { Err(handle.last_failure()) } else { Ok(handle) }
    }

    /// Returns the handle for calls. It is open as long as `self` exists.
    pub(super) fn raw(&self) -> *mut Opaque {
        self.raw.as_ptr()
    }

    /// Returns the reason why the last call failed.
    pub(super) fn last_failure(&self) -> Failure {
        // SAFETY: the handle is open; the text is valid until the next call and copied at once.
        unsafe {
            let text = guestfs_last_error(self.raw());
            if text.is_null() {
                return Failure::new("no reason given");
            }
            // A hostile disk can cause a message that is not UTF-8.
            let text = CStr::from_ptr(text).to_string_lossy().trim_end().to_owned();
            Failure { text, errno: guestfs_last_errno(self.raw()) }
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: it was open, and nobody has it after this.
        unsafe { guestfs_close(self.raw()) }
    }
}

extern "C" fn ignore_warning(
    _: *mut Opaque,
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
