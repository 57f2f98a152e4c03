//! The entry points of inspection: they read the files of an image, and gather all facts about it.

use super::facts::{Booted, Os, System};
use super::image::{Image, TEXT_LIMIT, noted};
use super::tree::{FileQuery, Tree};
use super::{accounts, boot, cloud_init, packages, services, units};
use crate::guest::{Devices, Guest, GuestError, Inspection};
use crate::recipe::Firmware;

/// Returns the files to read for an inspection.
pub fn wanted() -> Vec<FileQuery<'static>> {
    let texts = [boot::WANTED, accounts::WANTED, cloud_init::WANTED, units::WANTED].concat();
    let texts = texts.into_iter().map(|pattern| FileQuery { pattern, limit: TEXT_LIMIT });
    texts.chain(packages::WANTED).collect()
}

/// Finds out the content of the disk that is attached to a guest, and leaves its file systems mounted.
///
/// # Errors
///
/// The guest failed. Faults of the image are in [`System::notes`].
pub fn system(guest: &mut dyn Guest) -> Result<System, GuestError> {
    let Opened { inspection, devices, notes } = open(guest)?;
    let Some(Inspection { distro, product, version, codename, arch, firmware, .. }) = inspection else {
        let Devices { partition_table, file_systems, .. } = devices;
        return Ok(System { partition_table, file_systems, notes, ..System::default() });
    };
    let tree = Tree::load(guest, &[], &wanted())?;
    let mut system = of_tree(&tree, &devices, &firmware);
    if system.packages.is_empty() {
        let mut image = Image { tree: &tree, notes: std::mem::take(&mut system.notes) };
        system.packages = packages::by_guest(&mut image, guest)?;
        system.notes = image.notes;
    }
    system.os = Some(Os { distro, product, version, codename, arch });
    system.notes.splice(0..0, notes);
    Ok(system)
}

/// A disk whose file systems are mounted, as far as possible.
#[derive(Debug)]
pub struct Opened {
    /// The operating system; `None` if none was found, and then nothing is mounted.
    pub inspection: Option<Inspection>,
    /// The partitions and file systems.
    pub devices: Devices,
    /// The facts that could not be found, and the reasons.
    pub notes: Vec<String>,
}

/// Mounts the file systems of the disk that is attached to a guest.
///
/// # Errors
///
/// The guest failed. Faults of the image are in [`Opened::notes`].
pub fn open(guest: &mut dyn Guest) -> Result<Opened, GuestError> {
    let mut notes = Vec::new();
    let found = guest.inspect();
    let inspection = noted(&mut notes, found)?;
    if let Some(inspection) = &inspection {
        let all = guest.mount(&inspection.mounts);
        if noted(&mut notes, all)?.is_none() {
            let root: Vec<_> = inspection.mounts.iter().filter(|mount| mount.path == "/").cloned().collect();
            guest.mount(&root)?;
        }
    }
    Ok(Opened { inspection, devices: guest.devices()?, notes })
}

/// Returns the facts in files and partitions of an image. The tree must have the content of [`wanted`] files. The caller must add
/// [`System::os`], and packages of binary databases.
pub fn of_tree(tree: &Tree, devices: &Devices, firmware: &[Firmware]) -> System {
    let mut image = Image { tree, notes: Vec::new() };
    System {
        partition_table: devices.partition_table.clone(),
        file_systems: devices.file_systems.clone(),
        os: None,
        boot: boot::boot(&mut image, firmware, &devices.first_sectors),
        packages: packages::packages(&mut image),
        services: services::services(tree),
        users: accounts::users(&mut image),
        cloud_init: cloud_init::cloud_init(&mut image),
        notes: image.notes,
    }
}

/// Finds out which kernel a mounted image boots, and its arguments.
///
/// # Errors
///
/// The guest failed.
pub fn booted(guest: &mut dyn Guest) -> Result<Booted, GuestError> {
    let texts = boot::WANTED.iter().map(|pattern| FileQuery { pattern, limit: TEXT_LIMIT });
    let tree = Tree::load(guest, &["boot", "efi"], &texts.collect::<Vec<_>>())?;
    Ok(boot::booted(&mut Image { tree: &tree, notes: Vec::new() }))
}
