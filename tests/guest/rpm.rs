//! The repository of the synthetic distribution, used by plain dnf without Goldsmith: what it has can be installed as root and
//! in a user namespace, makes what a machine needs, and nothing that was changed is accepted.

#![expect(clippy::print_stderr, reason = "the test runner shows it where a test fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Instant;

use goldsmith::distro::Distros;
use goldsmith::recipe::Arch;

use crate::rpm_distro;

/// A script that runs a program in a user namespace with all ids; it is the program's own.
const IN_USER_NAMESPACE: &str = include_str!("../../src/base/user_namespace.sh");

/// Packages that a system of any kind needs, and one with a capability and one with a setuid bit.
const SMALL: [&str; 6] = ["filesystem", "bash", "coreutils", "fedora-release", "iputils", "sudo"];

/// Prints what rpm finds changed, without settings, which scriptlets change, and without files that the machine makes itself.
const VERIFY: &str = "rpm -Va --nomtime --noghost 2>&1 | grep -v -e '^.........  c ' || :";

/// Where packages are installed.
struct Place {
    dir: tempfile::TempDir,
    /// In a user namespace, also for root.
    user_namespace: bool,
    /// Whether dnf checks the signature of the list of packages too.
    list_checked: bool,
}

impl Place {
    fn new(user_namespace: bool) -> Self {
        let dir = tempfile::Builder::new().prefix("rpm").tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
        Self { dir, user_namespace, list_checked: true }
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    /// Runs a program as root of namespaces.
    fn run(&self, program: &[&str]) -> Output {
        let work = self.dir.path().join("namespace");
        let _ = fs::remove_dir_all(&work);
        fs::create_dir(&work).expect("a directory");
        let root = rustix::process::geteuid().is_root();
        let mut command = Command::new(if root && self.user_namespace { "sh" } else { "unshare" });
        if root && self.user_namespace {
            command.env("WORK", &work).args(["-eu", "-c", IN_USER_NAMESPACE, "sh", "unshare"]);
        } else if !root {
            command.args(["--user", "--map-auto", "--map-root-user"]);
        }
        command.env("REPO_GPGCHECK", if self.list_checked { "1" } else { "0" });
        command.args(["--mount", "--pid", "--fork", "--kill-child"]).args(program).output().expect("it runs")
    }

    /// Installs packages; what dnf says, and whether it succeeds.
    fn install(&self, repository: &Path, packages: &[&str]) -> (bool, String) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/rpm_distro/install.sh");
        let work = self.dir.path().to_string_lossy();
        let started = Instant::now();
        let repository = repository.to_string_lossy();
        let output = self.run(&[&["sh", script, &repository, &work], packages].concat());
        eprintln!("{} packages asked for: {:.0} s", packages.len(), started.elapsed().as_secs_f64());
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        (output.status.success(), said)
    }

    /// What a shell in the installed system prints.
    fn sh(&self, script: &str) -> String {
        let root = self.root();
        let output = self.run(&["chroot", &root.to_string_lossy(), "/bin/sh", "-euc", script]);
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Other ids than the user's own have files there.
        if !rustix::process::geteuid().is_root() {
            self.run(&["rm", "-rf", "--", &self.root().to_string_lossy()]);
        }
    }
}

/// All packages that the distribution of the program names for machines with BIOS and UEFI.
fn all_packages() -> Vec<String> {
    let distros = Distros::built_in();
    let fedora = distros.get("fedora").expect("it is known");
    let os = fedora.os(&fedora.named("42".to_owned(), "42".to_owned()), Arch::X86_64);
    let mut packages: Vec<String> = os.packages.into_values().flatten().collect();
    packages.extend(["dracut-config-generic", "glibc-langpack-en", "dnf"].map(str::to_owned));
    packages
}

