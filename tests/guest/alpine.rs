//! A real image of Alpine Linux as a base: apk, OpenRC, busybox and mkinitfs, on a disk without a partition table.
//!
//! The image is one of the package index of Python. Alpine's own package mirrors are not asked: the image's apk makes a
//! repository with one package.

use std::path::PathBuf;

use serde_json::Value;

use crate::alpine_image::Alpine;

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

fn build(alpine: &Alpine, lines: &str) -> Result<PathBuf, String> {
    alpine.build("alpine", "base.qcow2", alpine.sha256, lines)
}

#[test]
#[ignore = "runs a guest with an image that is downloaded, and takes long"]
fn takes_long_actions_change_an_image_of_alpine() {
    let alpine = Alpine::new();
    alpine.write("repository.sh", REPOSITORY);
    alpine.write("look.sh", LOOK);
    let image = build(
        &alpine,
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
        let error = build(&alpine, lines).expect_err(lines);
        assert!(error.contains(told), "{lines}: {error}");
    }
}
