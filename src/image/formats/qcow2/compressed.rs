//! Writes qcow2 files with compressed clusters: data first, then tables.
//!
//! The header comes first and contains the places of the tables, which are known only after the last cluster. So the digests are
//! computed from the finished file, all in one reading, while it is still in the host's page cache.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use rayon::prelude::*;

use super::cluster::{Compressor, Packed};
use super::earlier::Earlier;
use super::geometry::{COMPRESSED, COPIED, Geometry, be_bytes};
use crate::image::digests::{Hasher, Kinds};
use crate::image::options::{ClusterCodec, Compat};
use crate::image::{Sink, Written, is_zero};

/// Unit of the length of compressed data in table entries, in bytes.
const SECTOR: u64 = 512;

/// A writer of a qcow2 file with compressed clusters.
#[derive(Debug)]
pub(super) struct Compressed {
    file: File,
    kinds: Kinds,
    codec: ClusterCodec,
    geometry: Geometry,
    earlier: Option<Earlier>,
    /// Number of the next free cluster of the file.
    next: u64,
    /// Offset of the next compressed data: after the last, in the same cluster.
    open: u64,
    /// Bytes not written yet, and their offset below.
    buffer: Vec<u8>,
    buffer_at: u64,
    /// The L2 table of the part of the disk that is being written.
    l2: Vec<u64>,
    l2_index: u64,
    l1: Vec<u64>,
    /// The reference count of each cluster of the file.
    refcounts: Vec<u16>,
}

impl Compressed {
    pub(super) fn new(
        file: File,
        kinds: Kinds,
        size: u64,
        codec: ClusterCodec,
        cluster_size: u32,
        compat: Compat,
    ) -> io::Result<Self> {
        let geometry = Geometry::new(size, cluster_size, Some(codec), compat)?;
        let entries = usize::try_from(geometry.l2_entries()).expect("a cluster is small");
        let l1 = usize::try_from(geometry.l1_entries()).expect("limited by MAX_L1");
        Ok(Self {
            file,
            kinds,
            codec,
            geometry,
            earlier: None,
            next: 1,
            open: geometry.cluster,
            buffer: Vec::new(),
            buffer_at: 0,
            l2: vec![0; entries],
            l2_index: 0,
            l1: vec![0; l1],
            refcounts: vec![1],
        })
    }

    /// Takes over clusters of an earlier file.
    pub(super) fn with(self, earlier: Option<Earlier>) -> Self {
        Self { earlier, ..self }
    }

    /// Allocates clusters at the end of the file and returns their offset.
    fn allocate(&mut self, clusters: u64) -> u64 {
        let at = self.next * self.geometry.cluster;
        self.next += clusters;
        self.refcounts.resize(usize::try_from(self.next).expect("clusters fit memory"), 0);
        at
    }

    fn refer(&mut self, from: u64, to: u64) {
        let cluster = self.geometry.cluster;
        for number in from / cluster..to.div_ceil(cluster) {
            self.refcounts[usize::try_from(number).expect("clusters fit memory")] += 1;
        }
    }

    /// Puts compressed data after the last, and continues in the next cluster if it is adjacent.
    fn place(&mut self, data: &[u8]) -> io::Result<u64> {
        let cluster = self.geometry.cluster;
        let length = data.len() as u64;
        let room = (cluster - self.open % cluster) % cluster;
        if length > room {
            let at = self.allocate(1);
            if room == 0 || self.open + room != at {
                self.open = at;
            }
        }
        let at = self.open;
        self.open += length;
        // A reader reads whole sectors of it, which end in the same cluster.
        let sectors = (at + length).div_ceil(SECTOR) - at / SECTOR;
        self.refer(at, at + length);
        self.put(at, data)?;
        // Cluster sizes are 2^9 to 2^21 bytes; the bits above those of the offset hold the number of sectors after the first.
        let shift = 62 - (cluster.trailing_zeros() - 8);
        Ok(COMPRESSED | (sectors - 1) << shift | at)
    }

