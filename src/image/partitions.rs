//! The partition table of a disk, and the firmware that can boot the disk by it.
//!
//! GPT by the UEFI specification, chapter 5; boot records by convention.

use std::collections::BTreeSet;
use std::io;

use serde::Serialize;

use super::Source;
use super::read::fields::Fields;
use crate::vocabulary::Firmware;

/// The sizes of sectors that a table may have, in bytes.
const SECTORS: [u64; 2] = [512, 4096];
/// Largest table of GPT entries that is read, in bytes. All programs write 16 KiB.
const LARGEST_TABLE: u64 = 1 << 20;
/// Largest number of logical partitions that are read.
const MOST_LOGICAL: usize = 128;

/// The type of partitions with boot code for BIOS and without a file system.
const BIOS_BOOT: &str = "21686148-6449-6e6f-744e-656564454649";
/// The type of the partition with boot programs for UEFI.
const ESP: &str = "c12a7328-f81f-11d2-ba4b-00a0c93ec93b";

/// Kind of a partition table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum TableKind {
    /// The GUID partition table.
    Gpt,
    /// A master boot record.
    Mbr,
    /// None: the disk is empty, or one file system.
    None,
}

/// A partition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Partition {
    /// The number that Linux gives it: from 1, logical ones from 5.
    pub number: u32,
    /// The offset of its first byte.
    pub start: u64,
    /// The size, in bytes.
    pub size: u64,
    /// The type: a GUID in lowercase, or two hexadecimal digits in a boot record.
    #[serde(rename = "type")]
    pub kind: String,
    /// The GUID of this partition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// The name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Whether it has the boot flag (legacy BIOS bootable in a GPT).
    pub active: bool,
}

/// The partition table of a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Table {
    /// The kind of the table.
    pub kind: TableKind,
    /// Identifier of the disk: a GUID, or eight hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Bytes of a sector.
    pub sector_size: u64,
    /// The partitions, by number.
    pub partitions: Vec<Partition>,
    /// Whether the first sector has boot code that a BIOS starts. The stub of a FAT or NTFS without partitions is none.
    pub boot_code: bool,
    /// The faults of the table.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// Reads the partition table of a disk.
///
/// # Errors
///
/// The disk cannot be read. Faults of a table are no error, but in [`Table::faults`].
pub fn read(disk: &dyn Source) -> io::Result<Table> {
    let first = sector(disk, 0, 512)?;
    let marked = first.slice(510, 2) == [0x55, 0xaa];
    let boot_code = marked && !is_file_system(&first) && first.slice(0, 440).iter().any(|byte| *byte != 0);
    let mut table = Table {
        kind: TableKind::None,
        id: None,
        sector_size: 512,
        partitions: Vec::new(),
        boot_code,
        faults: Vec::new(),
    };
    if !marked {
        return Ok(table);
    }
    let entries = boot_record(&first);
    if entries.iter().any(|entry| entry.kind == 0xee) {
        table.kind = TableKind::Gpt;
        read_gpt(disk, &mut table)?;
    } else if entries.iter().all(|entry| matches!(first.u8(entry.at), 0 | 0x80)) && !is_file_system(&first) {
        table.kind = TableKind::Mbr;
        table.id = Some(format!("{:08x}", first.le32(440))).filter(|id| id != "00000000");
        read_mbr(disk, &entries, &mut table)?;
    }
    check(&mut table, disk.size());
    Ok(table)
}

impl Table {
    /// Returns the firmware that can boot the disk, as far as its first sector and partitions tell. BIOS needs boot code, and in
    /// a GPT a BIOS boot partition, in a boot record any partition. A disk without partitions may have boot code too, as that of
    /// extlinux. UEFI needs an EFI system partition. Whether the disk holds a system is not checked.
    pub fn firmware(&self) -> Vec<Firmware> {
        let has = |kind: &str| self.partitions.iter().any(|partition| partition.kind == kind);
        let (bios, uefi) = match self.kind {
            TableKind::Gpt => (has(BIOS_BOOT) || self.partitions.iter().any(|it| it.active), has(ESP)),
            TableKind::Mbr => (!self.partitions.is_empty(), has("ef")),
            TableKind::None => (true, false),
        };
        let found = [(Firmware::Bios, bios && self.boot_code), (Firmware::Uefi, uefi)];
        found.into_iter().filter(|(_, can)| *can).map(|(firmware, _)| firmware).collect()
    }
}

