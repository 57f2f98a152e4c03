//! The .deb and the .rpm: what they have in them, and that the same program makes the same package.

use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith::process::capture;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Makes a package by a script, of the program that is tested.
fn package(script: &str, dir: &Path) -> PathBuf {
    let mut command = Command::new(repository().join("packaging").join(script));
    command.arg(dir).env("PROGRAM", env!("CARGO_BIN_EXE_goldsmith")).env("SOURCE_DATE_EPOCH", "1700000000");
    // The program is large without optimisation: packing it would take minutes.
    command.env("COMPRESSION", "none").env("PAYLOAD", "w0.ufdio");
    let said = capture(&mut command).unwrap_or_else(|error| panic!("{script}: {error}"));
    said.trim().into()
}

fn is_there(program: &str) -> bool {
    which::which(program).is_ok()
}

#[test]
fn the_deb_has_what_a_user_needs() {
    if !is_there("dpkg-deb") || !is_there("dpkg-shlibdeps") {
        // Other distributions than Debian have no dpkg; `.ci/setup` installs it there.
        return;
    }
    let work = tempfile::tempdir().expect("a directory");
    let deb = package("deb.sh", work.path());
    assert_eq!(deb.extension().and_then(|it| it.to_str()), Some("deb"), "{}", deb.display());
    let field = |name: &str| {
        capture(Command::new("dpkg-deb").arg("--field").arg(&deb).arg(name)).expect("a field").trim().to_owned()
    };
    assert_eq!((field("Package"), field("Version")), ("goldsmith".to_owned(), env!("CARGO_PKG_VERSION").to_owned()));
    for needed in ["libguestfs0", "libc6", "qemu-system-", "qemu-utils"] {
        assert!(field("Depends").contains(needed), "{}", field("Depends"));
    }
    for advised in ["mmdebstrap", "uidmap", "linux-image-", "libguestfs-xfs", "dosfstools", "openssh-client"] {
        assert!(field("Recommends").contains(advised), "{}", field("Recommends"));
    }
    let listed = capture(Command::new("dpkg-deb").arg("--contents").arg(&deb)).expect("a list");
    for file in [
        "./usr/bin/goldsmith",
        "./usr/share/man/man1/goldsmith.1.gz",
        "./usr/share/man/man1/goldsmith-build.1.gz",
        "./usr/share/bash-completion/completions/goldsmith",
        "./usr/share/zsh/vendor-completions/_goldsmith",
        "./usr/share/fish/vendor_completions.d/goldsmith.fish",
        "./usr/share/doc/goldsmith/copyright",
        "./usr/share/doc/goldsmith/book/how-to/install.md",
        "./usr/share/doc/goldsmith/examples/recipes/debian-12.yaml",
    ] {
        assert!(listed.lines().any(|line| line.ends_with(&format!(" {file}"))), "{file}: {listed}");
    }
    assert!(listed.lines().all(|line| line.contains("root/root")), "{listed}");
    let root = work.path().join("root");
    capture(Command::new("dpkg-deb").arg("--extract").arg(&deb).arg(&root)).expect("unpacked");
    let said = capture(Command::new(root.join("usr/bin/goldsmith")).arg("-V")).expect("it runs");
    assert_eq!(said.trim(), format!("goldsmith {}", env!("CARGO_PKG_VERSION")));
    if is_there("lintian") {
        // The package of a release is compressed.
        let uncompressed = "uses-no-compression-for-control-tarball,uses-no-compression-for-data-tarball";
        let mut lintian = Command::new("lintian");
        lintian.args(["--suppress-tags", uncompressed]);
        let ended = lintian.args(["--allow-root", "--fail-on", "error,warning"]).arg(&deb).output().expect("lintian");
        let text = String::from_utf8_lossy(&ended.stdout);
        assert!(ended.status.success(), "{text}{}", String::from_utf8_lossy(&ended.stderr));
    }
    let again = work.path().join("again");
    let second = package("deb.sh", &again);
    assert!(std::fs::read(deb).expect("a file") == std::fs::read(second).expect("a file"), "the packages differ");
}

#[test]
fn the_rpm_has_what_a_user_needs() {
    let work = tempfile::tempdir().expect("a directory");
    let rpm = package("rpm.sh", work.path());
    let ask = |what: &[&str]| {
        capture(Command::new("rpm").args(["-qp", "--nosignature"]).args(what).arg(&rpm)).expect("an answer")
    };
    let listed = ask(&["-l"]);
    for file in [
        "/usr/bin/goldsmith",
        "/usr/share/man/man1/goldsmith.1.gz",
        "/usr/share/zsh/site-functions/_goldsmith",
        "/usr/share/licenses/goldsmith/LICENSE",
        "/usr/share/doc/goldsmith/book/how-to/install.md",
    ] {
        assert!(listed.lines().any(|line| line == file), "{file}: {listed}");
    }
    let requires = ask(&["--requires"]);
    assert!(requires.contains("qemu-img") && requires.contains("libguestfs.so.0"), "{requires}");
    let recommends = ask(&["--recommends"]);
    assert!(recommends.contains("mmdebstrap") && recommends.contains("kernel-core"), "{recommends}");
}
