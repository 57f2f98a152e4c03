//! Disks that are made of a few packages, without a guest.

use std::path::Path;
use std::process::Command;

use goldsmith::base::{self, BootstrapError, BootstrapRequest, Bootstrapped};
use goldsmith::digest::Sha256;
use goldsmith::distro;
use goldsmith::event::Silent;
use goldsmith::interrupt::Interrupt;
use goldsmith::plan::{DiskPlan, RepositoryPin};
use goldsmith::process::capture;
use goldsmith::recipe::{Arch, Layout};
use goldsmith::units::ByteSize;

/// A repository of a distribution, with a directory for what is made of it.
pub(crate) struct Tiny<'a> {
    pub(crate) distro: &'a str,
    pub(crate) release: &'a str,
    pub(crate) suite: &'a str,
    pub(crate) how: &'a distro::Bootstrap,
    /// Gets `disk.qcow2` and `cache`.
    pub(crate) work: &'a Path,
    /// A client certificate with its key, and the file of the mirror's authority.
    pub(crate) client: Option<(&'a [u8], &'a Path)>,
}

impl Tiny<'_> {
    /// Makes a disk of the packages that the distribution always has and these, with the index pinned by this digest.
    pub(crate) fn build(&self, url: &str, packages: &[&str], sha256: Sha256) -> Result<Bootstrapped, BootstrapError> {
        let always = self.how.packages.iter().map(String::as_str);
        let packages: Vec<String> = always.chain(packages.iter().copied()).map(str::to_owned).collect();
        let pin = RepositoryPin {
            url: url.to_owned(),
            suite: self.suite.to_owned(),
            components: Vec::new(),
            sha256,
            date: 1_700_000_000,
        };
        let disk = DiskPlan { size: ByteSize::mebibytes(1024), layout: Layout::Bios, ..DiskPlan::default() };
        let request = BootstrapRequest {
            distro: self.distro,
            how: self.how,
            release: self.release,
            arch: Arch::X86_64,
            keyring: None,
            allow_expired: false,
            client_certificate: self.client.map(|(client, _)| client),
            certificate_authority: self.client.map(|(_, authority)| authority),
            repositories: &[pin],
            packages: &packages,
            disk: &disk,
            seed: Sha256::of(b"seed"),
            target: &self.work.join("disk.qcow2"),
            cache_dir: &self.work.join("cache"),
        };
        base::bootstrap::build(&request, &Silent, &Interrupt::new())
    }
}

/// The content of a file on a disk's last partition; empty if it is not there.
pub(crate) fn file_of_disk(disk: &Path, path: &str) -> String {
    let raw = disk.with_extension("raw");
    capture(Command::new("qemu-img").args(["convert", "-O", "raw"]).arg(disk).arg(&raw)).expect("a raw disk");
    let listed = capture(Command::new("sfdisk").args(["--dump"]).arg(&raw)).expect("partitions");
    let last = listed.lines().rfind(|line| line.contains("start=")).expect("a partition");
    let start = last.split_once("start=").expect("a start").1.trim_start();
    let start: u64 = start.split(',').next().expect("a number").trim().parse().expect("a number");
    let mut debugfs = Command::new("debugfs");
    debugfs.args(["-R", &format!("cat {path}")]).arg(format!("{}?offset={}", raw.display(), start * 512));
    String::from_utf8(debugfs.output().expect("debugfs").stdout).expect("text")
}

/// Names of all files below a directory that have this end.
pub(crate) fn below(directory: &Path, end: &str) -> Vec<String> {
    let listed = capture(Command::new("find").arg(directory).args(["-name", &format!("*{end}"), "-printf", "%f\n"]));
    let mut names: Vec<_> = listed.expect("find").lines().map(str::to_owned).collect();
    names.sort();
    names
}
