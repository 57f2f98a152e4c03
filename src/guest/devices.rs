//! Lists the partitions, volumes and file systems of the attached disk, by the appliance's `sfdisk`, `lsblk` and `lvm`.
//!
//! Labels and names may have any bytes. They arrive as JSON in hexadecimal digits, because the guest's channel for answers allows
//! only UTF-8.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::MountSource;
use super::script::ROOT;
use crate::image::partitions::purpose;

/// The partitions and file systems of a disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Devices {
    /// The partition table; `None` if there is none.
    pub partition_table: Option<PartitionTable>,
    /// Content of partitions and logical volumes, with used bytes if it is mounted.
    pub file_systems: Vec<FileSystem>,
    /// Physical volumes of LVM.
    pub physical_volumes: Vec<PhysicalVolume>,
    /// Logical volumes of LVM.
    pub logical_volumes: Vec<LogicalVolume>,
    /// Size of the disk, in bytes.
    pub size: u64,
    /// The first 34 sectors of the disk: boot code and a GPT.
    pub first_sectors: Vec<u8>,
    /// The last 33 sectors: the copy of a GPT.
    pub last_sectors: Vec<u8>,
}

/// A partition table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartitionTable {
    /// `gpt`, `dos` (a master boot record), or another name of sfdisk(8).
    pub kind: String,
    /// GUID of the disk, or number of the master boot record: `0x0123abcd`.
    pub uuid: Option<String>,
    /// The partitions, in the order of the table.
    pub partitions: Vec<Partition>,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Partition {
    /// Number of the partition, from 1.
    pub number: u32,
    /// First byte.
    pub start: u64,
    /// Length in bytes.
    pub size: u64,
    /// Type: a GUID in a GPT, a hexadecimal number in a master boot record.
    pub kind: String,
    /// Purpose of the type, if it is a common one.
    pub purpose: Option<String>,
    /// GUID of the partition.
    pub uuid: Option<String>,
    /// Name in a GPT.
    pub name: Option<String>,
    /// Whether it has the boot flag of a master boot record.
    pub active: bool,
}

/// What a disk is divided into, as far as growing it depends on that.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Storage {
    /// The partition table; `None` if there is none.
    pub table: Option<PartitionTable>,
    /// Physical volumes of LVM.
    pub physical_volumes: Vec<PhysicalVolume>,
    /// Logical volumes of LVM.
    pub logical_volumes: Vec<LogicalVolume>,
}

/// A physical volume of LVM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhysicalVolume {
    /// What it is on.
    pub on: MountSource,
    /// The volume group that it belongs to.
    pub group: String,
}

/// A logical volume of LVM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogicalVolume {
    /// Its device: `/dev/group/name`.
    pub device: String,
    /// The volume group that it belongs to.
    pub group: String,
    /// How it takes its space from there: `linear`, `thin`, `raid1`.
    pub kind: String,
}

/// The content of a partition, a logical volume or the whole disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSystem {
    /// Number of the partition it is on, from 1; `null` if it is not directly on one.
    pub partition: Option<u32>,
    /// Name of the logical volume or similar device, if it is on one: `/dev/mapper/vg-root`.
    pub device: Option<String>,
    /// Type: `ext4`, `xfs`, `vfat`, `swap`, `LVM2_member`, ...
    pub kind: String,
    /// Label.
    pub label: Option<String>,
    /// UUID, or a similar identifier of the file system.
    pub uuid: Option<String>,
    /// Length of its partition or volume, in bytes.
    pub size: u64,
    /// Bytes used by files and the file system itself; `null` if the image does not mount it.
    pub used: Option<u64>,
    /// Bytes that it can hold; `null` if the image does not mount it.
    pub capacity: Option<u64>,
    /// Mount point in the image.
    pub mounted_at: Option<String>,
}

/// Sectors of a GPT at each end of a disk, besides the first: the header, and 128 entries of 128 bytes.
const GPT_SECTORS: u32 = 33;

