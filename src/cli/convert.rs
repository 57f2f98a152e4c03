//! The command `goldsmith convert`: converts a disk image into another format.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::failure::{Failure, FailureKind};
use super::jsonl::JsonReporter;
use super::output::{StandardOutput, print};
use super::parse::{parse_format, parse_word};
use super::progress::TerminalReporter;
use super::settings::Global;
use super::{hints, signals};
use crate::event::Reporter;
use crate::image::convert::{Conversion, ConvertError, Converted, convert};
use crate::image::digests::Kinds;
use crate::image::probe::{Kind, probe};
use crate::image::read::OpenError;
use crate::image::{Adapter, Codec, Compat, Compression, Format, Output, Subformat};
use crate::units::ByteSize;

/// `goldsmith convert`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Convert {
    /// The image file to read, as it is or compressed with gzip, xz or zstd; or the directory with the artifacts of a build
    #[arg(value_name = "IN")]
    pub(in crate::cli) input: PathBuf,
    /// The file to write
    #[arg(value_name = "OUT")]
    pub(in crate::cli) output: PathBuf,
    /// Fail unless IN has this format; Goldsmith finds the format from the content
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    pub(in crate::cli) from: Option<Format>,
    /// Format of OUT [default: by its extension]
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    pub(in crate::cli) to: Option<Format>,
    /// Compression. qcow2: zstd (default), zlib, none; raw: none (default), zstd, gzip, xz
    #[arg(long, value_name = "HOW", value_parser = parse_word::<Compression>)]
    pub(in crate::cli) compression: Option<Compression>,
    /// Size of the clusters of a qcow2 file [default: 64KiB]
    #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
    pub(in crate::cli) cluster_size: Option<ByteSize>,
    /// Version of a qcow2 file: 1.1 (default), 0.10
    #[arg(long, value_name = "VERSION", value_parser = parse_word::<Compat>)]
    pub(in crate::cli) compat: Option<Compat>,
    /// Subformat. vmdk: streamOptimized (default), monolithicSparse; vhd: dynamic (default), fixed
    #[arg(long, value_name = "KIND", value_parser = parse_word::<Subformat>)]
    pub(in crate::cli) subformat: Option<Subformat>,
    /// Disk adapter of a vmdk or ova file: lsilogic (default), ide, buslogic, pvscsi
    #[arg(long, value_name = "ADAPTER", value_parser = parse_word::<Adapter>)]
    pub(in crate::cli) adapter: Option<Adapter>,
    /// Version of VMware Tools that a vmdk or ova file names
    #[arg(long, value_name = "NUMBER")]
    pub(in crate::cli) tools_version: Option<u32>,
    /// Compute the SHA-512 of OUT too
    #[arg(long)]
    pub(in crate::cli) sha512: bool,
    /// Compute the MD5 of OUT too
    #[arg(long)]
    pub(in crate::cli) md5: bool,
    /// Replace OUT if it exists
    #[arg(long)]
    pub(in crate::cli) force: bool,
    /// Largest disk to accept [default: for a compressed file 1000 times its length, but 4 to 64 GiB; for a raw or fixed VHD OUT 1 TiB]
    #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
    pub(in crate::cli) max_size: Option<ByteSize>,
}

/// Converts an image file.
pub(super) fn run(args: &Convert, global: &Global) -> Result<(), Failure> {
    let output = output(args)?;
    let encoding = output.encoding().map_err(|error| {
        let failure = Failure::of(FailureKind::Usage, error.message);
        error.help.into_iter().fold(failure, Failure::hint)
    })?;
    let conversion = Conversion {
        input: &args.input,
        from: args.from,
        output: &args.output,
        to: output.format,
        encoding,
        kinds: Kinds { sha512: args.sha512, md5: args.md5 },
        max_size: args.max_size.map(ByteSize::get),
        replace: args.force,
    };
    let interrupt = signals::interrupt()?;
    let reporter: Arc<dyn Reporter> = if global.json {
        Arc::new(JsonReporter::new(StandardOutput))
    } else {
        Arc::new(TerminalReporter::on_stderr(global.terminal))
    };
    let converted = convert(&conversion, &*reporter, &interrupt).map_err(|error| failure(&error, args))?;
    print(&if global.json { record(&conversion, &converted) } else { lines(&conversion, &converted) });
    Ok(())
}

