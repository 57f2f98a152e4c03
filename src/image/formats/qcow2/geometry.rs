//! Computes the places of the tables of a qcow2 file from the sizes of its disk and its clusters.

use std::io;

use crate::image::options::{ClusterCodec, Compat};

/// Largest L1 table that QEMU reads: 32 MiB (`QCOW_MAX_L1_SIZE`).
pub(super) const MAX_L1: u64 = 32 << 20;

/// Flag of an L1 or L2 entry: its cluster has one reference only.
pub(super) const COPIED: u64 = 1 << 63;

/// Flag of an L2 entry: its cluster is compressed.
pub(super) const COMPRESSED: u64 = 1 << 62;

/// The values that determine the tables of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    /// Size of the disk, in bytes.
    size: u64,
    /// Bytes of a cluster.
    pub(super) cluster: u64,
    codec: Option<ClusterCodec>,
    compat: Compat,
}

impl Geometry {
    pub(super) fn new(size: u64, cluster_size: u32, codec: Option<ClusterCodec>, compat: Compat) -> io::Result<Self> {
        let geometry = Self { size, cluster: cluster_size.into(), codec, compat };
        if geometry.l1_entries() * 8 > MAX_L1 {
            let message = format!("clusters of {cluster_size} bytes are too small for a disk of {size} bytes");
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        Ok(geometry)
    }

    /// Returns the number of entries of one L2 table, which fills a cluster.
    pub(super) fn l2_entries(&self) -> u64 {
        self.cluster / 8
    }

    /// Returns the number of bytes of the disk that one L2 table maps.
    pub(super) fn l2_span(&self) -> u64 {
        self.cluster * self.l2_entries()
    }

    pub(super) fn l1_entries(&self) -> u64 {
        self.size.div_ceil(self.l2_span())
    }

    pub(super) fn l1_clusters(&self) -> u64 {
        (self.l1_entries() * 8).div_ceil(self.cluster).max(1)
    }

    /// Returns the number of clusters of refcount blocks and of the refcount table. They count `others` clusters and themselves,
    /// in 16 bits each, which both versions support.
    pub(super) fn refcount_clusters(&self, others: u64) -> (u64, u64) {
        let (mut blocks, mut table) = (1, 1);
        loop {
            let needed = (others + blocks + table).div_ceil(self.cluster / 2);
            let needed_table = (needed * 8).div_ceil(self.cluster);
            if (needed, needed_table) == (blocks, table) {
                return (blocks, table);
            }
            (blocks, table) = (needed, needed_table);
        }
    }

    /// Returns the first cluster of the file. Offsets are in bytes.
    pub(super) fn header(&self, l1: u64, refcount_table: u64, refcount_table_clusters: u64) -> Vec<u8> {
        let mut header = Vec::with_capacity(usize::try_from(self.cluster).expect("a cluster is small"));
        let entries = u32::try_from(self.l1_entries()).expect("limited by MAX_L1");
        let clusters = u32::try_from(refcount_table_clusters).expect("one cluster of the table counts millions");
        let v3 = self.compat == Compat::V1_1;
        header.extend(b"QFI\xfb");
        header.extend(if v3 { 3u32 } else { 2 }.to_be_bytes());
        header.extend([0; 12]); // no backing file
        header.extend(self.cluster.trailing_zeros().to_be_bytes());
        header.extend(self.size.to_be_bytes());
        header.extend([0; 4]); // no encryption
        header.extend(entries.to_be_bytes());
        header.extend(l1.to_be_bytes());
        header.extend(refcount_table.to_be_bytes());
        header.extend(clusters.to_be_bytes());
        header.extend([0; 12]); // no snapshots
        if v3 {
            let zstd = self.codec == Some(ClusterCodec::Zstd);
            // Incompatible feature bit 3: the compression type is not deflate.
            header.extend(if zstd { 1u64 << 3 } else { 0 }.to_be_bytes());
            header.extend([0; 16]); // compatible and autoclear features
            header.extend(4u32.to_be_bytes()); // refcounts of 2^4 bits
            header.extend(112u32.to_be_bytes()); // length of this header
            header.extend([u8::from(zstd), 0, 0, 0, 0, 0, 0, 0]);
        }
        header.extend([0; 8]); // end of the header extensions
        header.resize(header.capacity(), 0);
        header
    }
}

pub(super) fn be_bytes(entries: &[u64]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_be_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refcounts_count_themselves() {
        let geometry = Geometry::new(1 << 40, 4096, None, Compat::V1_1).expect("geometry");
        for others in [1, 2045, 2046, 2047, 5_000_000] {
            let (blocks, table) = geometry.refcount_clusters(others);
            assert!(blocks * 2048 >= others + blocks + table && table * 512 >= blocks);
            assert!((blocks - 1) * 2048 < others + blocks + table, "{others}");
        }
        assert!(Geometry::new(64 << 40, 4096, None, Compat::V1_1).is_err());
    }
}
