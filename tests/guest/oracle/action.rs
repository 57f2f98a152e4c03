//! Random actions: each as a recipe has it, and what it means in shell.

use std::path::Path;

use fastrand::Rng;
use serde_json::{Value, json};

use super::draw::{DEFAULT, Kinds, line, name, one, percent, text, tree};
use super::entry::{Entry, Manner, What, make, meaning, printf, quote};
use crate::calls::small_guest::{run, tool};

/// What copied files have as their time: the moment that the image is of.
pub(super) const EPOCH: i64 = 1_600_000_000;

/// An action of a recipe, and lines of shell that do the same.
pub(super) struct Action {
    pub(super) recipe: Value,
    pub(super) meaning: String,
}

/// Draws the actions of one case.
pub(super) struct Drawing<'a> {
    pub(super) rng: &'a mut Rng,
    /// Folder of the recipe.
    pub(super) folder: &'a Path,
    /// Directory of the case in the image.
    pub(super) place: &'a str,
    /// Paths that may be there, absolute, and whether each may be a directory.
    pub(super) known: Vec<(String, bool)>,
    /// Number of sources that were made.
    pub(super) sources: usize,
}

impl Drawing<'_> {
    pub(super) fn action(&mut self) -> Action {
        match self.rng.u8(..34) {
            ..4 => self.write(),
            ..8 => self.copy(),
            ..12 => self.extract(),
            ..16 => self.edit(),
            ..19 => self.remove(),
            ..21 => self.empty(),
            ..24 => self.mkdir(),
            ..27 => self.symlink(),
            ..30 => self.rename(),
            ..33 => self.permissions(),
            _ => self.script(),
        }
    }

    /// A path of the case: one that is there, or a new one below one that is.
    fn path(&mut self, there: u8, directory: bool) -> String {
        let plain: Vec<_> = self.known.iter().filter(|(path, _)| !path.contains(['*', '?', '[', '\n'])).collect();
        let dirs: Vec<_> = plain.iter().filter(|(_, dir)| *dir).collect();
        let deep = |path: &&&(String, bool)| path.0.len() > self.place.len();
        if percent(self.rng, there) {
            let fitting: Vec<_> = plain.iter().filter(deep).filter(|(_, dir)| *dir == directory).collect();
            let any = percent(self.rng, 5) || fitting.is_empty();
            let all: Vec<_> = if any { plain.iter().filter(deep).collect() } else { fitting };
            if !all.is_empty() {
                return all[self.rng.usize(..all.len())].0.clone();
            }
        }
        let below = if percent(self.rng, 3) {
            plain[self.rng.usize(..plain.len())]
        } else {
            dirs[self.rng.usize(..dirs.len())]
        };
        let mut path = below.0.clone();
        for number in 0..self.rng.usize(1..4) {
            path = format!("{path}/{}", name(self.rng));
            self.known.push((path.clone(), number > 0 || directory));
        }
        if percent(self.rng, 1) {
            path += &format!("/{}", "d".repeat(200)).repeat(15);
        }
        path
    }

    /// The path as a recipe may write it too.
    fn spelled(&mut self, path: &str) -> String {
        match self.rng.u8(..20) {
            0 => path.replacen("/srv/", "/srv/./", 1),
            1 => path.replacen("/srv/", "//srv//", 1),
            _ => path.to_owned(),
        }
    }

    /// `owner` of an action, and what chown(1) is to be told. A name alone stands for the user's own group too.
    fn owner(&mut self) -> (Option<&'static str>, &'static str) {
        match self.rng.u8(..100) {
            ..50 => (None, "0:0"),
            ..60 => (Some("www-data:adm"), "www-data:adm"),
            ..70 => (Some("7:8"), "7:8"),
            ..75 => (Some("70000:games"), "70000:games"),
            ..83 => (Some("sync"), "sync:"),
            ..90 => (Some("someone"), "someone:"),
            ..97 => (Some("4"), "4:4"),
            _ => (Some("nobody:nosuch"), "nobody:nosuch"),
        }
    }

    fn mode(&mut self) -> Option<&'static str> {
        percent(self.rng, 50).then(|| one(self.rng, &["0644", "600", "0755", "4755", "2711", "0000", "1777"]))
    }

    fn write(&mut self) -> Action {
        let (path, (owner, chown), mode) = (self.path(55, false), self.owner(), self.mode());
        let content = text(self.rng);
        let recipe =
            with(json!({ "path": self.spelled(&path), "content": content }), &[("mode", mode), ("owner", owner)]);
        let meaning = format!(
            "printf {} | write {} {} {chown}\n",
            printf(content.as_bytes()),
            quote(&path),
            mode.unwrap_or("0644")
        );
        Action { recipe: json!({ "write": recipe }), meaning }
    }

    /// Makes a tree beside the recipe.
    fn source(&mut self, pipes: u8) -> (String, Vec<Entry>) {
        self.sources += 1;
        let name = format!("source-{}", self.sources);
        let entries = tree(self.rng, &Kinds { place: self.place, pipes, rights: true });
        make(&entries, &self.folder.join(&name));
        (name, entries)
    }

    fn copy(&mut self) -> Action {
        let (mut source, entries) = self.source(1);
        let ((owner, chown), mode) = (self.owner(), self.mode());
        let manner = Manner {
            mode: mode.map(|mode| u32::from_str_radix(mode, 8).unwrap()),
            owner: Some(chown.to_owned()),
            time: Some(EPOCH),
            holes: true,
        };
        let file = entries.iter().find(|entry| matches!(entry.what, What::File(_) | What::Zeros { .. }));
        let (path, meaning) = match file {
            Some(file) if percent(self.rng, 40) => {
                source = format!("{source}/{}", file.path);
                let path = self.path(50, false);
                let file = Entry { path: String::new(), ..file.clone() };
                let meaning = format!("no_directory {0}\nway {0}\n", quote(&path)) + &meaning(&[file], &path, &manner);
                (path, meaning)
            }
            _ => {
                let path = self.path(60, true);
                let meaning = self.brought(&entries, &path, &manner);
                let refused = entries.iter().any(|entry| entry.what == What::Pipe);
                (path, if refused { "refuse 'a pipe'\n".to_owned() } else { meaning })
            }
        };
        if percent(self.rng, 10) {
            let link = format!("link-{}", self.sources);
            std::os::unix::fs::symlink(&source, self.folder.join(&link)).unwrap();
            source = link;
        }
        let recipe =
            with(json!({ "source": source, "path": self.spelled(&path) }), &[("mode", mode), ("owner", owner)]);
        Action { recipe: json!({ "copy": recipe }), meaning }
    }

    fn extract(&mut self) -> Action {
        let (source, entries) = self.source(5);
        let archive = format!("{source}.tar");
        let compress = one(self.rng, &["--no-auto-compress", "--gzip", "--xz", "--zstd"]);
        // Access control lists are texts, or attributes, or both.
        let lists: &[&str] =
            one(self.rng, &[&["--acls", "--xattrs-exclude=system.*"][..], &["--acls"][..], &["--no-acls"][..]]);
        let mut tar = tool("tar");
        tar.current_dir(self.folder).args(["-c", "-S", "--xattrs", "--xattrs-include=*"]).args(lists);
        tar.args([compress, "--format=posix", "-f", &archive, "-C", &source]);
        if percent(self.rng, 50) {
            run(tar.arg("."));
        } else {
            // In the order in which the files were made, so that directories are left and come again.
            let names: String = entries.iter().map(|entry| format!("./{}\0", entry.path)).collect();
            std::fs::write(self.folder.join(format!("{source}.list")), names).unwrap();
            let list = self.folder.join(format!("{source}.list"));
            run(tar.args(["--no-recursion", "--null", "--verbatim-files-from", "-T"]).arg(list));
        }
        let path = self.path(60, true);
        let meaning = self.brought(&entries, &path, &Manner::default());
        Action { recipe: json!({ "extract": { "source": archive, "path": self.spelled(&path) } }), meaning }
    }

    /// What it means to merge a tree into a directory.
    fn brought(&mut self, entries: &[Entry], path: &str, manner: &Manner) -> String {
        // What is made in a directory with a default list gets it, by the kernel or not: nothing is said of that.
        let listed: Vec<_> =
            entries.iter().filter(|entry| entry.attributes.iter().any(|(name, _)| *name == DEFAULT)).collect();
        for entry in entries.iter().skip(1) {
            if !listed.iter().any(|dir| entry.path.starts_with(&dir.path)) {
                self.known.push((format!("{path}/{}", entry.path), entry.what == What::Dir));
            }
        }
        format!("way {0}\ntree {0}\n{1}", quote(path), meaning(entries, path, manner))
    }

    fn edit(&mut self) -> Action {
        let globs = percent(self.rng, 15);
        let path = if globs { format!("{}/*.conf", self.place) } else { self.path(90, false) };
        let (mut recipe, mut arguments) = (json!({ "path": path }), String::new());
        let mut say = |words: &[&str]| words.iter().for_each(|word| arguments += &format!(" {}", quote(word)));
        if percent(self.rng, 50) {
            let patterns = ["^#", "baz$", "^$", "a b", "ï", r"^\s+bar", "nomatch", "(?i)FOO", r"\\$"];
            let pattern = one(self.rng, &patterns);
            recipe["delete"] = json!([pattern]);
            say(&["-d", pattern]);
        }
        if percent(self.rng, 70) {
            let (pattern, with, means) = *one(
                self.rng,
                &[
                    &(r"^(foo)=(\d+)", "$2=$1", "\x012\x01=\x011\x01"),
                    &("(b)", "<$1>", "<\x011\x01>"),
                    &("a", "x", "x"),
                    &("ü", "ue\\1&", "ue\\1&"),
                    &(r"(\w+)$", "${1}ed", "\x011\x01ed"),
                    &("bar", "$$HOME", "$HOME"),
                    &("=", " = ", " = "),
                    &("foo", "5 $", "5 $"),
                ],
            );
            recipe["replace"] = json!([{ "pattern": pattern, "with": with }]);
            say(&["-r", pattern, means]);
        }
        if percent(self.rng, 50) {
            let line = line(self.rng);
            recipe["ensure-line"] = json!(line);
            say(&["-e", line]);
        }
        let present = percent(self.rng, 30);
        if present {
            recipe["if-present"] = json!(true);
        }
        let present = if present { "1" } else { "''" };
        let meaning = if globs {
            format!(
                "found=\nfor file in {}/*.conf; do\n  if [ -e \"$file\" ] || [ -L \"$file\" ]; then found=1; else continue; fi
  if [ ! -d \"$file\" ]; then edit '' \"$file\"{arguments}; fi\ndone\n[ -n \"${{found}}$1\" ] || refuse 'no file'\n",
                quote(self.place)
            )
            .replace("$1", present.trim_matches('\''))
        } else {
            format!("edit {present} {}{arguments}\n", quote(&path))
        };
        Action { recipe: json!({ "edit": recipe }), meaning }
    }

    fn remove(&mut self) -> Action {
        if percent(self.rng, 25) {
            let glob = one(self.rng, &["*.conf", "?", "[ab]", "*/a", "two*"]);
            let meaning = format!("for path in {}/{glob}; do rm -rf \"$path\"; done\n", quote(self.place));
            return Action { recipe: json!({ "remove": [format!("{}/{glob}", self.place)] }), meaning };
        }
        let directory = self.rng.bool();
        let (one, other) = (self.path(80, directory), self.path(50, false));
        let meaning = format!("rm -rf {} {}\n", quote(&one), quote(&other));
        Action { recipe: json!({ "remove": [self.spelled(&one), other] }), meaning }
    }

    fn empty(&mut self) -> Action {
        let path = self.path(65, false);
        let meaning = format!("empty {}\n", quote(&path));
        Action { recipe: json!({ "empty": [self.spelled(&path)] }), meaning }
    }

    fn mkdir(&mut self) -> Action {
        let (path, (owner, chown), mode) = (self.path(40, true), self.owner(), self.mode());
        let recipe = with(json!({ "path": self.spelled(&path) }), &[("mode", mode), ("owner", owner)]);
        let chmod = mode.map_or(String::new(), |mode| format!("{:0>5}", mode));
        let chown = owner.map_or("", |_| chown);
        Action { recipe: json!({ "mkdir": recipe }), meaning: format!("make {} '{chmod}' '{chown}'\n", quote(&path)) }
    }

    fn permissions(&mut self) -> Action {
        let globs = percent(self.rng, 30);
        let directory = percent(self.rng, 30);
        let path = if globs { format!("{}/*.conf", self.place) } else { self.path(85, directory) };
        let ((owner, chown), mut mode) = (self.owner(), self.mode());
        if owner.is_none() {
            mode = mode.or(Some("0640"));
        }
        let present = percent(self.rng, 30);
        let mut recipe = with(json!({ "path": self.spelled(&path) }), &[("mode", mode), ("owner", owner)]);
        if present {
            recipe["if-present"] = json!(true);
        }
        let (present, chown) = (if present { "1" } else { "" }, owner.map_or("", |_| chown));
        let chmod = mode.map_or(String::new(), |mode| format!("{mode:0>5}"));
        // A glob, outside of quotes.
        let paths = if globs { format!("{}/*.conf", quote(self.place)) } else { quote(&path) };
        let meaning = format!("permissions '{present}' '{chmod}' '{chown}' {paths}\n");
        Action { recipe: json!({ "permissions": recipe }), meaning }
    }

    fn symlink(&mut self) -> Action {
        let directory = percent(self.rng, 20);
        let path = self.path(35, directory);
        let target = match self.rng.u8(..4) {
            0 => "no/where".to_owned(),
            1 => "..".to_owned(),
            2 => name(self.rng),
            _ => self.path(100, true),
        };
        self.known.push((path.clone(), true));
        let meaning = format!("link {} {}\n", quote(&target), quote(&path));
        Action { recipe: json!({ "symlink": { "path": self.spelled(&path), "target": target } }), meaning }
    }

    fn rename(&mut self) -> Action {
        let directory = percent(self.rng, 30);
        let (from, to) = (self.path(95, directory), self.path(30, directory));
        let meaning = format!("move {} {}\n", quote(&from), quote(&to));
        Action { recipe: json!({ "move": { "from": self.spelled(&from), "to": to } }), meaning }
    }

    fn script(&mut self) -> Action {
        let path = format!("{}/{}", self.place, name(self.rng));
        let inline = "[ ! -p \"$1\" ]; umask >\"$1\"; pwd >>\"$1\"; printf '%s\\n' \"$#\" \"$2\" \"$WORDS\" >>\"$1\"; [ -d \"$1\" ] || cat >>\"$1\"\n";
        let (word, words) = (text(self.rng), name(self.rng));
        let recipe = json!({ "inline": inline, "args": [path, word], "env": { "WORDS": words } });
        let meaning = format!(
            "WORDS={} sh -euc {} script {} {} </dev/null\n",
            quote(&words),
            quote(inline),
            quote(&path),
            quote(&word)
        );
        Action { recipe: json!({ "run": recipe }), meaning }
    }
}

/// The map with these keys too, where they are given.
fn with(mut map: Value, keys: &[(&str, Option<&str>)]) -> Value {
    for (key, value) in keys {
        if let Some(value) = value {
            map[*key] = json!(value);
        }
    }
    map
}
