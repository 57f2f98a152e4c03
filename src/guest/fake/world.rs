//! The world that a test and its guests share: it records calls, and makes them fail on demand.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::{Command, Devices, Ended, GuestError, Inspection};
use super::tree::{self, Content, Node, Tree, set_files};
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

pub(super) type Program = Box<dyn FnMut(&Command<'_>, &mut Tree) -> Ended + Send>;

/// What all guests of a test share. Clones share it too.
#[derive(Clone, Default)]
pub struct FakeWorld(Arc<Mutex<World>>);

#[derive(Default)]
pub(super) struct World {
    pub(super) launches: usize,
    pub(super) shells: usize,
    pub(super) runs: Vec<Ran>,
    pub(super) calls: Vec<String>,
    pub(super) failing: BTreeMap<usize, Failing>,
    pub(super) program: Option<Arc<Mutex<Program>>>,
    pub(super) inspection: Option<Inspection>,
    pub(super) devices: Devices,
    pub(super) packages: Vec<Package>,
}

impl FakeWorld {
    /// A world in which nothing has happened.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, World> {
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
    pub(super) world: FakeWorld,
    pub(super) disk: Option<PathBuf>,
    pub(super) tree: Tree,
    pub(super) mounted: bool,
    pub(super) dead: bool,
}

pub(super) fn error(call: &str, message: &str) -> GuestError {
    GuestError::Call { call: call.to_owned(), message: message.to_owned() }
}

impl FakeGuest {
    /// Notes a call that changes something.
    pub(super) fn change(&mut self, call: String, needs_mount: bool) -> Result<(), GuestError> {
        self.alive(&call)?;
        if needs_mount && !self.mounted {
            return Err(error(&call, "nothing is mounted"));
        }
        self.world.lock().calls.push(call);
        Ok(())
    }

    pub(super) fn alive(&self, call: &str) -> Result<(), GuestError> {
        if self.dead { Err(GuestError::Died(call.to_owned())) } else { Ok(()) }
    }

    /// Path with links resolved, at its end too if `last`.
    pub(super) fn resolve(&self, path: &str, last: bool) -> Result<String, GuestError> {
        tree::resolve(&self.tree, path, last).ok_or_else(|| error(path, "Too many levels of symbolic links"))
    }

    /// `mkdir_p` of libguestfs: it begins at the end, and what it comes upon must be a directory, not a link to one.
    pub(super) fn mkdir_p(&mut self, call: &str, path: &str) -> Result<(), GuestError> {
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
    pub(super) fn put(&mut self, call: &str, path: String, content: Content, mode: u32) -> Result<(), GuestError> {
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

    pub(super) fn below(&self, path: &str) -> Vec<String> {
        let inside = format!("{}/", path.trim_end_matches('/'));
        self.tree.keys().filter(|key| *key == path || key.starts_with(&inside)).cloned().collect()
    }

    pub(super) fn save(&self, call: &str) -> Result<(), GuestError> {
        match &self.disk {
            Some(disk) => set_files(disk, &self.tree).map_err(|failure| error(call, &failure.to_string())),
            None => Err(error(call, "no disk is attached")),
        }
    }

    pub(super) fn node(&mut self, call: &str, path: &str) -> Result<&mut Node, GuestError> {
        let path = self.resolve(path, true)?;
        self.tree.get_mut(&path).ok_or_else(|| error(call, "No such file or directory"))
    }
}
