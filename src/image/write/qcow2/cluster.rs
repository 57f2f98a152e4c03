//! Compression of single clusters.

use std::io;

use flate2::{Compress, Compression, FlushCompress, Status};

use super::super::super::output::ClusterCodec;

/// Level of Zstandard, its own default and QEMU's.
const ZSTD_LEVEL: i32 = 3;

/// What compresses clusters, with its working memory. One for each thread.
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

    /// The compressed cluster, or `None` if it would not be smaller.
    pub(super) fn compress(&mut self, data: &[u8]) -> io::Result<Option<Vec<u8>>> {
        // One byte less than would be no gain.
        let mut packed = vec![0; data.len() - 1];
        let length = match self {
            Self::Zstd(compressor) => match compressor.compress_to_buffer(data, &mut packed) {
                Ok(length) => length,
                // The one thing that can go wrong with bytes in memory is that they do not fit.
                Err(_) => return Ok(None),
            },
            Self::Zlib(compressor) => {
                compressor.reset();
                let status = compressor.compress(data, &mut packed, FlushCompress::Finish).map_err(io::Error::other)?;
                if status != Status::StreamEnd {
                    return Ok(None);
                }
                usize::try_from(compressor.total_out()).expect("smaller than the buffer")
            }
        };
        packed.truncate(length);
        Ok(Some(packed))
    }
}
