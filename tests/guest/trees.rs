//! Trees in a real guest: what `copy` and `extract` make of them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::os::unix::fs::{FileExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use goldsmith::build::actions::Executor;
use goldsmith::guest::Guest;
use goldsmith::interrupt::Interrupt;
use goldsmith::plan::{self, BasePlan, Phase, Plan};
use goldsmith::recipe::{self, Arch, Base, LoadOptions};

use super::calls::small_guest::*;

/// The plan of a recipe with these steps of the phase `configure`.
fn plan(folder: &Path, steps: &str) -> Result<Plan, String> {
    let head = "name: x\nbase: { bootstrap: { distro: debian, release: bookworm } }\ndisk: { size: 400MiB }";
    let options = LoadOptions::new(Arch::X86_64);
    let text = format!("{head}\nsteps:\n  configure:\n{steps}");
    let loaded = recipe::load_str(&folder.join("x.yaml"), &text, &options, None).map_err(|error| error.to_string())?;
    let Base::Bootstrap(source) = loaded.recipe.base.clone() else { panic!("a bootstrap") };
    let base = BasePlan::Bootstrap { source, repositories: Vec::new() };
    Ok(plan::resolve(&loaded.recipe, loaded.composition.unwrap(), base, Vec::new()))
}

/// Makes what carries out steps of a plan in a guest.
pub(crate) fn executor<'a>(guest: &'a mut dyn Guest, plan: &'a Plan, scratch: &'a Path) -> Executor<'a> {
    static NO_SECRETS: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    static NO_INTERRUPT: LazyLock<Interrupt> = LazyLock::new(Interrupt::new);
    Executor {
        guest,
        mechanisms: &plan.os.mechanisms,
        arch: "x86_64",
        packages: &plan.packages,
        secrets: &NO_SECRETS,
        package_cache: None,
        scratch,
        epoch: Some(1_600_000_000),
        timeout: Duration::from_secs(600),
        reporter: &goldsmith::event::Silent,
        interrupt: &NO_INTERRUPT,
    }
}

/// Carries out steps in a guest, as a build does.
pub(crate) fn carry_out(guest: &mut dyn Guest, folder: &Path, steps: &str) -> Result<(), String> {
    let plan = plan(folder, steps)?;
    let step = plan.steps.iter().find(|step| step.id.phase == Phase::Configure).unwrap();
    let mut executor = executor(guest, &plan, folder);
    let failed = executor.run(step);
    failed.map_err(|error| error.guest().map_or(error.to_string(), |guest| format!("{error}: {guest}")))
}