/// Prints partition table, block devices, volumes, mounts, first and last sectors of a disk, one line of digits each, and
/// its size.
pub(super) fn script(disk: &str) -> String {
    let hex = "od -An -v -tx1 | tr -d ' \\n'; echo";
    format!(
        "udevadm settle\n\
         sfdisk --json {disk} 2>/dev/null | {hex}\n\
         blocks=$(lsblk --json --bytes --output PATH,TYPE,FSTYPE,LABEL,UUID,SIZE,FSSIZE,FSUSED {disk})\n\
         printf %s \"$blocks\" | {hex}\n\
         case $blocks in *'\"LVM2_member\"'*) volumes=$(\n\
           lvm pvs --noheadings --separator ' ' -o pv_name,vg_name 2>/dev/null\n\
           lvm lvs --noheadings --separator ' ' -o lv_path,vg_name,segtype 2>/dev/null) ;; esac\n\
         printf %s \"$volumes\" | {hex}\n\
         cat /proc/self/mounts | {hex}\n\
         dd if={disk} bs=512 count={} 2>/dev/null | {hex}\n\
         size=$(blockdev --getsize64 {disk})\n\
         dd if={disk} bs=512 skip=$((size / 512 - {GPT_SECTORS})) count={GPT_SECTORS} 2>/dev/null | {hex}\n\
         echo $size\n",
        GPT_SECTORS + 1,
    )
}

/// Parses the output of [`script`]; `None` if it is invalid.
pub(super) fn parse(printed: &str, disk: &str) -> Option<Devices> {
    let mut lines = printed.lines().map(str::trim);
    let mut bytes = || hex::decode(lines.next()?).ok();
    let (table, devices, volumes, mounts) = (bytes()?, bytes()?, bytes()?, bytes()?);
    let (first_sectors, last_sectors) = (bytes()?, bytes()?);
    let size = lines.next()?.parse().ok()?;
    let json = |bytes: &[u8]| serde_json::from_str::<Value>(&String::from_utf8_lossy(bytes)).unwrap_or_default();
    let mounts = String::from_utf8_lossy(&mounts);
    let mounts = mounted(&mounts);
    let mut file_systems = Vec::new();
    for device in json(&devices)["blockdevices"].as_array()? {
        collect(device, disk, &mounts, &mut file_systems);
    }
    let partition_table = partition_table(&json(&table), disk);
    let (physical_volumes, logical_volumes) = self::volumes(&String::from_utf8_lossy(&volumes), disk);
    Some(Devices {
        partition_table,
        file_systems,
        physical_volumes,
        logical_volumes,
        size,
        first_sectors,
        last_sectors,
    })
}

/// Where devices are mounted below the image's root: proc(5). A device that is mounted more than once, as the subvolumes
/// of a btrfs are, is the file system of the shortest path.
fn mounted(mounts: &str) -> BTreeMap<&str, String> {
    let mut found: BTreeMap<&str, String> = BTreeMap::new();
    for line in mounts.lines() {
        let mut words = line.split(' ');
        let (Some(device), Some(path)) = (words.next(), words.next()) else { continue };
        let Some(path) = path.strip_prefix(ROOT).filter(|path| path.is_empty() || path.starts_with('/')) else {
            continue;
        };
        let path = match path {
            "" => "/".to_owned(),
            // Other characters are not escaped: getmntent(3).
            path => path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\"),
        };
        let known = found.entry(device).or_insert_with(|| path.clone());
        if path.len() < known.len() {
            *known = path;
        }
    }
    found
}

