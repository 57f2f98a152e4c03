//! Implements the calls of [`Guest`] with libguestfs.
//!
//! Paths are resolved within the image. libguestfs does that for calls that it implements with system calls. But it gives `rm`,
//! `mv` and `tar` a path outside the image's root, where an absolute link would lead into the appliance. For these, this module
//! resolves the parent first.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::attributes::Attributes;
use super::grow::Step;
use super::libguestfs::{LibguestfsGuest, text};
use super::place::{self, Found, Last};
use super::script::{self, Streams, quote};
use super::terminal::{Terminal, relay};
use super::{
    Command, Devices, Ended, Entry, FileKind, Guest, GuestError, Inspection, Mount, Space, devices, disk, form,
    forming, growing, listing,
};
use crate::base::Package;

/// Longest content that goes into one message; the library's limit is 4 MiB.
pub(super) const MESSAGE_LIMIT: usize = 2 << 20;

/// Messages of tar for a full file system; the appliance has no other language. tar prints the second one if a part of the last
/// block still fits.
const FULL: [&str; 2] = ["No space left on device", "Wrote only "];

impl LibguestfsGuest {
    /// Returns a path with every link resolved, except one at its end; `None` if its directory does not exist.
    fn resolved(&self, call: &str, path: &str) -> Result<Option<String>, GuestError> {
        let path = path.trim_end_matches('/');
        let Some((parent, name)) = path.rsplit_once('/') else {
            return Err(refused(call, format!("`{path}` is not an absolute path below /")));
        };
        if name == "." || name == ".." {
            return Err(refused(call, format!("`{path}` does not end in a name")));
        }
        let parent = if parent.is_empty() { "/" } else { parent };
        match self.handle.realpath(parent) {
            Ok(parent) => Ok(Some(format!("{}/{name}", parent.trim_end_matches('/')))),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(self.explain(call, failure)),
        }
    }

    fn required(&self, call: &str, path: &str) -> Result<String, GuestError> {
        self.resolved(call, path)?.ok_or_else(|| refused(call, format!("the directory of `{path}` does not exist")))
    }

    /// Adds the missing space to the error of a write, if a full file system is the cause: an upload does not report it.
    fn with_missing(&self, error: GuestError, path: &str, size: u64) -> GuestError {
        let call = match &error {
            GuestError::NoSpace { call, .. } | GuestError::Call { call, .. } => call.clone(),
            _ => return error,
        };
        let Ok(space) = self.space(path.rsplit_once('/').map_or("/", |(parent, _)| parent)) else { return error };
        // Bytes that were written before the failure count as free.
        let written = self.handle.statns(path).map_or(0, |stat| stat.st_size.cast_unsigned());
        let missing = size.saturating_sub(space.available.saturating_add(written));
        match error {
            GuestError::NoSpace { .. } => GuestError::NoSpace { call, missing: (missing > 0).then_some(missing) },
            _ if missing > 0 => GuestError::NoSpace { call, missing: Some(missing) },
            error => error,
        }
    }

    /// Returns the bytes that root can write to the file system of a directory, which may not exist yet. Blocks reserved for root
    /// count.
    fn room(&self, directory: &str) -> Option<u64> {
        let mut above = std::iter::successors(Some(directory), |path| path.rsplit_once('/').map(|(parent, _)| parent));
        let stat = above.find_map(|path| self.handle.statvfs(if path.is_empty() { "/" } else { path }).ok())?;
        Some(stat.bfree.cast_unsigned().saturating_mul(stat.frsize.cast_unsigned()))
    }

    fn space(&self, path: &str) -> Result<Space, GuestError> {
        let path = if path.is_empty() { "/" } else { path };
        let stat = self.call(&format!("ask for the free space of {path}"), |g| g.statvfs(path))?;
        let bytes = |blocks: i64| blocks.cast_unsigned().saturating_mul(stat.frsize.cast_unsigned());
        Ok(Space { available: bytes(stat.bavail), total: bytes(stat.blocks) })
    }

