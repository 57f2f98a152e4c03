//! The structures that calls of libguestfs return.

use std::ffi::c_char;
use std::ptr::NonNull;

use super::convert::{Answer, copy_text};
use super::failure::Failure;

/// A type of a field, with its name in C.
#[cfg(test)]
trait Field {
    const C: &'static str;
}

/// Names the types of fields as C does.
macro_rules! fields {
    ($($rust:ty: $c:literal;)*) => {$(
        #[cfg(test)]
        impl Field for $rust {
            const C: &'static str = $c;
        }
    )*};
}

fields! {
    u32: "uint32_t ";
    i32: "int32_t ";
    u64: "uint64_t ";
    i64: "int64_t ";
    *mut c_char: "char *";
    *mut Partition: "struct guestfs_partition *";
    *mut RawApplication: "struct guestfs_application2 *";
}

/// Declares structures as in C.
macro_rules! structs {
    ($($(#[$doc:meta])* $c:literal $name:ident { $($field:ident: $kind:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            #[derive(Debug, Clone, Copy)]
            #[allow(dead_code, reason = "C has these fields too")]
            pub(in crate::guest) struct $name {
                $(pub(in crate::guest) $field: $kind,)*
            }
        )*

        /// Returns the structures above as `guestfs.h` declares them.
        #[cfg(test)]
        pub(super) fn declared() -> Vec<String> {
            vec![$([
                concat!("struct guestfs_", $c, " { "),
                $(<$kind as Field>::C, stringify!($field), "; ",)*
                "}",
            ].concat(),)*]
        }
    };
}

structs! {
    /// The result of `stat` for a file.
    "statns" StatNs {
        st_dev: i64, st_ino: i64, st_mode: i64, st_nlink: i64, st_uid: i64, st_gid: i64, st_rdev: i64, st_size: i64,
        st_blksize: i64, st_blocks: i64, st_atime_sec: i64, st_atime_nsec: i64, st_mtime_sec: i64, st_mtime_nsec: i64,
        st_ctime_sec: i64, st_ctime_nsec: i64, st_spare1: i64, st_spare2: i64, st_spare3: i64, st_spare4: i64,
        st_spare5: i64, st_spare6: i64,
    }

    /// The result of `statvfs` for a file system.
    "statvfs" StatVfs {
        bsize: i64, frsize: i64, blocks: i64, bfree: i64, bavail: i64, files: i64, ffree: i64, favail: i64, fsid: i64,
        flag: i64, namemax: i64,
    }

    /// A partition. `part_start` and `part_end` are offsets in bytes.
    "partition" Partition { part_num: i32, part_start: u64, part_end: u64, part_size: u64, }

    "partition_list" PartitionList { len: u32, val: *mut Partition, }

    "version" RawVersion { major: i64, minor: i64, release: i64, extra: *mut c_char, }

    "application2" RawApplication {
        app2_name: *mut c_char, app2_display_name: *mut c_char, app2_epoch: i32, app2_version: *mut c_char,
        app2_release: *mut c_char, app2_arch: *mut c_char, app2_install_path: *mut c_char, app2_trans_path: *mut c_char,
        app2_publisher: *mut c_char, app2_url: *mut c_char, app2_source_package: *mut c_char, app2_summary: *mut c_char,
        app2_description: *mut c_char, app2_spare1: *mut c_char, app2_spare2: *mut c_char, app2_spare3: *mut c_char,
        app2_spare4: *mut c_char,
    }

    "application2_list" ApplicationList { len: u32, val: *mut RawApplication, }
}

/// The library's version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::guest) struct Version {
    pub(in crate::guest) major: i64,
    pub(in crate::guest) minor: i64,
    pub(in crate::guest) release: i64,
}

/// A package that is installed in an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::guest) struct Application {
    pub(in crate::guest) name: String,
    pub(in crate::guest) epoch: i32,
    pub(in crate::guest) version: String,
    pub(in crate::guest) release: String,
    pub(in crate::guest) arch: String,
}

/// Implements [`Answer`] for structures: copies the result, and has the library free it.
macro_rules! answers {
    ($($answer:ty: $raw:ty, $c:literal, $read:ident;)*) => {$(
        impl Answer for $answer {
            const C: &'static str = concat!("struct guestfs_", $c, " *");
            type Raw = *mut $raw;

            unsafe fn take(raw: *mut $raw) -> Option<Result<Self, Failure>> {
                #[link(name = "guestfs")]
                unsafe extern "C" {
                    #[link_name = concat!("guestfs_free_", $c)]
                    fn release(raw: *mut $raw);
                }
                let raw = NonNull::new(raw)?;
                // SAFETY: the caller promises a structure that the library has given away; a test promises that it is what
                // `guestfs.h` says. It is freed once, by the function that is there for it, after it was read.
                unsafe {
                    let answer = $read(raw.as_ref());
                    release(raw.as_ptr());
                    Some(answer)
                }
            }
        }
    )*};
}

answers! {
    StatNs: StatNs, "statns", copy;
    StatVfs: StatVfs, "statvfs", copy;
    Version: RawVersion, "version", version;
    Vec<Partition>: PartitionList, "partition_list", partitions;
    Vec<Application>: ApplicationList, "application2_list", applications;
}

/// # Safety
///
/// None; it has the form of the others.
unsafe fn copy<T: Copy>(raw: &T) -> Result<T, Failure> {
    Ok(*raw)
}

/// # Safety
///
/// None; it has the form of the others.
unsafe fn version(raw: &RawVersion) -> Result<Version, Failure> {
    Ok(Version { major: raw.major, minor: raw.minor, release: raw.release })
}

/// # Safety
///
/// The library has made the list.
unsafe fn partitions(raw: &PartitionList) -> Result<Vec<Partition>, Failure> {
    // SAFETY: the caller promises it.
    Ok(unsafe { elements(raw.val, raw.len) }.to_vec())
}

/// # Safety
///
/// The library has made the list.
unsafe fn applications(raw: &ApplicationList) -> Result<Vec<Application>, Failure> {
    // SAFETY: the caller promises it, and the list's strings are there as long as the list.
    unsafe {
        let read = |app: &RawApplication| {
            Ok(Application {
                name: copy_text(app.app2_name)?,
                epoch: app.app2_epoch,
                version: copy_text(app.app2_version)?,
                release: copy_text(app.app2_release)?,
                arch: copy_text(app.app2_arch)?,
            })
        };
        elements(raw.val, raw.len).iter().map(read).collect()
    }
}

/// Returns the elements of a list. An empty list may have a null pointer, which a slice must not have.
///
/// # Safety
///
/// If `length` is not 0, `first` points to so many elements, which stay there while the result is used.
unsafe fn elements<'a, T>(first: *const T, length: u32) -> &'a [T] {
    match length {
        0 => &[],
        // SAFETY: the caller promises it.
        length => unsafe { std::slice::from_raw_parts(first, length as usize) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_nothing_that_has_no_address_is_empty() {
        let list = PartitionList { len: 0, val: std::ptr::null_mut() };
        // SAFETY: nothing is in it.
        let partitions = unsafe { partitions(&list) };
        assert!(partitions.expect("a list").is_empty());
    }
}
