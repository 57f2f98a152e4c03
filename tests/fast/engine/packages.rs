//! Packages that are installed in the guest.

use goldsmith::build::actions::{ActionError, Executor, PackageCache};
use goldsmith::distro::Distros;
use goldsmith::guest::fake::{FakeWorld, set_files};
use goldsmith::guest::{Ended, Guest as _, Mount};
use goldsmith::plan::Plan;

use super::fixture::{Fixture, base_tree, file};

/// Carries out the recipe's own configure step in a guest of its own, with a package cache.
fn carry_out(fixture: &Fixture, plan: &Plan, distro: &str, world: &FakeWorld) -> Result<Vec<String>, ActionError> {
    let disk = fixture.dir.path().join("disk");
    std::fs::write(&disk, "").expect("writable");
    let mut tree = base_tree();
    for dir in ["/var/cache", "/var/cache/apt", "/var/cache/apt/archives"] {
        tree.insert(dir.to_owned(), tree["/etc"].clone());
    }
    set_files(&disk, &tree).expect("writable");
    let mut guest = world.launch();
    guest.attach(&disk).expect("attach");
    guest.mount(&[Mount::partition(1, "/")]).expect("mount");
    let step = plan.steps.iter().find(|step| !step.actions.is_empty()).expect("a step");
    let result = Executor {
        guest: &mut guest,
        mechanisms: &Distros::built_in().get(distro).expect("it is known").mechanisms,
        arch: "x86_64",
        packages: &plan.packages,
        secrets: &fixture.secrets,
        package_cache: Some(PackageCache { dir: fixture.dir.path().join("packages") }),
        scratch: fixture.dir.path(),
        epoch: plan.epoch(),
        timeout: std::time::Duration::from_secs(60),
        reporter: &goldsmith::event::Silent,
        interrupt: &fixture.interrupt,
    }
    .run(step);
    let left = guest.glob("/var/cache/apt/archives/*").expect("glob");
    result.map(|()| left)
}

fn plan(fixture: &Fixture, packages: &str) -> Plan {
    fixture.plan(&format!("steps: {{ configure: [{{ packages: {packages} }}] }}"))
}

fn script(world: &FakeWorld) -> String {
    String::from_utf8(world.runs()[0].scripts[0].clone()).expect("text")
}

#[test]
fn every_package_manager_is_asked_in_its_own_words() {
    let all = "{ install: [nginx, g++], remove: [nano], update: true }";
    let managers = [
        ("debian", "apt-get"),
        ("fedora", "dnf"),
        ("opensuse", "zypper"),
        ("alpine", "apk add"),
        ("arch", "pacman -Syu"),
    ];
    for (distro, manager) in managers {
        let (fixture, world) = (Fixture::new(), FakeWorld::new());
        carry_out(&fixture, &plan(&fixture, all), distro, &world).expect("it works");
        let script = script(&world);
        assert!(script.contains("UPDATE=1\nINSTALL='nginx g++'\nREMOVE='nano'\n"), "{script}");
        assert!(script.contains(manager), "{script}");
        assert!(world.runs()[0].network);
        let parsed = std::process::Command::new("sh").args(["-n", "-c", &script]).status();
        assert!(parsed.expect("sh is there").success(), "{script}");
    }
}

#[test]
fn what_is_only_removed_needs_no_network() {
    let (fixture, world) = (Fixture::new(), FakeWorld::new());
    carry_out(&fixture, &plan(&fixture, "{ remove: [nano] }"), "debian", &world).expect("it works");
    assert!(!world.runs()[0].network);
}

/// The script for apt, with programs that tell how they were called.
#[test]
fn apt_is_asked_for_what_is_wanted_and_starts_no_service() {
    let fixture = Fixture::new();
    let policy = fixture.dir.path().join("policy-rc.d");
    fixture.file(
        "../bin/apt-get",
        "#!/bin/sh\n[ -x POLICY ] || echo unguarded\nshift $(($# - 2)); echo \"$*\"\n",
        0o755,
    );
    let apt = fixture.dir.path().join("bin/apt-get");
    let text = std::fs::read_to_string(&apt).expect("it is there").replace("POLICY", &policy.display().to_string());
    std::fs::write(&apt, text).expect("writable");
    for (packages, expected) in [
        ("{ install: [nginx] }", "APT::Update::Error-Mode=any update\ninstall nginx\n"),
        ("{ remove: [nano] }", "purge nano\nautoremove --purge\n"),
        ("{ update: true }", "APT::Update::Error-Mode=any update\nAcquire::Retries=3 dist-upgrade\n"),
    ] {
        let world = FakeWorld::new();
        carry_out(&fixture, &plan(&fixture, packages), "debian", &world).expect("it works");
        let script = script(&world).replace("/usr/sbin/policy-rc.d", &policy.display().to_string());
        let path = format!("{}:/usr/bin:/bin", fixture.dir.path().join("bin").display());
        let ran = std::process::Command::new("sh").args(["-c", &script]).env("PATH", path).output().expect("sh");
        assert_eq!(String::from_utf8_lossy(&ran.stdout), expected, "{}", String::from_utf8_lossy(&ran.stderr));
        assert!(!policy.exists(), "it is taken away");
    }
}

