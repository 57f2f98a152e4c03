//! Implements the calls of the fake guest in memory.

use std::path::Path;
use std::sync::PoisonError;

use super::super::{Command, Devices, Ended, Entry, FileKind, Guest, GuestError, Inspection, Mount, Space, Terminal};
use super::tree::{self, Content, Node, archive, files};
use super::world::{Failing, FakeGuest, Ran, error};
use crate::base::Package;

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

    fn grow(&mut self, steps: &[crate::guest::grow::Step]) -> Result<(), GuestError> {
        self.change(format!("grow {steps:?}"), false)
    }

    fn form(
        &mut self,
        steps: &[crate::guest::form::Step],
        _: &std::collections::BTreeMap<String, Vec<u8>>,
    ) -> Result<(), GuestError> {
        self.change(format!("form {steps:?}"), false)
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

    fn has_network(&self) -> bool {
        true
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

    fn unlabelled(&mut self) -> Result<Option<Vec<String>>, GuestError> {
        self.alive("unlabelled")?;
        Ok(None)
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
