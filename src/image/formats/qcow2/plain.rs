//! Writes qcow2 files with uncompressed clusters: tables first, then data.

use std::io;

use super::geometry::{COPIED, Geometry};
use crate::image::options::Compat;
use crate::image::write::Stream;
use crate::image::{Extents, Sink, Written};

/// A writer of a qcow2 file without compression.
#[derive(Debug)]
pub(super) struct Plain {
    stream: Stream,
    geometry: Geometry,
    extents: Extents,
    /// Clusters written so far.
    written: u64,
}

impl Plain {
    /// Writes all tables.
    pub(super) fn new(
        mut stream: Stream,
        size: u64,
        extents: &Extents,
        cluster_size: u32,
        compat: Compat,
    ) -> io::Result<Self> {
        let geometry = Geometry::new(size, cluster_size, None, compat)?;
        let cluster = geometry.cluster;
        let data = extents.blocks(cluster).count() as u64;
        let tables = extents.blocks(geometry.l2_span()).count() as u64;
        let others = 1 + geometry.l1_clusters() + tables + data;
        let (blocks, table) = geometry.refcount_clusters(others);
        let all = others + blocks + table;
        // Header, refcount table, refcount blocks, L1 table, L2 tables, data.
        let l1 = (1 + table + blocks) * cluster;
        let l2 = l1 + geometry.l1_clusters() * cluster;
        stream.write(&geometry.header(l1, cluster, table))?;
        for block in 0..blocks {
            stream.write(&((1 + table + block) * cluster).to_be_bytes())?;
        }
        stream.skip_to((1 + table) * cluster)?;
        // Each cluster of the file has one reference.
        for _ in 0..all {
            stream.write(&1u16.to_be_bytes())?;
        }
        stream.skip_to(l1)?;
        let mut next = 0;
        for (position, index) in extents.blocks(geometry.l2_span()).enumerate() {
            stream.skip_to(l1 + index * 8)?;
            stream.write(&((l2 + position as u64 * cluster) | COPIED).to_be_bytes())?;
            next = index + 1;
        }
        debug_assert!(next <= geometry.l1_entries());
        stream.skip_to(l2)?;
        let first = l2 + tables * cluster;
        let mut blocks = extents.blocks(cluster).enumerate().peekable();
        for (position, index) in extents.blocks(geometry.l2_span()).enumerate() {
            let table = l2 + position as u64 * cluster;
            let range = index * geometry.l2_entries()..(index + 1) * geometry.l2_entries();
            while let Some((number, block)) = blocks.next_if(|(_, block)| *block < range.end) {
                stream.skip_to(table + (block - range.start) * 8)?;
                stream.write(&((first + number as u64 * cluster) | COPIED).to_be_bytes())?;
            }
        }
        stream.skip_to(first)?;
        Ok(Self { stream, geometry, extents: extents.clone(), written: first / cluster })
    }
}

impl Sink for Plain {
    fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
        let cluster = self.geometry.cluster;
        let end = offset + data.len() as u64;
        let mut last = None;
        for range in self.extents.within(offset..end) {
            for block in range.start / cluster..range.end.div_ceil(cluster) {
                if last.replace(block) == Some(block) {
                    continue;
                }
                let from = usize::try_from(block * cluster - offset).expect("within a chunk");
                let to = data.len().min(from + usize::try_from(cluster).expect("a cluster is small"));
                self.stream.write(&data[from..to])?;
                self.written += 1;
                // The disk may end within its last cluster.
                self.stream.skip_to(self.written * cluster)?;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> io::Result<Written> {
        self.stream.finish()
    }
}