/// Reads `length` bytes of the disk, or fewer at its end.
fn sector(disk: &dyn Source, offset: u64, length: u64) -> io::Result<Fields> {
    let length = disk.size().saturating_sub(offset).min(length);
    let mut bytes = vec![0; usize::try_from(length).map_err(io::Error::other)?];
    if !bytes.is_empty() {
        disk.read_at(offset, &mut bytes)?;
    }
    Ok(bytes.into())
}

/// Returns whether the sector begins FAT or NTFS without partitions, whose boot sector ends like a boot record.
fn is_file_system(first: &Fields) -> bool {
    first.slice(3, 8) == b"NTFS    " || first.slice(54, 3) == b"FAT" || first.slice(82, 5) == b"FAT32"
}

/// An entry of a boot record.
#[derive(Debug, Clone, Copy)]
struct Entry {
    at: usize,
    active: bool,
    kind: u8,
    start: u64,
    sectors: u64,
}

fn boot_record(fields: &Fields) -> [Entry; 4] {
    [446, 462, 478, 494].map(|at| Entry {
        at,
        active: fields.u8(at) == 0x80,
        kind: fields.u8(at + 4),
        start: fields.le32(at + 8).into(),
        sectors: fields.le32(at + 12).into(),
    })
}

impl Entry {
    fn is_extended(&self) -> bool {
        matches!(self.kind, 0x05 | 0x0f | 0x85)
    }

    /// Returns the partition, unless the entry is empty. `base` is the sector from which its start counts.
    fn partition(&self, number: u32, base: u64) -> Option<Partition> {
        (self.kind != 0 && self.sectors != 0).then(|| Partition {
            number,
            start: (base + self.start) * 512,
            size: self.sectors * 512,
            kind: format!("{:02x}", self.kind),
            uuid: None,
            name: None,
            active: self.active,
        })
    }
}

fn read_mbr(disk: &dyn Source, entries: &[Entry; 4], table: &mut Table) -> io::Result<()> {
    for (number, entry) in (1..).zip(entries) {
        table.partitions.extend(entry.partition(number, 0));
    }
    // Logical partitions are a list of boot records. A list that leads backwards may have no end.
    let Some(extended) = entries.iter().find(|entry| entry.is_extended()) else { return Ok(()) };
    let (base, mut at, mut seen) = (extended.start, extended.start, BTreeSet::new());
    let mut number = 5;
    loop {
        let fields = sector(disk, at * 512, 512)?;
        if fields.slice(510, 2) != [0x55, 0xaa] {
            table.faults.push(format!("the list of logical partitions breaks off at sector {at}"));
            return Ok(());
        }
        let [partition, next, ..] = boot_record(&fields);
        if let Some(partition) = partition.partition(number, at) {
            table.partitions.push(partition);
            number += 1;
        }
        if !next.is_extended() || next.sectors == 0 {
            return Ok(());
        }
        seen.insert(at);
        at = base + next.start;
        if seen.contains(&at) || seen.len() >= MOST_LOGICAL {
            table.faults.push("the list of logical partitions does not end".to_owned());
            return Ok(());
        }
    }
}

