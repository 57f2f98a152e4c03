//! Takes over compressed clusters of an earlier file, where its disk is the same: compressing takes most of the time of an export.
//!
//! The same cluster compressed in the same way gives the same bytes, so the new file does not show whether it had a model.

use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use super::cluster::Packed;
use super::header::Header;
use super::tables::Qcow2;
use crate::image::Extents;
use crate::image::options::ClusterCodec;
use crate::image::read::Pages;
use crate::image::read::mapped::{Map as _, Piece};
use crate::image::write;

/// An earlier file in the same encoding.
#[derive(Debug)]
pub(super) struct Earlier {
    pages: Pages,
    map: Qcow2,
    size: u64,
    same: Arc<Extents>,
}

impl Earlier {
    /// Opens an earlier file. Returns `None` if nothing can be taken over from it: it has other clusters, or it cannot be read.
    ///
    /// Nothing can be taken over from clusters of Deflate, either. An entry of the table rounds the length of compressed data up,
    /// and only a frame of Zstandard says where it ends.
    pub(super) fn open(earlier: &write::Earlier, size: u64, codec: ClusterCodec, cluster_size: u32) -> Option<Self> {
        if codec != ClusterCodec::Zstd {
            return None;
        }
        let file = earlier.file.try_clone().ok()?;
        let header = Header::read(&file).ok()?;
        header.check(file.metadata().ok()?.len()).ok()?;
        let alike = header.size == size
            && header.compression == 1
            && header.cluster() == u64::from(cluster_size)
            && !header.has_backing;
        if !alike {
            return None;
        }
        let pages = Pages::new(file).ok()?;
        let map = Qcow2::new(&header, &pages).ok()?;
        Some(Self { pages, map, size: header.size, same: Arc::clone(&earlier.same) })
    }

    /// Returns the cluster at an offset of the disk, if the earlier file has the same one.
    pub(super) fn cluster(&self, offset: u64) -> Option<Packed> {
        let end = (offset + self.map.block_size()).min(self.size);
        if !self.same.covers(Range { start: offset, end }) {
            return None;
        }
        match self.map.piece(&self.pages, offset).ok()?.0 {
            // There is no backing file.
            Piece::Zero | Piece::Parent => Some(Packed::Zero),
            Piece::Plain(_) => Some(Packed::Plain),
            Piece::Packed { packed, .. } => {
                let length = self.pages.length().checked_sub(packed.at)?.min(packed.length);
                let mut bytes = vec![0; usize::try_from(length).ok()?];
                self.pages.file().read_exact_at(&mut bytes, packed.at).ok()?;
                let frame = zstd::zstd_safe::find_frame_compressed_size(&bytes).ok()?;
                bytes.truncate(frame);
                Some(Packed::Compressed(bytes))
            }
        }
    }
}
