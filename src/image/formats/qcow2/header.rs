//! The header of a qcow2 file (QEMU, docs/interop/qcow2.txt).

use std::fs::File;
use std::io;

use crate::image::read::fault::{Fault, bad, damaged};
use crate::image::read::fields::Fields;
use crate::image::read::size::bad_size;

/// The first bytes of the file.
pub(super) const MAGIC: &[u8] = b"QFI\xfb";

/// Length of a header of version 2; the fields of version 3 follow it.
const V2_LENGTH: u32 = 72;

/// Longest name of a backing file, in bytes.
const LONGEST_NAME: u32 = 1023;

/// Largest table of the first level that QEMU reads, in entries of 8 bytes: 32 MiB.
const MOST_L1: u32 = 4 << 20;

/// Incompatible features, by bit.
pub(super) mod incompatible {
    pub(in super::super) const DIRTY: u64 = 1;
    pub(in super::super) const CORRUPT: u64 = 1 << 1;
    pub(in super::super) const DATA_FILE: u64 = 1 << 2;
    pub(in super::super) const EXTENDED_L2: u64 = 1 << 4;
    pub(in super::super) const KNOWN: u64 = (1 << 5) - 1;
}

/// A header as read, valid or not.
#[derive(Debug, Clone)]
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) cluster_bits: u32,
    pub(super) size: u64,
    pub(super) encryption: u32,
    pub(super) l1_entries: u32,
    pub(super) l1_offset: u64,
    pub(super) refcount_offset: u64,
    pub(super) refcount_clusters: u32,
    pub(super) refcount_order: u32,
    pub(super) snapshots: u32,
    pub(super) incompatible: u64,
    /// The compression: 0 is deflate, 1 Zstandard.
    pub(super) compression: u8,
    /// Whether the header names a backing file, even if the name cannot be read.
    pub(super) has_backing: bool,
    pub(super) backing: Option<Vec<u8>>,
    pub(super) backing_format: Option<Vec<u8>>,
    pub(super) data_file: Option<Vec<u8>>,
    /// Bytes of the header that the file has.
    there: usize,
}

impl Header {
    /// Reads the header at the beginning of a file.
    pub(super) fn read(file: &File) -> io::Result<Self> {
        let fields = Fields::read(file, 0, 112)?;
        let version = fields.be32(4);
        let new = version >= 3;
        let cluster_bits = fields.be32(20);
        let length = if new { fields.be32(100) } else { V2_LENGTH };
        let incompatible = if new { fields.be64(72) } else { 0 };
        let (backing_at, backing_length) = (fields.be64(8), fields.be32(16));
        // Names and extensions are in the first cluster.
        let cluster = 1_usize << cluster_bits.clamp(9, 21);
        let first = Fields::read(file, 0, cluster)?;
        let mut header = Self {
            version,
            cluster_bits,
            size: fields.be64(24),
            encryption: fields.be32(32),
            l1_entries: fields.be32(36),
            l1_offset: fields.be64(40),
            refcount_offset: fields.be64(48),
            refcount_clusters: fields.be32(56),
            refcount_order: if new { fields.be32(96) } else { 4 },
            snapshots: fields.be32(60),
            incompatible,
            compression: if new && length > 104 { fields.u8(104) } else { 0 },
            has_backing: backing_at != 0,
            backing: None,
            backing_format: None,
            data_file: None,
            there: fields.bytes().len(),
        };
        if header.has_backing && backing_length <= LONGEST_NAME {
            let at = usize::try_from(backing_at).unwrap_or(usize::MAX);
            header.backing = Some(first.slice(at, backing_length as usize).to_vec());
        }
        let end = if header.has_backing { backing_at } else { cluster as u64 };
        header.extensions(&first, length, usize::try_from(end).unwrap_or(cluster).min(cluster));
        Ok(header)
    }

