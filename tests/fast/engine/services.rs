//! What the action `service` does, with the host's own `systemctl` on the units of the guest in memory.

use std::path::Path;
use std::process::Command;

use goldsmith::guest::Ended;
use goldsmith::guest::fake::{Content, Node, Tree};

use super::actions::after;
use super::fixture::{Fixture, file};

/// Directories of the image that hold units.
const UNITS: [&str; 3] = ["/etc/systemd/", "/usr/lib/systemd/", "/etc/init.d/"];

/// Puts units of the image below a directory of the host.
fn put(tree: &Tree, root: &Path) {
    for (path, node) in tree.iter().filter(|(path, _)| UNITS.iter().any(|dir| path.starts_with(dir))) {
        let to = root.join(&path[1..]);
        std::fs::create_dir_all(to.parent().expect("it has one")).expect("a directory");
        match &node.content {
            Content::File(content) => std::fs::write(&to, content).expect("a file"),
            Content::Symlink(target) => std::os::unix::fs::symlink(target, &to).expect("a link"),
            Content::Directory => std::fs::create_dir_all(&to).expect("a directory"),
        }
    }
}

/// Takes links back that were made there.
fn take(tree: &mut Tree, root: &Path, dir: &Path) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = format!("/{}", entry.path().strip_prefix(root).expect("below it").display());
        let kind = entry.file_type().expect("it is there");
        let content = if kind.is_symlink() {
            Content::Symlink(std::fs::read_link(entry.path()).expect("a link").display().to_string())
        } else if kind.is_dir() {
            take(tree, root, &entry.path());
            Content::Directory
        } else {
            continue;
        };
        tree.insert(path, Node { content, mode: 0o755, owner: (0, 0) });
    }
}

/// A fixture in which programs are scripts that the host runs, with `systemctl` for the image.
fn fixture() -> Fixture {
    let fixture = Fixture::new();
    let dir = fixture.dir.path().join("systemctl");
    fixture.world.on_run(move |command, tree| {
        let root = dir.join("root");
        drop(std::fs::remove_dir_all(&dir));
        put(tree, &root);
        std::fs::create_dir_all(root.join("etc/systemd/system")).expect("a directory");
        let script = dir.join("script");
        let Content::File(content) = &tree[command.program].content else { panic!("a script") };
        std::fs::write(&script, content).expect("a file");
        let states = dir.join("states");
        let line = "systemctl() { command systemctl --root=\"$ROOT\" \"$@\"; }; script=$1; shift; . \"$script\"";
        let mut sh = Command::new("bash");
        sh.args(["-c", line, "sh"]).arg(&script).arg(&states).args(&command.args[1..]).env("ROOT", &root);
        let ran = sh.output().expect("a shell");
        tree.retain(|path, node| !path.starts_with("/etc/systemd/") || !matches!(node.content, Content::Symlink(_)));
        take(tree, &root, &root.join("etc/systemd"));
        tree.insert(command.args[0].clone(), file(&std::fs::read(&states).unwrap_or_default()));
        let tail = String::from_utf8_lossy(&ran.stderr).lines().map(str::to_owned).collect();
        Ended { status: ran.status.code().unwrap_or(255), tail }
    });
    fixture
}

/// Units of an image: one as most are, one that another starts, one that nothing starts, one for its socket, a template.
const IMAGE: &str = r#"    - write: { path: /usr/lib/systemd/system/multi-user.target, content: "[Unit]\n" }
    - write: { path: /usr/lib/systemd/system/ssh.service, content: "[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n" }
    - write: { path: /usr/lib/systemd/system/wanted.service, content: "[Service]\nExecStart=/x\n" }
    - symlink: { path: /usr/lib/systemd/system/multi-user.target.wants/wanted.service, target: ../wanted.service }
    - write: { path: /usr/lib/systemd/system/helper.service, content: "[Service]\nExecStart=/x\n" }
    - write: { path: /usr/lib/systemd/system/also.service, content: "[Service]\nExecStart=/x\n[Install]\nAlso=also.socket\n" }
    - write: { path: /usr/lib/systemd/system/also.socket, content: "[Socket]\nListenStream=/x\n[Install]\nWantedBy=multi-user.target\n" }
    - write: { path: /usr/lib/systemd/system/getty@.service, content: "[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\n" }
