//! What actions on files do to an image.

use goldsmith::build::BuildError;
use goldsmith::guest::fake::{Content, Tree, files};

use super::fixture::{Fixture, text};

/// Files of the image after the recipe's own configure step.
pub(crate) fn after(fixture: &Fixture, actions: &str) -> Result<Tree, String> {
    let plan = fixture.plan(&format!("steps:\n  configure:\n{actions}"));
    match fixture.build(&plan) {
        Ok(disk) => Ok(files(&disk.layer.disk)),
        Err(BuildError::Step { source, .. }) => {
            Err(source.guest().map_or(source.to_string(), |guest| format!("{source}: {guest}")))
        }
        Err(other) => panic!("{other:?}"),
    }
}

fn kind(tree: &Tree, path: &str) -> &'static str {
    match tree.get(path).map(|node| &node.content) {
        None => "nothing",
        Some(Content::File(content)) if content.is_empty() => "an empty file",
        Some(Content::File(_)) => "a file",
        Some(Content::Directory) => "a directory",
        Some(Content::Symlink(_)) => "a link",
    }
}

/// Mode and owner.
fn attributes(tree: &Tree, path: &str) -> (u32, (u32, u32)) {
    let node = tree.get(path).unwrap_or_else(|| panic!("{path} is not there"));
    (node.mode, node.owner)
}

