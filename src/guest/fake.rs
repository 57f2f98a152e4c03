//! A guest in memory, for tests of everything that uses a guest.
//!
//! A [`FakeWorld`] is shared by a test and the guests it hands out: it counts, records, and fails on demand.
//! Files are kept as JSON behind the end of the disk's file, where no qcow2 program looks, so that an
//! overlay shows its parent's files to every later world as well.

mod tree;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tree::archive;
pub use tree::{Content, Node, Tree, files, set_files};

use super::{Command, Devices, Ended, Entry, FileKind, Guest, GuestError, Inspection, Mount, Space, Terminal};
use crate::base::Package;

/// How a program that is run ends, other than well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failing {
    /// With this status.
    Status(i32),
    /// With QEMU.
    Died,
    /// With the deadline.
    Deadline,
    /// With an interrupt.
    Interrupted,
    /// With a full disk, of which a call of the guest tells.
    NoSpace,
}

/// A program that was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its words.
    pub words: Vec<String>,
    /// Its environment.
    pub env: BTreeMap<String, String>,
    /// Whether it had the network.
    pub network: bool,
    /// Content of the files that its words name.
    pub scripts: Vec<Vec<u8>>,
}

type Program = Box<dyn FnMut(&Command<'_>, &mut Tree) -> Ended + Send>;

/// What all guests of a test share. Clones share it too.
#[derive(Clone, Default)]
pub struct FakeWorld(Arc<Mutex<World>>);

#[derive(Default)]
struct World {
    launches: usize,
    shells: usize,
    runs: Vec<Ran>,
    calls: Vec<String>,
    failing: BTreeMap<usize, Failing>,
    program: Option<Arc<Mutex<Program>>>,
    inspection: Option<Inspection>,
    devices: Devices,
    packages: Vec<Package>,
}

impl FakeWorld {
    /// A world in which nothing has happened.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Launches a guest, which is counted.
    pub fn launch(&self) -> FakeGuest {
        self.lock().launches += 1;
        FakeGuest { world: self.clone(), disk: None, tree: Tree::new(), mounted: false, dead: false }
    }

    /// How many guests were launched.
    pub fn launches(&self) -> usize {
        self.lock().launches
    }

    /// How many shells were opened.
    pub fn shells(&self) -> usize {
        self.lock().shells
    }

    /// Programs that were run, in order.
    pub fn runs(&self) -> Vec<Ran> {
        self.lock().runs.clone()
    }

    /// Calls that changed something, in order: `write /etc/motd`.
    pub fn calls(&self) -> Vec<String> {
        self.lock().calls.clone()
    }

    /// Forgets what was counted and recorded, and what was to fail.
    pub fn reset(&self) {
        let mut world = self.lock();
        let World { program, inspection, devices, packages, .. } = std::mem::take(&mut *world);
        *world = World { program, inspection, devices, packages, ..World::default() };
    }

    /// Makes the `n`th program from now end in this way; 0 is the next.
    pub fn fail_run(&self, n: usize, failing: Failing) {
        let mut world = self.lock();
        let index = world.runs.len() + n;
        world.failing.insert(index, failing);
    }

    /// Does this for every program that is run. Without it, programs do nothing and succeed.
    pub fn on_run(&self, program: impl FnMut(&Command<'_>, &mut Tree) -> Ended + Send + 'static) {
        self.lock().program = Some(Arc::new(Mutex::new(Box::new(program))));
    }

    /// What the disk is divided into. Without it, into nothing.
    pub fn set_devices(&self, devices: Devices) {
        self.lock().devices = devices;
    }

    /// What the guest's own tools find in the package database. Without it, nothing.
    pub fn set_packages(&self, packages: Vec<Package>) {
        self.lock().packages = packages;
    }

    /// What inspection finds. Without it, inspection fails.
    pub fn set_inspection(&self, inspection: Inspection) {
        self.lock().inspection = Some(inspection);
    }
}

impl std::fmt::Debug for FakeWorld {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FakeWorld").field("launches", &self.launches()).field("runs", &self.runs()).finish()
    }
}

/// A guest of a [`FakeWorld`].
#[derive(Debug)]
pub struct FakeGuest {
    world: FakeWorld,
    disk: Option<PathBuf>,
    tree: Tree,
    mounted: bool,
    dead: bool,
}

fn error(call: &str, message: &str) -> GuestError {
    GuestError::Call { call: call.to_owned(), message: message.to_owned() }
}

impl FakeGuest {
    /// Notes a call that changes something.
    fn change(&mut self, call: String, needs_mount: bool) -> Result<(), GuestError> {
        self.alive(&call)?;
        if needs_mount && !self.mounted {
            return Err(error(&call, "nothing is mounted"));
        }
        self.world.lock().calls.push(call);
        Ok(())
    }

    fn alive(&self, call: &str) -> Result<(), GuestError> {
        if self.dead { Err(GuestError::Died(call.to_owned())) } else { Ok(()) }
    }

    /// Path with links resolved, at its end too if `last`.
    fn resolve(&self, path: &str, last: bool) -> Result<String, GuestError> {
        tree::resolve(&self.tree, path, last).ok_or_else(|| error(path, "Too many levels of symbolic links"))
    }

    /// `mkdir_p` of libguestfs: it begins at the end, and what it comes upon must be a directory, not a link to one.
    fn mkdir_p(&mut self, call: &str, path: &str) -> Result<(), GuestError> {
        let place = self.resolve(path, false)?;
        match self.tree.get(&place).map(|node| &node.content) {
            _ if place == "/" => return Ok(()),
            Some(Content::Directory) => return Ok(()),
            Some(_) => return Err(error(call, "a path element was not a directory")),
            None => {}
        }
        let parent = path.trim_end_matches('/').rsplit_once('/').map_or("", |(parent, _)| parent);
        let above = self.resolve(parent, true)?;
        match self.tree.get(&above).map(|node| &node.content) {
            _ if above == "/" => {}
            Some(Content::Directory) => {}
            Some(_) => return Err(error(call, "Not a directory")),
            None => self.mkdir_p(call, parent)?,
        }
        self.tree.insert(place, Node { content: Content::Directory, mode: 0o755, owner: (0, 0) });
        Ok(())
    }

    /// Puts a node at a path whose directory must exist.
    fn put(&mut self, call: &str, path: String, content: Content, mode: u32) -> Result<(), GuestError> {
        let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
        let is_directory = |node: &Node| node.content == Content::Directory;
        if !parent.is_empty() && !self.tree.get(parent).is_some_and(is_directory) {
            return Err(error(call, "No such file or directory"));
        }
        match self.tree.get_mut(&path) {
            Some(node) if node.content == Content::Directory => Err(error(call, "Is a directory")),
            Some(node) => {
                node.content = content;
                Ok(())
            }
            None => {
                self.tree.insert(path, Node { content, mode, owner: (0, 0) });
                Ok(())
            }
        }
    }

    fn below(&self, path: &str) -> Vec<String> {
        let inside = format!("{}/", path.trim_end_matches('/'));
        self.tree.keys().filter(|key| *key == path || key.starts_with(&inside)).cloned().collect()
    }

    fn save(&self, call: &str) -> Result<(), GuestError> {
        match &self.disk {
            Some(disk) => set_files(disk, &self.tree).map_err(|failure| error(call, &failure.to_string())),
            None => Err(error(call, "no disk is attached")),
        }
    }

    fn node(&mut self, call: &str, path: &str) -> Result<&mut Node, GuestError> {
        let path = self.resolve(path, true)?;
        self.tree.get_mut(&path).ok_or_else(|| error(call, "No such file or directory"))
    }
}

impl Guest for FakeGuest {
    fn attach(&mut self, disk: &Path) -> Result<(), GuestError> {
        self.change(format!("attach {}", disk.display()), false)?;
        if self.mounted || !disk.exists() {
            return Err(error("attach", "something is mounted, or there is no such disk"));
        }
        self.tree = files(disk);
        self.disk = Some(disk.to_owned());
        Ok(())
    }

    fn inspect(&mut self) -> Result<Inspection, GuestError> {
        self.alive("inspect")?;
        self.world.lock().inspection.clone().ok_or_else(|| error("inspect", "no operating system found on the disk"))
    }

    fn devices(&mut self) -> Result<Devices, GuestError> {
        self.alive("devices")?;
        Ok(self.world.lock().devices.clone())
    }

    fn packages(&mut self) -> Result<Vec<Package>, GuestError> {
        self.alive("packages")?;
        Ok(self.world.lock().packages.clone())
    }

    fn grow(&mut self, partition: u32) -> Result<(), GuestError> {
        self.change(format!("grow {partition}"), false)
    }

    fn mount(&mut self, mounts: &[Mount]) -> Result<(), GuestError> {
        let paths: Vec<_> = mounts.iter().map(|mount| mount.path.as_str()).collect();
        self.change(format!("mount {}", paths.join(" ")), false)?;
        if self.disk.is_none() {
            return Err(error("mount", "no disk is attached"));
        }
        self.mounted = true;
        Ok(())
    }

    fn unmount(&mut self) -> Result<(), GuestError> {
        self.change("unmount".to_owned(), false)?;
        if std::mem::take(&mut self.mounted) { self.save("unmount") } else { Ok(()) }
    }

    fn freeze(&mut self, next: &Path) -> Result<(), GuestError> {
        self.change(format!("freeze {}", next.display()), false)?;
        if !next.exists() {
            return Err(error("freeze", "the overlay does not exist"));
        }
        self.save("freeze")?;
        self.disk = Some(next.to_owned());
        Ok(())
    }

    fn trim(&mut self) -> Result<(), GuestError> {
        self.change("trim".to_owned(), true)
    }

    fn run(&mut self, command: &Command<'_>) -> Result<Ended, GuestError> {
        self.change(format!("run {}", command.program), true)?;
        let words: Vec<_> = std::iter::once(command.program.to_owned()).chain(command.args.iter().cloned()).collect();
        let scripts =
            words.iter().filter_map(|word| match &self.tree.get(&tree::resolve(&self.tree, word, true)?)?.content {
                Content::File(content) => Some(content.clone()),
                _ => None,
            });
        let ran = Ran { scripts: scripts.collect(), words, env: command.env.clone(), network: command.network };
        let mut world = self.world.lock();
        let index = world.runs.len();
        world.runs.push(ran);
        let failing = world.failing.remove(&index);
        // The program may ask the world something: no lock while it runs.
        let program = world.program.clone();
        drop(world);
        let mut ended = Ended { status: 0, tail: Vec::new() };
        if let Some(program) = program {
            let mut program = program.lock().unwrap_or_else(PoisonError::into_inner);
            ended = program(command, &mut self.tree);
        }
        self.dead = matches!(failing, Some(Failing::Died | Failing::Deadline | Failing::Interrupted));
        match failing {
            None => Ok(ended),
            Some(Failing::Status(status)) => Ok(Ended { status, tail: vec![format!("failed with {status}")] }),
            Some(Failing::Died) => Err(GuestError::Died(format!("run {}", command.program))),
            Some(Failing::Deadline) => Err(GuestError::Deadline(command.timeout.unwrap_or_default())),
            Some(Failing::Interrupted) => Err(GuestError::Interrupted),
            Some(Failing::NoSpace) => Err(GuestError::NoSpace { call: "run".to_owned(), missing: None }),
        }
    }

    fn shell(&mut self, _banner: &str, _terminal: Terminal) -> Result<i32, GuestError> {
        self.alive("shell")?;
        self.world.lock().shells += 1;
        Ok(0)
    }

    fn free_space(&mut self, _path: &str) -> Result<Space, GuestError> {
        self.alive("free space")?;
        Ok(Space { available: 1 << 30, total: 3 << 30 })
    }

    fn glob(&mut self, pattern: &str) -> Result<Vec<String>, GuestError> {
        self.alive("glob")?;
        Ok(tree::glob(&self.tree, pattern))
    }

    fn kind(&mut self, path: &str) -> Result<Option<FileKind>, GuestError> {
        self.alive("kind")?;
        let path = self.resolve(path, false)?;
        if path == "/" {
            return Ok(Some(FileKind::Directory));
        }
        Ok(self.tree.get(&path).map(|node| match node.content {
            Content::File(_) => FileKind::File,
            Content::Directory => FileKind::Directory,
            Content::Symlink(_) => FileKind::Symlink,
        }))
    }

    fn read_link(&mut self, path: &str) -> Result<Option<String>, GuestError> {
        self.alive("read link")?;
        Ok(match self.tree.get(&self.resolve(path, false)?).map(|node| &node.content) {
            Some(Content::Symlink(target)) => Some(target.clone()),
            _ => None,
        })
    }

    fn read(&mut self, path: &str, limit: u64) -> Result<Vec<u8>, GuestError> {
        let call = format!("read {path}");
        self.alive(&call)?;
        match &self.node(&call, path)?.content {
            Content::File(content) if content.len() as u64 <= limit => Ok(content.clone()),
            Content::File(_) => Err(error(&call, "it is longer than allowed")),
            _ => Err(error(&call, "it is not a regular file")),
        }
    }

    fn write(&mut self, path: &str, content: &[u8]) -> Result<(), GuestError> {
        let call = format!("write {path}");
        self.change(call.clone(), true)?;
        let path = self.resolve(path, true)?;
        self.put(&call, path, Content::File(content.to_vec()), 0o644)
    }

    fn upload(&mut self, source: &Path, path: &str) -> Result<(), GuestError> {
        let content = std::fs::read(source).map_err(|failure| error("upload", &failure.to_string()))?;
        self.write(path, &content)
    }

    fn download(&mut self, path: &str, target: &Path) -> Result<(), GuestError> {
        let content = self.read(path, u64::MAX)?;
        std::fs::write(target, content).map_err(|failure| error("download", &failure.to_string()))
    }

    fn unpack(&mut self, archive: &Path, compression: Option<&str>, path: &str) -> Result<(), GuestError> {
        let call = format!("unpack {} into {path}", compression.unwrap_or("tar"));
        self.change(call.clone(), true)?;
        let failed = |failure: std::io::Error| error(&call, &failure.to_string());
        if compression.is_some() {
            // No decompressor here: the archive lies where its content would.
            self.mkdir_p(&call, path)?;
            return self.upload(archive, &format!("{}/archive", path.trim_end_matches('/')));
        }
        let fresh = !self.tree.contains_key(path) && path != "/";
        self.mkdir_p(&call, path)?;
        let mut archive = tar::Archive::new(std::fs::File::open(archive).map_err(failed)?);
        for entry in archive.entries().map_err(failed)? {
            let mut entry = entry.map_err(failed)?;
            let below = entry.path().map_err(failed)?.display().to_string();
            let target = format!("{}/{below}", path.trim_end_matches('/'));
            let mut content = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut content).map_err(failed)?;
            let link = entry.link_name().map_err(failed)?.map(|link| link.display().to_string()).unwrap_or_default();
            let header = entry.header();
            let id = |id: std::io::Result<u64>| id.map(|id| u32::try_from(id).unwrap_or(u32::MAX)).map_err(failed);
            let owner = (id(header.uid())?, id(header.gid())?);
            let mode = header.mode().map_err(failed)?;
            let content = match header.entry_type() {
                tar::EntryType::Directory => {
                    // As tar has it: one that is there keeps its mode, unless all of it is new.
                    let place = self.resolve(&target, true)?;
                    let there = self.tree.get(&place).is_some_and(|node| node.content == Content::Directory);
                    self.mkdir_p(&call, &place)?;
                    if let Some(node) = self.tree.get_mut(&place).filter(|_| fresh || !there) {
                        (node.mode, node.owner) = (mode, owner);
                    }
                    continue;
                }
                tar::EntryType::Symlink => Content::Symlink(link),
                // Its names are copies of each other here.
                tar::EntryType::Link => {
                    let first = self.resolve(&format!("{}/{link}", path.trim_end_matches('/')), false)?;
                    self.node(&call, &first)?.content.clone()
                }
                _ => Content::File(content),
            };
            let parent = target.rsplit_once('/').map_or("/", |(parent, _)| parent);
            let parent = self.resolve(parent, true)?;
            self.mkdir_p(&call, &parent)?;
            let target = self.resolve(&target, false)?;
            self.tree.remove(&target);
            self.put(&call, target.clone(), content, mode)?;
            if let Some(node) = self.tree.get_mut(&target) {
                node.owner = owner;
            }
        }
        Ok(())
    }

    fn archive(&mut self, target: &Path) -> Result<u64, GuestError> {
        self.alive("archive")?;
        if !self.mounted {
            return Err(error("archive", "nothing is mounted"));
        }
        let failed = |failure: std::io::Error| error("archive", &failure.to_string());
        let archived = archive(&self.tree, std::fs::File::create(target).map_err(failed)?);
        archived.and_then(|file| Ok(file.metadata()?.len())).map_err(failed)
    }

    fn list(&mut self, below: &[&str]) -> Result<Vec<Entry>, GuestError> {
        self.alive("list")?;
        Ok(tree::list(&self.tree, below))
    }

    fn contents(&mut self, files: &[&Entry]) -> Result<Vec<(String, Vec<u8>)>, GuestError> {
        self.alive("contents")?;
        let content = |entry: &&Entry| match &self.tree.get(&*entry.path)?.content {
            Content::File(content) => Some((entry.path.to_string(), content.clone())),
            _ => None,
        };
        Ok(files.iter().filter_map(content).collect())
    }

    fn mkdir(&mut self, path: &str) -> Result<(), GuestError> {
        let call = format!("mkdir {path}");
        self.change(call.clone(), true)?;
        self.mkdir_p(&call, path)
    }

    fn remove(&mut self, path: &str) -> Result<(), GuestError> {
        self.change(format!("remove {path}"), true)?;
        for path in self.below(&self.resolve(path, false)?) {
            self.tree.remove(&path);
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> Result<(), GuestError> {
        let call = format!("rename {from} {to}");
        self.change(call.clone(), true)?;
        let (from, to) = (self.resolve(from, false)?, self.resolve(to, false)?);
        let moved = self.below(&from);
        if moved.is_empty() {
            return Err(error(&call, "No such file or directory"));
        }
        for path in moved {
            if let Some(node) = self.tree.remove(&path) {
                self.tree.insert(format!("{to}{}", &path[from.len()..]), node);
            }
        }
        Ok(())
    }

    fn symlink(&mut self, target: &str, path: &str) -> Result<(), GuestError> {
        let call = format!("symlink {path}");
        self.change(call.clone(), true)?;
        let path = self.resolve(path, false)?;
        for below in self.below(&path) {
            self.tree.remove(&below);
        }
        self.put(&call, path, Content::Symlink(target.to_owned()), 0o777)
    }

    fn chmod(&mut self, mode: u32, path: &str) -> Result<(), GuestError> {
        let call = format!("chmod {mode:o} {path}");
        self.change(call.clone(), true)?;
        self.node(&call, path)?.mode = mode;
        Ok(())
    }

    fn chown(&mut self, uid: u32, gid: u32, path: &str) -> Result<(), GuestError> {
        let call = format!("chown {uid}:{gid} {path}");
        self.change(call.clone(), true)?;
        self.node(&call, path)?.owner = (uid, gid);
        Ok(())
    }

    fn secrets(&mut self, files: &[(String, Vec<u8>)], path: &str) -> Result<(), GuestError> {
        // Names only: a record must not hold secrets, not even of a test.
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        self.change(format!("secrets {path} {}", names.join(" ")).trim_end().to_owned(), true)?;
        for path in self.below(path) {
            self.tree.remove(&path);
        }
        for (name, content) in files {
            let node = Node { content: Content::File(content.clone()), mode: 0o400, owner: (0, 0) };
            self.tree.insert(format!("{path}/{name}"), node);
        }
        Ok(())
    }

    fn disk_device(&mut self) -> Result<String, GuestError> {
        self.alive("disk device")?;
        Ok("/dev/sdc".to_owned())
    }

    fn shutdown(mut self: Box<Self>) -> Result<(), GuestError> {
        self.unmount()
    }
}

#[cfg(test)]
mod tests;