/// What dnf 4.14, zypper 1.14.42 and yum 3.4 print and end with, and what it means.
#[test]
fn what_dnf_and_zypper_say_counts_as_much_as_how_they_end() {
    const POST: &str = "warning: %post(tool-1-1.noarch) scriptlet failed, exit status 3";
    let (install, remove, update) = ("{ install: [tool] }", "{ remove: [tool] }", "{ update: true }");
    for (distro, packages, said, ends, status, last) in [
        ("fedora", install, "hello from post\nComplete!", "0", 0, "Complete!"),
        // A repository that cannot be read is an error only if dnf is told so.
        (
            "fedora",
            update,
            "",
            "$(case $* in *--setopt=*.skip_if_unavailable=False*) echo 0 ;; *) echo 9 ;; esac)",
            0,
            "",
        ),
        ("fedora", install, POST, "0", 99, &*format!("a script of a package failed: {POST}")),
        ("fedora", install, "error: %prein(tool-1-1.noarch) scriptlet failed, exit status 3", "1", 99, "prein"),
        ("fedora", install, "Error: Unable to find a match: tool", "1", 1, "Unable to find a match"),
        ("fedora", install, "No package tool available.", "0", 1, "No match for argument: tool"),
        ("fedora", remove, "No match for argument: tool", "0", 0, "No match"),
        ("opensuse", install, "", "0", 0, ""),
        ("opensuse", install, POST, "107", 99, POST),
        ("opensuse", install, "", "107", 99, "a script of a package failed"),
        (
            "opensuse",
            install,
            "Warning: tool-1-1.noarch.rpm %posttrans script failed (returned 3)",
            "0",
            99,
            "%posttrans",
        ),
        ("opensuse", install, "No provider of 'tool' found.", "104", 104, "No provider"),
        ("opensuse", install, "Problem: nothing provides x", "4", 4, "Problem"),
        (
            "opensuse",
            install,
            "Some of the repositories have not been refreshed because of an error.",
            "106",
            99,
            "left it out",
        ),
        ("opensuse", install, "", "102", 0, ""),
        ("opensuse", install, "", "103", 0, ""),
        ("opensuse", update, "", "103", 99, "again and again"),
        ("opensuse", update, "", "$((103 * ! $(cat again)))", 0, ""),
        // It is not there, and so it need not be removed.
        ("opensuse", remove, "No provider of 'tool' found.", "104", 0, ""),
        ("opensuse", "{ remove: [present] }", "No provider of 'present' found.", "104", 104, ""),
    ] {
        let (fixture, world) = (Fixture::new(), FakeWorld::new());
        carry_out(&fixture, &plan(&fixture, packages), distro, &world).expect("it works");
        let program = if distro == "fedora" { "dnf" } else { "zypper" };
        let said = said.replace('\'', "'\\''");
        let lines = format!("#!/bin/sh\nprintf '%s\\n' '{said}'\nends={ends}\necho 1 >again\nexit $ends\n");
        fixture.file(&format!("../bin/{program}"), &lines, 0o755);
        fixture.file(
            "../bin/rpm",
            "#!/bin/sh\ncase $2 in present) echo present-1-1.noarch ;; *) echo \"package $2 is not installed\"; exit 1 ;; esac\n",
            0o755,
        );
        let root = fixture.dir.path();
        std::fs::write(root.join("again"), "0").expect("writable");
        let path = format!("{}:/usr/bin:/bin", root.join("bin").display());
        let mut sh = std::process::Command::new("sh");
        sh.current_dir(root).args(["-euc", &script(&world)]).env("PATH", path).env("TMPDIR", root);
        let ran = sh.output().expect("sh");
        let printed = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert_eq!(ran.status.code(), Some(status), "{distro} {packages} {said}: {printed}");
        let end = printed.trim_end().lines().last().unwrap_or_default();
        assert!(end.contains(last), "{distro} {packages} {said}: {printed}");
        let left = std::fs::read_dir(root).expect("readable").filter_map(Result::ok);
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("goldsmith-packages")), "{left:?}");
    }
}