/// Converts an error, with hints. A file of unknown format may be a raw disk without a partition table.
fn failure(error: &ConvertError, args: &Convert) -> Failure {
    let failure = hints::convert(error);
    let unknown = || probe(&args.input).is_ok_and(|probed| probed.kind == Kind::Unknown);
    match error {
        ConvertError::Open(OpenError::Refused { .. }) if args.from.is_none() && unknown() => {
            failure.hint("`--from raw` takes it for a raw disk all the same, as for a bare file system")
        }
        _ => failure,
    }
}

/// The file, its size and digests, for people.
fn lines(conversion: &Conversion<'_>, converted: &Converted) -> String {
    let digests = &converted.written.digests;
    let size = ByteSize::bytes(converted.written.size);
    let mut text = format!("{}  {size}\nsha256  {}\n", conversion.output.display(), digests.sha256);
    for (name, digest) in [("sha512", &digests.sha512), ("md5", &digests.md5)] {
        if let Some(digest) = digest {
            text.push_str(&format!("{name:6}  {digest}\n"));
        }
    }
    text
}

/// The same for programs: the last line of `--json`.
fn record(conversion: &Conversion<'_>, converted: &Converted) -> String {
    let mut record = json!({
        "event": "converted",
        "file": conversion.output,
        "from": converted.from,
        "format": conversion.to,
        "virtual-size": converted.virtual_size,
        "size": converted.written.size,
    });
    let digests = json!(converted.written.digests);
    if let (Some(record), Some(digests)) = (record.as_object_mut(), digests.as_object()) {
        record.extend(digests.clone());
    }
    format!("{record}\n")
}

/// Returns the output that the options and the name of the file describe.
fn output(args: &Convert) -> Result<Output, Failure> {
    let named = by_name(&args.output);
    let (format, codec) = match (args.to, named) {
        (Some(format), Ok((named, codec))) if named == format => (format, codec),
        (Some(format), _) => (format, None),
        (None, Ok(found)) => found,
        (None, Err(reason)) => {
            let message = format!("the name of {} does not say which format it is to have", args.output.display());
            let failure = Failure::of(FailureKind::Usage, message);
            return Err(reason.into_iter().fold(failure, Failure::hint).hint("`--to FORMAT` says it"));
        }
    };
    if !format.is_disk() {
        let message = format!("`{format}` holds files of an image, not the disk");
        return Err(Failure::of(FailureKind::Usage, message)
            .hint(format!("a build makes it: `outputs: [{{ format: {format} }}]` in a recipe")));
    }
    let compression = args.compression.or(codec.map(|codec| match codec {
        Codec::Zstd => Compression::Zstd,
        Codec::Gzip => Compression::Gzip,
        Codec::Xz => Compression::Xz,
    }));
    Ok(Output {
        compression,
        cluster_size: args.cluster_size,
        compat: args.compat,
        subformat: args.subformat,
        adapter: args.adapter,
        tools_version: args.tools_version,
        ..Output::new(format)
    })
}

/// Finds format and compression by the extensions of a name: `disk.raw.xz`. The error says why a known format is refused, if it
/// is one.
fn by_name(path: &Path) -> Result<(Format, Option<Codec>), Option<String>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let codecs = [Codec::Zstd, Codec::Gzip, Codec::Xz];
    let (stem, codec) = codecs
        .into_iter()
        .find_map(|codec| Some((name.strip_suffix(codec.extension())?.strip_suffix('.')?, Some(codec))))
        .unwrap_or((&name, None));
    let extension = stem.rsplit_once('.').map_or("", |(_, extension)| extension);
    match Format::all().find(|format| format.extension() == extension) {
        Some(format) => Ok((format, codec)),
        None => Err(Format::why_refused(extension).map(|reason| format!("`{extension}`: {reason}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_format_and_compression() {
        for (name, found) in [
            ("a.b.qcow2", Ok((Format::Qcow2, None))),
            ("x/disk.raw.xz", Ok((Format::Raw, Some(Codec::Xz)))),
            ("DISK.VMDK", Ok((Format::Vmdk, None))),
            ("disk", Err(None)),
            ("disk.gz", Err(None)),
        ] {
            assert_eq!(by_name(Path::new(name)), found, "{name}");
        }
        assert!(by_name(Path::new("a.iso")).expect_err("no disk").expect("a reason").contains("medium to install"));
    }
}
