//! Random settings of GRUB and changes of the kernel's arguments in them.

use fastrand::Rng;
use serde_json::json;

use super::action::Action;
use super::draw::{one, percent};
use super::entry::printf;

const ARGS: &[&str] = &[
    "quiet",
    "quietly",
    "splash",
    "nosmt",
    "loglevel=3",
    "loglevel=7",
    "console=tty0",
    "console=ttyS0,115200n8",
    "dyndbg=\"+p\"",
    "a.b=it's",
    "crashkernel=1G-:256M",
];

const REMOVED: &[&str] =
    &["quiet", "splash", "nosmt", "console=", "loglevel=", "loglevel=3", "console=tty0", "dyndbg="];

/// What a shell finds in the settings, written where the trees are compared, and as a menu for the end of the step.
const FOUND: &str = r#"set -f
GRUB_CMDLINE_LINUX= GRUB_CMDLINE_LINUX_DEFAULT=
. /etc/default/grub
set +f
for file in /etc/default/grub.d/*.cfg; do [ ! -e "$file" ] || . "$file"; done
set -f
printf '%s\n' $GRUB_CMDLINE_LINUX $GRUB_CMDLINE_LINUX_DEFAULT | LC_ALL=C sort -u | sed '/^$/d' >"$1"
mkdir -p /boot/grub
printf 'menuentry x {\n linux /k root=UUID=1 %s\n}\n' "$(tr '\n' ' ' <"$1")" >/boot/grub/grub.cfg
set +f
rm -rf /etc/default/grub /etc/default/grub.d"#;

/// A file of settings, some of its assignments, and the arguments in them.
fn settings(rng: &mut Rng, args: &mut Vec<&'static str>) -> String {
    let mut text = String::from("# If you change this file, run `update-grub`.\nGRUB_TIMEOUT=5\n");
    let mut seen = Vec::new();
    for _ in 0..rng.usize(1..4) {
        let name = one(rng, &["GRUB_CMDLINE_LINUX", "GRUB_CMDLINE_LINUX_DEFAULT", "GRUB_CMDLINE_LINUX"]);
        let words: Vec<&'static str> = (0..rng.usize(0..4)).map(|_| one(rng, ARGS)).collect();
        // An assignment without the old value would hide the one before.
        let before = if seen.contains(&name) { format!("${name} ") } else { String::new() };
        seen.push(name);
        args.extend(&words);
        let plain = words.iter().all(|word| !word.contains(['"', '\'']));
        let value = match rng.u8(..4) {
            0 if before.is_empty() && plain => format!("'{}'", words.join(" ")),
            1 if before.is_empty() && plain && words.len() == 1 => words[0].to_owned(),
            2 => format!("\"{before}{}\"", words.iter().map(|word| escaped(word)).collect::<Vec<_>>().join(" \\\n  ")),
            _ => format!("\"{before}{}\"", words.iter().map(|word| escaped(word)).collect::<Vec<_>>().join("  ")),
        };
        let export = if percent(rng, 10) { "export " } else { "" };
        text += &format!("{export}{name}={value}\n");
        if percent(rng, 20) {
            text += "#GRUB_CMDLINE_LINUX=\"quiet nosmt\"\nGRUB_TERMINAL=console # quiet\n";
        }
    }
    text
}

fn escaped(word: &str) -> String {
    word.replace('"', "\\\"")
}

/// Settings, a change of them, and what a shell then finds in them. `number` is that of the change.
pub(super) fn round(rng: &mut Rng, number: usize) -> Vec<Action> {
    let mut args = Vec::new();
    let plain = |recipe| Action { recipe, meaning: String::new() };
    let mut actions =
        vec![plain(json!({ "write": { "path": "/etc/default/grub", "content": settings(rng, &mut args) } }))];
    if percent(rng, 40) {
        let word = one(rng, ARGS);
        args.push(word);
        let content = format!("GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX {}\"\n", escaped(word));
        actions.push(plain(json!({ "write": { "path": "/etc/default/grub.d/50-own.cfg", "content": content } })));
    }
    let remove: Vec<_> = (0..rng.usize(0..3)).map(|_| one(rng, REMOVED)).collect();
    let matches = |arg: &str, pattern: &str| {
        if pattern.ends_with('=') { arg.starts_with(pattern) } else { arg == pattern }
    };
    let removed = |arg: &str| remove.iter().any(|pattern| matches(arg, pattern));
    let mut add: Vec<_> =
        (0..rng.usize(0..3)).map(|_| one(rng, &["nosmt", "loglevel=7", "mitigations=off", "x=1"])).collect();
    add.retain(|arg| !removed(arg));
    if add.is_empty() && remove.is_empty() {
        add.push("x=2");
    }
    let mut keys = json!({});
    if !add.is_empty() {
        keys["add"] = json!(add);
    }
    if !remove.is_empty() {
        keys["remove"] = json!(remove);
    }
    actions.push(plain(json!({ "kernel-args": keys })));
    let path = format!("/srv/args-{number}");
    args.retain(|arg| !removed(arg));
    args.extend(&add);
    args.sort_unstable();
    args.dedup();
    let lines: String = args.iter().flat_map(|arg| [arg, "\n"]).collect();
    let menu = format!(
        "menuentry x {{\n linux /k root=UUID=1 {}\n}}\n",
        args.iter().map(|arg| format!("{arg} ")).collect::<String>()
    );
    actions.push(Action {
        recipe: json!({ "run": { "inline": FOUND, "args": [path] } }),
        meaning: format!(
            "mkdir -p /boot/grub /etc/default\nprintf {} >{path}\nprintf {} >/boot/grub/grub.cfg\n",
            printf(lines.as_bytes()),
            printf(menu.as_bytes())
        ),
    });
    actions
}