    fn run_on_terminal(&mut self, banner: &str, terminal: &Terminal) -> Result<i32, GuestError> {
        const CALL: &str = "open a shell";
        let failed = |error: std::io::Error| refused(CALL, error.to_string());
        let mut socket = UnixStream::connect(self.socket_dir.join("tty")).map_err(failed)?;
        let (stop, stopper) = UnixStream::pair().map_err(failed)?;
        let shell = match self.kind("/bin/bash")? {
            Some(_) => "/bin/bash",
            None => "/bin/sh",
        };
        let args = ["-i".to_owned()];
        let env = [("TERM".to_owned(), terminal.kind.clone()), ("SHELL".to_owned(), shell.to_owned())].into();
        let command = Command { program: shell, args: &args, env, network: self.has_network(), timeout: None };
        let streams = Streams::Terminal { banner, columns: terminal.columns, rows: terminal.rows };
        let script = script::run(&command, streams);
        let printed = std::thread::scope(|scope| {
            let relaying = scope.spawn(move || relay(terminal, &mut socket, &stop));
            let printed = self.with_network(command.network, |guest| guest.call_appliance(CALL, &script, None));
            drop(stopper);
            // The user's terminal may be gone by now. The caller must notice that: the shell has ended.
            let _ = relaying.join();
            printed
        })?;
        script::status(&printed).map_err(|message| refused(CALL, message))
    }
}

pub(super) fn refused(call: &str, message: String) -> GuestError {
    GuestError::Call { call: call.to_owned(), message }
}

pub(super) fn kind_of(mode: i64) -> FileKind {
    match mode & 0o170_000 {
        0o100_000 => FileKind::File,
        0o040_000 => FileKind::Directory,
        0o120_000 => FileKind::Symlink,
        _ => FileKind::Special,
    }
}

impl Guest for LibguestfsGuest {
    fn attach(&mut self, disk: &Path) -> Result<(), GuestError> {
        self.attach_disk(disk)
    }

    fn inspect(&mut self) -> Result<Inspection, GuestError> {
        let device = self.device()?;
        disk::inspect(self, &device)
    }

    fn devices(&mut self) -> Result<Devices, GuestError> {
        const CALL: &str = "list the partitions";
        let device = self.device()?;
        let printed = self.appliance(CALL, &devices::script(&device))?;
        devices::parse(&printed, &device).ok_or_else(|| refused(CALL, "the answer is not understood".to_owned()))
    }

    fn packages(&mut self) -> Result<Vec<Package>, GuestError> {
        disk::packages(self)
    }

    fn grow(&mut self, steps: &[Step]) -> Result<(), GuestError> {
        growing::grow(self, &self.device()?, steps)
    }

    fn form(&mut self, steps: &[form::Step], secrets: &BTreeMap<String, Vec<u8>>) -> Result<(), GuestError> {
        let disk = self.device()?;
        steps.iter().try_for_each(|step| forming::form(self, &disk, step, secrets))
    }

    fn mount(&mut self, mounts: &[Mount]) -> Result<(), GuestError> {
        let mounted = self.appliance("mount the image", &script::mount(&self.device()?, mounts));
        if mounted.is_err() {
            // All or nothing; only the first error counts.
            let _ = self.unmount();
        }
        self.mounted.extend(mounts.iter().filter(|_| mounted.is_ok()).map(|mount| mount.path.clone()));
        mounted.map(drop)
    }

    fn unmount(&mut self) -> Result<(), GuestError> {
        self.appliance("unmount the image", script::UNMOUNT)?;
        self.mounted.clear();
        Ok(())
    }

    fn freeze(&mut self, next: &Path) -> Result<(), GuestError> {
        self.freeze_disk(next)
    }

    fn trim(&mut self) -> Result<(), GuestError> {
        self.appliance("trim the image", &script::trim(&self.mounted)).map(drop)
    }

    fn run(&mut self, command: &Command<'_>) -> Result<Ended, GuestError> {
        let call = format!("run {}", command.program);
        let marker = self.channel.begin().map_err(|error| refused(&call, error.to_string()))?;
        let script = script::run(command, Streams::Log { marker: &marker });
        let printed =
            self.with_network(command.network, |guest| guest.call_appliance(&call, &script, command.timeout))?;
        let tail = self.channel.finish();
        let status = script::status(&printed).map_err(|message| refused(&call, message))?;
        Ok(Ended { status, tail })
    }

    fn has_network(&self) -> bool {
        self.gate.is_some()
    }

    fn shell(&mut self, banner: &str, terminal: Terminal) -> Result<i32, GuestError> {
        self.run_on_terminal(banner, &terminal)
    }

