//! `goldsmith convert`.

use std::path::Path;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::args::Convert;
use super::failure::{Failure, FailureKind};
use super::jsonl::JsonReporter;
use super::progress::TerminalReporter;
use super::settings::Global;
use super::{hints, print, signals};
use crate::event::Reporter;
use crate::image::convert::{Conversion, Converted, convert};
use crate::image::digests::Kinds;
use crate::image::{Codec, Compression, Format, Output};
use crate::interrupt::Interrupt;
use crate::units::ByteSize;

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
    let interrupt = Interrupt::new();
    signals::watch(interrupt.clone()).map_err(|error| Failure::new(FailureKind::Host, &error))?;
    let reporter: Arc<dyn Reporter> = if global.json {
        Arc::new(JsonReporter::new(std::io::stdout()))
    } else {
        Arc::new(TerminalReporter::on_stderr(global.terminal))
    };
    let converted = convert(&conversion, &*reporter, &interrupt).map_err(|error| hints::convert(&error))?;
    print(&if global.json { record(&conversion, &converted) } else { lines(&conversion, &converted) });
    Ok(())
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

/// The same for programs: the last line.
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

/// What is to be made, by the options and the name of the file.
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

/// Format and compression by the extensions of a name: `disk.raw.xz`. What is no format may have a reason.
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

/// Reads a format by its name.
pub(super) fn parse_format(text: &str) -> Result<Format, String> {
    if let Some(format) = Format::of_name(text) {
        return Ok(format);
    }
    let names: Vec<_> = Format::all().filter(|format| format.is_disk()).map(Format::name).collect();
    Err(Format::why_refused(text).map_or_else(|| format!("formats are {}", names.join(", ")), str::to_owned))
}

/// Reads one of the words that recipes have for something.
pub(super) fn parse_word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(json!(text)).map_err(|error| error.to_string())
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
        assert!(parse_format("docker").expect_err("no disk").contains("docker import"));
        assert_eq!(parse_word::<Compression>("xz"), Ok(Compression::Xz));
    }
}
