//! Examines a mounted image: gathers the facts, and judges them.

use super::super::{Examination, Outcome, Subject};
use super::rules::{judge, rules};
use super::texts::release;
use super::view::{View, firmware, view};
use super::{access, boot, dhcp, disk, drivers, early, elements, hygiene, leftovers, network, selinux, signed, usage};
use crate::base::Package;
use crate::element::schema::Check;
use crate::guest::{Devices, Guest, GuestError};
use crate::inspect::{self, FileQuery, Opened, TEXT_LIMIT, Tree};

/// The known facts about an image.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// Architecture: `x86_64`.
    pub arch: Option<&'a str>,
    /// Installed packages; `None` to find them.
    pub packages: Option<&'a [Package]>,
    /// Checks of elements in their order, with the name of the element. All are present, so that their numbers are right. Those
    /// of the running image are ignored.
    pub checks: &'a [(String, Check)],
}

/// Examines a mounted image.
///
/// # Errors
///
/// The guest failed. Faults of the image are findings.
pub fn examine(guest: &mut dyn Guest, seen: &Seen<'_>) -> Result<Examination, GuestError> {
    let devices = guest.devices()?;
    let mut view = gather(guest, devices, seen)?;
    if let Some(packages) = seen.packages {
        view.system.packages = packages.to_vec();
    } else if view.system.packages.is_empty() {
        // If the guest cannot read the database either, there are no packages.
        view.system.packages = match guest.packages() {
            Err(GuestError::Call { .. }) => Vec::new(),
            packages => packages?,
        };
    }
    Ok(examined(&view, seen.checks))
}

/// Examines the disk that is attached to a guest, which may have any content. Leaves its file systems mounted. Finds its packages
/// and its architecture.
///
/// # Errors
///
/// The guest failed. Faults of the image are findings.
pub fn examine_attached(guest: &mut dyn Guest, checks: &[(String, Check)]) -> Result<Examination, GuestError> {
    let Opened { inspection, devices, notes } = inspect::open(guest)?;
    let Some(inspection) = inspection else {
        let mut found = disk::OPERATING_SYSTEM.failed(notes.iter().cloned().chain(disk::held(&devices)));
        found.evidence.dedup();
        let others = rules().skip(1).map(|rule| rule.skipped("no operating system was found"));
        let subject = Subject { firmware: firmware(&devices), ..Subject::default() };
        let findings = std::iter::once(found).chain(others).collect();
        return Ok(Examination { findings, subject, ..Examination::default() });
    };
    let mut found = examine(guest, &Seen { arch: Some(&inspection.arch), packages: None, checks })?;
    found.subject.product = Some(inspection.product);
    found.subject.distro = Some(inspection.distro);
    Ok(found)
}

/// Files that rules read, besides those that tell the content of an image.
const TEXTS: &[&[&str]] = &[
    disk::WANTED,
    boot::WANTED,
    drivers::WANTED,
    network::WANTED,
    dhcp::WANTED,
    access::WANTED,
    hygiene::WANTED,
    leftovers::WANTED,
    selinux::WANTED,
];

fn gather(guest: &mut dyn Guest, devices: Devices, seen: &Seen<'_>) -> Result<View, GuestError> {
    let mut wanted = inspect::wanted();
    let texts = TEXTS.iter().copied().flatten().copied().chain(elements::wanted(seen.checks));
    wanted.extend(texts.map(|pattern| FileQuery { pattern, limit: TEXT_LIMIT }));
    let tree = Tree::load(guest, &[], &wanted)?;
    let mut view = view(tree, devices, seen.arch.unwrap_or_default());
    // Only now the default kernel is known. Each kernel is as large as all other files together.
    let mut large: Vec<_> = signed::programs(&view).into_iter().map(|path| (path, signed::PROGRAM_LIMIT)).collect();
    large.extend(signed::kernel(&view).map(|path| (path.to_owned(), signed::KERNEL_LIMIT)));
    large.extend(early::initrd(&view.tree, &view.system).map(|path| (path, early::INITRD_LIMIT)));
    let large: Vec<_> = large.iter().map(|(path, limit)| FileQuery { pattern: path, limit: *limit }).collect();
    view.tree.read(guest, &large)?;
    view.early = early::early(&view.tree, &view.system);
    if selinux::is_on(&view) {
        view.unlabelled = guest.unlabelled()?;
    }
    Ok(view)
}

fn examined(view: &View, checks: &[(String, Check)]) -> Examination {
    let mut findings = judge(view);
    findings.extend(elements::judge(view, checks));
    Examination {
        findings,
        subject: subject(view),
        usage: usage::usage(&view.tree),
        packages: view.system.packages.clone(),
    }
}

fn subject(view: &View) -> Subject {
    let value = |name: &str| release(&view.tree, name);
    let agent = ["/usr/sbin/qemu-ga", "/usr/bin/qemu-ga"];
    Subject {
        distro: value("ID"),
        product: value("PRETTY_NAME"),
        version: value("VERSION_ID"),
        arch: (!view.arch.is_empty()).then(|| view.arch.clone()),
        firmware: view.system.boot.firmware.clone(),
        secure_boot: signed::secure_boot(view).outcome == Outcome::Passed,
        default_user: access::owner(view),
        guest_agent: agent.iter().any(|path| view.tree.is_file(path)),
    }
}
