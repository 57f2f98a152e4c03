//! Carries out actions on files, such as `write`, `copy` and `edit`.

use std::collections::BTreeMap;
use std::io::Read as _;

use regex::Regex;

use super::carry::{Manner, carry};
use super::error::ForAction as _;
use super::program::TEXT_LIMIT;
use super::staged::staged;
use super::{ActionError, Executor};
use crate::action::{Copy, Edit, Extract, Mkdir, Mode, Move, Permissions, Symlink, Write};
use crate::fsx::IoContext as _;
use crate::guest::FileKind;
use crate::plan::{Asset, AssetKind};

/// Permissions of a file that says nothing about them.
const FILE_MODE: u32 = 0o644;

impl Executor<'_> {
    pub(super) fn write(&mut self, write: &Write) -> Result<(), ActionError> {
        let label = format!("write {}", write.path);
        let path = self.replace(&label, &write.path, write.content.as_bytes())?;
        self.attributes(&label, &path, write.mode.map_or(FILE_MODE, Mode::bits), write.owner.as_deref())
    }

    pub(super) fn copy(&mut self, copy: &Copy, files: &BTreeMap<String, Asset>) -> Result<(), ActionError> {
        let label = format!("copy {}", copy.source);
        let owner = self.owner(&label, copy.owner.as_deref())?;
        let manner = Manner { mode: copy.mode.map(Mode::bits), owner, time: self.epoch.unwrap_or(0) };
        let archive = tempfile::NamedTempFile::new_in(self.scratch).at(self.scratch)?;
        let directory = files.get(&copy.source).is_some_and(|asset| asset.kind == AssetKind::Directory);
        let (path, name) = if directory {
            (self.merged(&label, &copy.path)?, ".".to_owned())
        } else {
            let path = self.place(&label, &copy.path)?;
            self.make_way(&label, &path)?;
            match path.rsplit_once('/') {
                Some((parent, name)) if !parent.is_empty() => (parent.to_owned(), name.to_owned()),
                _ => ("/".to_owned(), path.trim_start_matches('/').to_owned()),
            }
        };
        carry(&copy.source, &name, files, manner, archive.as_file())?;
        self.guest.unpack(archive.path(), None, &path).for_action(&label)
    }

    pub(super) fn extract(&mut self, extract: &Extract, files: &BTreeMap<String, Asset>) -> Result<(), ActionError> {
        let label = format!("extract {}", extract.source);
        let archive = staged(&extract.source, files, self.scratch)?;
        let mut magic = Vec::new();
        let file = archive.reopen().at(archive.path())?;
        file.take(6).read_to_end(&mut magic).at(archive.path())?;
        // RFC 1952, the xz file format 1.2 and RFC 8878.
        let compression = match magic.as_slice() {
            [0x1f, 0x8b, ..] => Some("gzip"),
            [0xfd, b'7', b'z', b'X', b'Z', 0] => Some("xz"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some("zstd"),
            _ => None,
        };
        let path = self.merged(&label, &extract.path)?;
        self.guest.unpack(archive.path(), compression, &path).for_action(&label)
    }

    pub(super) fn edit(&mut self, edit: &Edit) -> Result<(), ActionError> {
        let label = format!("edit {}", edit.path);
        let unfit = |message: String| ActionError::Unfit { action: label.clone(), message };
        let delete = patterns(edit.delete.iter()).map_err(unfit)?;
        let replace = patterns(edit.replace.iter().map(|replace| &replace.pattern)).map_err(unfit)?;
        for path in self.present(&label, &edit.path, edit.if_present)? {
            let (path, kind) = self.target(&label, &path)?;
            // A glob may find directories too; a path that names one is a mistake, of which reading tells.
            if is_glob(&edit.path) && kind == Some(FileKind::Directory) {
                continue;
            }
            let bytes = self.guest.read(&path, TEXT_LIMIT).for_action(&label)?;
            let text = String::from_utf8(bytes).map_err(|_| ActionError::Unfit {
                action: label.clone(),
                message: format!("{path} is not UTF-8 text"),
            })?;
            let edited = edited(&text, &delete, &replace, edit);
            if edited != text {
                self.guest.write(&path, edited.as_bytes()).for_action(&label)?;
            }
        }
        Ok(())
    }

    pub(super) fn permissions(&mut self, permissions: &Permissions) -> Result<(), ActionError> {
        let label = format!("permissions {}", permissions.path);
        let owner = permissions.owner.as_deref().map(|owner| self.owner(&label, Some(owner))).transpose()?;
        for path in self.present(&label, &permissions.path, permissions.if_present)? {
            let (path, _) = self.target(&label, &path)?;
            // A new owner takes bits of the mode away.
            if let Some((uid, gid)) = owner {
                self.guest.chown(uid, gid, &path).for_action(&label)?;
            }
            if let Some(mode) = permissions.mode {
                self.guest.chmod(mode.bits(), &path).for_action(&label)?;
            }
        }
        Ok(())
    }

    pub(super) fn remove(&mut self, paths: &[String]) -> Result<(), ActionError> {
        for pattern in paths {
            let label = format!("remove {pattern}");
            for path in self.matching(&label, pattern)? {
                self.guest.remove(&path).for_action(&label)?;
            }
        }
        Ok(())
    }

    pub(super) fn empty(&mut self, paths: &[String]) -> Result<(), ActionError> {
        for pattern in paths {
            let label = format!("empty {pattern}");
            let found = if is_glob(pattern) { self.matching(&label, pattern)? } else { vec![pattern.clone()] };
            for path in found {
                let path = self.place(&label, &path)?;
                match self.guest.kind(&path).for_action(&label)? {
                    Some(FileKind::File) => self.guest.write(&path, b"").for_action(&label)?,
                    // A directory may hand on its group.
                    _ => {
                        self.replace(&label, &path, b"")?;
                        self.attributes(&label, &path, FILE_MODE, None)?;
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn mkdir(&mut self, mkdir: &Mkdir) -> Result<(), ActionError> {
        let label = format!("mkdir {}", mkdir.path);
        let path = self.directory(&label, &mkdir.path)?;
        // What is not asked for stays, where the directory was there before: /tmp is no mkdir's to close.
        if let Some(owner) = &mkdir.owner {
            let (uid, gid) = self.owner(&label, Some(owner))?;
            self.guest.chown(uid, gid, &path).for_action(&label)?;
        }
        match mkdir.mode {
            Some(mode) => self.guest.chmod(mode.bits(), &path).for_action(&label),
            None => Ok(()),
        }
    }

    pub(super) fn symlink(&mut self, link: &Symlink) -> Result<(), ActionError> {
        let label = format!("symlink {}", link.path);
        let path = self.place(&label, &link.path)?;
        self.guest.symlink(&link.target, &path).for_action(&label)
    }

    pub(super) fn rename(&mut self, rename: &Move) -> Result<(), ActionError> {
        let label = format!("move {}", rename.from);
        let Some(from) = self.entry(&label, &rename.from)? else {
            let message = format!("{} is not in the image", rename.from);
            return Err(ActionError::Unfit { action: label, message });
        };
        let to = self.place(&label, &rename.to)?;
        self.guest.rename(&from, &to).for_action(&label)
    }

    /// Makes a regular file in place of what is there, without following a link at the end of the path. Returns where
    /// that is.
    pub(super) fn replace(&mut self, label: &str, path: &str, content: &[u8]) -> Result<String, ActionError> {
        let path = self.place(label, path)?;
        self.make_way(label, &path)?;
        self.guest.write(&path, content).for_action(label)?;
        Ok(path)
    }

    /// Gives a file another content in its place, at the end of the links that lead to it.
    pub(super) fn rewrite(&mut self, label: &str, path: &str, content: &[u8]) -> Result<(), ActionError> {
        let path = self.file(label, path)?;
        self.guest.write(&path, content).for_action(label)
    }

    /// Removes what is at a path, if it is such that writing there would not make or change a file there.
    fn make_way(&mut self, label: &str, path: &str) -> Result<(), ActionError> {
        match self.guest.kind(path).for_action(label)? {
            Some(FileKind::Symlink | FileKind::Special) => self.guest.remove(path).for_action(label),
            Some(FileKind::Directory) => {
                let message = format!("{path} is a directory");
                Err(ActionError::Unfit { action: label.to_owned(), message })
            }
            Some(FileKind::File) | None => Ok(()),
        }
    }

    pub(super) fn attributes(
        &mut self,
        label: &str,
        path: &str,
        mode: u32,
        owner: Option<&str>,
    ) -> Result<(), ActionError> {
        let (uid, gid) = self.owner(label, owner)?;
        self.guest.chown(uid, gid, path).for_action(label)?;
        self.guest.chmod(mode, path).for_action(label)
    }

    /// Numeric ids of `user`, `user:group`, by the image's own account files.
    fn owner(&mut self, label: &str, owner: Option<&str>) -> Result<(u32, u32), ActionError> {
        let Some(owner) = owner else { return Ok((0, 0)) };
        let (user, group) = owner.split_once(':').unwrap_or((owner, ""));
        let unknown = |what: &str, name: &str| ActionError::Unfit {
            action: label.to_owned(),
            message: format!("{what} `{name}` is not in the image"),
        };
        let accounts = self.text(label, "/etc/passwd")?;
        let account = |field: usize| {
            let entry = accounts.lines().map(|line| line.split(':')).find(|entry| entry.clone().next() == Some(user));
            entry.and_then(|mut entry| entry.nth(field)).and_then(|id| id.parse().ok())
        };
        let uid = user.parse().ok().or_else(|| account(2)).ok_or_else(|| unknown("user", user))?;
        let gid = match group {
            "" => account(3).or_else(|| user.parse().ok()),
            group => group.parse().ok().or(entry_id(&self.text(label, "/etc/group")?, group)),
        };
        Ok((uid, gid.ok_or_else(|| unknown("group", group))?))
    }

    /// Paths that a path or glob names. If there are none, this is an error, unless `if_present` is set.
    fn present(&mut self, label: &str, pattern: &str, if_present: bool) -> Result<Vec<String>, ActionError> {
        let paths = self.matching(label, pattern)?;
        if paths.is_empty() && !is_glob(pattern) {
            // A file behind a link that leads nowhere is not merely absent.
            self.target(label, pattern)?;
        }
        if paths.is_empty() && !if_present {
            let message = "is not in the image; with `if-present: true` that is passed over".to_owned();
            return Err(ActionError::Unfit { action: label.to_owned(), message });
        }
        Ok(paths)
    }

    /// Paths of the image that a path or glob names.
    fn matching(&mut self, label: &str, pattern: &str) -> Result<Vec<String>, ActionError> {
        if is_glob(pattern) {
            self.guest.glob(pattern).for_action(label)
        } else {
            Ok(self.entry(label, pattern)?.into_iter().collect())
        }
    }
}

/// Numeric id of a named line of an account file.
fn entry_id(entries: &str, name: &str) -> Option<u32> {
    let mut entry = entries.lines().map(|line| line.split(':')).find(|entry| entry.clone().next() == Some(name))?;
    entry.nth(2)?.parse().ok()
}

fn is_glob(pattern: &str) -> bool {
    pattern.contains(['*', '?', '['])
}

fn patterns<'a>(patterns: impl Iterator<Item = &'a String>) -> Result<Vec<Regex>, String> {
    patterns.map(|pattern| Regex::new(pattern).map_err(|error| error.to_string())).collect()
}

/// A text after deletions, replacements and the line that it must have, in this order.
fn edited(text: &str, delete: &[Regex], replace: &[Regex], edit: &Edit) -> String {
    let mut edited = String::new();
    for whole in text.split_inclusive('\n') {
        let line = whole.trim_end_matches(['\r', '\n']);
        if delete.iter().any(|pattern| pattern.is_match(line)) {
            continue;
        }
        let mut changed = line.to_owned();
        for (pattern, replacement) in replace.iter().zip(&edit.replace) {
            changed = pattern.replace_all(&changed, replacement.with.as_str()).into_owned();
        }
        edited.push_str(&changed);
        // Each line keeps the end it has, so that a file in which nothing is to change does not change.
        edited.push_str(&whole[line.len()..]);
    }
    match &edit.ensure_line {
        Some(wanted) => with_line(edited, wanted),
        None => edited,
    }
}

/// A text that has a line, at its end unless it is there already.
pub(super) fn with_line(mut text: String, line: &str) -> String {
    if !text.lines().any(|present| present == line) {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::action::Replace;

    #[test]
    fn edits_apply_in_their_order() {
        let edit = Edit {
            delete: vec!["^HWADDR=".to_owned()],
            replace: vec![Replace { pattern: "^(ONBOOT)=no$".to_owned(), with: "$1=yes".to_owned() }],
            ensure_line: Some("BOOTPROTO=dhcp".to_owned()),
            ..Edit::default()
        };
        let delete = patterns(edit.delete.iter()).expect("valid patterns");
        let replace = patterns(edit.replace.iter().map(|replace| &replace.pattern)).expect("valid patterns");
        let once = edited("DEVICE=eth0\nHWADDR=52:54:00:00:00:01\nONBOOT=no", &delete, &replace, &edit);
        assert_eq!(once, "DEVICE=eth0\nONBOOT=yes\nBOOTPROTO=dhcp\n");
        assert_eq!(edited(&once, &delete, &replace, &edit), once, "a second edit changes nothing");
        for text in ["", "a\r\nb", "\n\n", "no end"] {
            assert_eq!(edited(text, &delete, &replace, &Edit::default()), text);
        }
        assert_eq!(edited("HWADDR=1\r\nONBOOT=no\r\n", &delete, &replace, &Edit::default()), "ONBOOT=no\r\n");
    }

    #[test]
    fn ids_come_from_account_files() {
        assert_eq!(entry_id("root:x:0:\nadm:x:4:syslog\n", "adm"), Some(4));
        assert_eq!(entry_id("root:x:0:\nbroken\n", "broken"), None);
        assert_eq!(entry_id("", "adm"), None);
    }
}
