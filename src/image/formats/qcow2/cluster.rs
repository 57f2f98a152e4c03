//! Compresses single clusters.

use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};

use crate::image::options::ClusterCodec;

/// Level of Zstandard, the default of the library and of QEMU.
const ZSTD_LEVEL: i32 = 3;

/// A cluster ready to be placed.
pub(super) enum Packed {
    Zero,
    Compressed(Vec<u8>),
    Plain,
}

/// A compressor of clusters with its working memory. Each thread has one.
pub(super) enum Compressor {
    Zstd(zstd::bulk::Compressor<'static>),
    Zlib(Compress),
}

impl Compressor {
    pub(super) fn new(codec: ClusterCodec) -> io::Result<Self> {
        Ok(match codec {
            ClusterCodec::Zstd => Self::Zstd(zstd::bulk::Compressor::new(ZSTD_LEVEL)?),
            // QEMU reads raw deflate with a window of 2^12 bytes only.
            ClusterCodec::Zlib => Self::Zlib(Compress::new_with_window_bits(Compression::default(), false, 12)),
        })
    }

    /// Returns the compressed cluster, or `None` if it would not be smaller.
    pub(super) fn compress(&mut self, data: &[u8]) -> io::Result<Option<Vec<u8>>> {
        // A result as long as the data would be no gain.
        let mut packed = Vec::with_capacity(data.len() - 1);
        let fits = match self {
            // With bytes in memory, it can fail only if the result does not fit.
            Self::Zstd(compressor) => compressor.compress_to_buffer(data, &mut packed).is_ok(),
            Self::Zlib(compressor) => {
                compressor.reset();
                let status = compressor.compress_vec(data, &mut packed, FlushCompress::Finish);
                status.map_err(io::Error::other)? == Status::StreamEnd
            }
        };
        Ok(fits.then_some(packed))
    }
}
