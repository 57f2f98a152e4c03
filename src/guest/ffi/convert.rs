//! Converts the arguments and results of libguestfs' calls.
//!
//! Each type knows its name in C, so that a test can compare whole declarations with `guestfs.h`.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::ptr::{self, NonNull};

use super::failure::Failure;

unsafe extern "C" {
    fn free(memory: *mut c_void);
}

/// A type of arguments.
pub(super) trait Pass {
    /// The text before the argument's name in C's declaration.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares it"))]
    const C: &'static str;
    /// The owner of the value during the call.
    type Held;
    /// The value that the call receives.
    type Raw;

    fn hold(self) -> Result<Self::Held, Failure>;

    /// Returns the value for the call, valid as long as `held`.
    fn raw(held: &Self::Held) -> Self::Raw;
}

fn c_string(text: &str) -> Result<CString, Failure> {
    CString::new(text).map_err(|_| Failure::new("an argument contains a zero byte"))
}

impl Pass for &str {
    const C: &'static str = "const char *";
    type Held = CString;
    type Raw = *const c_char;

    fn hold(self) -> Result<CString, Failure> {
        c_string(self)
    }

    fn raw(held: &CString) -> *const c_char {
        held.as_ptr()
    }
}

impl Pass for Option<&str> {
    const C: &'static str = "const char *";
    type Held = Option<CString>;
    type Raw = *const c_char;

    fn hold(self) -> Result<Option<CString>, Failure> {
        self.map(c_string).transpose()
    }

    fn raw(held: &Option<CString>) -> *const c_char {
        held.as_ref().map_or(ptr::null(), |text| text.as_ptr())
    }
}

/// Strings, with a list of their addresses and a null pointer at the end, as C needs it.
#[derive(Debug)]
pub(super) struct Strings {
    _texts: Vec<CString>,
    addresses: Vec<*const c_char>,
}

impl Pass for &[&str] {
    const C: &'static str = "char *const *";
    type Held = Strings;
    type Raw = *const *const c_char;

    fn hold(self) -> Result<Strings, Failure> {
        let texts = self.iter().map(|text| c_string(text)).collect::<Result<Vec<_>, _>>()?;
        let addresses = texts.iter().map(|text| text.as_ptr()).chain([ptr::null()]).collect();
        Ok(Strings { _texts: texts, addresses })
    }

    fn raw(held: &Strings) -> *const *const c_char {
        held.addresses.as_ptr()
    }
}

/// Implements [`Pass`] for numbers, which are passed unchanged.
macro_rules! numbers {
    ($($rust:ty: $raw:ty, $c:literal;)*) => {$(
        impl Pass for $rust {
            const C: &'static str = $c;
            type Held = $raw;
            type Raw = $raw;

            fn hold(self) -> Result<$raw, Failure> {
                Ok(self.into())
            }

            fn raw(held: &$raw) -> $raw {
                *held
            }
        }
    )*};
}

numbers! {
    bool: c_int, "int ";
    i32: c_int, "int ";
    i64: i64, "int64_t ";
}

/// A type of results.
pub(super) trait Answer: Sized {
    /// The text before the call's name in C's declaration.
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares it"))]
    const C: &'static str;
    /// The value that the call returns.
    type Raw;

    /// Takes the result of a call; `None` if it means that the call has failed.
    ///
    /// # Safety
    ///
    /// A call of libguestfs that is declared to return [`Self::C`] has just returned `raw`, which nobody else frees.
    unsafe fn take(raw: Self::Raw) -> Option<Result<Self, Failure>>;
}

/// Implements [`Answer`] for numbers: calls return -1 if they fail.
macro_rules! integers {
    ($($rust:ty: $raw:ty, $c:literal, $convert:expr;)*) => {$(
        impl Answer for $rust {
            const C: &'static str = $c;
            type Raw = $raw;

            unsafe fn take(raw: $raw) -> Option<Result<Self, Failure>> {
                (raw != -1).then(|| Ok($convert(raw)))
            }
        }
    )*};
}

integers! {
    (): c_int, "int ", |_| ();
    bool: c_int, "int ", |raw| raw != 0;
    i32: c_int, "int ", |raw| raw;
    i64: i64, "int64_t ", |raw| raw;
}

impl Answer for String {
    const C: &'static str = "char *";
    type Raw = *mut c_char;

    unsafe fn take(raw: *mut c_char) -> Option<Result<Self, Failure>> {
        // SAFETY: the caller promises it.
        NonNull::new(raw).map(|raw| unsafe { take_text(raw) })
    }
}

impl Answer for Vec<String> {
    const C: &'static str = "char **";
    type Raw = *mut *mut c_char;

    unsafe fn take(raw: *mut *mut c_char) -> Option<Result<Self, Failure>> {
        // SAFETY: the caller promises it.
        NonNull::new(raw).map(|raw| unsafe { take_texts(raw) })
    }
}

/// A list of alternating keys and values.
impl Answer for BTreeMap<String, String> {
    const C: &'static str = "char **";
    type Raw = *mut *mut c_char;

    unsafe fn take(raw: *mut *mut c_char) -> Option<Result<Self, Failure>> {
        // SAFETY: the caller promises it.
        let texts = unsafe { Vec::<String>::take(raw) }?;
        Some(texts.map(|texts| {
            let mut texts = texts.into_iter();
            std::iter::from_fn(|| Some((texts.next()?, texts.next()?))).collect()
        }))
    }
}

/// Copies a string that the library keeps; empty for a null pointer.
///
/// # Safety
///
/// `text` is null, or a string of C that lives during this call.
pub(super) unsafe fn copy_text(text: *const c_char) -> Result<String, Failure> {
    if text.is_null() {
        return Ok(String::new());
    }
    // SAFETY: the caller promises it.
    let text = unsafe { CStr::from_ptr(text) };
    let text = text.to_str().map_err(|_| Failure::new("the answer, such as a file's name, is not UTF-8"))?;
    Ok(text.to_owned())
}

/// # Safety
///
/// `text` is a string that the library has given away.
unsafe fn take_text(text: NonNull<c_char>) -> Result<String, Failure> {
    // SAFETY: the caller promises it; it is freed once, after it was read.
    unsafe {
        let copy = copy_text(text.as_ptr());
        free(text.as_ptr().cast());
        copy
    }
}

/// # Safety
///
/// `texts` is a list of strings, with a null pointer at its end, that the library has given away with all its strings.
unsafe fn take_texts(texts: NonNull<*mut c_char>) -> Result<Vec<String>, Failure> {
    let mut copies = Vec::new();
    // SAFETY: the caller promises it. All strings are freed, those behind one that is no UTF-8 too.
    unsafe {
        let mut at = texts;
        while let Some(text) = NonNull::new(at.read()) {
            copies.push(take_text(text));
            at = at.add(1);
        }
        free(texts.as_ptr().cast());
    }
    copies.into_iter().collect()
}

/// Returns the bytes of a buffer, and frees it; `None` if the call that returned it has failed.
///
/// # Safety
///
/// `raw` is null, or memory that the library has given away, of which the first `size` bytes are set.
pub(super) unsafe fn take_bytes(raw: *mut c_char, size: usize) -> Option<Vec<u8>> {
    let bytes = NonNull::new(raw)?;
    // SAFETY: it is not null, which no slice may be; the caller promises the rest. It is freed once, after it was read.
    unsafe {
        let copy = std::slice::from_raw_parts(bytes.as_ptr().cast::<u8>(), size).to_vec();
        free(bytes.as_ptr().cast());
        Some(copy)
    }
}