    fn free_space(&mut self, path: &str) -> Result<Space, GuestError> {
        self.space(path)
    }

    fn glob(&mut self, pattern: &str) -> Result<Vec<String>, GuestError> {
        let mut paths = self.call(&format!("find {pattern}"), |g| g.glob(pattern))?;
        paths.sort();
        Ok(paths)
    }

    fn kind(&mut self, path: &str) -> Result<Option<FileKind>, GuestError> {
        match self.handle.lstatns(path) {
            Ok(stat) => Ok(Some(kind_of(stat.st_mode))),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(failure) => Err(self.explain(&format!("look at {path}"), failure)),
        }
    }

    fn read_link(&mut self, path: &str) -> Result<Option<String>, GuestError> {
        match self.kind(path)? {
            Some(FileKind::Symlink) => self.call(&format!("read the link {path}"), |g| g.readlink(path)).map(Some),
            _ => Ok(None),
        }
    }

    fn read(&mut self, path: &str, limit: u64) -> Result<Vec<u8>, GuestError> {
        self.read_file(path, limit)
    }

    fn write(&mut self, path: &str, content: &[u8]) -> Result<(), GuestError> {
        let call = format!("write {path}");
        if content.len() <= MESSAGE_LIMIT {
            return self
                .call(&call, |g| g.write(path, content))
                .map_err(|error| self.with_missing(error, path, content.len() as u64));
        }
        let staged = tempfile::NamedTempFile::new_in(&self.socket_dir).and_then(|mut file| {
            file.write_all(content)?;
            Ok(file)
        });
        let staged = staged.map_err(|error| refused(&call, format!("cannot stage it on the host: {error}")))?;
        self.upload(staged.path(), path)
    }

    fn upload(&mut self, source: &Path, path: &str) -> Result<(), GuestError> {
        let file = text(source)?;
        self.call(&format!("write {path}"), |g| g.upload(&file, path)).map_err(|error| {
            let size = std::fs::metadata(source).map_or(0, |meta| meta.len());
            self.with_missing(error, path, size)
        })
    }

    fn download(&mut self, path: &str, target: &Path) -> Result<(), GuestError> {
        let call = format!("read {path}");
        self.regular_size(&call, path)?;
        let file = text(target)?;
        self.call(&call, |g| g.download(path, &file))
    }

    fn unpack(&mut self, archive: &Path, compression: Option<&str>, path: &str) -> Result<(), GuestError> {
        let call = format!("unpack into {path}");
        // The script's own tests run outside of the image, so the path is resolved here.
        let attributes = Attributes::of(archive, compression);
        let (directory, passed) = match place::find(self, path, Last::Followed)? {
            Found::There { path, .. } => {
                let passed = attributes.there(self, &path)?;
                (path, passed)
            }
            Found::Missing { path } => {
                self.mkdir(path.rsplit_once('/').map_or("", |(parent, _)| parent))?;
                (path, String::new())
            }
            Found::Nowhere(why) => return Err(refused(&call, why)),
        };
        let size = std::fs::metadata(archive).map_err(|error| refused(&call, error.to_string()))?.len();
        if size == 0 {
            return Err(refused(&call, "the archive is empty".to_owned()));
        }
        let decompress = match compression {
            None => "cat",
            Some("gzip") => "gzip -dc",
            Some("xz") => "xz -dc",
            Some("zstd") => "zstd -dcq",
            Some(other) => return Err(refused(&call, format!("the compression `{other}` is not known"))),
        };
        let room = self.room(&directory);
        self.call(&call, |g| g.write(script::PASSED, passed.as_bytes()))?;
        let unpacked = self.with_file(&call, archive, |guest, device| {
            let (lists, contained) = (attributes.texts, attributes.contained);
            let tar = script::Tar { device, size, decompress, lists, contained };
            let lines = script::unpack(&guest.mounted, &tar, &directory);
            guest.appliance(&call, &lines).map(drop)
        });
        let removed = self.remove(script::PASSED);
        unpacked.map_err(|error| match error {
            GuestError::Call { message, .. } if FULL.iter().any(|said| message.contains(said)) => {
                let missing = room.filter(|_| compression.is_none()).map(|room| size.saturating_sub(room));
                GuestError::NoSpace { call, missing: missing.filter(|missing| *missing > 0) }
            }
            error => error,
        })?;
        removed
    }

