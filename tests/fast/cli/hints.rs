//! Hints: what a message advises exists, and doing it solves the problem.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use clap::Command;
use clap::error::ErrorKind;
use goldsmith::cli::grammar;
use regex::Regex;

use super::sandbox::{BASE, Sandbox};
use super::trees::built;

/// Options of other programs that messages name: of sgdisk, gpg, openssl and the like.
const OF_OTHERS: &[&str] = &[
    "--move-second-header",
    "--verify",
    "--list-secret-keys",
    "--ro",
    "--rescue",
    "--add-subuids",
    "--add-subgids",
    "--bind",
];

/// All lines of the source that are no comments, with their file.
fn lines() -> Vec<(String, String)> {
    fn walk(dir: &Path, found: &mut Vec<(String, String)>) {
        for entry in std::fs::read_dir(dir).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                let text = text.split("#[cfg(test)]").next().unwrap_or_default().replace("\\\n", "\\ ");
                let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("//"));
                found.extend(lines.map(|line| (path.display().to_string(), line.to_owned())));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

fn options(command: &Command, found: &mut BTreeSet<String>) {
    found.extend(command.get_arguments().filter_map(|arg| Some(format!("--{}", arg.get_long()?))));
    command.get_subcommands().for_each(|command| options(command, found));
}

#[test]
fn commands_and_options_in_messages_exist() {
    let command = Regex::new(r"`goldsmith ([a-z][^`]*)`").expect("it compiles");
    let placeholder = Regex::new(r"\{[^}]*\}").expect("it compiles");
    let option = Regex::new(r"(?:^|[\s`(])(--[a-z][a-z0-9-]+)").expect("it compiles");
    let literal = Regex::new(r#""((?:[^"\\]|\\.)*)""#).expect("it compiles");
    let mut known = BTreeSet::from(["--help".to_owned(), "--version".to_owned()]);
    options(&grammar(), &mut known);
    let (mut commands, mut named) = (0, 0);
    for (file, line) in lines() {
        for text in literal.captures_iter(&line).map(|found| found[1].to_owned()) {
            for found in command.captures_iter(&text) {
                let words = placeholder.replace_all(&found[1], "x").into_owned();
                let parsed =
                    grammar().try_get_matches_from(std::iter::once("goldsmith").chain(words.split_whitespace()));
                let kind = parsed.err().map(|error| error.kind());
                // A command may be named without its arguments.
                let wrong = [ErrorKind::UnknownArgument, ErrorKind::InvalidSubcommand, ErrorKind::InvalidValue];
                assert!(!kind.is_some_and(|kind| wrong.contains(&kind)), "{file}: `goldsmith {words}`: {kind:?}");
                commands += 1;
            }
            // Elsewhere options are those of programs that Goldsmith runs.
            if file.contains("/src/cli/") && text.contains(' ') {
                for found in option.captures_iter(&text).filter(|found| !OF_OTHERS.contains(&&found[1])) {
                    assert!(known.contains(&found[1]), "{file}: there is no option {}: {text}", &found[1]);
                    named += 1;
                }
            }
        }
    }
    assert!(commands > 25 && named > 25, "{commands} commands and {named} options were found");
}

/// What is there at the beginning; a command that fails; a part of its hint; what the hint says, which succeeds.
type Row = (&'static str, &'static str, &'static str, &'static str);

const ROWS: &[Row] = &[
    ("disk", "convert disk.raw there.qcow2", "`--force` replaces a file", "convert disk.raw there.qcow2 --force"),
    (
        "disk",
        "convert disk.raw disk.raw --force",
        "give another name for the new file",
        "convert disk.raw new.raw --force",
    ),
    ("disk", "convert disk.raw new.xyz", "`--to FORMAT` says it", "convert disk.raw new.xyz --to qcow2"),
    ("disk", "convert disk.raw new.tar", "in a recipe", "convert disk.raw new.vhd"),
    ("file system", "convert bare.img new.qcow2", "`--from raw`", "convert bare.img new.qcow2 --from raw"),
    (
        "packed",
        "convert disk.raw.gz new.raw --max-size 1MiB",
        "`goldsmith convert --max-size SIZE` allows more",
        "convert disk.raw.gz new.raw --max-size 1GiB",
    ),
    ("", "cache gc", "give --max-age 14d, --max-size 20GiB or --all", "cache gc --max-age 14d"),
    ("", "cache gc", "--max-size 20GiB", "cache gc --max-size 20GiB"),
    ("", "cache gc", "--all", "cache gc --all"),
    ("damaged", "cache verify", "`goldsmith cache verify --repair` removes them", "cache verify --repair"),
    ("foreign", "cache ls --cache foreign", "`--cache DIR` or $XDG_CACHE_HOME name another", "cache ls --cache other"),
    ("older", "publish out/gold --directory tree", "--allow-older", "publish out/gold --directory tree --allow-older"),
    ("recipe", "publish gold.yaml --directory tree --out elsewhere", "build", "publish gold.yaml --directory tree"),
    ("recipe", "validate list.yaml --param l=[a", "write `a,b`", "validate list.yaml --param l=a,b"),
    ("recipe", "validate list.yaml --param l=[a", "[a, \"b, c\"]", "validate list.yaml --param l=[a,\"b,c\"]"),
    ("recipe", "validate list.yaml --param l=a --param l=b", "give it once", "validate list.yaml --param l=b"),
    ("recipe", "validate wrong.yaml", "did you mean `elements`?", "validate right.yaml"),
    ("recipe", "elements show sshdd", "sshd", "elements show sshd"),
    ("recipe", "verify --list --nothing", "try '--help'", "verify --help"),
];

/// Puts into a sandbox what a row begins with.
fn begin(sandbox: &Sandbox, what: &str) {
    let mut disk = vec![0; 3 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    let image = format!("home/.cache/goldsmith/images/{}", "a".repeat(64));
    match what {
        "disk" => {
            sandbox.write("disk.raw", &disk);
            sandbox.write("there.qcow2", "");
        }
        "file system" => {
            sandbox.write("bare.img", "");
            let made = sandbox.command("truncate").args(["-s", "4M", "bare.img"]).status().expect("truncate");
            // The place of the magic number of ext4 is 0x438.
            let mut content = std::fs::read(sandbox.path("bare.img")).expect("a file");
            content[0x438..0x43a].copy_from_slice(&[0x53, 0xef]);
            sandbox.write("bare.img", content);
            assert!(made.success());
        }
        "packed" => {
            sandbox.write("disk.raw", &disk);
            assert!(sandbox.command("gzip").arg("disk.raw").status().expect("gzip").success());
        }
        "damaged" => {
            sandbox.write("home/.cache/goldsmith/store.json", r#"{"version":1}"#);
            sandbox.write(&image, "not what its name says");
        }
        "foreign" => sandbox.write("foreign/somebody", "else"),
        "older" => {
            built(sandbox, "2026-11-22T10:00:00Z", b"new");
            assert_eq!(sandbox.run("publish out/gold --directory tree").code, Some(0));
            built(sandbox, "2026-11-21T10:00:00Z", b"old");
        }
        "recipe" => {
            built(sandbox, "2026-11-21T10:00:00Z", b"disk");
            sandbox.write("gold.yaml", format!("name: gold\n{BASE}"));
            sandbox.write("list.yaml", format!("name: x\nparams: {{ l: {{ type: list, default: [] }} }}\n{BASE}"));
            sandbox.write("wrong.yaml", format!("name: x\n{BASE}elemnts: []\n"));
            sandbox.write("right.yaml", format!("name: x\n{BASE}elements: []\n"));
        }
        _ => {}
    }
}

#[test]
fn doing_what_a_hint_says_solves_the_problem() {
    let mut bad = Vec::new();
    for (what, fails, hint, works) in ROWS {
        let sandbox = Sandbox::new();
        begin(&sandbox, what);
        let failed = sandbox.run(fails);
        if failed.code == Some(0) || !failed.stderr.contains(hint) {
            bad.push(format!("`{fails}` says no {hint:?}: {failed:?}"));
        }
        let ran = sandbox.run(works);
        if ran.code != Some(0) {
            bad.push(format!("`{works}`, after {hint:?}: {ran:?}"));
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
}

/// The mode that a hint names is enough.
#[test]
fn a_cache_that_others_may_write_to_is_closed_as_the_hint_says() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("shared")).expect("a directory");
    std::fs::set_permissions(sandbox.path("shared"), std::fs::Permissions::from_mode(0o777)).expect("ours");
    let ran = sandbox.run("cache ls --cache shared");
    let hint = Regex::new(r"`chmod (\d+) ([^`]+)`").expect("it compiles");
    let found = hint.captures(&ran.stderr).unwrap_or_else(|| panic!("{ran:?}"));
    let mut chmod = sandbox.command("chmod");
    assert!(chmod.args([&found[1], &found[2]]).status().expect("chmod").success());
    assert_eq!(sandbox.run("cache ls --cache shared").code, Some(0));
}
