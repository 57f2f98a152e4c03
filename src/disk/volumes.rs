//! The volume group on a partition of a new disk: where its logical volumes lie, and the description from which LVM makes them.
//!
//! The volumes follow each other on one physical volume, so each is one stretch of the disk, and the programs that fill partitions
//! fill them too.

use super::uuid::Uuid;
use crate::digest::Sha256;
use crate::recipe::partitions::{EXTENT, FileSystem, Lvm, Volume as Wanted};
use crate::units::ByteSize;

/// Bytes before the first extent, with LVM's own data.
const BEFORE: u64 = ByteSize::MIB;

const SECTOR: u64 = 512;

/// A volume group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// LVM's identifier of the physical volume.
    pub physical: String,
    /// The volumes in their order.
    pub volumes: Vec<Volume>,
    id: String,
    size: u64,
}

/// A logical volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    /// Its name.
    pub name: String,
    /// The file system; `None` for swap space.
    pub files: Option<FileSystem>,
    /// First byte, on the disk.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
    /// UUID of its file system or swap space.
    pub content_uuid: Uuid,
    /// Hash seed of the directories of its file system.
    pub hash_seed: Uuid,
    id: String,
}

impl Group {
    /// Places the volumes on a partition of the disk.
    pub(super) fn new(lvm: &Lvm, start: u64, size: u64, seed: &Sha256) -> Self {
        let id = |of: &str| identifier(&Uuid::derive(seed, of).to_string());
        let end = start + BEFORE + size.saturating_sub(BEFORE) / EXTENT.get() * EXTENT.get();
        let fixed: u64 = lvm.volumes.iter().filter_map(Wanted::size).map(ByteSize::get).sum();
        let mut next = start + BEFORE;
        let mut volumes = Vec::new();
        for wanted in &lvm.volumes {
            let name = wanted.name().to_owned();
            let size = wanted.size().map_or((end - start - BEFORE).saturating_sub(fixed), ByteSize::get);
            let derived = |what: &str| Uuid::derive(seed, &format!("volume {name} {what}"));
            volumes.push(Volume {
                files: wanted.file_system().cloned(),
                start: next,
                size,
                content_uuid: derived("file system"),
                hash_seed: derived("hash seed"),
                id: id(&format!("volume {name}")),
                name,
            });
            next += size;
        }
        Self { name: lvm.group.clone(), physical: id("physical volume"), volumes, id: id("volume group"), size }
    }

    /// Returns the device of a volume.
    pub fn device(&self, volume: &Volume) -> String {
        format!("/dev/{}/{}", self.name, volume.name)
    }

    /// Returns the description of the group in the form that `vgcfgrestore` reads: vgcfgbackup(5), lvm.conf(5).
    pub fn description(&self) -> String {
        let Self { name, physical, volumes, id, size } = self;
        let first = volumes.first().map_or(0, |volume| volume.start);
        let extent = EXTENT.get();
        let mut text = format!(
            "contents = \"Text Format Volume Group\"\nversion = 1\ndescription = \"\"\ncreation_host = \"\"\ncreation_time = 1\n\
             {name} {{\nid = \"{id}\"\nseqno = 1\nformat = \"lvm2\"\nstatus = [\"RESIZEABLE\", \"READ\", \"WRITE\"]\nflags = []\n\
             extent_size = {}\nmax_lv = 0\nmax_pv = 0\nmetadata_copies = 0\n\
             physical_volumes {{\npv0 {{\nid = \"{physical}\"\nstatus = [\"ALLOCATABLE\"]\nflags = []\n\
             dev_size = {}\npe_start = {}\npe_count = {}\n}}\n}}\nlogical_volumes {{\n",
            extent / SECTOR,
            size / SECTOR,
            BEFORE / SECTOR,
            (size - BEFORE) / extent,
        );
        for Volume { name, start, size, id, .. } in volumes {
            text += &format!(
                "{name} {{\nid = \"{id}\"\nstatus = [\"READ\", \"WRITE\", \"VISIBLE\"]\nflags = []\nsegment_count = 1\n\
                 segment1 {{\nstart_extent = 0\nextent_count = {}\ntype = \"striped\"\nstripe_count = 1\n\
                 stripes = [\"pv0\", {}]\n}}\n}}\n",
                size / extent,
                (start - first) / extent,
            );
        }
        text + "}\n}\n"
    }
}

/// Returns LVM's form of an identifier: 32 letters and digits in groups of 6, 4, 4, 4, 4, 4 and 6.
fn identifier(uuid: &str) -> String {
    let digits: String = uuid.chars().filter(|c| *c != '-').collect();
    let mut groups = Vec::new();
    let mut rest = digits.as_str();
    for length in [6, 4, 4, 4, 4, 4, 6] {
        let (group, after) = rest.split_at(length);
        groups.push(group);
        rest = after;
    }
    groups.join("-")
}