"#;

/// A mask, and the link that was there before it.
const MASKED: &str = "    - symlink: { path: /etc/systemd/system/ssh.service, target: /dev/null }
    - symlink: { path: /etc/systemd/system/multi-user.target.wants/ssh.service, target: /usr/lib/systemd/system/ssh.service }
";

#[test]
fn units_are_as_the_action_says_or_it_fails() {
    const ENABLED: &str = "    - service: { enable: [ssh] }\n";
    for (before, service, error) in [
        ("", "enable: [ssh]", ""),
        (ENABLED, "enable: [ssh]", ""),
        (ENABLED, "disable: [ssh]", ""),
        (ENABLED, "disable: [sshd]", "sshd.service is another name of ssh.service"),
        (ENABLED, "mask: [sshd]", "sshd.service is another name of ssh.service"),
        (ENABLED, "mask: [ssh]", ""),
        (
            MASKED,
            "enable: [ssh]",
            "ssh.service is masked, and enabling does not unmask it (`remove: [/etc/systemd/system/ssh.service]`",
        ),
        (MASKED, "enable: [ssh], if-present: true", "ssh.service is masked"),
        (MASKED, "disable: [ssh]", ""),
        ("", "enable: [wanted]", ""),
        (
            "",
            "disable: [wanted]",
            "wanted.service is started by /usr/lib/systemd/system/multi-user.target.wants/wanted.service",
        ),
        ("", "disable: [wanted], mask: [wanted]", ""),
        ("", "enable: [helper]", "helper.service has no [Install] section, and no unit wants it"),
        ("", "disable: [helper]", ""),
        ("", "enable: [also]", ""),
        ("", "enable: [getty@tty1]", ""),
        ("", "enable: [none]", "none.service is not installed"),
        ("", "disable: [none]", "none.service is not installed"),
        ("", "enable: [ssh, none]", "none.service is not installed"),
        ("", "enable: [none], disable: [other], mask: [none.socket], if-present: true", ""),
        (
            "    - symlink: { path: /etc/systemd/system/none.service, target: /dev/null }\n",
            "disable: [none], if-present: true",
            "",
        ),
        ("", "mask: [later]", ""),
        ("", "enable: [ssh], mask: [ssh.service]", "`mask` of the same action says the opposite"),
        ("", "enable: [ssh], disable: [ssh.service]", "`disable` of the same action says the opposite"),
    ] {
        let done = after(&fixture(), &format!("{IMAGE}{before}    - service: {{ {service} }}\n"));
        match done {
            Ok(_) => assert_eq!(error, "", "{service}: it is done without a word"),
            Err(message) => assert!(!error.is_empty() && message.contains(error), "{service}: {message}"),
        }
    }
}

/// It was told that the unit is not installed.
#[test]
fn an_image_without_systemctl_is_told_of_that() {
    let fixture = Fixture::new();
    fixture.world.on_run(|command, tree| {
        let Content::File(content) = &tree[command.program].content else { panic!("a script") };
        let script = String::from_utf8(content.clone()).expect("text");
        let mut sh = Command::new("/bin/sh");
        let ran = sh.args(["-c", &script, "sh"]).args(&command.args[1..]).env("PATH", "/nowhere").output();
        let ran = ran.expect("a shell");
        let tail = String::from_utf8_lossy(&ran.stderr).lines().map(str::to_owned).collect();
        Ended { status: ran.status.code().unwrap_or(255), tail }
    });
    let told = after(&fixture, &format!("{IMAGE}    - service: {{ enable: [ssh] }}\n")).expect_err("it fails");
    assert_eq!(told, "service enable ssh: the image has no program systemctl: install the package systemd");
}

#[test]
fn links_of_units_are_those_that_systemctl_makes() {
    let tree = after(&fixture(), &format!("{IMAGE}    - service: {{ enable: [ssh, also], mask: [getty@tty1] }}\n"));
    let tree = tree.expect("it builds");
    for path in [
        "multi-user.target.wants/ssh.service",
        "sshd.service",
        "multi-user.target.wants/also.socket",
        "getty@tty1.service",
    ] {
        assert!(matches!(tree[&format!("/etc/systemd/system/{path}")].content, Content::Symlink(_)), "{path}");
    }
}
