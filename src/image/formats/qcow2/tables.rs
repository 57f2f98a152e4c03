//! The tables of a qcow2 file, which map its clusters.

use std::io;
use std::ops::Range;

use super::header::Header;
use crate::image::read::Pages;
use crate::image::read::fault::{Fault, damaged, rotten};
use crate::image::read::mapped::{Map, Piece};
use crate::image::read::unpack::{Method, Packed};

/// Bits of a table entry that hold an offset: 9 to 55.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// The flag of a compressed cluster.
const COMPRESSED: u64 = 1 << 62;

/// The flag of a cluster that reads as zeros, whatever its offset. From version 3 on.
const ZERO: u64 = 1;

/// The tables of a qcow2 file.
#[derive(Debug)]
pub(super) struct Qcow2 {
    cluster_bits: u32,
    version: u32,
    method: Method,
    /// Offsets of the tables of the second level; 0 where there is none. At most 32 MiB.
    l1: Vec<u64>,
}

impl Qcow2 {
    /// Reads the table of the first level. The header must have been checked.
    pub(super) fn new(header: &Header, pages: &Pages) -> Result<Self, Fault> {
        let cluster = header.cluster();
        let needed = header.size.div_ceil(cluster * (cluster / 8));
        let l1_end = header.l1_offset + u64::from(header.l1_entries) * 8;
        let taken = [0..cluster, header.l1_offset..l1_end];
        let l1 = (0..needed)
            .map(|index| {
                let entry = pages.be64(header.l1_offset + index * 8)? & OFFSET;
                check_l2(entry, cluster, pages, &taken).map(|()| entry)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut tables: Vec<u64> = l1.iter().copied().filter(|entry| *entry != 0).collect();
        tables.sort_unstable();
        if let Some(pair) = tables.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(damaged(format!("its L1 table leads to the L2 table at {} more than once", pair[0])));
        }
        let method = if header.compression == 1 { Method::Zstd } else { Method::Deflate };
        Ok(Self { cluster_bits: header.cluster_bits, version: header.version, method, l1 })
    }

    /// Returns the place of a compressed cluster from its entry.
    fn packed(&self, entry: u64) -> Packed {
        let shift = 62 - (self.cluster_bits - 8);
        let at = entry & ((1 << shift) - 1);
        let sectors = ((entry & (COMPRESSED - 1)) >> shift) + 1;
        Packed { at, length: sectors * 512 - (at & 511), method: self.method }
    }
}

/// Refuses tables of the second level at impossible places.
fn check_l2(offset: u64, cluster: u64, pages: &Pages, taken: &[Range<u64>]) -> Result<(), Fault> {
    if offset == 0 {
        return Ok(());
    }
    if !offset.is_multiple_of(cluster) {
        return Err(damaged(format!("an L2 table at {offset} does not begin at a cluster")));
    }
    if !pages.holds(offset, cluster) {
        return Err(damaged("it is truncated: an L2 table lies beyond its end"));
    }
    if taken.iter().any(|range| offset < range.end && range.start < offset + cluster) {
        return Err(damaged(format!("an L2 table at {offset} overlaps its header or its L1 table")));
    }
    Ok(())
}

impl Map for Qcow2 {
    fn block_size(&self) -> u64 {
        1 << self.cluster_bits
    }

    fn piece(&self, pages: &Pages, offset: u64) -> io::Result<(Piece, u64)> {
        let cluster = self.block_size();
        let entries = cluster / 8;
        let number = offset >> self.cluster_bits;
        let within = offset & (cluster - 1);
        let left = cluster - within;
        let index = usize::try_from(number / entries).map_err(io::Error::other)?;
        let table = self.l1.get(index).copied().unwrap_or(0);
        if table == 0 {
            return Ok((Piece::Parent, (entries - number % entries - 1) * cluster + left));
        }
        let place = table + number % entries * 8;
        let entry = pages.be64(place)?;
        if entry == 0 {
            // Most entries of a layer are empty. In a long chain, one look at each of them would take longer than reading the data.
            let more = pages.zero_entries(place, entries - number % entries)?.saturating_sub(1);
            return Ok((Piece::Parent, left + more * cluster));
        }
        if entry & COMPRESSED != 0 {
            return Ok((Piece::Packed { block: offset - within, packed: self.packed(entry) }, left));
        }
        let at = entry & OFFSET;
        if entry & ZERO != 0 {
            if self.version < 3 {
                return Err(rotten("a cluster is marked as zero, which version 2 does not know"));
            }
            return Ok((Piece::Zero, left));
        }
        if !at.is_multiple_of(cluster) {
            return Err(rotten(format!("a data cluster at {at} does not begin at a cluster")));
        }
        Ok((if at == 0 { Piece::Parent } else { Piece::Plain(at + within) }, left))
    }
}