/// Returns the faults in the copy of a GPT at the end of the disk, which firmware and tools expect. Empty if there is no GPT, or
/// if the fault is in [`Table::faults`] already.
///
/// # Errors
///
/// The disk cannot be read.
pub fn copy_faults(disk: &dyn Source) -> io::Result<Vec<String>> {
    for size in SECTORS {
        let Some(first) = gpt_header(disk, size, size)? else { continue };
        let last = (disk.size() / size).saturating_sub(1);
        let Some(copy) = gpt_header(disk, last * size, size)? else {
            return Ok(vec![match first.copy == last {
                true => format!("the last sector, {last}, has no copy of the GPT's header, or a damaged one"),
                false => {
                    format!("the copy of the GPT is at sector {}, and the disk ends with sector {last}", first.copy)
                }
            }]);
        };
        let length = copy.count.saturating_mul(copy.entry_size).min(LARGEST_TABLE);
        let entries = sector(disk, copy.entries.saturating_mul(size), length)?;
        let same = copy.entries_sum == first.entries_sum && crc32(entries.bytes()) == copy.entries_sum;
        let fault = (!same || copy.id != first.id).then(|| "the copy of the GPT is not like the first".to_owned());
        return Ok(fault.into_iter().collect());
    }
    Ok(Vec::new())
}

/// A GPT header that is valid by its checksum.
struct Gpt {
    sector: u64,
    copy: u64,
    entries: u64,
    count: u64,
    entry_size: u64,
    entries_sum: u32,
    id: String,
}

fn read_gpt(disk: &dyn Source, table: &mut Table) -> io::Result<()> {
    for sector in SECTORS {
        if let Some(header) = gpt_header(disk, sector, sector)? {
            return gpt_entries(disk, &header, table);
        }
    }
    for sector in SECTORS {
        let last = (disk.size() / sector).saturating_sub(1) * sector;
        if let Some(header) = gpt_header(disk, last, sector)? {
            table.faults.push("the first GPT header is damaged; the one at the end of the disk is valid".to_owned());
            return gpt_entries(disk, &header, table);
        }
    }
    table.faults.push("the boot record promises a GPT, and there is no valid one".to_owned());
    Ok(())
}

fn gpt_header(disk: &dyn Source, at: u64, size: u64) -> io::Result<Option<Gpt>> {
    let fields = sector(disk, at, size)?;
    let length = fields.le32(12) as usize;
    if fields.slice(0, 8) != b"EFI PART" || !(92..=fields.bytes().len()).contains(&length) {
        return Ok(None);
    }
    let sum = crc32(&fields.without(16, 4)[..length]);
    let header = Gpt {
        sector: size,
        copy: fields.le64(32),
        entries: fields.le64(72),
        count: fields.le32(80).into(),
        entry_size: fields.le32(84).into(),
        entries_sum: fields.le32(88),
        id: guid(fields.slice(56, 16)),
    };
    Ok((sum == fields.le32(16)).then_some(header))
}

fn gpt_entries(disk: &dyn Source, header: &Gpt, table: &mut Table) -> io::Result<()> {
    table.sector_size = header.sector;
    table.id = Some(header.id.clone());
    let length = header.count.saturating_mul(header.entry_size);
    let offset = header.entries.saturating_mul(header.sector);
    if length > LARGEST_TABLE || header.entry_size < 128 || offset.saturating_add(length) > disk.size() {
        table.faults.push("the GPT header names an impossible place or size of the table of entries".to_owned());
        return Ok(());
    }
    let fields = sector(disk, offset, length)?;
    if crc32(fields.bytes()) != header.entries_sum {
        table.faults.push("the checksum of the GPT's entries is wrong".to_owned());
    }
    let entry_size = usize::try_from(header.entry_size).map_err(io::Error::other)?;
    for (number, at) in (1..).zip((0..fields.bytes().len()).step_by(entry_size)) {
        let kind = fields.slice(at, 16);
        if kind.iter().all(|byte| *byte == 0) {
            continue;
        }
        let (first, last) = (fields.le64(at + 32), fields.le64(at + 40));
        let name: Vec<u16> = fields
            .slice(at + 56, 72)
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .take_while(|unit| *unit != 0)
            .collect();
        let name = crate::text::printable(String::from_utf16_lossy(&name).as_bytes());
        table.partitions.push(Partition {
            number,
            start: first.saturating_mul(header.sector),
            size: last.saturating_sub(first).saturating_add(1).saturating_mul(header.sector),
            kind: guid(kind),
            uuid: Some(guid(fields.slice(at + 16, 16))),
            name: Some(name).filter(|name| !name.is_empty()),
            active: fields.le64(at + 48) & 4 != 0,
        });
    }
    Ok(())
}

