//! Rules that are judged by looking at the disk.
//!
//! What is seen is gathered in a few calls of the guest; every rule is a pure function of it.

mod access;
mod boot;
mod dhcp;
mod disk;
mod drivers;
mod efi;
mod elements;
mod hygiene;
mod network;
mod signed;
mod table;
mod usage;

use super::{Examination, Finding, Outcome, Rule, Subject};
use crate::base::Package;
use crate::element::schema::Check;
use crate::guest::{Devices, Guest, GuestError};
use crate::inspect::{self, FileQuery, Opened, System, TEXT_LIMIT, Tree};
use crate::recipe::Firmware;

/// Page of the image guide that most rules are of.
macro_rules! guide {
    ($section:literal) => {
        Some(concat!("https://docs.openstack.org/image-guide/openstack-images.html#", $section))
    };
}
use guide;

/// What is known of an image before it is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Seen<'a> {
    /// Architecture: `x86_64`.
    pub arch: Option<&'a str>,
    /// Installed packages; `None` if they are to be found out.
    pub packages: Option<&'a [Package]>,
    /// Checks of elements, with the element's name, in the elements' order: all of them, so that they are counted as
    /// they are written. Those of the running image are passed over.
    pub checks: &'a [(String, Check)],
}

/// What was gathered of an image.
#[derive(Debug, Default)]
struct View {
    /// All files; contents of those that a rule looks into.
    tree: Tree,
    /// What the disk is divided into.
    devices: Devices,
    /// What they tell.
    system: System,
    /// What the kernel finds before there is a root file system.
    early: drivers::Early,
    /// Architecture; empty if it is not known.
    arch: String,
}

/// Lists rules and what judges them, once.
macro_rules! rules {
    ($($module:ident::{ $($rule:ident => $judge:ident),* $(,)? }),* $(,)?) => {
        /// The rules of this stage, in the order in which they are told.
        pub const RULES: &[&Rule] = &[$($(&$module::$rule),*),*];

        fn judge(view: &View) -> Vec<Finding> {
            vec![$($($module::$judge(view)),*),*]
        }
    };
}

rules! {
    disk::{
        OPERATING_SYSTEM => operating_system,
        ROOT_LAST => root_last,
        ROOT_PLAIN => root_plain,
        ROOT_GROWS => root_grows,
        FSTAB_NAMES => fstab_names,
        FSTAB_EXISTS => fstab_exists,
        NO_SWAP => no_swap,
    },
    table::{
        PARTITION_TABLE => partition_table,
        ROOT_FILLS => root_fills,
    },
    boot::{
        KERNEL => kernel,
        BOOT_FILES => boot_files,
        BOOT_NAMES => boot_names,
        BOOT_UUIDS => boot_uuids,
        BIOS_LOADER => bios_loader,
        EFI_FALLBACK => efi_fallback,
        SERIAL_CONSOLE => serial_console,
        SERIAL_LOGIN => serial_login,
    },
    signed::{
        SECURE_BOOT => secure_boot,
    },
    drivers::{
        VIRTIO_DISK => virtio_disk,
        VIRTIO_SCSI => virtio_scsi,
        VIRTIO_NET => virtio_net,
        NO_XEN => no_xen,
    },
    network::{
        NO_MAC_IN_UDEV => no_mac_in_udev,
        NO_MAC_IN_CONFIG => no_mac_in_config,
        NO_IFCFG_UUID => no_ifcfg_uuid,
        NO_STATIC_ADDRESS => no_static_address,
        NO_FIREWALL => no_firewall,
    },
    dhcp::{
        DHCP => dhcp,
    },
    access::{
        SSHD => sshd,
        KEY_INJECTION => key_injection,
        CLOUD_INIT_ENABLED => cloud_init_enabled,
        DATASOURCES => datasources,
        NO_PASSWORDS => no_passwords,
        NO_AUTHORIZED_KEYS => no_authorized_keys,
        ONLY_ROOT_IS_ROOT => only_root_is_root,
        NO_OTHER_ACCOUNTS => no_other_accounts,
        NO_FREE_SUDO => no_free_sudo,
        SSH_PASSWORDS => ssh_passwords,
    },
    hygiene::{
        MACHINE_ID => machine_id,
        DBUS_MACHINE_ID => dbus_machine_id,
        NO_HOST_KEYS => no_host_keys,
        NO_PRIVATE_KEYS => no_private_keys,
        NO_ACCOUNT_BACKUPS => no_account_backups,
        NO_RANDOM_SEED => no_random_seed,
        NO_CLOUD_INIT_STATE => no_cloud_init_state,
        WORLD_WRITABLE => world_writable,
        STRAY_SETUID => stray_setuid,
        NO_LOGS => no_logs,
        NO_PACKAGE_CACHES => no_package_caches,
        NO_HISTORIES => no_histories,
        NO_LEASES => no_leases,
        NO_RESOLVER => no_resolver,
        NO_LEFTOVERS => no_leftovers,
        TEMPORARY_FILES => temporary_files,
        HOSTNAME => hostname,
        TIME_ZONE => time_zone,
    },
}

