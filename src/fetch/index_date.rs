//! The dates of indexes of package repositories: nothing that is made of a repository is newer.

use std::io::{BufRead as _, Read as _};

use quick_xml::events::Event;

use crate::distro::Tool;

/// Most bytes of an index of apk or pacman that are read, unpacked. Those of the largest repositories have about 8 MB and 60 MB.
const UNPACKED: u64 = 128 << 20;

/// Returns the date of the index that a tool reads, in seconds since 1970.
///
/// # Errors
///
/// The reason why it is no such index.
pub(super) fn of(tool: Tool, index: &[u8]) -> Result<u64, String> {
    match tool {
        Tool::Mmdebstrap => date_of_release(index),
        Tool::Dnf | Tool::Zypper => date_of_repomd(index),
        Tool::Apk => date_of_apkindex(index),
        Tool::Pacman => date_of_database(index),
    }
}

/// Returns the field `Date` of a signed release file, a date of RFC 2822 (Debian's wiki, "RepositoryFormat"), in seconds since 1970.
fn date_of_release(index: &[u8]) -> Result<u64, String> {
    if !index.starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----") {
        return Err("it does not begin with a PGP signature".to_owned());
    }
    let mut lines = index.split(|byte| *byte == b'\n');
    let date = lines.find_map(|line| line.strip_prefix(b"Date:")).map(<[u8]>::trim_ascii);
    let date = date.and_then(|date| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
    date.and_then(|date| u64::try_from(date.as_second()).ok()).ok_or_else(|| "it has no `Date`".to_owned())
}

/// Returns the time when the newest package of an index of apk was built (apk-package(5), the field `t`), in seconds since 1970.
fn date_of_apkindex(index: &[u8]) -> Result<u64, String> {
    // The list stands in a tar archive, behind a signature that is an archive of its own. Both are text but for their heads.
    let unpacked = std::io::BufReader::new(flate2::read::MultiGzDecoder::new(index).take(UNPACKED));
    let mut newest = None;
    for line in unpacked.split(b'\n') {
        let line = line.map_err(|error| error.to_string())?;
        let seconds = line.strip_prefix(b"t:").and_then(|seconds| std::str::from_utf8(seconds).ok());
        newest = newest.max(seconds.and_then(|seconds| seconds.parse().ok()));
    }
    newest.ok_or_else(|| "it lists no package".to_owned())
}

/// Returns the time when the newest package of a database of pacman was built (alpm-repo-desc(5), the value `%BUILDDATE%`), in seconds
/// since 1970.
fn date_of_database(index: &[u8]) -> Result<u64, String> {
    let failed = |error: std::io::Error| error.to_string();
    // The archive has a text file for each package.
    let unpacked: Box<dyn std::io::Read> = match index {
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(index).map_err(failed)?),
        _ => Box::new(flate2::read::GzDecoder::new(index)),
    };
    let (mut newest, mut is_date) = (None, false);
    for line in std::io::BufReader::new(unpacked.take(UNPACKED)).split(b'\n') {
        let line = line.map_err(failed)?;
        if is_date {
            let seconds = std::str::from_utf8(&line).ok().and_then(|seconds| seconds.parse().ok());
            newest = newest.max(seconds);
        }
        is_date = line == b"%BUILDDATE%";
    }
    newest.ok_or_else(|| "it lists no package".to_owned())
}