/// Volumes as `pvs` and `lvs` list them: a device and its group, and for logical volumes their kind. Those of no group
/// are left out.
fn volumes(listed: &str, disk: &str) -> (Vec<PhysicalVolume>, Vec<LogicalVolume>) {
    let (mut physical, mut logical) = (Vec::new(), Vec::new());
    for line in listed.lines() {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [device, group] => {
                physical.push(PhysicalVolume { on: source(device, disk), group: group.to_owned() });
            }
            [device, group, kind] => {
                let volume =
                    LogicalVolume { device: device.to_owned(), group: group.to_owned(), kind: kind.to_owned() };
                // It has a line for each of its segments. One that is not `linear` decides.
                match logical.iter_mut().find(|other: &&mut LogicalVolume| other.device == volume.device) {
                    Some(other) if other.kind == "linear" => *other = volume,
                    Some(_) => {}
                    None => logical.push(volume),
                }
            }
            _ => {}
        }
    }
    (physical, logical)
}

/// How a device is named where its name depends on the guest.
pub(super) fn source(device: &str, disk: &str) -> MountSource {
    match number_of(device, disk) {
        Some(number) => MountSource::Partition(number),
        None if device == disk => MountSource::Disk,
        None => MountSource::Device(device.to_owned()),
    }
}

impl Devices {
    /// What growing the disk depends on.
    pub(super) fn storage(self) -> Storage {
        let Self { partition_table: table, physical_volumes, logical_volumes, .. } = self;
        Storage { table, physical_volumes, logical_volumes }
    }
}

fn partition_table(json: &Value, disk: &str) -> Option<PartitionTable> {
    let table = json.get("partitiontable")?;
    let sector = table["sectorsize"].as_u64().unwrap_or(512);
    let kind = text(table, "label")?;
    let partitions = table["partitions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let partitions = partitions.iter().filter_map(|partition| {
        let type_id = text(partition, "type")?;
        Some(Partition {
            number: number_of(partition["node"].as_str()?, disk)?,
            start: partition["start"].as_u64()?.saturating_mul(sector),
            size: partition["size"].as_u64()?.saturating_mul(sector),
            purpose: purpose(&type_id).map(str::to_owned),
            kind: type_id,
            uuid: text(partition, "uuid").map(|uuid| uuid.to_ascii_lowercase()),
            name: text(partition, "name"),
            active: partition["bootable"].as_bool().unwrap_or(false) && kind == "dos",
        })
    });
    let partitions = partitions.collect();
    Some(PartitionTable { uuid: text(table, "id").map(|id| id.to_ascii_lowercase()), partitions, kind })
}