/// What pacman 6.0 prints and ends with, and what it means. The programs tell how they were called.
#[test]
fn pacman_fails_where_a_script_failed_or_a_package_is_not_there() {
    const SCRIPT: &str = "(1/1) installing tool...\nerror: command failed to execute correctly";
    const INIT: &str = "pacman-key KEYS --init\npacman-key KEYS --populate\n";
    let (install, remove) = ("{ install: [tool] }", "{ remove: [tool, absent] }");
    for (packages, said, ends, status, called, last) in [
        (install, "", 0, 0, "pacman KEYS -Syu --needed tool\n", ""),
        ("{ update: true }", "", 0, 0, "pacman KEYS -Syu --needed\n", ""),
        // Without a network there is no key to ask for either.
        (remove, "", 0, 0, "pacman KEYS -Rns tool\n", ""),
        (install, SCRIPT, 0, 99, "", "a script of a package failed: (1/1) installing tool... error: command failed"),
        (install, "error: target not found: tool", 1, 1, "", "error: target not found: tool"),
        ("{ install: [group] }", "", 0, 0, "", ""),
        ("{ install: [missing] }", "", 0, 99, "", "pacman succeeded, but missing is not installed"),
        ("{ remove: [stays] }", "", 0, 99, "", "pacman succeeded, but stays is still installed"),
    ] {
        let (fixture, world) = (Fixture::new(), FakeWorld::new());
        carry_out(&fixture, &plan(&fixture, packages), "arch", &world).expect("it works");
        // What is asked for what is installed is answered; all else is noted.
        let pacman = format!(
            "#!/bin/sh\ncase $*/$(cat calls) in '-Qqg group/'*) exit 0 ;; '-T tool'/* | '-Qq stays/'*) exit 0 ;; '-Qq tool/'*Rns*) exit 1 ;;\
             '-Qq tool/'*) exit 0 ;; -T* | -Q*) exit 1 ;; esac\n\
             shift 4; echo pacman KEYS \"$@\" >>calls\n[ -z '{said}' ] || printf '%b\\n' '{said}'\nexit {ends}\n"
        );
        fixture.file("../bin/pacman", &pacman, 0o755);
        fixture.file("../bin/pacman-key", "#!/bin/sh\necho pacman-key KEYS \"$3\" >>calls\n", 0o755);
        fixture.file("../bin/gpgconf", "#!/bin/sh\n", 0o755);
        let root = fixture.dir.path();
        std::fs::write(root.join("calls"), "").expect("writable");
        let path = format!("{}:/usr/bin:/bin", root.join("bin").display());
        let mut sh = std::process::Command::new("sh");
        sh.current_dir(root).args(["-euc", &script(&world)]).env("PATH", path).env("TMPDIR", root);
        let ran = sh.output().expect("sh");
        let printed = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
        assert_eq!(ran.status.code(), Some(status), "{packages} {said}: {printed}");
        let calls = std::fs::read_to_string(root.join("calls")).expect("calls");
        let init = if packages.contains("remove") { "" } else { INIT };
        assert!(calls.starts_with(init) && calls.contains(called), "{packages}: {calls}");
        let end = printed.trim_end().lines().last().unwrap_or_default();
        assert!(end.contains(last), "{packages} {said}: {printed}");
        let left = std::fs::read_dir(root).expect("readable").filter_map(Result::ok);
        let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().starts_with("goldsmith-packages")), "{left:?}");
    }
}

#[test]
fn package_files_are_kept_on_the_host_and_leave_the_image() {
    let (fixture, world) = (Fixture::new(), FakeWorld::new());
    let kept = fixture.dir.path().join("packages");
    std::fs::create_dir(&kept).expect("a directory");
    std::fs::write(kept.join("libc6_2.36_amd64.deb"), "old").expect("writable");
    std::fs::write(kept.join(".nginx.deb.part"), "broken").expect("writable");
    world.on_run(|_, tree| {
        assert!(tree.contains_key("/var/cache/apt/archives/libc6_2.36_amd64.deb"), "it need not be fetched");
        assert!(!tree.contains_key("/var/cache/apt/archives/.nginx.deb.part"));
        tree.insert("/var/cache/apt/archives/nginx_1.22_amd64.deb".to_owned(), file(b"new"));
        tree.insert("/var/cache/apt/archives/odd name.deb".to_owned(), file(b"odd"));
        Ended { status: 0, tail: Vec::new() }
    });
    let left = carry_out(&fixture, &plan(&fixture, "{ install: [nginx] }"), "debian", &world).expect("it works");
    assert_eq!(left, [""; 0]);
    assert_eq!(std::fs::read(kept.join("nginx_1.22_amd64.deb")).expect("kept"), b"new");
    assert_eq!(std::fs::read(kept.join("libc6_2.36_amd64.deb")).expect("kept"), b"old");
    assert_eq!(std::fs::read_dir(&kept).expect("readable").count(), 3, "no other name is taken from a guest");
}

#[test]
fn a_package_that_is_nowhere_names_the_element_that_wants_it() {
    let fixture = Fixture::new();
    fixture.element("web", "packages: { debian: [ngnix] }");
    let mut plan = fixture.plan("elements: [web]\nsteps: { configure: [{ packages: { install: [ngnix] } }] }");
    let world = FakeWorld::new();
    world.on_run(|_, _| Ended { status: 100, tail: vec!["E: Unable to locate package ngnix".to_owned()] });
    let error = carry_out(&fixture, &plan, "debian", &world).expect_err("it is misspelt");
    assert_eq!(error.to_string(), "package ngnix is in no repository of the image (wanted by web)");
    plan.packages.clear();
    let error = carry_out(&fixture, &plan, "debian", &world).expect_err("it is misspelt");
    assert_eq!(error.to_string(), "package ngnix is in no repository of the image (wanted by this step)");
    world.on_run(|_, _| Ended { status: 100, tail: vec!["E: Could not get lock".to_owned()] });
    let error = carry_out(&fixture, &plan, "debian", &world).expect_err("it is locked");
    assert_eq!(error.to_string(), "install ngnix ended with exit status 100");
}