/// Returns the time when the newest list of an index of rpm was made (createrepo_c, "repomd.xml"), in seconds since 1970.
///
/// The index is read event by event: a parser that calls itself for each element would overflow the stack at one that is nested
/// very deeply.
fn date_of_repomd(index: &[u8]) -> Result<u64, String> {
    let (mut reader, mut path) = (quick_xml::Reader::from_reader(index), Vec::new());
    let mut newest = None;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(element) => path.push(element.local_name().as_ref().to_vec()),
            Event::End(_) => drop(path.pop()),
            Event::Text(text) if path == [&b"repomd"[..], b"data", b"timestamp"] => {
                // Some programs write parts of seconds.
                let text = String::from_utf8_lossy(&text).into_owned();
                newest = newest.max(text.trim().split('.').next().and_then(|seconds| seconds.parse().ok()));
            }
            Event::Eof => break,
            _ => {}
        }
    }
    newest.ok_or_else(|| "it has no `timestamp`".to_owned())
}
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_index_says_when_it_was_made() {
        for (line, date) in [
            ("Date: Sat, 09 Sep 2023 09:08:31 UTC", Some(1_694_250_511)),
            ("Date: Sat, 9 Sep 2023 09:08:31 GMT\r", Some(1_694_250_511)),
            ("Date: Sat, 09 Sep 2023 11:08:31 +0200", Some(1_694_250_511)),
            ("Date: yesterday", None),
            ("Date: Mon, 01 Jan 1900 00:00:00 UTC", None),
            ("Valid-Until: Sat, 09 Sep 2023 09:08:31 UTC", None),
        ] {
            let index = format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\nOrigin: x\n{line}\nSuite: y\n");
            assert_eq!(date_of_release(index.as_bytes()).ok(), date, "{line}");
        }
    }

    #[test]
    fn an_index_of_rpm_says_when_its_newest_list_was_made() {
        let index = |lists: &str| {
            format!(
                "<?xml version=\"1.0\"?>\n<repomd xmlns=\"http://linux.duke.edu/metadata/repo\" \
                 xmlns:rpm=\"http://linux.duke.edu/metadata/rpm\"><revision>7</revision>{lists}</repomd>"
            )
        };
        let list = |kind: &str, time: &str| {
            format!(
                "<data type=\"{kind}\"><checksum type=\"sha256\">00</checksum><location href=\"repodata/x\"/>\
                 <timestamp>{time}</timestamp><size>1</size></data>"
            )
        };
        let lists = list("primary", "1700000000") + &list("filelists", "1700000007.25");
        assert_eq!(date_of_repomd(index(&lists).as_bytes()), Ok(1_700_000_007));
        for (bad, said) in [(index(""), "no `timestamp`"), ("<html></html>".to_owned(), ""), ("Log in".to_owned(), "")]
        {
            let reason = date_of_repomd(bad.as_bytes()).expect_err(&bad);
            assert!(reason.contains(said) && !reason.is_empty(), "{bad}: {reason}");
        }
    }

    #[test]
    fn an_index_of_apk_says_when_its_newest_package_was_built() {
        use std::io::Write as _;
        let index = |parts: &[&str]| {
            let packed = parts.iter().flat_map(|part| {
                let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                packer.write_all(part.as_bytes()).and_then(|()| packer.finish()).expect("in memory")
            });
            packed.collect::<Vec<_>>()
        };
        let list = "P:a\nV:1\nt:1700000000\n\nP:b\nt:1700000007\n\nP:c\nt:17\n";
        assert_eq!(date_of_apkindex(&index(&["signature\0", list])), Ok(1_700_000_007));
        for bad in [index(&["signature"]), index(&["t:soon\n"]), b"<html>".to_vec(), Vec::new()] {
            assert!(date_of_apkindex(&bad).is_err_and(|reason| !reason.is_empty()), "{bad:?}");
        }
    }

    #[test]
    fn a_database_of_pacman_says_when_its_newest_package_was_built() {
        use std::io::Write as _;
        let text = |dates: &[&str]| {
            let entry = |date: &&str| format!("\0desc\0\0%NAME%\na\n\n%BUILDDATE%\n{date}\n\n%DESC%\n1800000000\n\0\0");
            dates.iter().map(entry).collect::<String>().into_bytes()
        };
        let gzip = |text: &[u8]| {
            let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packer.write_all(text).and_then(|()| packer.finish()).expect("in memory")
        };
        let list = text(&["1700000000", "1700000007", "17"]);
        assert_eq!(date_of_database(&gzip(&list)), Ok(1_700_000_007));
        assert_eq!(date_of_database(&zstd::encode_all(&list[..], 1).expect("in memory")), Ok(1_700_000_007));
        for bad in [gzip(&text(&["soon"])), gzip(b""), b"<html>".to_vec(), Vec::new()] {
            assert!(date_of_database(&bad).is_err_and(|reason| !reason.is_empty()), "{bad:?}");
        }
    }
}