/// Adds the content of a device, and of the devices on it.
fn collect(device: &Value, disk: &str, mounts: &BTreeMap<&str, String>, found: &mut Vec<FileSystem>) {
    let path = device["path"].as_str().unwrap_or_default();
    if let Some(kind) = text(device, "fstype") {
        let partition = number_of(path, disk);
        let mounted_at = mounts.get(path).cloned();
        let file_system = FileSystem {
            partition,
            device: (partition.is_none() && path != disk).then(|| path.to_owned()),
            kind,
            label: text(device, "label"),
            uuid: text(device, "uuid"),
            size: number(device, "size").unwrap_or(0),
            used: number(device, "fsused").filter(|_| mounted_at.is_some()),
            capacity: number(device, "fssize").filter(|_| mounted_at.is_some()),
            mounted_at,
        };
        // A volume on several partitions appears below each of them.
        if !found.contains(&file_system) {
            found.push(file_system);
        }
    }
    for child in device["children"].as_array().map(Vec::as_slice).unwrap_or_default() {
        collect(child, disk, mounts, found);
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

/// Returns a number; lsblk before util-linux 2.33 writes it as a string.
fn number(value: &Value, key: &str) -> Option<u64> {
    value[key].as_u64().or_else(|| value[key].as_str()?.parse().ok())
}

fn number_of(path: &str, disk: &str) -> Option<u32> {
    path.strip_prefix(disk)?.trim_start_matches('p').parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(table: &str, devices: &str, volumes: &str, mounts: &str) -> String {
        let lines = [table, devices, volumes, mounts].map(hex::encode).join("\n");
        format!("{lines}\neb63\n0102\n1000\n")
    }

    #[test]
    fn tables_file_systems_and_volumes_are_read() {
        let table = r#"{"partitiontable": {"label":"gpt","id":"AB-CD","device":"/dev/sdc","unit":"sectors",
            "sectorsize":512,"partitions":[
            {"node":"/dev/sdc1","start":2048,"size":2048,"type":"21686148-6449-6E6F-744E-656564454649","uuid":"AA"},
            {"node":"/dev/sdc12","start":4096,"size":8192,"type":"x","name":"odd","bootable":true}]}}"#;
        let devices = r#"{"blockdevices":[{"path":"/dev/sdc","type":"disk","fstype":null,"size":1000,"children":[
            {"path":"/dev/sdc1","fstype":null,"size":1},
            {"path":"/dev/sdc12","fstype":"LVM2_member","uuid":"u","size":"7","children":[
              {"path":"/dev/mapper/vg-root","fstype":"xfs","label":"r\u001boot","size":6,
               "fssize":"5","fsused":4}]}]}]}"#;
        let volumes = "  /dev/sdc12 vg\n  /dev/sdd \n  /dev/vg/root vg linear\n  /dev/vg/root vg striped\n  /dev/vg/pool vg thin-pool\n";
        let mounts = "/dev/sda / ext2 rw 0 0\n/dev/mapper/vg-root /sysroot/two\\040words xfs rw 0 0\n\
            /dev/mapper/vg-root /sysroot xfs rw 0 0\n/dev/sdc1 /sysroots vfat rw 0 0\n";
        let found = parse(&printed(table, devices, volumes, mounts), "/dev/sdc").expect("it is understood");
        assert_eq!(found.physical_volumes, [PhysicalVolume { on: MountSource::Partition(12), group: "vg".to_owned() }]);
        let kinds: Vec<_> = found.logical_volumes.iter().map(|it| (it.device.as_str(), it.kind.as_str())).collect();
        assert_eq!(kinds, [("/dev/vg/root", "striped"), ("/dev/vg/pool", "thin-pool")]);
        let table = found.partition_table.expect("a table");
        assert_eq!((table.kind.as_str(), table.uuid.as_deref(), table.partitions.len()), ("gpt", Some("ab-cd"), 2));
        assert_eq!(table.partitions[0].purpose.as_deref(), Some("BIOS boot"));
        assert_eq!((table.partitions[1].number, table.partitions[1].start), (12, 4096 * 512));
        assert!(!table.partitions[1].active, "the mark is one of the master boot record");
        let [volume, root] = found.file_systems.as_slice() else { panic!("{:?}", found.file_systems) };
        assert_eq!(
            (volume.partition, volume.kind.as_str(), volume.size, volume.used),
            (Some(12), "LVM2_member", 7, None)
        );
        assert_eq!((root.device.as_deref(), root.mounted_at.as_deref()), (Some("/dev/mapper/vg-root"), Some("/")));
        assert_eq!((root.used, root.capacity), (Some(4), Some(5)));
        assert_eq!((found.first_sectors, found.last_sectors, found.size), (vec![0xeb, 0x63], vec![1, 2], 1000));
    }

    #[test]
    fn a_disk_without_a_table_has_none_and_noise_is_refused() {
        let devices = r#"{"blockdevices":[{"path":"/dev/sdc","fstype":"ext4","size":9}]}"#;
        let found =
            parse(&printed("", devices, "", "/dev/sdc /sysroot ext4 rw 0 0\n"), "/dev/sdc").expect("it is understood");
        assert_eq!(found.partition_table, None);
        assert_eq!((found.file_systems[0].partition, found.file_systems[0].device.as_deref()), (None, None));
        assert_eq!(found.file_systems[0].mounted_at.as_deref(), Some("/"));
        for noise in ["", "zz\n00\n00\n", "\n\n\n", "\n7b7d\n\n\n\n\n\n"] {
            assert_eq!(parse(noise, "/dev/sdc"), None, "{noise:?}");
        }
    }

    #[test]
    fn the_script_is_shell() {
        crate::process::capture(std::process::Command::new("sh").args(["-n", "-c", &script("/dev/sdz")])).expect("sh");
    }
}
