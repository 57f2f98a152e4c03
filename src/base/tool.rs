//! The programs that make trees of packages: what each needs on this machine, its part of the script, and its files.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::BootstrapRequest;
use crate::distro::Tool;
use crate::fsx::{IoContext as _, PathError};
use crate::recipe::Arch;
use crate::recipe::partitions::{FileSystem, Partition};

/// The part of the script that is the same for all tools; its first lines describe it.
const COMMON: &str = include_str!("bootstrap.sh");

/// The part that is the same for all tools but mmdebstrap.
const SYSTEM: &str = include_str!("system.sh");

/// How mkinitcpio gets its settings, as the element `kernel` does it.
const MKINITCPIO: &str = include_str!("../../elements/kernel/scripts/generic.sh");

/// The part that is the same for dnf and zypper.
const RPM: &str = include_str!("rpm.sh");

/// Programs that every bootstrap needs, and their Debian packages.
const PROGRAMS: [(&str, &str); 5] = [
    ("unshare", "util-linux"),
    ("sfdisk", "fdisk"),
    ("mke2fs", "e2fsprogs"),
    ("mkfs.vfat", "dosfstools"),
    ("qemu-img", "qemu-utils"),
];

/// Returns the programs that are missing on this host, with their Debian packages.
pub fn missing_tools(tool: Tool) -> Vec<(&'static str, &'static str)> {
    let own: &[_] = match tool {
        Tool::Mmdebstrap => &[("mmdebstrap", "mmdebstrap")],
        Tool::Dnf => &[("dnf", "dnf"), ("rpm", "rpm"), ("mcopy", "mtools")],
        // Debian has no package of it.
        Tool::Apk => &[("apk", "apk-tools, or put a static apk into /usr/local/bin")],
        // pacman-key is a script, which needs a program and files of makepkg.
        Tool::Pacman => &[
            ("pacman", "pacman-package-manager"),
            ("pacman-key", "pacman-package-manager"),
            ("vercmp", "makepkg"),
            ("gpg", "gpg"),
        ],
        Tool::Zypper => &[("zypper", "zypper"), ("rpm", "rpm"), ("rpmdb", "rpm"), ("mcopy", "mtools")],
    };
    let user = (!rustix::process::geteuid().is_root()).then_some(("newuidmap", "uidmap"));
    own.iter().copied().chain(PROGRAMS).chain(user).filter(|(tool, _)| !is_installed(tool)).collect()
}

/// Returns the programs that are missing for the file systems of a disk, with their Debian packages.
pub(super) fn missing_for(partitions: &[Partition]) -> impl Iterator<Item = (&'static str, &'static str)> {
    let swap = partitions.iter().any(Partition::has_swap).then_some(("mkswap", "util-linux"));
    let kinds: BTreeSet<_> =
        partitions.iter().flat_map(Partition::file_systems).map(|files| files.kind.name()).collect();
    let of_kinds = kinds.into_iter().flat_map(|kind| match kind {
        "btrfs" => &[("mkfs.btrfs", "btrfs-progs")][..],
        // The guest has the programs of this host.
        "xfs" => &[("mkfs.xfs", "xfsprogs")],
        _ => &[],
    });
    let filled = partitions.iter().flat_map(Partition::file_systems).any(FileSystem::is_filled_by_guest);
    let tar = filled.then_some(("tar", "tar"));
    let encrypted = |files: &FileSystem| files.encrypted.is_some();
    let encrypted = partitions.iter().flat_map(Partition::file_systems).any(encrypted);
    let luks = encrypted.then_some(("cryptsetup", "cryptsetup-bin"));
    let lvm = partitions.iter().any(|partition| matches!(partition, Partition::Lvm(_))).then_some(("lvm", "lvm2"));
    swap.into_iter().chain(of_kinds.copied()).chain(tar).chain(lvm).chain(luks).filter(|(tool, _)| !is_installed(tool))
}

/// Returns the programs that a disk of a tree needs and that are missing on this host, with their Debian packages.
pub(super) fn missing_for_trees() -> Vec<(&'static str, &'static str)> {
    let user = (!rustix::process::geteuid().is_root()).then_some(("newuidmap", "uidmap"));
    let own = [("tar", "tar"), ("mcopy", "mtools")];
    own.into_iter().chain(PROGRAMS).chain(user).filter(|(tool, _)| !is_installed(tool)).collect()
}

