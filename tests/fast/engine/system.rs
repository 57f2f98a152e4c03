//! What actions on accounts, services and settings do to an image, and which programs they run for it.

use goldsmith::build::BuildError;
use goldsmith::distro::Distros;
use goldsmith::guest::Ended;
use goldsmith::guest::fake::{Content, Failing, Tree};

use super::actions::after;
use super::fixture::{Fixture, file, text};

/// Words after the program's path, of every program that ran.
fn args(fixture: &Fixture) -> Vec<Vec<String>> {
    fixture.world.runs().into_iter().map(|ran| ran.words[1..].to_vec()).collect()
}

/// Settings of GRUB, and a menu that has all that the actions of these tests ask for.
const GRUB: &str = "    - write: { path: /boot/grub/grub.cfg, content: \"linux /vmlinuz root=1 console=tty0 console=ttyS0,115200n8 net.ifnames=0 a b\\n\" }
    - symlink: { path: /boot/grub2, target: grub }
    - write: { path: /etc/default/grub, content: \"GRUB_CMDLINE_LINUX_DEFAULT=\\\"quiet splash\\\"\\nGRUB_CMDLINE_LINUX=\\\"console=tty1\\\"\\n\" }\n";

#[test]
fn kernel_arguments_of_debian_are_in_a_file_of_their_own() {
    let actions = format!(
        "{GRUB}    - kernel-args: {{ add: [console=tty0, \"console=ttyS0,115200n8\"], remove: [quiet, console=] }}
    - kernel-args: {{ add: [net.ifnames=0, console=tty0] }}
    - kernel-args: {{ remove: [net.ifnames=] }}
    - kernel-args: {{ add: [net.ifnames=0] }}
"
    );
    let fixture = Fixture::new();
    let tree = after(&fixture, &actions).expect("it builds");
    assert_eq!(text(&tree, "/etc/default/grub"), "GRUB_CMDLINE_LINUX_DEFAULT=\"splash\"\nGRUB_CMDLINE_LINUX=\"\"\n");
    assert_eq!(
        text(&tree, "/etc/default/grub.d/90-goldsmith.cfg"),
        "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX console=tty0 console=ttyS0,115200n8\"\n\
         GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX\"\n\
         GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX net.ifnames=0\"\n"
    );
    assert_eq!(fixture.ran(), [""; 0]);
    let error = after(&Fixture::new(), "    - kernel-args: { add: [quiet] }\n").expect_err("there is no GRUB");
    assert_eq!(
        error,
        "kernel-args: the image has neither /etc/default/grub nor /etc/update-extlinux.conf: add the element `bootloader`, \
         or on a disk without partitions `extlinux`"
    );
}

/// A program makes the menu of the settings, as grub-mkconfig does; or of what it finds elsewhere.
#[test]
fn the_menu_has_what_kernel_args_asked_for_or_the_build_fails() {
    let settings = "    - write: { path: /etc/default/grub, content: \"GRUB_CMDLINE_LINUX=\\\"quiet\\\"\\n\" }
    - write: { path: /boot/grub/grub.cfg, content: \"linux /vmlinuz root=1 quiet\\nlinux /vmlinuz root=1 single\\n\" }
    - kernel-args: { add: [a=b], remove: [quiet] }
";
    for (made, fault) in [
        ("linux /vmlinuz root=1 a=b\nlinux /vmlinuz root=1 single a=b\nlinux /boot/memtest\n", ""),
        ("linux /vmlinuz root=1 a=b\nlinux /vmlinuz root=1 single\n", "an entry of /boot/grub/grub.cfg lacks `a=b`"),
        ("linux /vmlinuz root=1 a=b quiet\n", "an entry of /boot/grub/grub.cfg still has `quiet`"),
        ("", "/boot/grub/grub.cfg has no entry that starts Linux"),
    ] {
        let fixture = Fixture::new();
        fixture.world.on_run(|_, tree| {
            tree.insert("/boot/grub/grub.cfg".to_owned(), file(made.as_bytes()));
            Ended { status: 0, tail: Vec::new() }
        });
        let done = after(&fixture, settings);
        assert_eq!(fixture.world.runs().len(), 1, "the menu is made once");
        assert_eq!(fixture.world.runs()[0].env["GRUB"], "/boot/grub");
        match done {
            Ok(_) => assert_eq!(fault, ""),
            Err(message) => assert!(!fault.is_empty() && message.contains(fault), "{message}"),
        }
    }
}

/// What a step of the recipe does in an image of another distribution. The list of packages at the end needs a program.
fn after_in(fixture: &Fixture, distro: &str, actions: &str) -> Tree {
    fixture.world.on_run(|command, tree| {
        if command.program == "/bin/sh" {
            tree.insert("/run/goldsmith-packages".to_owned(), file(b"bash 5.2-1 x86_64\n"));
        }
        Ended { status: 0, tail: Vec::new() }
    });
    let mut plan = fixture.plan(&format!("steps:\n  configure:\n{actions}"));
    plan.os.mechanisms = Distros::built_in().get(distro).expect("it is known").mechanisms;
    let disk = fixture.build(&plan).expect("it builds");
    assert_eq!(disk.layer.meta.facts["packages"][0]["name"], "bash");
    goldsmith::guest::fake::files(&disk.layer.disk)
}

#[test]
fn kernel_arguments_elsewhere_are_in_the_settings_and_in_boot_entries() {
    let fixture = Fixture::new();
    let menu = GRUB.replace("console=tty0 console=ttyS0,115200n8 ", "");
    let actions = format!("{menu}    - kernel-args: {{ add: [a, b], remove: [console=, quiet] }}\n");
    let tree = after_in(&fixture, "fedora", &actions);
    assert_eq!(text(&tree, "/etc/default/grub"), "GRUB_CMDLINE_LINUX_DEFAULT=\"splash\"\nGRUB_CMDLINE_LINUX=\"a b\"\n");
    assert_eq!(args(&fixture)[0], ["a b", "console quiet"]);
    // Entries lose what is removed before they get what is added: both may have one name.
    let script = String::from_utf8(fixture.world.runs()[0].scripts[0].clone()).expect("text");
    fixture.file("../bin/grubby", "#!/bin/sh\necho \"$*\"\n", 0o755);
    let path = format!("{}:/usr/bin:/bin", fixture.dir.path().join("bin").display());
    let mut sh = std::process::Command::new("sh");
    let ran = sh.args(["-c", &script, "sh", "console=ttyS0", "console"]).env("PATH", path).output();
    assert_eq!(
        String::from_utf8_lossy(&ran.expect("sh is there").stdout),
        "--update-kernel=ALL --remove-args=console\n--update-kernel=ALL --args=console=ttyS0\n"
    );

    // Without such entries the settings are all there is: only the list of packages at the end needs a program.
    let fixture = Fixture::new();
    let tree = after_in(&fixture, "opensuse", &actions);
    assert!(text(&tree, "/etc/default/grub").contains("GRUB_CMDLINE_LINUX=\"a b\""));
    assert_eq!(fixture.ran().len(), 1);
}

#[test]
fn a_new_user_has_what_it_needs_and_an_existing_one_keeps_what_it_has() {
    let fixture = Fixture::new();
    // What useradd would do.
    fixture.world.on_run(|command, tree| {
        if command.args.get(2).map(String::as_str) == Some("useradd") {
            let Content::File(accounts) = &mut tree.get_mut("/etc/passwd").expect("it is there").content else {
                panic!("it is a file")
            };
            let name = &command.args[0];
            accounts.extend_from_slice(format!("{name}:x:1000:1000::/home/{name}:/bin/bash\n").as_bytes());
        }
        Ended { status: 0, tail: Vec::new() }
    });
    let actions =
        "    - user: { name: j.doe, groups: [adm, wheel], uid: 1500, sudo: true, ssh-keys: [ssh-ed25519 AAAA] }
    - user: { name: daemon7, system: true }
    - user: { name: www-data, groups: [adm] }
    - user: { name: root, shell: /bin/sh }
";
    let tree = after(&fixture, actions).expect("it builds");
    assert_eq!(
        args(&fixture),
        [
            vec!["j.doe", "adm wheel", "useradd", "--shell", "/bin/bash", "--uid", "1500", "--create-home"],
            vec!["daemon7", "", "useradd", "--shell", "/usr/sbin/nologin", "--system"],
            vec!["www-data", "adm", "usermod"],
            vec!["root", "", "usermod", "--shell", "/bin/sh"],
        ]
    );
    assert_eq!(text(&tree, "/etc/sudoers.d/90-j_doe"), "j.doe ALL=(ALL) NOPASSWD:ALL\n");
    assert_eq!(tree["/etc/sudoers.d/90-j_doe"].mode, 0o440);
    let keys = &tree["/home/j.doe/.ssh/authorized_keys"];
    assert_eq!((keys.mode, keys.owner), (0o600, (1000, 1000)));
    assert_eq!(text(&tree, "/home/j.doe/.ssh/authorized_keys"), "ssh-ed25519 AAAA\n");
    assert_eq!((tree["/home/j.doe/.ssh"].mode, tree["/home/j.doe/.ssh"].owner), (0o700, (1000, 1000)));
}

/// A program gives the account its password, and what it has done is read back.
#[test]
fn a_password_hash_is_in_the_image_or_the_build_fails() {
    const HASH: &str = "$6$salt$R1BaXJ.h5/Y0";
    for (shadow, good) in [
        (format!("root:*:1::::::\nwww-data:{HASH}:20000:0:99999:7:::\n"), true),
        (format!("root:{HASH}:1::::::\nwww-data:!{HASH}:20000:0:99999:7:::\n"), false),
        (format!("www-data:{HASH}more:20000:0:99999:7:::\n"), false),
    ] {
        let fixture = Fixture::new();
        fixture.world.on_run(move |command, tree| {
            if command.args.len() == 1 {
                tree.insert("/etc/shadow".to_owned(), file(shadow.as_bytes()));
            }
            Ended { status: 0, tail: Vec::new() }
        });
        let done = after(&fixture, &format!("    - user: {{ name: www-data, password-hash: \"{HASH}\" }}\n"));
        let script = String::from_utf8(fixture.world.runs()[1].scripts[0].clone()).expect("text");
        assert!(script.contains("| chpasswd -e"), "{script}");
        assert_eq!(args(&fixture)[1], [format!("www-data:{HASH}")]);
        match done {
            Ok(_) => assert!(good),
            Err(message) => assert!(!good && message.contains("has another password"), "{message}"),
        }
    }
}

/// The script itself, with programs in place of those that change accounts.
#[test]
fn the_script_for_users_calls_the_programs_it_should() {
    let fixture = Fixture::new();
    after(&fixture, "    - user: { name: www-data, groups: [adm] }\n").expect("it builds");
    let script = String::from_utf8(fixture.world.runs()[0].scripts[0].clone()).expect("text");
    let programs = fixture.dir.path().join("bin");
    std::fs::create_dir(&programs).expect("a directory");
    for name in ["useradd", "usermod", "groupadd", "passwd"] {
        fixture.file(&format!("../bin/{name}"), "#!/bin/sh\necho \"${0##*/} $*\" >&2\n", 0o755);
    }
    // Groups adm and both are there, no others.
    fixture.file("../bin/getent", "#!/bin/sh\ncase $2 in adm | both) ;; *) exit 2 ;; esac\n", 0o755);
    for (args, expected) in [
        (
            &["new", "adm wheel", "useradd", "--create-home"][..],
            "groupadd --system wheel\nuseradd --create-home new\nusermod --append --groups adm,wheel new\npasswd --lock new\n",
        ),
        (&["both", "", "useradd", "--system"], "useradd --system --gid both both\npasswd --lock both\n"),
        (&["old", "", "usermod"], "passwd --lock old\n"),
        (&["old", "", "usermod", "--uid", "5"], "usermod --uid 5 old\npasswd --lock old\n"),
    ] {
        let path = format!("{}:/usr/bin:/bin", programs.display());
        let ran = std::process::Command::new("sh").args(["-c", &script, "sh"]).args(args).env("PATH", path).output();
        // What passwd prints on standard output is not for the log, so these print elsewhere.
        assert_eq!(String::from_utf8_lossy(&ran.expect("sh is there").stderr), expected, "{args:?}");
    }
}

#[test]
fn settings_of_the_system_are_where_the_distribution_has_them() {
    let zone = "    - write: { path: /usr/share/zoneinfo/Europe/Paris, content: TZif }\n";
    let brought = "    - write: { path: /usr/lib/locale/C.utf8/LC_CTYPE, content: x }\n";
    let actions = format!("{zone}{brought}    - hostname: web\n    - timezone: Europe/Paris\n    - locale: C.UTF-8\n");
    let fixture = Fixture::new();
    let tree = after(&fixture, &actions).expect("it builds");
    assert_eq!(text(&tree, "/etc/hostname"), "web\n");
    assert_eq!(tree["/etc/localtime"].content, Content::Symlink("../usr/share/zoneinfo/Europe/Paris".to_owned()));
    assert_eq!(text(&tree, "/etc/timezone"), "Europe/Paris\n");
    assert_eq!(text(&tree, "/etc/default/locale"), "LANG=C.UTF-8\n");
    assert_eq!(fixture.ran(), [""; 0]);

    let tree = after_in(&Fixture::new(), "opensuse", &actions);
    assert!(!tree.contains_key("/etc/timezone"));
    assert_eq!(text(&tree, "/etc/locale.conf"), "LANG=C.UTF-8\n");
}

#[test]
fn a_locale_is_made_where_it_is_not_there() {
    let fixture = Fixture::new();
    let actions = "    - write: { path: /usr/sbin/locale-gen, content: x }
    - write: { path: /etc/locale.gen, content: \"# en_US.UTF-8 UTF-8\" }
    - symlink: { path: /etc/default/locale, target: ../locale.conf }
    - locale: en_US.UTF-8
    - locale: en_US.UTF-8
";
    let tree = after(&fixture, actions).expect("it builds");
    assert_eq!(text(&tree, "/etc/locale.gen"), "# en_US.UTF-8 UTF-8\nen_US.UTF-8 UTF-8\n");
    assert_eq!(text(&tree, "/etc/locale.conf"), "LANG=en_US.UTF-8\n", "a link is followed");
    assert_eq!(args(&fixture), [["en_US.UTF-8"]; 2]);
    let script = String::from_utf8(fixture.world.runs()[0].scripts[0].clone()).expect("text");
    assert!(script.contains("\nlocale-gen\n"), "{script}");
}

/// `locale-gen` says of a bad name in its log alone that it is one, and ends with 0; so does `locale`.
#[test]
fn a_locale_that_is_not_there_afterwards_is_an_error() {
    let listed = "    - write: { path: /usr/sbin/locale-gen, content: x }\n";
    for (distro, action, words) in [
        ("debian", "xx_YY.UTF-8", "`locale-gen` ended with 0 and did not make it"),
        ("debian", "C.ISO-8859-1", "the image has no such locale"),
        ("fedora", "de_DE.UTF-8", "the image has no such locale"),
        ("centos", "C.UTF-8", "the image has no such locale"),
    ] {
        let fixture = Fixture::new();
        fixture.world.fail_run(0, Failing::Status(99));
        let mut plan = fixture.plan(&format!("steps:\n  configure:\n{listed}    - locale: {action}\n"));
        plan.os.mechanisms = Distros::built_in().get(distro).expect("it is known").mechanisms;
        let error = fixture.build(&plan).expect_err("the locale is not there");
        let BuildError::Step { source, .. } = error else { panic!("{error:?}") };
        assert!(source.to_string().starts_with(&format!("locale {action}: {words}")), "{source}");
        assert!(
            fixture
                .world
                .calls()
                .iter()
                .all(|call| !call.contains("/locale.conf") && call != "write /etc/default/locale")
        );
    }
}

/// The script itself, with a `locale-gen` that does what the real one does with a bad name, and the host's own `locale`.
#[test]
fn the_script_for_locales_looks_at_what_the_c_library_says() {
    let fixture = Fixture::new();
    let actions = "    - write: { path: /usr/sbin/locale-gen, content: x }\n    - locale: xx_YY.UTF-8\n";
    after(&fixture, actions).expect("programs of this guest always succeed");
    let script = String::from_utf8(fixture.world.runs()[0].scripts[0].clone()).expect("text");
    fixture.file("../bin/locale-gen", "#!/bin/sh\necho \"error: Bad entry\" >&2\nexit 0\n", 0o755);
    let path = format!("{}:/usr/bin:/bin", fixture.dir.path().join("bin").display());
    for (locale, status) in [("xx_YY.UTF-8", 99), ("C", 0)] {
        let ran = std::process::Command::new("sh").args(["-c", &script, "sh", locale]).env("PATH", &path).output();
        let ran = ran.expect("sh is there");
        let printed = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert_eq!(ran.status.code(), Some(status), "{locale}: {printed}");
        assert_eq!(printed.contains("Cannot set LC_ALL"), status != 0, "{printed}");
    }
}

#[test]
fn what_the_image_lacks_is_named() {
    for (action, message) in [
        (
            "timezone: Europe/Pari",
            "timezone Europe/Pari: /usr/share/zoneinfo/Europe/Pari is not in the image: is tzdata installed, and the name right?",
        ),
        ("locale: de_DE.UTF-8", "locale de_DE.UTF-8: needs the package `locales` in the image"),
        ("user: { name: none, ssh-keys: [x] }", "user none: has no home directory for its keys"),
    ] {
        assert_eq!(after(&Fixture::new(), &format!("    - {action}\n")).expect_err("it fails"), message);
    }
    let region = "    - mkdir: { path: /usr/share/zoneinfo/Europe }\n    - timezone: Europe\n";
    assert!(after(&Fixture::new(), region).expect_err("it is a region").contains("is not in the image"));
}