#[test]
fn write_makes_a_file_with_its_parents_mode_and_owner() {
    let tree = after(
        &Fixture::new(),
        "    - write: { path: /srv/a/plain, content: \"x\\n\" }
    - write: { path: /srv/a/own, content: y, mode: \"0600\", owner: \"www-data:adm\" }
    - write: { path: /srv/a/numbers, content: z, owner: \"7:8\" }
    - write: { path: /srv/a/login, content: z, owner: www-data }
    - symlink: { path: /srv/a/link, target: plain }
    - write: { path: /srv/a/link, content: new }
",
    )
    .expect("it builds");
    assert_eq!(text(&tree, "/srv/a/plain"), "x\n");
    assert_eq!(attributes(&tree, "/srv/a/plain"), (0o644, (0, 0)));
    assert_eq!(attributes(&tree, "/srv/a/own"), (0o600, (33, 4)));
    assert_eq!(attributes(&tree, "/srv/a/numbers"), (0o644, (7, 8)));
    assert_eq!(attributes(&tree, "/srv/a/login"), (0o644, (33, 34)));
    assert_eq!((kind(&tree, "/srv/a"), attributes(&tree, "/srv/a").0), ("a directory", 0o755));
    assert_eq!(text(&tree, "/srv/a/link"), "new", "a link is replaced, not followed");
}

#[test]
fn what_cannot_be_written_says_why() {
    for (actions, message) in [
        ("    - write: { path: /a, content: x, owner: nobody }\n", "write /a: user `nobody` is not in the image"),
        (
            "    - write: { path: /a, content: x, owner: \"root:staff\" }\n",
            "write /a: group `staff` is not in the image",
        ),
        ("    - write: { path: /etc, content: x }\n", "write /etc: /etc is a directory"),
        ("    - move: { from: /none, to: /b }\n", "move /none: /none is not in the image"),
    ] {
        assert_eq!(after(&Fixture::new(), actions).expect_err("it fails"), message);
    }
}

#[test]
fn copy_brings_a_file_or_merges_a_directory() {
    let fixture = Fixture::new();
    fixture.file("tool", "#!/bin/sh\n", 0o750);
    fixture.file("tree/etc/a.conf", "a\n", 0o640);
    fixture.file("tree/etc/deep/run", "#!\n", 0o755);
    let tree = after(
        &fixture,
        "    - write: { path: /etc/kept, content: kept }
    - copy: { source: tool, path: /usr/local/bin/tool }
    - copy: { source: tree, path: / }
    - copy: { source: tree/etc, path: /srv/etc, mode: \"0600\", owner: www-data }
",
    )
    .expect("it builds");
    assert_eq!(
        (text(&tree, "/usr/local/bin/tool").as_str(), attributes(&tree, "/usr/local/bin/tool").0),
        ("#!/bin/sh\n", 0o750)
    );
    assert_eq!((text(&tree, "/etc/a.conf").as_str(), attributes(&tree, "/etc/a.conf")), ("a\n", (0o640, (0, 0))));
    assert_eq!(attributes(&tree, "/etc/deep/run").0, 0o755);
    assert_eq!(attributes(&tree, "/srv/etc/deep/run"), (0o600, (33, 34)));
    assert_eq!(text(&tree, "/etc/kept"), "kept");
}

#[test]
fn a_file_that_changes_after_planning_is_an_error() {
    for action in ["copy: { source: it, path: /it }", "extract: { source: it, path: /it }", "run: { script: it }"] {
        let fixture = Fixture::new();
        fixture.file("it", "#!/bin/sh\n", 0o755);
        let plan = fixture.plan(&format!("steps: {{ configure: [{{ {action} }}] }}"));
        fixture.file("it", "#!/bin/bash\n", 0o755);
        let Err(BuildError::Step { source, .. }) = fixture.build(&plan) else { panic!("{action}: it is not the same") };
        assert_eq!(source.to_string(), "it: changed while the image was built: build again");
        assert_eq!(fixture.ran(), [""; 0]);
    }
}

#[test]
fn extract_tells_archives_apart_by_their_first_bytes() {
    let fixture = Fixture::new();
    let mut plain = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o600);
    header.set_uid(5);
    header.set_gid(6);
    plain.append_data(&mut header, "in/side", &b"x"[..]).expect("an entry");
    let plain = plain.into_inner().expect("an archive");
    let path = fixture.file("plain.tar", "", 0o644);
    std::fs::write(path, plain).expect("writable");
    for (name, magic) in [
        ("a.tar", &[0x1f, 0x8b, 8, 0, 0, 0, 0][..]),
        ("b.tar", &[0xfd, b'7', b'z', b'X', b'Z', 0, 0]),
        ("c.tar", &[0x28, 0xb5, 0x2f, 0xfd]),
    ] {
        std::fs::write(fixture.file(name, "", 0o644), magic).expect("writable");
    }
    let actions = ["plain", "a", "b", "c"]
        .map(|name| format!("    - extract: {{ source: {name}.tar, path: /opt/{name} }}\n"))
        .concat();
    let tree = after(&fixture, &actions).expect("it builds");
    assert_eq!(attributes(&tree, "/opt/plain/in/side"), (0o600, (5, 6)));
    let calls = fixture.world.calls();
    let unpacked: Vec<_> = calls.iter().filter(|call| call.starts_with("unpack")).collect();
    assert_eq!(
        unpacked,
        ["unpack tar into /opt/plain", "unpack gzip into /opt/a", "unpack xz into /opt/b", "unpack zstd into /opt/c"]
    );
}

#[test]
fn edit_changes_only_what_it_must() {
    let fixture = Fixture::new();
    let edits = "    - write: { path: /etc/x/one.conf, content: \"a=1\\nb=2\", mode: \"0600\" }
    - write: { path: /etc/x/two.conf, content: \"b=3\\r\\n\" }
    - mkdir: { path: /etc/x/dir.conf }
    - edit: { path: /etc/x/*.conf, delete: [\"^a\"], replace: [{ pattern: \"^b=(.)\", with: \"c=$1\" }] }
    - edit: { path: /etc/x/one.conf, ensure-line: d=4 }
    - edit: { path: /etc/x/one.conf, ensure-line: d=4 }
    - edit: { path: /etc/none, if-present: true, ensure-line: x }
    - edit: { path: /etc/none*, if-present: true, ensure-line: x }
";
    let tree = after(&fixture, edits).expect("it builds");
    assert_eq!(text(&tree, "/etc/x/one.conf"), "c=2\nd=4\n");
    assert_eq!(attributes(&tree, "/etc/x/one.conf").0, 0o600, "the mode is kept");
    assert_eq!(text(&tree, "/etc/x/two.conf"), "c=3\r\n");
    assert_eq!(kind(&tree, "/etc/none"), "nothing");
    let writes = fixture.world.calls().into_iter().filter(|call| call == "write /etc/x/one.conf").count();
    assert_eq!(writes, 3, "a line that is there is not written again");
    for (path, words) in [
        ("/etc/none", "edit /etc/none: is not in the image; with `if-present: true` that is passed over"),
        ("/etc/n*", "edit /etc/n*: is not in the image; with `if-present: true` that is passed over"),
        ("/etc", "edit /etc: read /etc: it is not a regular file"),
    ] {
        let error = after(&Fixture::new(), &format!("    - edit: {{ path: {path}, ensure-line: x }}\n"));
        assert_eq!(error.expect_err("it fails"), words);
    }
}

#[test]
fn remove_takes_paths_globs_and_what_is_below() {
    let tree = after(
        &Fixture::new(),
        "    - write: { path: /var/log/a.log, content: x }
    - write: { path: /var/log/b.log, content: x }
    - write: { path: /var/log/.hidden, content: x }
    - write: { path: /var/log/sub/c, content: x }
    - symlink: { path: /var/log/link, target: /etc }
    - remove: [/var/log/*.log, /var/log/sub, /var/log/link, /var/none, \"/none/*\"]
",
    )
    .expect("it builds");
    let left: Vec<_> = tree.keys().filter(|path| path.starts_with("/var/log/")).collect();
    assert_eq!(left, ["/var/log/.hidden"]);
    assert_eq!(kind(&tree, "/etc/passwd"), "a file", "a link is removed, not what it leads to");
}

#[test]
fn empty_leaves_an_empty_file_whatever_was_there() {
    let tree = after(
        &Fixture::new(),
        "    - write: { path: /etc/machine-id, content: \"0123\", mode: \"0444\" }
    - symlink: { path: /etc/udev/rules.d/75.rules, target: /dev/null }
    - write: { path: /var/log/a, content: x }
    - empty: [/etc/machine-id, /etc/udev/rules.d/75.rules, /etc/new/70.rules, /var/log/*, /none/*]
",
    )
    .expect("it builds");
    for path in ["/etc/machine-id", "/etc/udev/rules.d/75.rules", "/etc/new/70.rules", "/var/log/a"] {
        assert_eq!(kind(&tree, path), "an empty file", "{path}");
    }
    assert_eq!(attributes(&tree, "/etc/machine-id").0, 0o444, "the mode is kept");
    assert_eq!(attributes(&tree, "/etc/udev/rules.d/75.rules").0, 0o644);
    assert_eq!(kind(&tree, "/none"), "nothing", "a glob makes nothing");
    let error = after(&Fixture::new(), "    - empty: [/etc]\n").expect_err("it is a directory");
    assert_eq!(error, "empty /etc: /etc is a directory");
}

#[test]
fn mkdir_keeps_what_it_is_not_asked_to_change() {
    let tree = after(
        &Fixture::new(),
        "    - mkdir: { path: /srv/a/b }
    - mkdir: { path: /srv/a/b/own, mode: \"2770\", owner: www-data }
    - mkdir: { path: /srv/a/b/own }
",
    )
    .expect("it builds");
    assert_eq!(attributes(&tree, "/srv/a/b"), (0o755, (0, 0)));
    assert_eq!(attributes(&tree, "/srv/a/b/own"), (0o2770, (33, 34)));
}

#[test]
fn permissions_change_only_what_they_name() {
    let tree = after(
        &Fixture::new(),
        "    - write: { path: /srv/a.sh, content: x, mode: \"0600\" }
    - write: { path: /srv/b.sh, content: x, owner: www-data }
    - write: { path: /srv/c, content: x }
    - symlink: { path: /srv/link, target: c }
    - permissions: { path: /srv/*.sh, mode: \"4755\" }
    - permissions: { path: /srv/link, owner: www-data, mode: \"0640\" }
    - permissions: { path: /srv, owner: \"7:8\" }
    - permissions: { path: /none/*, mode: \"0640\", if-present: true }
    - permissions: { path: /none, mode: \"0640\", if-present: true }
",
    )
    .expect("it builds");
    assert_eq!(attributes(&tree, "/srv/a.sh"), (0o4755, (0, 0)));
    assert_eq!(attributes(&tree, "/srv/b.sh"), (0o4755, (33, 34)));
    assert_eq!(attributes(&tree, "/srv/c"), (0o640, (33, 34)));
    assert_eq!((kind(&tree, "/srv/link"), attributes(&tree, "/srv").1), ("a link", (7, 8)));
    for (action, message) in [
        (
            "{ path: /none, mode: \"0640\" }",
            "permissions /none: is not in the image; with `if-present: true` that is passed over",
        ),
        (
            "{ path: /none/*, mode: \"0640\" }",
            "permissions /none/*: is not in the image; with `if-present: true` that is passed over",
        ),
        ("{ path: /etc, owner: nobodys }", "permissions /etc: user `nobodys` is not in the image"),
    ] {
        let error = after(&Fixture::new(), &format!("    - permissions: {action}\n")).expect_err(action);
        assert_eq!(error, message);
    }
}

#[test]
fn links_and_moves_make_the_directories_they_need() {
    let tree = after(
        &Fixture::new(),
        "    - symlink: { path: /opt/new/link, target: ../x }
    - symlink: { path: /opt/new/link, target: ../y }
    - write: { path: /etc/from/a, content: x, mode: \"0600\" }
    - move: { from: /etc/from, to: /srv/to/dir }
",
    )
    .expect("it builds");
    assert_eq!(tree["/opt/new/link"].content, Content::Symlink("../y".to_owned()));
    assert_eq!((kind(&tree, "/etc/from"), attributes(&tree, "/srv/to/dir/a").0), ("nothing", 0o600));
}

/// A usr-merged image with links of all kinds that a path goes through, and the actions that go through them.
#[test]
fn every_action_goes_through_links_as_the_image_has_them() {
    let fixture = Fixture::new();
    fixture.file("tree/d/b", "b", 0o644);
    std::fs::write(fixture.file("a.tar", "", 0o644), tar::Builder::new(Vec::new()).into_inner().expect("an archive"))
        .expect("writable");
    let tree = after(
        &fixture,
        "    - symlink: { path: /lib, target: usr/lib }
    - mkdir: { path: /usr/lib }
    - mkdir: { path: /data/deep, mode: \"0700\" }
    - symlink: { path: /srv/up, target: ../../../data/deep }
    - symlink: { path: /srv/link, target: /srv/up }
    - write: { path: /lib/w, content: old }
    - edit: { path: /lib/w, ensure-line: line }
    - write: { path: /srv/link/new/w, content: w, mode: \"0600\" }
    - copy: { source: tree/d/b, path: /srv/link/b }
    - copy: { source: tree, path: /srv/link }
    - extract: { source: a.tar, path: /srv/link }
    - extract: { source: a.tar, path: /lib/unpacked }
    - mkdir: { path: /srv/link, mode: \"0750\" }
    - mkdir: { path: /lib/m/n }
    - symlink: { path: /lib/s, target: x }
    - move: { from: /srv/link/b, to: /lib/moved/b }
    - write: { path: /data/deep/gone, content: x }
    - write: { path: /data/deep/gone.log, content: x }
    - remove: [/srv/link/gone, /srv/link/*.log]
    - empty: [/lib/empty]
    - symlink: { path: /etc/conf, target: /data/conf }
    - write: { path: /data/conf, content: x, mode: \"0640\" }
    - edit: { path: /etc/conf, ensure-line: y }
    - mkdir: { path: /usr/lib/systemd }
    - symlink: { path: /etc/systemd, target: /usr/lib/systemd }
    - service: { mask: [a] }
",
    )
    .expect("it builds");
    assert_eq!(text(&tree, "/usr/lib/w"), "old\nline\n");
    assert_eq!((text(&tree, "/data/deep/new/w").as_str(), attributes(&tree, "/data/deep/new/w").0), ("w", 0o600));
    assert_eq!(text(&tree, "/data/deep/d/b"), "b");
    assert_eq!(attributes(&tree, "/data/deep").0, 0o750, "what a link leads to is changed");
    assert_eq!(text(&tree, "/usr/lib/moved/b"), "b");
    assert_eq!((text(&tree, "/data/conf").as_str(), attributes(&tree, "/data/conf").0), ("x\ny\n", 0o640));
    for (path, what) in [
        ("/lib", "a link"),
        ("/srv/link", "a link"),
        ("/etc/conf", "a link"),
        ("/usr/lib/m/n", "a directory"),
        ("/usr/lib/unpacked", "a directory"),
        ("/usr/lib/s", "a link"),
        ("/usr/lib/empty", "an empty file"),
        ("/usr/lib/systemd/system/a.service", "a link"),
        ("/data/deep/gone", "nothing"),
        ("/data/deep/gone.log", "nothing"),
        ("/data/deep/b", "nothing"),
    ] {
        assert_eq!(kind(&tree, path), what, "{path}");
    }
    assert!(tree.keys().all(|path| !path.starts_with("/lib/") && !path.starts_with("/srv/link/")), "{tree:?}");
}

#[test]
fn links_that_lead_nowhere_are_named() {
    let links = "    - symlink: { path: /srv/dead, target: ../none/x }
    - symlink: { path: /srv/to-dead, target: dead }
    - symlink: { path: /srv/a, target: b }
    - symlink: { path: /srv/b, target: /srv/a }
    - write: { path: /srv/file, content: x }
";
    let dead = "`/srv/dead` is a link to `../none/x`, which is not there";
    for (action, message) in [
        ("write: { path: /srv/dead/x, content: y }", format!("write /srv/dead/x: {dead}")),
        ("mkdir: { path: /srv/dead }", format!("mkdir /srv/dead: {dead}")),
        (
            "mkdir: { path: /srv/to-dead/x }",
            "mkdir /srv/to-dead/x: `/srv/to-dead` is a link to `dead`, which is not there".to_owned(),
        ),
        ("edit: { path: /srv/dead, ensure-line: y }", format!("edit /srv/dead: {dead}")),
        ("edit: { path: /srv/dead/x, ensure-line: y, if-present: true }", format!("edit /srv/dead/x: {dead}")),
        ("symlink: { path: /srv/dead/x, target: y }", format!("symlink /srv/dead/x: {dead}")),
        ("move: { from: /srv/file, to: /srv/dead/x }", format!("move /srv/file: {dead}")),
        (
            "write: { path: /srv/a/x, content: y }",
            "write /srv/a/x: find /srv/a/x: the links from `/srv/a` on lead in a circle".to_owned(),
        ),
        (
            "remove: [/srv/a/x]",
            "remove /srv/a/x: find /srv/a/x: the links from `/srv/a` on lead in a circle".to_owned(),
        ),
        ("write: { path: /srv/file/x, content: y }", "write /srv/file/x: `/srv/file` is not a directory".to_owned()),
        ("mkdir: { path: /srv/file }", "mkdir /srv/file: `/srv/file` is not a directory".to_owned()),
    ] {
        let error = after(&Fixture::new(), &format!("{links}    - {action}\n")).expect_err(action);
        assert_eq!(error, message);
    }
    let tree = after(&Fixture::new(), &format!("{links}    - remove: [/srv/dead/x, /srv/dead, /srv/a, /srv/file/x]\n"));
    let tree = tree.expect("what leads nowhere has nothing to remove");
    assert_eq!(
        (kind(&tree, "/srv/dead"), kind(&tree, "/srv/a"), kind(&tree, "/srv/file")),
        ("nothing", "nothing", "a file")
    );
}