/// Returns the script that makes a disk of a tree.
pub(super) fn script_for_trees() -> String {
    format!("{}\n{COMMON}", include_str!("tree.sh"))
}

fn is_installed(tool: &str) -> bool {
    // PATH often lacks administration tools; the script searches all of these directories.
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .any(|directory| std::path::Path::new(directory).join(tool).exists())
}

/// Returns the script that does the work.
pub(super) fn script(tool: Tool) -> String {
    let own = match tool {
        Tool::Mmdebstrap => include_str!("mmdebstrap.sh").to_owned(),
        Tool::Dnf => format!("{SYSTEM}\n{RPM}\n{}", include_str!("dnf.sh")),
        Tool::Zypper => format!("{SYSTEM}\n{RPM}\n{}", include_str!("zypper.sh")),
        Tool::Apk => format!("{SYSTEM}\n{}", include_str!("apk.sh")),
        Tool::Pacman => format!("{SYSTEM}\ngeneric() (\n{MKINITCPIO}\n)\n{}", include_str!("pacman.sh")),
    };
    format!("{own}\n{COMMON}")
}

/// Returns the tool's name for an architecture.
pub(super) fn arch_name(tool: Tool, arch: Arch) -> &'static str {
    match (tool, arch) {
        (Tool::Mmdebstrap, Arch::X86_64) => "amd64",
        (Tool::Mmdebstrap, Arch::Aarch64) => "arm64",
        (Tool::Dnf | Tool::Zypper | Tool::Apk | Tool::Pacman, arch) => arch.name(),
    }
}

/// Returns the names and contents of the files that the tool's script reads. `keyring` is the path of the keys on this host, and
/// `client` that of the client certificate.
///
/// # Errors
///
/// The keyring cannot be read.
pub(super) fn files(
    request: &BootstrapRequest<'_>,
    keyring: &str,
    client: Option<&Path>,
) -> Result<Vec<(&'static str, String)>, PathError> {
    let files = match request.how.tool {
        Tool::Mmdebstrap => {
            // sources.list(5)
            let expired = if request.allow_expired { " check-valid-until=no" } else { "" };
            let line = |pin: &crate::plan::RepositoryPin, keys: &str| {
                format!("deb [signed-by={keys}{expired}] {} {} {}\n", pin.url, pin.suite, pin.components.join(" "))
            };
            let list = |keys: &str| request.repositories.iter().map(|pin| line(pin, keys)).collect();
            // sources.list(5): keyrings, and the keys of them that count.
            let mut chosen = vec![keyring.to_owned()];
            chosen.extend(request.how.keyring.fingerprints.iter().cloned());
            // The image's own keyring changes with its package, also to keys that nobody knows today.
            vec![("sources.list", list(&chosen.join(","))), ("image.list", list(&request.how.keyring.file))]
        }
        Tool::Apk => {
            let list: String = request.repositories.iter().map(|pin| format!("{}/{}\n", pin.url, pin.suite)).collect();
            vec![("repositories", list.clone()), ("image-repositories", list), ("keys", format!("{keyring}\n"))]
        }
        Tool::Pacman => {
            let options = format!(
                "[options]\nArchitecture = {}\nSigLevel = Required DatabaseOptional\nParallelDownloads = 5\n",
                request.arch.name()
            );
            let section = |pin: &crate::plan::RepositoryPin| format!("\n[{}]\n{}", pin.suite, server(&pin.url));
            let sections: String = request.repositories.iter().map(section).collect();
            let mut mirrors: Vec<_> = request.repositories.iter().map(|pin| server(&pin.url)).collect();
            mirrors.dedup();
            vec![
                ("pacman.conf", options + &sections),
                ("mirrorlist", mirrors.concat()),
                ("keys", format!("{keyring}\n")),
            ]
        }
        Tool::Dnf => vec![
            (
                "dnf.conf",
                format!(
                    "[main]\ngpgcheck=1\nbest=1\nskip_if_unavailable=0\n\n{}",
                    sections(request, &format!("gpgkey=file://{keyring}\n{}", certificates(request, client)))
                ),
            ),
            // The bootstrap has put the keys into rpm's database.
            ("image.repo", sections(request, "")),
            ("rpmmacros", macros(request)),
        ],
        Tool::Zypper => {
            // The signature of the index is checked, and those of packages too. The indexes are pinned, so none is looked at again.
            let checked = "repo_gpgcheck=1\npkg_gpgcheck=1\nautorefresh=0\nkeeppackages=1\n";
            let keys = fs::read_to_string(keyring).at(Path::new(keyring))?;
            vec![
                ("goldsmith.repo", sections(request, checked)),
                ("image-repositories", sections(request, "autorefresh=1\n")),
                ("zypp.conf", format!("[main]\narch = {}\nsolver.onlyRequires = true\n", request.arch.name())),
                ("keyring", keys),
                ("rpmmacros", macros(request)),
            ]
        }
    };
    Ok(files)
}