/// Examines a mounted image.
///
/// # Errors
///
/// Only if the guest fails. What is wrong with the image is in the findings.
pub fn examine(guest: &mut dyn Guest, seen: &Seen<'_>) -> Result<Examination, GuestError> {
    let devices = guest.devices()?;
    let mut view = gather(guest, devices, seen)?;
    if let Some(packages) = seen.packages {
        view.system.packages = packages.to_vec();
    } else if view.system.packages.is_empty() {
        // A database that the guest cannot read either is one of no package.
        view.system.packages = match guest.packages() {
            Err(GuestError::Call { .. }) => Vec::new(),
            packages => packages?,
        };
    }
    Ok(examined(&view, seen.checks))
}

/// Examines the disk that is attached to a guest, on which anything may be, and leaves its file systems mounted. What is
/// known of its packages and its architecture is found out.
///
/// # Errors
///
/// Only if the guest fails. What is wrong with the image is in the findings.
pub fn examine_attached(guest: &mut dyn Guest, checks: &[(String, Check)]) -> Result<Examination, GuestError> {
    let Opened { inspection, devices, notes } = inspect::open(guest)?;
    let Some(inspection) = inspection else {
        let mut found = disk::OPERATING_SYSTEM.failed(notes.iter().cloned().chain(disk::held(&devices)));
        found.evidence.dedup();
        let others = RULES.iter().skip(1).map(|rule| rule.skipped("no operating system was found"));
        let subject = Subject { firmware: firmware(&devices), ..Subject::default() };
        let findings = std::iter::once(found).chain(others).collect();
        return Ok(Examination { findings, subject, ..Examination::default() });
    };
    let mut found = examine(guest, &Seen { arch: Some(&inspection.arch), packages: None, checks })?;
    found.subject.product = Some(inspection.product);
    found.subject.distro = Some(inspection.distro);
    Ok(found)
}

/// What rules look into, beside what is read to find out what is in an image.
const TEXTS: &[&[&str]] =
    &[disk::WANTED, boot::WANTED, drivers::WANTED, network::WANTED, dhcp::WANTED, access::WANTED, hygiene::WANTED];

fn gather(guest: &mut dyn Guest, devices: Devices, seen: &Seen<'_>) -> Result<View, GuestError> {
    let mut wanted = inspect::wanted();
    let texts = TEXTS.iter().copied().flatten().copied().chain(elements::wanted(seen.checks));
    wanted.extend(texts.map(|pattern| FileQuery { pattern, limit: TEXT_LIMIT }));
    let tree = Tree::load(guest, &[], &wanted)?;
    let mut view = view(tree, devices, seen.arch.unwrap_or_default());
    // Which of many kernels is booted is known only now; each takes as much as all other files together.
    let mut large: Vec<_> = signed::programs(&view).into_iter().map(|path| (path, signed::PROGRAM_LIMIT)).collect();
    large.extend(signed::kernel(&view).map(|path| (path.to_owned(), signed::KERNEL_LIMIT)));
    large.extend(drivers::initrd(&view.tree, &view.system).map(|path| (path, drivers::INITRD_LIMIT)));
    let large: Vec<_> = large.iter().map(|(path, limit)| FileQuery { pattern: path, limit: *limit }).collect();
    view.tree.read(guest, &large)?;
    view.early = drivers::early(&view.tree, &view.system);
    Ok(view)
}