#[test]
#[ignore = "needs a package mirror, and takes long"]
fn takes_long_dnf_installs_a_synthetic_distribution() {
    let started = Instant::now();
    let repository = rpm_distro::repository();
    eprintln!("repository: {:.0} s", started.elapsed().as_secs_f64());

    for user_namespace in [false, true] {
        if !user_namespace && !rustix::process::geteuid().is_root() {
            continue;
        }
        let place = Place::new(user_namespace);
        let (done, said) = place.install(&repository, &SMALL);
        assert!(done && said.contains("Importing GPG key") && said.contains("Complete!"), "{said}");
        assert!(place.root().join("usr/lib/sysimage/rpm/rpmdb.sqlite").exists(), "{said}");
        assert!(!place.root().join("root/.rpmdb").exists());
        let seen = place.sh("stat -c '%U %G %a' /usr/bin/sudo /etc/shadow; . /etc/os-release; echo $ID $VERSION_ID");
        assert_eq!(seen, "root root 4755\nroot root 0\nfedora 42\n");
    }

    let packages = all_packages();
    let names: Vec<&str> = packages.iter().map(String::as_str).collect();
    let place = Place::new(true);
    let (done, said) = place.install(&repository, &names);
    assert!(done, "{said}");
    assert!(!said.contains("scriptlet failed") && !said.contains("does not exist - using root"), "{said}");
    let look = format!(
        "{VERIFY}
        for name in {}; do rpm -q --quiet $name || echo $name is missing; done
        for file in /boot/vmlinuz-*; do
            version=${{file#*-}}
            [ -s /boot/initramfs-$version.img ] || echo no initramfs
            grep -qx \"linux /boot/vmlinuz-$version\" /boot/loader/entries/$(cat /etc/machine-id)-$version.conf || echo no entry
        done
        for user in systemd-network messagebus chrony sshd polkitd; do id -u $user >/dev/null; done
        for file in shimx64.efi grubx64.efi ../BOOT/BOOTX64.EFI; do [ -s /boot/efi/EFI/fedora/$file ]; done
        systemctl --root=/ is-enabled sshd NetworkManager chronyd cloud-init",
        names.join(" ")
    );
    assert_eq!(place.sh(&look), "enabled\n".repeat(4));
}

/// Repositories in which something was changed after it was signed.
#[test]
#[ignore = "needs a package mirror, and takes long"]
fn takes_long_dnf_refuses_changed_packages_and_lists() {
    let repository = rpm_distro::repository();
    let changed = tempfile::tempdir().expect("a directory");
    let copy = changed.path();
    let done = Command::new("cp").arg("-a").arg(repository.join(".")).arg(copy).status().expect("cp runs");
    assert!(done.success());
    let list = copy.join("repo/repodata/repomd.xml");
    let good = fs::read(&list).expect("a list");
    fs::write(&list, [&good[..], b"\n"].concat()).expect("a list");
    let (done, said) = Place::new(true).install(copy, &SMALL);
    assert!(!done && said.contains("repomd.xml GPG signature verification error"), "{said}");
    fs::write(&list, good).expect("a list");

    let packages = fs::read_dir(copy.join("repo")).expect("a directory");
    let mut names = packages.map(|entry| entry.expect("an entry").path());
    let bash = names.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("bash-")));
    let bash = bash.expect("bash is there");
    let mut content = fs::read(&bash).expect("a package");
    let near_end = content.len() - 1000;
    content[near_end] ^= 1;
    fs::write(&bash, content).expect("a package");
    let (done, said) = Place::new(true).install(copy, &SMALL);
    assert!(!done && said.contains("incorrect checksum"), "{said}");

    // A list with the right checksum, which nobody checks, is of no use to who changed the package.
    let list =
        Command::new("createrepo_c").args(["--quiet", "--update", "--no-database"]).arg(copy.join("repo")).status();
    assert!(list.expect("createrepo_c runs").success());
    let mut place = Place::new(true);
    place.list_checked = false;
    let (done, said) = place.install(copy, &SMALL);
    assert!(!done && said.contains("GPG check FAILED"), "{said}");
}
