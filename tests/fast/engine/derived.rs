//! What is derived from changed files, made again by the programs of this machine in a root directory of its own.

use std::path::Path;
use std::process::Command;

use goldsmith::guest::fake::FakeWorld;

use super::actions::after;
use super::fixture::Fixture;

/// The script that looks at an image at the end of a build.
fn script(fixture: &Fixture) -> String {
    after(fixture, "    - write: { path: /bin/sh, content: x }\n").expect("it builds");
    let runs = FakeWorld::runs(&fixture.world);
    let run = runs.last().expect("an image with a shell is looked at");
    assert_eq!(run.words[1..], ["make"]);
    assert_eq!((run.env["GRUB"].as_str(), run.env["CERTIFICATES"].as_str()), ("/boot/grub", "update-ca-certificates"));
    String::from_utf8(run.scripts[0].clone()).expect("text")
}

/// A root directory with the programs of this machine, read-only, and what is derived in it.
const ROOT: &str = r#"set -eu
mount -t tmpfs none "$1"
cp "$2" "$1/derived"
cp "$3" "$1/own.crt"
cd "$1"
mkdir etc var tmp boot dev proc usr
for dir in bin sbin lib lib64; do
    if [ -L "/$dir" ]; then cp -a "/$dir" .; elif [ -d "/$dir" ]; then mkdir "$dir"; mount --rbind "/$dir" "$dir"; fi
done
mount --rbind /usr usr
mount -o remount,bind,ro usr
mount --rbind /dev dev
mount --rbind /proc proc
for dir in usr/local usr/lib/modules usr/share/glib-2.0; do
    [ ! -d "$dir" ] || mount -t tmpfs none "$dir"
done
mkdir -p usr/local/share/ca-certificates usr/local/lib opt/lib
mkdir etc/ssl
cp -rd /etc/ssl/certs etc/ssl/
cp -rd /etc/ca-certificates* /etc/ld.so.* etc/
exec chroot . env CERTIFICATES=update-ca-certificates LOCALE=locale-gen INITRAMFS= BOOTLOADER=grub-drop-ins GRUB=/boot/grub \
    PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -euc "$4"
"#;

/// What the script prints, and its status, after these lines of shell in such a directory.
fn looked_at(fixture: &Fixture, script: &Path, lines: &str) -> (String, Option<i32>) {
    let root = fixture.dir.path().join("root");
    std::fs::create_dir_all(&root).expect("a directory");
    let own = fixture.dir.path().join("own.crt");
    let ran = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", ROOT, "sh"])
        .args([&root, script, &own])
        .arg(format!("exec 2>&1; sh derived note; {lines}"))
        .output()
        .expect("unshare is there");
    let text = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    (text, ran.status.code())
}

