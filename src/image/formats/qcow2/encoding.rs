//! What the list of formats needs to know of writing qcow2.

use std::fs::File;
use std::io;

use super::compressed::Compressed;
use super::earlier::Earlier;
use super::plain::Plain;
use crate::image::digests::Kinds;
use crate::image::options::{ClusterCodec, Compat, Compression, FormatOptions, OutputError};
use crate::image::traits::FormatTraits;
use crate::image::write::{Disk, Stream};
use crate::image::{CHUNK, Sink};
use crate::units::ByteSize;

/// The properties of the format.
pub(in crate::image) const TRAITS: FormatTraits =
    FormatTraits::disk("qcow2", &["compression", "cluster-size", "compat"]);

/// The encoding of a qcow2 file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Qcow2Encoding {
    /// Compression of its clusters; `None` for uncompressed ones.
    pub codec: Option<ClusterCodec>,
    /// Bytes of a cluster.
    pub cluster_size: u32,
    /// Version.
    pub compat: Compat,
}

impl Qcow2Encoding {
    /// Returns the encoding that options ask for.
    pub(in crate::image) fn new(options: &FormatOptions) -> Result<Self, OutputError> {
        let compat = options.compat.unwrap_or(Compat::V1_1);
        // Version 2 has no field for the kind of compression.
        let default = if compat == Compat::V0_10 { Compression::Zlib } else { Compression::Zstd };
        let codec = match options.compression.unwrap_or(default) {
            Compression::Zstd if compat == Compat::V0_10 => {
                let message = "qcow2 of compat 0.10 cannot be compressed with zstd";
                return Err(OutputError::new("compression", message, Some("use `zlib`, or compat 1.1".to_owned())));
            }
            Compression::Zstd => Some(ClusterCodec::Zstd),
            Compression::Zlib => Some(ClusterCodec::Zlib),
            Compression::None => None,
            other => return Err(OutputError::compression(TRAITS.name, other, "`zstd`, `zlib` or `none`")),
        };
        let size = options.cluster_size.map_or(64 << 10, ByteSize::get);
        match u32::try_from(size) {
            Ok(cluster_size) if size.is_power_of_two() && (4096..=CHUNK as u64).contains(&size) => {
                Ok(Self { codec, cluster_size, compat })
            }
            _ => {
                let message = format!("clusters of {} are not possible", ByteSize::bytes(size));
                let help = "use a power of two from 4KiB to 2MiB".to_owned();
                Err(OutputError::new("cluster-size", message, Some(help)))
            }
        }
    }

    /// Creates a writer.
    pub(in crate::image) fn sink(self, disk: &Disk<'_>, file: File, kinds: Kinds) -> io::Result<Box<dyn Sink>> {
        let Self { codec, cluster_size, compat } = self;
        Ok(match codec {
            Some(codec) => {
                let earlier = disk.earlier.and_then(|earlier| Earlier::open(earlier, disk.size, codec, cluster_size));
                Box::new(Compressed::new(file, kinds, disk.size, codec, cluster_size, compat)?.with(earlier))
            }
            None => {
                let stream = Stream::new(file, kinds);
                Box::new(Plain::new(stream, disk.size, disk.extents, cluster_size, compat)?)
            }
        })
    }
}
