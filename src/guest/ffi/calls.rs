//! The calls of libguestfs, as methods of [`Handle`].

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int};

use super::convert::{Answer, Pass, take_bytes};
use super::failure::Failure;
use super::handle::{Handle, Opaque};
use super::structs::{Application, Partition, StatNs, StatVfs, Version};

/// Creates methods of [`Handle`] from declarations: a method calls the function with the same name.
macro_rules! calls {
    ($(fn $name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*) => {
        impl Handle {$(
            pub(in crate::guest) fn $name(&self, $($argument: $kind),*) -> Result<$answer, Failure> {
                #[link(name = "guestfs")]
                unsafe extern "C" {
                    #[link_name = concat!("guestfs_", stringify!($name))]
                    fn call(g: *mut Opaque $(, $argument: <$kind as Pass>::Raw)*) -> <$answer as Answer>::Raw;
                }
                $(let $argument = <$kind as Pass>::hold($argument)?;)*
                // SAFETY: the handle is open, and the arguments are held until the call has ended, after which the library
                // does not use them. A test promises that the function is what `guestfs.h` says. What is returned is
                // taken at once, and only here.
                let answer = unsafe { <$answer>::take(call(self.raw() $(, <$kind as Pass>::raw(&$argument))*)) };
                answer.unwrap_or_else(|| Err(self.last_failure()))
            }
        )*}

        /// Returns the functions above as `guestfs.h` declares them.
        #[cfg(test)]
        fn made() -> Vec<String> {
            vec![$([
                <$answer as Answer>::C,
                concat!("guestfs_", stringify!($name), " (guestfs_h *g"),
                $(", ", <$kind as Pass>::C, stringify!($argument),)*
                ")",
            ].concat(),)*]
        }
    };
}

// The names of arguments are those of `guestfs.h`.
calls! {
    // The appliance.
    fn version() -> Version;
    fn get_hv() -> String;
    fn set_path(searchpath: Option<&str>) -> ();
    fn get_cachedir() -> String;
    fn set_cachedir(cachedir: Option<&str>) -> ();
    fn set_verbose(verbose: bool) -> ();
    fn set_trace(trace: bool) -> ();
    fn set_backend(backend: &str) -> ();
    fn set_backend_settings(settings: &[&str]) -> ();
    fn set_append(append: Option<&str>) -> ();
    fn set_memsize(memsize: i32) -> ();
    fn set_smp(smp: i32) -> ();
    fn set_network(network: bool) -> ();
    fn set_pgroup(pgroup: bool) -> ();
    fn set_recovery_proc(recoveryproc: bool) -> ();
    fn set_autosync(autosync: bool) -> ();
    fn set_tmpdir(tmpdir: Option<&str>) -> ();
    fn config(hvparam: &str, hvvalue: Option<&str>) -> ();
    fn launch() -> ();
    fn get_pid() -> i32;
    fn debug(subcmd: &str, extraargs: &[&str]) -> String;
    fn shutdown() -> ();

    // Disks.
    fn part_list(device: &str) -> Vec<Partition>;
    fn part_expand_gpt(device: &str) -> ();
    fn part_resize(device: &str, partnum: i32, endsect: i64) -> ();
    fn vfs_type(mountable: &str) -> String;
    fn mountable_device(mountable: &str) -> String;
    fn mountable_subvolume(mountable: &str) -> String;
    fn mount_ro(mountable: &str, mountpoint: &str) -> ();
    fn umount_all() -> ();

    // The operating system.
    fn inspect_os() -> Vec<String>;
    fn inspect_get_roots() -> Vec<String>;
    fn inspect_get_type(root: &str) -> String;
    fn inspect_get_distro(root: &str) -> String;
    fn inspect_get_product_name(root: &str) -> String;
    fn inspect_get_major_version(root: &str) -> i32;
    fn inspect_get_arch(root: &str) -> String;
    fn inspect_get_mountpoints(root: &str) -> BTreeMap<String, String>;
    fn inspect_list_applications2(root: &str) -> Vec<Application>;
    fn file_architecture(filename: &str) -> String;

    // Files.
    fn exists(path: &str) -> bool;
    fn statns(path: &str) -> StatNs;
    fn lstatns(path: &str) -> StatNs;
    fn statvfs(path: &str) -> StatVfs;
    fn realpath(path: &str) -> String;
    fn readlink(path: &str) -> String;
    fn upload(filename: &str, remotefilename: &str) -> ();
    fn download(remotefilename: &str, filename: &str) -> ();
    fn mkdir_p(path: &str) -> ();
    fn rm(path: &str) -> ();
    fn rmdir(path: &str) -> ();
    fn rm_rf(path: &str) -> ();
    fn rename(oldpath: &str, newpath: &str) -> ();
    fn mv(src: &str, dest: &str) -> ();
    fn ln_s(target: &str, linkname: &str) -> ();
    fn chmod(mode: i32, path: &str) -> ();
    fn chown(owner: i32, group: i32, path: &str) -> ();
}

/// The end of a list of options.
const NO_MORE: c_int = -1;

/// The option `GUESTFS_GLOB_EXPAND_OPTS_DIRECTORYSLASH`: adds a slash to names of directories.
const DIRECTORY_SLASH: c_int = 0;

#[link(name = "guestfs")]
unsafe extern "C" {
    fn guestfs_add_drive_scratch(g: *mut Opaque, size: i64, ...) -> c_int;
    fn guestfs_get_path(g: *mut Opaque) -> *const c_char;
    fn guestfs_glob_expand_opts(g: *mut Opaque, pattern: *const c_char, ...) -> *mut *mut c_char;
    fn guestfs_pread(g: *mut Opaque, path: *const c_char, count: c_int, offset: i64, size_r: *mut usize)
    -> *mut c_char;
    fn guestfs_write(g: *mut Opaque, path: *const c_char, content: *const c_char, content_size: usize) -> c_int;
}

/// Returns all functions that are called, as `guestfs.h` declares them.
#[cfg(test)]
pub(super) fn declared() -> Vec<String> {
    let by_hand = [
        "int guestfs_add_drive_scratch (guestfs_h *g, int64_t size, ...)",
        "const char *guestfs_get_path (guestfs_h *g)",
        "char **guestfs_glob_expand_opts (guestfs_h *g, const char *pattern, ...)",
        "char *guestfs_pread (guestfs_h *g, const char *path, int count, int64_t offset, size_t *size_r)",
        "int guestfs_write (guestfs_h *g, const char *path, const char *content, size_t content_size)",
    ];
    by_hand.map(str::to_owned).into_iter().chain(made()).collect()
}

impl Handle {
    /// Adds an empty disk, which exists as long as the handle.
    pub(in crate::guest) fn add_drive_scratch(&self, size: i64) -> Result<(), Failure> {
        // SAFETY: the handle is open, and the list of options is ended.
        let answer = unsafe { <()>::take(guestfs_add_drive_scratch(self.raw(), size, NO_MORE)) };
        answer.unwrap_or_else(|| Err(self.last_failure()))
    }

    /// Returns the directories, separated by colons, where the library looks for its appliance.
    pub(in crate::guest) fn get_path(&self) -> Result<String, Failure> {
        // SAFETY: the handle is open. The text belongs to it and is copied at once.
        unsafe {
            let path = guestfs_get_path(self.raw());
            if path.is_null() {
                return Err(self.last_failure());
            }
            Ok(CStr::from_ptr(path).to_string_lossy().into_owned())
        }
    }

    /// Returns the paths that match a shell glob, directories without a slash at the end.
    pub(in crate::guest) fn glob(&self, pattern: &str) -> Result<Vec<String>, Failure> {
        const OFF: c_int = 0;
        let pattern = pattern.hold()?;
        // SAFETY: the handle is open, the pattern is held, the option takes an int, and the list of options is ended. What
        // is returned is taken at once, and only here.
        let answer = unsafe {
            let found = guestfs_glob_expand_opts(self.raw(), pattern.as_ptr(), DIRECTORY_SLASH, OFF, NO_MORE);
            Vec::take(found)
        };
        answer.unwrap_or_else(|| Err(self.last_failure()))
    }

    /// Reads at most `count` bytes of a file, which must fit one message. Returns none at its end.
    pub(in crate::guest) fn pread(&self, path: &str, count: i32, offset: i64) -> Result<Vec<u8>, Failure> {
        let path = path.hold()?;
        let mut size = 0;
        // SAFETY: the handle is open, the path is held, and the size is written before it is read. What is returned is taken
        // at once, and only here.
        let bytes = unsafe {
            let bytes = guestfs_pread(self.raw(), path.as_ptr(), count, offset, &raw mut size);
            take_bytes(bytes, size)
        };
        bytes.ok_or_else(|| self.last_failure())
    }

    /// Creates or replaces a file.
    pub(in crate::guest) fn write(&self, path: &str, content: &[u8]) -> Result<(), Failure> {
        let path = path.hold()?;
        // SAFETY: the handle is open, and path and content, which has this length, are there until the call has ended.
        let answer =
            unsafe { <()>::take(guestfs_write(self.raw(), path.as_ptr(), content.as_ptr().cast(), content.len())) };
        answer.unwrap_or_else(|| Err(self.last_failure()))
    }

    /// Runs a shell script in the appliance, outside the image, and returns its output.
    pub(in crate::guest) fn appliance(&self, script: &str) -> Result<String, Failure> {
        // Linux allows no longer argument, and the shell gets the script as one.
        const ARGUMENT_LIMIT: usize = 128 * 1024 - 1;
        if script.len() > ARGUMENT_LIMIT {
            return Err(Failure::new("arguments and environment are longer than 128 KiB together"));
        }
        self.debug("sh", &[script])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_come_with_their_text() {
        let handle = Handle::create().expect("libguestfs is installed");
        let failure = handle.set_backend("\u{e4}").expect_err("no such backend");
        assert!(failure.text.contains('\u{e4}'), "{failure:?}");
        assert!(!failure.is_not_found() && !failure.is_no_space(), "{failure:?}");
        let failure = handle.launch().expect_err("no disk");
        assert!(failure.text.contains("launch"), "{failure:?}");
    }

    #[test]
    fn values_are_passed_and_returned() {
        let handle = Handle::create().expect("libguestfs is installed");
        assert_eq!(handle.version().expect("a version").major, 1);
        handle.set_backend("direct").expect("a backend");
        for settings in [&["force_tcg", "gdb"][..], &[]] {
            handle.set_backend_settings(settings).expect("settings");
        }
        for append in [Some("quiet"), None] {
            handle.set_append(append).expect("an argument of the kernel");
        }
        handle.add_drive_scratch(1 << 20).expect("a disk");
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