/// Returns the line that tells pacman where repositories are: pacman.conf(5).
fn server(url: &str) -> String {
    format!("Server = {url}/$repo/os/$arch\n")
}

/// Returns the repositories in the form that dnf and zypper share, each with further lines.
fn sections(request: &BootstrapRequest<'_>, lines: &str) -> String {
    let section = |(number, pin): (usize, &crate::plan::RepositoryPin)| {
        format!("[goldsmith-{number}]\nname={0}\nbaseurl={1}/{0}\nenabled=1\ngpgcheck=1\n{lines}\n", pin.suite, pin.url)
    };
    request.repositories.iter().enumerate().map(section).collect()
}

/// Returns the lines of dnf.conf(5) for the certificates of a mirror.
fn certificates(request: &BootstrapRequest<'_>, client: Option<&Path>) -> String {
    let authority = request.certificate_authority.map(|path| format!("sslcacert={}\n", path.display()));
    // One file holds the certificate and the key.
    let client = client.map(|path| format!("sslclientcert={0}\nsslclientkey={0}\n", path.display()));
    authority.into_iter().chain(client).collect()
}

/// Returns the settings of rpm.
fn macros(request: &BootstrapRequest<'_>) -> String {
    let database = request.how.database.as_deref().unwrap_or("/usr/lib/sysimage/rpm");
    // The mount points are there, and rpm must not change what is mounted.
    format!("%_dbpath {database}\n%_netsharedpath /dev:/proc:/sys\n")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::digest::Sha256;
    use crate::distro::Distros;
    use crate::plan::{DiskPlan, RepositoryPin};
    use crate::recipe::Layout;
    use crate::units::ByteSize;

    #[test]
    fn only_the_bootstrap_chooses_keys() {
        let distros = Distros::built_in();
        let mut how = distros.get("debian").and_then(|debian| debian.file.bootstrap.clone()).expect("it is there");
        how.keyring.fingerprints = vec!["A".repeat(40), "B".repeat(40)];
        let pin = RepositoryPin {
            url: "http://mirror/debian".to_owned(),
            suite: "bookworm".to_owned(),
            components: vec!["main".to_owned(), "contrib".to_owned()],
            sha256: Sha256::of(b""),
            date: 0,
        };
        let request = BootstrapRequest {
            distro: "debian",
            how: &how,
            release: "bookworm",
            arch: Arch::X86_64,
            keyring: None,
            allow_expired: false,
            client_certificate: None,
            certificate_authority: None,
            repositories: &[pin],
            packages: &[],
            disk: &DiskPlan { size: ByteSize::mebibytes(2048), layout: Layout::Bios, ..DiskPlan::default() },
            seed: Sha256::of(b""),
            target: Path::new("/t"),
            cache_dir: Path::new("/c"),
        };
        let line = |keys: &str| format!("deb [signed-by={keys}] http://mirror/debian bookworm main contrib\n");
        let chosen = format!("/w/keyring.gpg,{},{}", "A".repeat(40), "B".repeat(40));
        let image = line("/usr/share/keyrings/debian-archive-keyring.gpg");
        assert_eq!(
            files(&request, "/w/keyring.gpg", None).expect("no file is read"),
            [("sources.list", line(&chosen)), ("image.list", image)]
        );

        let expired =
            files(&BootstrapRequest { allow_expired: true, ..request }, "/k.gpg", None).expect("no file is read");
        assert!(
            expired.iter().all(|(_, list)| list.contains(" check-valid-until=no] http://mirror/debian ")),
            "{expired:?}"
        );
    }
}