/// Adds a fault for each partition that ends beyond the disk or overlaps another.
fn check(table: &mut Table, size: u64) {
    let mut faults = Vec::new();
    let end = |partition: &Partition| partition.start.saturating_add(partition.size);
    for partition in table.partitions.iter().filter(|partition| end(partition) > size) {
        faults.push(format!("partition {} ends beyond the disk", partition.number));
    }
    // Logical partitions lie in the extended one.
    let mut apart: Vec<_> =
        table.partitions.iter().filter(|it| !matches!(it.kind.as_str(), "05" | "0f" | "85")).collect();
    apart.sort_by_key(|partition| (partition.start, partition.number));
    for pair in apart.windows(2).filter(|pair| end(pair[0]) > pair[1].start) {
        faults.push(format!("partitions {} and {} overlap", pair[0].number, pair[1].number));
    }
    table.faults.append(&mut faults);
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Formats a GUID as people write it: the first three numbers are stored backwards.
fn guid(bytes: &[u8]) -> String {
    let mut id: [u8; 16] = bytes.try_into().unwrap_or_default();
    id[..4].reverse();
    id[4..6].reverse();
    id[6..8].reverse();
    let hex = hex::encode(id);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
/// Returns the purpose of common types of partitions. Sources: UEFI specification, "Discoverable Partitions Specification", and
/// the list of sfdisk(8). The type is a GUID, or two hexadecimal digits of a boot record.
pub fn purpose(kind: &str) -> Option<&'static str> {
    let kind = kind.to_ascii_uppercase();
    // sfdisk(8) writes the codes of boot records without leading zeros.
    let kind = if kind.len() <= 2 { kind.trim_start_matches('0') } else { &kind };
    Some(match kind {
        "21686148-6449-6E6F-744E-656564454649" => "BIOS boot",
        "C12A7328-F81F-11D2-BA4B-00A0C93EC93B" | "EF" => "EFI system",
        "9E1A2D38-C612-4316-AA26-8B49521E5A8B" => "PowerPC PReP boot",
        "BC13C2FF-59E6-4262-A352-B275FD6F7172" => "extended boot loader",
        "0FC63DAF-8483-4772-8E79-3D69D8477DE4" | "83" => "Linux file system",
        "4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709" => "Linux root (x86-64)",
        "B921B045-1DF0-41C3-AF44-4C6F280D3FAE" => "Linux root (arm64)",
        "8484680C-9521-48C6-9C11-B0720656F69E" => "Linux /usr (x86-64)",
        "3B8F8425-20E0-4F3B-907F-1A25A76F98E8" => "Linux /srv",
        "4D21B016-B534-45C2-A9FB-5C16E091FD2D" => "Linux /var",
        "933AC7E1-2EB4-4F13-B844-0E14E2AEF915" => "Linux /home",
        "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F" | "82" => "Linux swap",
        "E6D6D379-F507-44C2-A23C-238F2A3DF928" | "8E" => "Linux LVM",
        "A19D880F-05FC-4D3B-A006-743F0F84911E" | "FD" => "Linux RAID",
        "CA7D7CCB-63ED-4C53-861C-1742536059CC" => "Linux LUKS",
        "E3C9E316-0B5C-4DB8-817D-F92DF00215AE" => "Microsoft reserved",
        "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7" => "Microsoft basic data",
        "7" => "NTFS or exFAT",
        "5" | "F" => "extended",
        "B" | "C" => "FAT32",
        _ => return None,
    })
}