fn view(tree: Tree, devices: Devices, arch: &str) -> View {
    let system = inspect::of_tree(&tree, &devices, &firmware(&devices));
    let early = drivers::early(&tree, &system);
    View { tree, devices, system, early, arch: arch.to_owned() }
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
        default_user: view.system.cloud_init.as_ref().and_then(|it| it.default_user.clone()),
        guest_agent: agent.iter().any(|path| view.tree.is_file(path)),
    }
}

/// The file that a boot loader's configuration names: its paths are those of the file system with /boot, which may be
/// one of its own.
fn boot_file(tree: &Tree, path: &str) -> Option<String> {
    let path = path.trim_start_matches("($root)").trim().trim_start_matches('/');
    let paths = ["", "/boot", "/boot/efi", "/efi"].into_iter().map(|base| format!("{base}/{path}"));
    paths.into_iter().find(|path| tree.is_file(path))
}

/// What an image says of itself: os-release(5).
fn release(tree: &Tree, name: &str) -> Option<String> {
    let text = tree.text("/etc/os-release");
    let value = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='))?;
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// Firmware that finds a place of its own on the disk.
fn firmware(devices: &Devices) -> Vec<Firmware> {
    let partitions = devices.partition_table.iter().flat_map(|table| &table.partitions);
    let purposes: Vec<_> = partitions.filter_map(|partition| partition.purpose.as_deref()).collect();
    let code = devices.first_sectors.iter().take(440).any(|byte| *byte != 0);
    let mut found = Vec::new();
    if code || purposes.contains(&"BIOS boot") {
        found.push(Firmware::Bios);
    }
    if purposes.iter().any(|purpose| purpose.starts_with("EFI")) {
        found.push(Firmware::Uefi);
    }
    found
}

/// Lines of a configuration file without comments, with the file's path before them as evidence shows it. One is made
/// after the other: all of them at once, each with its path, may be more than any memory holds.
fn lines_of<'a>(tree: &'a Tree, patterns: &[&str]) -> impl Iterator<Item = (String, String)> + use<'a> {
    let paths: Vec<_> = patterns.iter().flat_map(|pattern| tree.glob(pattern)).collect();
    paths.into_iter().flat_map(move |path| {
        let (text, mut at) = (tree.text(&path), 0);
        std::iter::from_fn(move || {
            while at < text.len() {
                let rest = &text[at..];
                let end = rest.find('\n').unwrap_or(rest.len());
                at += end + 1;
                let line = rest[..end].trim();
                if !line.is_empty() && !line.starts_with(['#', ';']) {
                    return Some((path.clone(), line.to_owned()));
                }
            }
            None
        })
    })
}

/// A unit of systemd as the image configures it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// It starts at boot.
    Enabled,
    /// It is there and does not.
    Off,
    /// It cannot start.
    Masked,
    /// There is none of that name.
    Absent,
}

/// Where systemd looks for units: systemd.unit(5).
const UNITS: [&str; 3] = ["/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"];

fn unit(tree: &Tree, name: &str) -> Unit {
    if UNITS.iter().any(|directory| tree.link(&format!("{directory}/{name}")) == Some("/dev/null")) {
        return Unit::Masked;
    }
    let wanted = |directory: &&str| {
        let links = ["wants", "requires"].map(|kind| tree.glob(&format!("{directory}/*.{kind}/{name}")));
        links.iter().any(|links| !links.is_empty())
    };
    let runlevel = || !tree.glob(&format!("/etc/runlevels/*/{}", name.trim_end_matches(".service"))).is_empty();
    if UNITS.iter().any(wanted) || runlevel() {
        return Unit::Enabled;
    }
    // `serial-getty@ttyS0.service` is an instance of `serial-getty@.service`.
    let template = name.split_once('@').and_then(|(stem, rest)| Some(format!("{stem}@.{}", rest.rsplit('.').next()?)));
    let there = |name: &str| UNITS.iter().any(|directory| tree.exists(&format!("{directory}/{name}")));
    if there(name) || template.is_some_and(|template| there(&template)) { Unit::Off } else { Unit::Absent }
}

#[cfg(all(test, feature = "testing"))]
mod tests;