    /// Reads the extensions after the header, as far as they are valid.
    fn extensions(&mut self, first: &Fields, length: u32, end: usize) {
        const BACKING_FORMAT: u32 = 0xe279_2aca;
        const DATA_FILE: u32 = 0x4441_5441;
        let mut at = length as usize;
        while at.saturating_add(8) <= end {
            let (kind, length) = (first.be32(at), first.be32(at + 4) as usize);
            let data = first.slice(at + 8, length).to_vec();
            match kind {
                0 => return,
                BACKING_FORMAT => self.backing_format = Some(data),
                DATA_FILE => self.data_file = Some(data),
                _ => {}
            }
            at = at.saturating_add(8).saturating_add(length).saturating_add(7) & !7;
        }
    }

    /// Returns the size of a cluster, in bytes.
    pub(super) fn cluster(&self) -> u64 {
        1 << self.cluster_bits.min(63)
    }

    /// Refuses headers that are invalid or unsupported, in a file of `length` bytes.
    pub(super) fn check(&self, length: u64) -> Result<(), Fault> {
        const FLATTEN: &str = "merge it with what it needs by `qemu-img convert -O qcow2`";
        let has = |feature| self.incompatible & feature != 0;
        if self.there < V2_LENGTH as usize {
            return Err(damaged("it ends within its qcow2 header"));
        }
        if !(2..=3).contains(&self.version) {
            return Err(bad(format!("qcow2 version {} is not known", self.version)));
        }
        if self.version == 3 && self.there < 104 {
            return Err(damaged("it ends within its qcow2 header"));
        }
        if !(9..=21).contains(&self.cluster_bits) {
            return Err(damaged(format!("its cluster size of 2^{} bytes is not possible", self.cluster_bits)));
        }
        if has(incompatible::DATA_FILE) {
            return Err(bad("its data is in another file").help(FLATTEN));
        }
        if has(incompatible::CORRUPT) {
            return Err(bad("it is marked as corrupt").help("repair it with `qemu-img check -r all`, or get it again"));
        }
        if has(incompatible::EXTENDED_L2) {
            return Err(bad(
                "it has extended L2 entries (subclusters), which neither this program nor OpenStack reads",
            )
            .help("write it anew with `qemu-img convert -O qcow2`"));
        }
        if self.incompatible & !incompatible::KNOWN != 0 {
            let unknown = self.incompatible & !incompatible::KNOWN;
            return Err(bad(format!("it needs a feature that is not supported (bit {})", unknown.trailing_zeros())));
        }
        if self.encryption != 0 {
            return Err(bad("it is encrypted").help("decrypt it with `qemu-img convert`"));
        }
        if self.compression > 1 {
            return Err(bad(format!("its compression type {} is not known", self.compression)));
        }
        if let Some(reason) = bad_size(self.size) {
            return Err(bad(reason));
        }
        self.check_tables(length)
    }

    fn check_tables(&self, length: u64) -> Result<(), Fault> {
        let cluster = self.cluster();
        if self.refcount_order > 6 {
            return Err(damaged(format!("its reference counts of 2^{} bits are not possible", self.refcount_order)));
        }
        // A table of the second level fills a cluster with entries of 8 bytes.
        let needed = self.size.div_ceil(cluster * (cluster / 8));
        if self.l1_entries > MOST_L1 || u64::from(self.l1_entries) < needed {
            let reason = format!("its L1 table of {} entries does not fit its disk", self.l1_entries);
            return Err(damaged(reason));
        }
        if !self.l1_offset.is_multiple_of(cluster) || !self.refcount_offset.is_multiple_of(cluster) {
            return Err(damaged("its tables do not begin at clusters"));
        }
        let beyond = |offset: u64, bytes: u64| offset.checked_add(bytes).is_none_or(|end| end > length);
        if beyond(self.l1_offset, u64::from(self.l1_entries) * 8) {
            return Err(damaged("it is truncated: its L1 table lies beyond its end"));
        }
        if (self.l1_entries > 0 && self.l1_offset == 0) || self.refcount_offset == 0 {
            return Err(damaged("its tables overlap its header"));
        }
        // A file may end within its last cluster.
        let refcounts = u64::from(self.refcount_clusters).max(1) * cluster;
        if self.refcount_offset.saturating_add(refcounts) > length.next_multiple_of(cluster) {
            return Err(damaged("it is truncated: its refcount table lies beyond its end"));
        }
        Ok(())
    }
}