    fn archive(&mut self, target: &Path) -> Result<u64, GuestError> {
        self.archive_tree(target)
    }

    fn list(&mut self, below: &[&str]) -> Result<Vec<Entry>, GuestError> {
        listing::list(self, below)
    }

    fn unlabelled(&mut self) -> Result<Option<Vec<String>>, GuestError> {
        listing::unlabelled(self)
    }

    fn contents(&mut self, files: &[&Entry]) -> Result<Vec<(String, Vec<u8>)>, GuestError> {
        listing::contents(self, files)
    }

    fn mkdir(&mut self, path: &str) -> Result<(), GuestError> {
        let call = format!("make the directory {path}");
        let missing = place::missing(self, path)?;
        self.call(&call, |g| g.mkdir_p(path))?;
        // A directory with the set-group-ID bit gives this and its group to those that are made in it.
        missing.into_iter().try_for_each(|made| self.chown(0, 0, made).and_then(|()| self.chmod(0o755, made)))
    }

    fn remove(&mut self, path: &str) -> Result<(), GuestError> {
        let call = format!("remove {path}");
        // libguestfs starts a program to remove trees, and makes system calls for what is no tree.
        match self.handle.lstatns(path).map(|stat| kind_of(stat.st_mode)) {
            Ok(FileKind::Directory) if self.handle.rmdir(path).is_ok() => return Ok(()),
            Ok(FileKind::File | FileKind::Symlink | FileKind::Special) => return self.call(&call, |g| g.rm(path)),
            _ => {}
        }
        match self.resolved(&call, path)? {
            Some(path) => self.call(&call, |g| g.rm_rf(&path)),
            None => Ok(()),
        }
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), GuestError> {
        let call = format!("move {from} to {to}");
        let (from, to) = (self.required(&call, from)?, self.required(&call, to)?);
        match self.handle.rename(&from, &to) {
            // Another file system: copy and remove.
            Err(failure) if failure.errno == rustix::io::Errno::XDEV.raw_os_error() => {
                self.call(&call, |g| g.mv(&from, &to))
            }
            result => result.map_err(|failure| self.explain(&call, failure)),
        }
    }

    fn symlink(&mut self, target: &str, path: &str) -> Result<(), GuestError> {
        let call = format!("make the link {path}");
        let path = self.required(&call, path)?;
        self.call(&call, |g| g.rm_rf(&path))?;
        self.call(&call, |g| g.ln_s(target, &path))
    }

    fn chmod(&mut self, mode: u32, path: &str) -> Result<(), GuestError> {
        self.call(&format!("set the mode of {path}"), |g| g.chmod(mode.cast_signed(), path))
    }

    fn chown(&mut self, uid: u32, gid: u32, path: &str) -> Result<(), GuestError> {
        self.call(&format!("set the owner of {path}"), |g| g.chown(uid.cast_signed(), gid.cast_signed(), path))
    }

    fn secrets(&mut self, files: &[(String, Vec<u8>)], path: &str) -> Result<(), GuestError> {
        const CALL: &str = "provide secrets";
        // /run is our own tmpfs, where no link of the image can lead anywhere else.
        let own = path.strip_prefix("/run/").is_some_and(|name| !name.is_empty() && !name.contains(['/', '.']));
        if !own || files.iter().any(|(name, _)| name.is_empty() || name.contains('/') || name.starts_with('.')) {
            return Err(refused(CALL, format!("{path} and the secrets' names must be plain names below /run")));
        }
        let directory = quote(&format!("{}{path}", script::ROOT));
        if files.is_empty() {
            let script = format!("if mountpoint -q {directory}; then umount {directory} && rmdir {directory}; fi 2>&1");
            return self.appliance("take secrets away", &script).map(drop);
        }
        let script = format!("mkdir -p {directory} && mount -t tmpfs -o mode=0700,nosuid,nodev tmpfs {directory} 2>&1");
        self.appliance(CALL, &script)?;
        for (name, content) in files {
            let file = format!("{path}/{name}");
            self.call(CALL, |g| g.write(&file, content))?;
            self.call(CALL, |g| g.chmod(0o400, &file))?;
        }
        Ok(())
    }

    fn disk_device(&mut self) -> Result<String, GuestError> {
        self.device()
    }

    fn shutdown(self: Box<Self>) -> Result<(), GuestError> {
        self.stop()
    }
}
