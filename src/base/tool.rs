//! The programs that make trees of packages: what each needs on this machine, its part of the script, and its files.

use super::BootstrapRequest;
use crate::distro::Tool;
use crate::recipe::Arch;

/// The part of the script that is the same for all tools; its first lines describe it.
const COMMON: &str = include_str!("bootstrap.sh");

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
    };
    let user = (!rustix::process::geteuid().is_root()).then_some(("newuidmap", "uidmap"));
    own.iter().copied().chain(PROGRAMS).chain(user).filter(|(tool, _)| !is_installed(tool)).collect()
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
        Tool::Mmdebstrap => include_str!("mmdebstrap.sh"),
        Tool::Dnf => include_str!("dnf.sh"),
    };
    format!("{own}\n{COMMON}")
}

/// Returns the tool's name for an architecture.
pub(super) fn arch_name(tool: Tool, arch: Arch) -> &'static str {
    match (tool, arch) {
        (Tool::Mmdebstrap, Arch::X86_64) => "amd64",
        (Tool::Mmdebstrap, Arch::Aarch64) => "arm64",
        (Tool::Dnf, arch) => arch.name(),
    }
}

/// Returns the names and contents of the files that the tool's script reads.
pub(super) fn files(request: &BootstrapRequest<'_>) -> Vec<(&'static str, String)> {
    let keyring = &request.how.keyring.file;
    match request.how.tool {
        Tool::Mmdebstrap => {
            let line = |pin: &crate::plan::RepositoryPin| {
                format!("deb [signed-by={keyring}] {} {} {}\n", pin.url, pin.suite, pin.components.join(" "))
            };
            vec![("sources.list", request.repositories.iter().map(line).collect())]
        }
        Tool::Dnf => {
            let section = |(number, pin): (usize, &crate::plan::RepositoryPin), key: &str| {
                format!(
                    "[goldsmith-{number}]\nname={0}\nbaseurl={1}/{0}\nenabled=1\ngpgcheck=1\n{key}\n",
                    pin.suite, pin.url
                )
            };
            let sections = |key: &str| -> String {
                request.repositories.iter().enumerate().map(|place| section(place, key)).collect()
            };
            let database = request.how.database.as_deref().unwrap_or("/usr/lib/sysimage/rpm");
            vec![
                (
                    "dnf.conf",
                    format!(
                        "[main]\ngpgcheck=1\nbest=1\nskip_if_unavailable=0\n\n{}",
                        sections(&format!("gpgkey=file://{keyring}\n"))
                    ),
                ),
                // The bootstrap has put the keys into rpm's database.
                ("image.repo", sections("")),
                // The mount points are there, and rpm must not change what is mounted.
                ("rpmmacros", format!("%_dbpath {database}\n%_netsharedpath /dev:/proc:/sys\n")),
            ]
        }
    }
}