    fn place_plain(&mut self, data: &[u8]) -> io::Result<u64> {
        let at = self.allocate(1);
        self.refer(at, at + self.geometry.cluster);
        self.put(at, data)?;
        Ok(at | COPIED)
    }

    /// Buffers bytes that continue those before; else writes the buffer first.
    fn put(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        if self.buffer_at + self.buffer.len() as u64 != at || self.buffer.len() > 1 << 20 {
            self.flush()?;
            self.buffer_at = at;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all_at(&self.buffer, self.buffer_at)?;
        self.buffer.clear();
        Ok(())
    }

    /// Writes the complete L2 table, and begins another.
    fn turn_to(&mut self, l2_index: u64) -> io::Result<()> {
        if self.l2.iter().any(|entry| *entry != 0) {
            let bytes = be_bytes(&self.l2);
            let entry = self.place_plain(&bytes)?;
            self.l1[usize::try_from(self.l2_index).expect("limited by MAX_L1")] = entry;
            self.l2.fill(0);
        }
        self.l2_index = l2_index;
        Ok(())
    }
}

impl Sink for Compressed {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let cluster = usize::try_from(self.geometry.cluster).expect("a cluster is small");
        let (codec, earlier) = (self.codec, self.earlier.as_ref());
        let packed: Vec<Packed> = data
            .par_chunks(cluster)
            .enumerate()
            .map_init(
                || Compressor::new(codec),
                |compressor, (number, piece)| {
                    let at = offset + (number * cluster) as u64;
                    if let Some(packed) = earlier.and_then(|earlier| earlier.cluster(at)) {
                        return Ok(packed);
                    }
                    if is_zero(piece) {
                        return Ok(Packed::Zero);
                    }
                    let compressor = compressor.as_mut().map_err(|error| io::Error::other(error.to_string()))?;
                    let whole;
                    let piece = if piece.len() < cluster {
                        whole = [piece, &vec![0; cluster - piece.len()]].concat();
                        &whole
                    } else {
                        piece
                    };
                    Ok(compressor.compress(piece)?.map_or(Packed::Plain, Packed::Compressed))
                },
            )
            .collect::<io::Result<_>>()?;
        for ((number, piece), packed) in data.chunks(cluster).enumerate().zip(packed) {
            let block = offset / self.geometry.cluster + number as u64;
            let table = block / self.geometry.l2_entries();
            if table != self.l2_index {
                self.turn_to(table)?;
            }
            let entry = match packed {
                Packed::Zero => continue,
                Packed::Compressed(bytes) => self.place(&bytes)?,
                Packed::Plain => self.place_plain(piece)?,
            };
            self.l2[usize::try_from(block % self.geometry.l2_entries()).expect("a cluster is small")] = entry;
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<Written> {
        self.turn_to(0)?;
        let cluster = self.geometry.cluster;
        let l1_clusters = self.geometry.l1_clusters();
        let l1 = self.allocate(l1_clusters);
        self.refer(l1, l1 + l1_clusters * cluster);
        let bytes = be_bytes(&self.l1);
        self.put(l1, &bytes)?;
        let (blocks, table) = self.geometry.refcount_clusters(self.next);
        let refcount_table = self.allocate(table + blocks);
        self.refer(refcount_table, refcount_table + (table + blocks) * cluster);
        let first_block = refcount_table + table * cluster;
        let entries: Vec<u64> = (0..blocks).map(|block| first_block + block * cluster).collect();
        self.put(refcount_table, &be_bytes(&entries))?;
        let counts: Vec<u8> = self.refcounts.iter().flat_map(|count| count.to_be_bytes()).collect();
        self.put(first_block, &counts)?;
        self.flush()?;
        self.file.write_all_at(&self.geometry.header(l1, refcount_table, table), 0)?;
        let size = self.next * cluster;
        self.file.set_len(size)?;
        // The disk of the host is idle while the digests are computed, and whoever wants the file synced soon waits less.
        let (digests, synced) = rayon::join(|| Hasher::of_file(&self.file, self.kinds), || self.file.sync_data());
        synced?;
        Ok(Written { size, digests: digests? })
    }
}
