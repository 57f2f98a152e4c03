//! What is left of a tree when it is in an image: all of it.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use goldsmith::guest::fake::{Content, Tree};

use super::actions::after;
use super::fixture::{Fixture, text};

fn node(tree: &Tree, path: &str) -> (u32, (u32, u32), Content) {
    let node = tree.get(path).unwrap_or_else(|| panic!("{path} is not there"));
    (node.mode, node.owner, node.content.clone())
}

/// A tree with what is easily lost of one.
fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.file("tree/key", "secret", 0o600);
    fixture.file("tree/tool", "#!", 0o4755);
    fixture.file("tree/in/private/x", "x", 0o440);
    let at = |path: &str| fixture.dir.path().join("recipes/tree").join(path);
    std::fs::create_dir_all(at("in/empty")).expect("a directory");
    for (path, mode) in [("in/empty", 0o2770), ("in/private", 0o700), ("in", 0o755), (".", 0o711)] {
        std::fs::set_permissions(at(path), std::fs::Permissions::from_mode(mode)).expect("a mode");
    }
    for (target, link) in [("../../etc/passwd", "out"), ("/etc/none", "in/none"), ("./in//", "odd")] {
        symlink(target, at(link)).expect("a link");
    }
    std::fs::hard_link(at("key"), at("in/second")).expect("a second name");
    let holes = std::fs::File::create(at("holes")).expect("a file");
    holes.set_len(96 << 10).expect("a hole");
    std::os::unix::fs::FileExt::write_all_at(&holes, b"data", 32 << 10).expect("room");
    fixture.file("tree/a name \u{fc} with 'all'", "odd", 0o644);
    fixture.file(&format!("tree/{0}/{0}", "long-".repeat(40)), "long", 0o644);
    fixture
}

#[test]
fn a_copied_tree_is_the_tree() {
    let tree = after(&fixture(), "    - copy: { source: tree, path: /srv/tree }\n").expect("it builds");
    let root = (0, 0);
    let file = |content: &str| Content::File(content.as_bytes().to_vec());
    let link = |target: &str| Content::Symlink(target.to_owned());
    for (path, expected) in [
        ("/srv", (0o755, root, Content::Directory)),
        ("/srv/tree", (0o711, root, Content::Directory)),
        ("/srv/tree/key", (0o600, root, file("secret"))),
        ("/srv/tree/tool", (0o4755, root, file("#!"))),
        ("/srv/tree/in/second", (0o600, root, file("secret"))),
        ("/srv/tree/in/private", (0o700, root, Content::Directory)),
        ("/srv/tree/in/private/x", (0o440, root, file("x"))),
        ("/srv/tree/in/empty", (0o2770, root, Content::Directory)),
        ("/srv/tree/out", (0o777, root, link("../../etc/passwd"))),
        ("/srv/tree/in/none", (0o777, root, link("/etc/none"))),
        ("/srv/tree/odd", (0o777, root, link("./in//"))),
        ("/srv/tree/a name \u{fc} with 'all'", (0o644, root, file("odd"))),
    ] {
        assert_eq!(node(&tree, path), expected, "{path}");
    }
    assert_eq!(text(&tree, &format!("/srv/tree/{0}/{0}", "long-".repeat(40))), "long");
    let holes = text(&tree, "/srv/tree/holes");
    assert_eq!((holes.len(), holes.trim_matches('\0')), (96 << 10, "data"));
}

#[test]
fn a_mode_is_for_files_and_an_owner_for_everything_that_is_made() {
    let actions = "    - mkdir: { path: /srv/tree/in, mode: \"1777\", owner: \"7:8\" }
    - copy: { source: tree, path: /srv/tree, mode: \"0640\", owner: www-data }
    - copy: { source: tree/key, path: /srv/one, owner: www-data }
";
    let tree = after(&fixture(), actions).expect("it builds");
    for (path, mode, owner) in [
        ("/srv/tree", 0o755, (0, 0)),
        ("/srv/tree/in", 0o1777, (7, 8)),
        ("/srv/tree/key", 0o640, (33, 34)),
        ("/srv/tree/in/second", 0o640, (33, 34)),
        ("/srv/tree/tool", 0o640, (33, 34)),
        ("/srv/tree/in/private", 0o700, (33, 34)),
        ("/srv/tree/in/empty", 0o2770, (33, 34)),
        ("/srv/tree/out", 0o777, (33, 34)),
        ("/srv/one", 0o600, (33, 34)),
    ] {
        let (found, of, _) = node(&tree, path);
        assert_eq!((found, of), (mode, owner), "{path}");
    }
}

#[test]
fn a_key_depends_on_all_that_is_carried_and_on_nothing_else() {
    let of = |change: &dyn Fn(&std::path::Path), action: &str| {
        let fixture = fixture();
        change(&fixture.dir.path().join("recipes/tree"));
        let plan = fixture.plan(&format!("steps: {{ configure: [{{ {action} }}] }}"));
        plan.steps.last().expect("it has steps").key
    };
    let copy = "copy: { source: tree, path: /srv }";
    let mode = |path: &'static str, mode| {
        move |tree: &std::path::Path| {
            std::fs::set_permissions(tree.join(path), std::fs::Permissions::from_mode(mode)).expect("a mode");
        }
    };
    let before = of(&|_| (), copy);
    let touched = |tree: &std::path::Path| {
        let file = std::fs::File::open(tree.join("key")).expect("it is there");
        file.set_modified(std::time::UNIX_EPOCH).expect("a time");
    };
    assert_eq!(before, of(&touched, copy), "times differ in each clone of a repository");
    let filled = |tree: &std::path::Path| {
        let content = std::fs::read(tree.join("holes")).expect("it is there");
        std::fs::write(tree.join("holes"), content).expect("room");
    };
    assert_eq!(before, of(&filled, copy), "zeros are holes in any case");
    assert_ne!(before, of(&mode("key", 0o644), copy));
    assert_ne!(before, of(&mode("in/empty", 0o755), copy));
    let changes: [&dyn Fn(&std::path::Path); 3] = [
        &|tree| std::fs::remove_dir(tree.join("in/empty")).expect("it is empty"),
        &|tree| {
            std::fs::remove_file(tree.join("out")).expect("it is there");
            symlink("../../etc/shadow", tree.join("out")).expect("a link");
        },
        &|tree| {
            std::fs::remove_file(tree.join("in/second")).expect("it is there");
            std::fs::copy(tree.join("key"), tree.join("in/second")).expect("a copy");
        },
    ];
    for change in changes {
        assert_ne!(before, of(change, copy));
    }
    let own = "copy: { source: tree/key, path: /srv, mode: \"0600\" }";
    assert_eq!(of(&|_| (), own), of(&mode("key", 0o644), own), "the action says the mode");
    let run = "run: { script: tree/tool }";
    assert_eq!(of(&|_| (), run), of(&mode("tool", 0o700), run), "a script is run by its content");
}