#[test]
fn what_is_derived_is_made_again_where_its_sources_have_changed() {
    let fixture = Fixture::new();
    let script = fixture.file("derived", &script(&fixture), 0o755);
    let own = fixture.dir.path().join("own.crt");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=own", "-keyout", "/dev/null", "-out"])
        .arg(&own)
        .output();
    assert!(made.expect("openssl is there").status.success());
    let library = "cp \"$(ldconfig -p | sed -n 's/.*libc\\.so\\.6.*=> //p' | head -n 1)\" opt/lib/libown.so.6; echo /opt/lib >etc/ld.so.conf.d/own.conf";
    let certificates = "usr/local/share/ca-certificates";
    let without = |program: &str| format!("mount --bind dev/null usr/bin/{program};");
    // An image with a boot menu, and imitations of GRUB's programs.
    let menu = "mkdir -p boot/grub etc/default run; : >etc/default/grub; : >boot/vmlinuz-1; export GOLDSMITH_DISK=/dev/none PATH=/tmp:$PATH
        printf '#!/bin/sh\\necho \\tlinux /boot/vmlinuz-1 >\"$2\"\\n' >tmp/grub-mkconfig; printf '#!/bin/sh\\necho overlay\\n' >tmp/grub-probe
        chmod 755 tmp/grub-*; grub-mkconfig -o boot/grub/grub.cfg";
    for (lines, status, words, without) in [
        ("sh derived make; echo end", 0, &["end"][..], "making"),
        // An image without a boot loader.
        ("GRUB= sh derived make; echo end", 0, &["end"], "command"),
        // The times of modification that archives and copies bring tell nothing.
        (
            &*format!(
                "cp own.crt {certificates}/own.crt; touch -d 2001-01-01 {certificates}/own.crt {certificates}; {library}; sh derived make
                ldconfig -p | grep /opt/lib/; grep -qxF -e \"$(tail -n 2 own.crt | head -n 1)\" etc/ssl/certs/ca-certificates.crt
                echo again; sh derived make"
            ),
            0,
            &["making the bundle of trusted certificates again: /usr/local/share/ca-certificates", "=> /opt/lib/", "again"],
            "still older",
        ),
        // A second look in the same guest is short, unless something has changed.
        (
            &*format!(
                "mkdir run; sh derived make; : >etc/hostname; sh -x derived make 2>said; grep -c '+ outdated' said || :
                {library}; sh derived make; ldconfig -p | grep /opt/lib/; cp own.crt {certificates}/own.crt; sh derived make
                echo x >opt/lib/libx.so; sh -x derived make 2>said; grep -c '+ outdated' said; echo end"
            ),
            0,
            &["0\nmaking the cache", "making the bundle of trusted certificates again", "=> /opt/lib/", "end"],
            "still older",
        ),
        (&*format!("cp own.crt {certificates}/own.pem; sh derived make"), 99, &["rename /usr/local/share/ca-certificates/own.pem"], "still older"),
        (&*format!("echo x >{certificates}/own.crt; sh derived make"), 99, &["own.crt does not hold exactly one certificate in PEM"], "still older"),
        (
            &*format!("cat own.crt own.crt >{certificates}/own.crt; sh derived make"),
            99,
            &["own.crt does not hold exactly one certificate in PEM"],
            "still older",
        ),
        ("echo x >opt/lib/libx.so; echo /opt/lib >etc/ld.so.conf.d/own.conf; sh derived make", 99, &["added no library of /opt/lib"], "still older"),
        (
            &*format!("{library}; printf '#!/bin/sh\\n' >tmp/ldconfig; chmod 755 tmp/ldconfig; PATH=/tmp:$PATH sh derived make; echo end"),
            99,
            &["ldconfig succeeded, but /etc/ld.so.cache is still older than /etc/ld.so.conf.d"],
            "end",
        ),
        // Without a program that compares, nothing would tell that something must be made again.
        (&*format!("{} cp own.crt {certificates}/own.crt; sh derived make", without("find")), 99, &["cache of the dynamic linker must be made again: find:"], "command not found"),
        (&*format!("{} sh derived make", without("sort")), 99, &["must be made again: sort:", "install findutils, coreutils"], "not found"),
        (
            "printf '#!/bin/sh\\necho unrecognized: $* >&2; exit 1\\n' >dev/shm/find; chmod 755 dev/shm/find; mount --bind dev/shm/find usr/bin/find; sh derived make",
            99,
            &["must be made again: find of GNU:"],
            "unrecognized",
        ),
        (&*format!("{} rm -r etc/ld.so.* etc/ca-cert* usr/local/share/ca-certificates; sh derived make; echo end", without("find")), 0, &["end"], "again"),
        (&*format!("{menu}; sh derived make; echo end"), 0, &["end"], "making"),
        (
            &*format!("{menu}; sh derived make; echo NAME=own >etc/os-release; sh derived make; echo again; sh derived make"),
            0,
            &["making the boot menu again: /etc/os-release has changed", "again"],
            "still older",
        ),
        (
            &*format!("{menu}; sh derived make; : >boot/vmlinuz-2; sh derived make"),
            99,
            &["making the boot menu again: it does not agree with /boot/vmlinuz-2", "made no entry in /boot/grub/grub.cfg that starts /boot/vmlinuz-2"],
            "still older",
        ),
        (&*format!("{menu}; : >boot/xen-4.gz; sh derived make"), 0, &["does not agree with /boot/xen-4.gz"], "still older"),
        ("echo 'de_DE.UTF-8 UTF-8' >etc/locale.gen; PATH=/usr/bin:/bin sh derived make", 99, &["the image has no program locale-gen"], "still older"),
    ] {
        let (said, code) = looked_at(&fixture, &script, lines);
        assert_eq!(code, Some(status), "{lines}: {said}");
        assert!(words.iter().all(|word| said.contains(word)) && !said.contains(without), "{lines}: {said}");
        let again = said.split("\nagain").nth(1);
        assert!(again.is_none_or(|again| !again.contains("making")), "once is enough: {said}");
    }
}

/// The states are those of dpkg(1), told by the `dpkg-query` of this machine.
#[test]
fn a_package_that_is_not_installed_as_it_should_be_is_named() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/src/build/actions/packages.sh");
    for (state, status) in [
        ("install ok installed", 0),
        ("deinstall ok config-files", 0),
        ("hold ok installed", 0),
        ("install ok half-configured", 99),
        ("install ok unpacked", 99),
        ("install reinstreq half-installed", 99),
        ("install ok triggers-pending", 99),
    ] {
        let dir = tempfile::tempdir().expect("a directory");
        let entry = format!(
            "Package: own-tool\nStatus: {state}\nMaintainer: a <a@b.c>\nArchitecture: all\nVersion: 1\nDescription: x\n{}",
            if state.contains("trigger") { "Triggers-Pending: x\n" } else { "" }
        );
        std::fs::write(dir.path().join("status"), entry).expect("a file");
        let ran =
            Command::new("sh").args(["-eu", script]).env("DPKG_ADMINDIR", dir.path()).output().expect("sh is there");
        let said = String::from_utf8_lossy(&ran.stderr);
        assert_eq!(ran.status.code(), Some(status), "{state}: {said}");
        let named = said.contains("dpkg has not completely installed these packages: own-tool");
        assert_eq!(named, status != 0, "{state}: {said}");
    }
}