fn tree(tree: &Path) {
    let at = |path: &str| tree.join(path);
    std::fs::create_dir_all(at("in/empty")).unwrap();
    std::fs::create_dir_all(at("absolute/new")).unwrap();
    for (path, mode) in
        [("key", 0o600), ("tool", 0o4755), ("in/x", 0o440), ("absolute/new/x", 0o644), ("ü 'x'\n", 0o644)]
    {
        std::fs::write(at(path), path).unwrap();
        std::fs::set_permissions(at(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    for (path, mode) in [("in/empty", 0o2770), ("in", 0o700), (".", 0o711)] {
        std::fs::set_permissions(at(path), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    symlink("/etc//os-release", at("in/link")).unwrap();
    std::fs::hard_link(at("key"), at("in/second")).unwrap();
    let holes = std::fs::File::create(at("holes")).unwrap();
    holes.set_len(60 << 20).unwrap();
    for part in 0..40 {
        holes.write_all_at(b"data", part << 20).unwrap();
    }
}

/// Returns an archive in which later entries have the names of earlier links.
fn archive_with_later_entries() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let header = |kind, size| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header
    };
    for (name, target) in [("file", "/one"), ("link", "/one"), ("link", "../two")] {
        builder.append_link(&mut header(tar::EntryType::Symlink, 0), name, target).unwrap();
    }
    builder.append_data(&mut header(tar::EntryType::Regular, 1), "file", &b"x"[..]).unwrap();
    builder.into_inner().unwrap()
}

fn stat(guest: &mut dyn Guest, format: &str, paths: &str) -> Vec<String> {
    lines(guest, &format!("cd /srv/t; stat -c '{format}' {paths}"))
}

#[test]
#[ignore = "needs libguestfs"]
fn trees_stay_trees() {
    let small_guest = SmallGuest::new();
    small_guest.disk();
    let folder = small_guest.path("recipe");
    tree(&folder.join("tree"));
    let is_root = rustix::process::geteuid().is_root();
    if is_root {
        run(tool("setcap").arg("cap_net_raw+ep").arg(folder.join("tree/in/x")));
        run(tool("chown").arg("70000:8").arg(folder.join("tree/in/empty")));
    }
    run(tool("tar").current_dir(&folder).args([
        "-c",
        "-S",
        "--xattrs",
        "--xattrs-include=*",
        "-f",
        "a.tar",
        "-C",
        "tree",
        ".",
    ]));
    let mut guest = small_guest.launch().unwrap();
    let guest: &mut dyn Guest = &mut guest;
    guest.attach(&small_guest.path("1.qcow2")).unwrap();
    guest.mount(&mounts()).unwrap();
    for (action, what) in
        [("copy: { source: tree, path: /srv/t }", "copy"), ("extract: { source: a.tar, path: /srv/t }", "extract")]
    {
        let before = "    - mkdir: { path: /other, mode: \"3777\" }\n    - mkdir: { path: /data }
    - symlink: { path: /srv/t, target: /data }\n    - symlink: { path: /data/absolute, target: /other }
    - symlink: { path: /data/circle, target: /data }\n";
        carry_out(guest, &folder, &format!("{before}    - {action}\n")).unwrap();
        let kinds =
            stat(guest, "%a %F %n", "in in/empty key tool in/x in/second in/link holes absolute/. absolute/new .");
        let expected = [
            "700 directory in",
            "2770 directory in/empty",
            "600 regular file key",
            "4755 regular file tool",
            "440 regular file in/x",
            "600 regular file in/second",
            "777 symbolic link in/link",
            "644 regular file holes",
            "3777 directory absolute/.",
            "755 directory absolute/new",
            "755 directory .",
        ];
        assert_eq!(kinds, expected, "{what}");
        assert_eq!(lines(guest, "cd /srv/t; [ key -ef in/second ] && cat $'\\u00fc \\'x\\'\\n'"), ["ü 'x'"], "{what}");
        let blocks = stat(guest, "%s %b", "holes").remove(0);
        let (size, blocks) = blocks.split_once(' ').unwrap();
        assert!(size == "62914560" && blocks.parse::<u64>().unwrap() < 2000, "{what}: {size} {blocks}");
        assert_eq!(guest.read_link("/srv/t/in/link").unwrap().as_deref(), Some("/etc//os-release"), "{what}");
        if is_root {
            let owner = if what == "copy" { "0:0" } else { "70000:8" };
            assert_eq!(stat(guest, "%u:%g", "in/empty"), [owner], "{what}");
            assert!(capabilities(guest, &small_guest.path("all.tar")).contains(&"data/in/x".to_owned()), "{what}");
        }
        if what == "copy" {
            assert_eq!(stat(guest, "%Y", "key in in/link"), ["1600000000"; 3]);
        }
        for path in ["/data", "/other", "/srv/t"] {
            guest.remove(path).unwrap();
        }
    }
    std::fs::write(folder.join("b.tar"), archive_with_later_entries()).unwrap();
    carry_out(guest, &folder, "    - extract: { source: b.tar, path: /srv/t }\n").unwrap();
    assert_eq!(stat(guest, "%F %s", "file link"), ["regular file 1", "symbolic link 6"]);
    guest.remove("/srv/t").unwrap();
    // A directory that is there is a link to an absolute path: it is the image's, not the appliance's.
    carry_out(
        guest,
        &folder,
        "    - mkdir: { path: /data }\n    - symlink: { path: /srv/absolute, target: /data }
    - copy: { source: tree, path: /srv }\n    - copy: { source: tree/key, path: /data/new/key, owner: \"7:8\" }\n",
    )
    .unwrap();
    assert_eq!(lines(guest, "cat /data/new/x; stat -c '%a %u:%g' /data/new/key"), ["absolute/new/x600 7:8"]);
    // The comparison of derived files notes there when it looked.
    let left: Vec<_> = guest.glob("/run/*").unwrap();
    let left: Vec<_> = left.into_iter().filter(|path| path != "/run/goldsmith-derived").collect();
    assert_eq!(left, Vec::<String>::new(), "nothing is left of the appliance's tar");
    // What a file system cannot hold is an error, also where tar only warns.
    let mut cases = vec![("tree/in", "link")];
    cases.extend(is_root.then_some(("tree/in/x", "security.capability")));
    for (source, words) in cases {
        let copy = format!("    - copy: {{ source: {source}, path: /boot/efi/{words} }}\n");
        let error = carry_out(guest, &folder, &copy).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}

/// Files of the image that have capabilities, as an archive of it tells.
fn capabilities(guest: &mut dyn Guest, archive: &Path) -> Vec<String> {
    guest.archive(archive).unwrap();
    let mut found = Vec::new();
    for entry in tar::Archive::new(std::fs::File::open(archive).unwrap()).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut extensions = entry.pax_extensions().unwrap().into_iter().flatten().flatten();
        if extensions.any(|extension| extension.key() == Ok("SCHILY.xattr.security.capability")) {
            found.push(name.trim_start_matches("./").to_owned());
        }
    }
    found
}
