//! What a row does to the image, and how it is undone.

use goldsmith::guest::{Command, FileKind, Guest};

/// One thing done to a mounted image, as a person, a package or a build would. `{release}` stands for the kernel's
/// release, `{root}` for the UUID of the root file system.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Deed {
    /// Makes a small file, or gives it other content.
    Write(&'static str, &'static str),
    /// Adds a line to a small file.
    Append(&'static str, &'static str),
    /// Replaces a text of a small file, wherever it is.
    Replace(&'static str, &'static str, &'static str),
    /// Removes a file.
    Remove(&'static str),
    /// Makes a link, in place of what is there: path, target.
    Link(&'static str, &'static str),
    /// Gives a file another mode; the last is the one it has.
    Mode(&'static str, u32, u32),
    /// Puts a copy of a file of the image in the place of another one: source, target.
    Put(&'static str, &'static str),
    /// Keeps so many bytes of a file.
    Cut(&'static str, u64),
    /// Makes an initial RAM disk of modules with these names.
    Initrd(&'static str, &'static [&'static str]),
}

use Deed::{Append, Cut, Initrd, Link, Mode, Put, Remove, Replace, Write};

impl Deed {
    /// The file that is changed.
    pub(crate) fn path(&self) -> &'static str {
        match self {
            Write(path, _) | Append(path, _) | Replace(path, ..) | Remove(path) | Link(path, _) => path,
            Mode(path, ..) | Put(_, path) | Cut(path, _) | Initrd(path, _) => path,
        }
    }
}

/// One step back.
enum Back {
    Remove(String),
    Rename(String, String),
    Write(String, Vec<u8>),
    Mode(u32, String),
}

/// Changes an image, and takes all of it back.
pub(crate) struct Hand<'a> {
    pub(crate) guest: &'a mut dyn Guest,
    release: String,
    root: String,
    back: Vec<Back>,
    kept: usize,
}

impl<'a> Hand<'a> {
    pub(crate) fn new(guest: &'a mut dyn Guest, release: &str, root: &str) -> Self {
        Self { guest, release: release.to_owned(), root: root.to_owned(), back: Vec::new(), kept: 0 }
    }

    fn filled(&self, text: &str) -> String {
        text.replace("{release}", &self.release).replace("{root}", &self.root)
    }

    pub(crate) fn does(&mut self, deed: &Deed) {
        let path = self.filled(deed.path());
        match *deed {
            Write(_, content) => self.write(&path, self.filled(content).as_bytes()),
            Append(_, line) => {
                let text = self.text(&path);
                self.write(&path, format!("{text}{}\n", self.filled(line)).as_bytes());
            }
            Replace(_, from, to) => {
                let (text, from) = (self.text(&path), self.filled(from));
                assert!(text.contains(&from), "{path} has no {from:?}:\n{text}");
                self.write(&path, text.replace(&from, &self.filled(to)).as_bytes());
            }
            Remove(_) => drop(self.keep(&path)),
            Link(_, target) => {
                self.makes_room(&path);
                self.guest.symlink(target, &path).expect("a link");
            }
            Mode(_, mode, before) => {
                self.guest.chmod(mode, &path).expect("a mode");
                self.back.push(Back::Mode(before, path));
            }
            Put(source, _) => {
                self.makes_room(&path);
                self.run(&format!("cp --preserve=timestamps '{}' '{path}'", self.filled(source)));
            }
            Cut(_, bytes) => {
                let kept = self.keep(&path);
                self.back.push(Back::Remove(path.clone()));
                self.run(&format!("head -c {bytes} '{kept}' >'{path}'"));
            }
            Initrd(_, modules) => {
                self.makes_room(&path);
                let names = modules.iter().map(|name| format!("usr/lib/modules/{}/kernel/{name}.ko", self.release));
                self.guest.write(&path, &cpio(names)).expect("an initial RAM disk");
            }
        }
    }

    /// Takes back all that was done.
    pub(crate) fn undoes(&mut self) {
        while let Some(step) = self.back.pop() {
            match step {
                Back::Remove(path) => self.guest.remove(&path),
                Back::Rename(from, to) => self.guest.rename(&from, &to),
                Back::Write(path, content) => self.guest.write(&path, &content),
                Back::Mode(mode, path) => self.guest.chmod(mode, &path),
            }
            .expect("it is taken back");
        }
    }

    fn text(&mut self, path: &str) -> String {
        String::from_utf8(self.guest.read(path, 1 << 20).expect("a small file")).expect("text")
    }

    fn write(&mut self, path: &str, content: &[u8]) {
        match self.guest.kind(path).expect("a look") {
            Some(FileKind::File) => {
                let before = self.guest.read(path, 1 << 20).expect("a small file");
                self.back.push(Back::Write(path.to_owned(), before));
            }
            _ => self.makes_room(path),
        }
        self.guest.write(path, content).expect("written");
    }

    /// Makes the directory of a path, and puts away what is at the path.
    fn makes_room(&mut self, path: &str) {
        if self.guest.kind(path).expect("a look").is_some() {
            self.keep(path);
        }
        let mut made = path.to_owned();
        for (at, _) in path.match_indices('/').skip(1).collect::<Vec<_>>().into_iter().rev() {
            if self.guest.kind(&path[..at]).expect("a look").is_some() {
                break;
            }
            made.truncate(at);
        }
        if let Some((directory, _)) = path.rsplit_once('/').filter(|_| made != path) {
            self.guest.mkdir(directory).expect("a directory");
        }
        self.back.push(Back::Remove(made));
    }

    /// Puts a file where no rule looks.
    fn keep(&mut self, path: &str) -> String {
        self.kept += 1;
        let kept = format!("/var/lib/kept-{}", self.kept);
        self.guest.rename(path, &kept).unwrap_or_else(|error| panic!("{error}"));
        self.back.push(Back::Rename(kept.clone(), path.to_owned()));
        kept
    }

    /// Runs a line of shell in the image.
    pub(crate) fn run(&mut self, line: &str) {
        let args = ["-ec".to_owned(), line.to_owned()];
        let ended = self.guest.run(&Command { program: "/bin/sh", args: &args, ..Command::default() }).expect("sh");
        assert_eq!(ended.status, 0, "{line}: {:?}", ended.tail);
    }
}

/// An archive of empty files, as `cpio --format=newc` writes it.
fn cpio(names: impl Iterator<Item = String>) -> Vec<u8> {
    let mut archive = Vec::new();
    for name in names.chain(["TRAILER!!!".to_owned()]) {
        let (zero, length) = ("0".repeat(8), name.len() + 1);
        archive.extend(format!("070701{}{length:08x}{zero}{name}\0", zero.repeat(11)).bytes());
        archive.resize(archive.len().next_multiple_of(4), 0);
    }
    archive
}
