//! Pins package repositories to the digest of their index: `InRelease`, rpm's `repomd.xml`, apk's `APKINDEX.tar.gz`, or pacman's
//! database. It lists the digests of all packages, or of files that list these.

use std::collections::BTreeSet;
use std::io::{BufRead as _, Read as _};
use std::path::Path;

use quick_xml::events::Event;

use super::Network;
use super::connection::{HttpError, redacted};
use super::http;
use super::pins::{self, PinPolicy};
use crate::digest::Sha256;
use crate::distro::{self, Mirrors, Tool};
use crate::fsx::PathError;
use crate::interrupt::Interrupt;
use crate::plan::RepositoryPin;
use crate::recipe::{Arch, Bootstrap};

/// Largest index that is read, in bytes. Real ones are smaller: that of Arch Linux's largest repository has about 8 MB.
const LIMIT: usize = 32 << 20;

/// Most bytes of an index of apk or pacman that are read, unpacked. Those of the largest repositories have about 8 MB and 60 MB.
const UNPACKED: u64 = 128 << 20;

/// The reason why repositories could not be pinned.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The recipe, the host's apt and the distribution's data name no mirror.
    #[error("this machine's apt has no mirror of {origin}: set base.bootstrap.{key} in the recipe")]
    NoMirror {
        /// The distribution, as its repositories name it.
        origin: String,
        /// Key of the recipe for the mirror.
        key: &'static str,
    },
    /// A mirror's URL has a password, which would become part of the image and of its manifest.
    #[error("{0} holds credentials, which the image would contain: let the mirror identify this machine otherwise")]
    Credentials(String),
    /// The mirror does not answer.
    #[error("{source}\n  check the network and base.bootstrap.mirror{}", if *known { ", or use the repositories as they were last seen with --offline" } else { "" })]
    Unreachable {
        /// The error.
        source: HttpError,
        /// Whether there are earlier pins.
        known: bool,
    },
    /// The mirror's answer is no index of a repository.
    #[error("{url} is not the index of a package repository: {reason}; check base.bootstrap.mirror")]
    NoIndex {
        /// The URL of the index.
        url: String,
        /// What the answer lacks.
        reason: String,
    },
    /// Offline, the cache has no pins.
    #[error("the repositories of {0} were never seen by this machine: build once without --offline")]
    NeverSeen(String),
    /// The pins could not be stored.
    #[error(transparent)]
    Access(#[from] PathError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// Pins the repositories of a release, or returns earlier pins if the policy accepts them. Mirrors of the recipe come before
/// those in the arguments.
pub fn pin(
    source: &Bootstrap,
    (how, arch): (&distro::Bootstrap, Arch),
    mirrors: &Mirrors,
    cache: &Path,
    policy: &PinPolicy,
    network: &Network,
    interrupt: &Interrupt,
) -> Result<Vec<RepositoryPin>, RepositoryError> {
    let wanted = repositories(source, how, mirrors)?;
    let subject = subject(&wanted, source, (how, arch));
    if let Some(pins) = pins::find(cache, &subject, policy) {
        return Ok(pins);
    }
    if policy.offline {
        return Err(RepositoryError::NeverSeen(source.release.clone()));
    }
    let found = std::thread::scope(|scope| {
        let asked: Vec<_> = wanted
            .iter()
            .map(|(url, suite)| {
                scope.spawn(move || look(&index_url(how.tool, url, suite, arch), how.tool, network, interrupt))
            })
            .collect();
        asked.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    let found: Result<Vec<(Sha256, u64)>, RepositoryError> = found;
    let found = found.map_err(|error| match error {
        RepositoryError::Unreachable { source, .. } => {
            let last = PinPolicy { offline: true, ..*policy };
            let known = pins::find::<Vec<RepositoryPin>>(cache, &subject, &last).is_some();
            RepositoryError::Unreachable { source, known }
        }
        error => error,
    })?;
    let components = &source.components;
    let pins: Vec<_> = wanted
        .into_iter()
        .zip(found)
        .map(|((url, suite), (sha256, date))| RepositoryPin {
            url,
            suite,
            components: components.clone(),
            sha256,
            date,
        })
        .collect();
    pins::store(cache, &subject, &pins)?;
    Ok(pins)
}

/// Returns the mirrors that [`pin`] asks, each once, because the policy accepts no earlier pins. None if there is nothing to ask.
pub fn asked(
    source: &Bootstrap,
    (how, arch): (&distro::Bootstrap, Arch),
    mirrors: &Mirrors,
    cache: &Path,
    policy: &PinPolicy,
) -> Vec<String> {
    let Ok(wanted) = repositories(source, how, mirrors) else { return Vec::new() };
    let known = || pins::find::<Vec<RepositoryPin>>(cache, &subject(&wanted, source, (how, arch)), policy).is_some();
    if policy.offline || known() {
        return Vec::new();
    }
    let urls: BTreeSet<String> = wanted.iter().map(|(url, _)| redacted(url)).collect();
    urls.into_iter().collect()
}

/// Returns the name under which pins are kept.
fn subject(wanted: &[(String, String)], source: &Bootstrap, (how, arch): (&distro::Bootstrap, Arch)) -> String {
    let list: Vec<_> = wanted.iter().map(|(url, suite)| format!("{url} {suite}")).collect();
    let mut subject = format!("{} {}", list.join(", "), source.components.join(" "));
    // Repositories of apk and pacman have an index for each architecture. Suites of rpm's contain it, and indexes of Debian's list all.
    if [Tool::Apk, Tool::Pacman].contains(&how.tool) {
        subject.push_str(arch.name());
    }
    subject
}

/// Returns the base URL and suite of each repository of a release.
fn repositories(
    source: &Bootstrap,
    how: &distro::Bootstrap,
    mirrors: &Mirrors,
) -> Result<Vec<(String, String)>, RepositoryError> {
    let given = |recipe: &Option<String>, host: &Option<String>, key| {
        let none = || RepositoryError::NoMirror { origin: how.origin.clone(), key };
        let url = recipe.as_ref().or(host.as_ref()).ok_or_else(none)?;
        if crate::address::has_login(url) || url.contains('?') {
            return Err(RepositoryError::Credentials(redacted(url)));
        }
        Ok(url.trim_end_matches('/').to_owned())
    };
    let mut wanted = Vec::new();
    let places = [
        (&how.suites, &source.mirror, &mirrors.main, "mirror"),
        (&how.security_suites, &source.security_mirror, &mirrors.security, "security-mirror"),
    ];
    for (suites, recipe, host, key) in places {
        if !suites.is_empty() {
            let url = given(recipe, host, key)?;
            wanted.extend(suites.iter().map(|suite| (url.clone(), suite.clone())));
        }
    }
    Ok(wanted)
}

/// Returns the URL of a repository's index.
fn index_url(tool: Tool, url: &str, suite: &str, arch: Arch) -> String {
    let index = tool.index();
    match tool {
        Tool::Mmdebstrap => format!("{url}/dists/{suite}/{index}"),
        Tool::Dnf | Tool::Zypper => format!("{url}/{suite}/repodata/{index}"),
        Tool::Apk => format!("{url}/{suite}/{}/{index}", arch.name()),
        Tool::Pacman => format!("{url}/{suite}/os/{}/{suite}.db", arch.name()),
    }
}

/// Returns the digest and date of a repository's index.
fn look(url: &str, tool: Tool, network: &Network, interrupt: &Interrupt) -> Result<(Sha256, u64), RepositoryError> {
    let content = http::get_small(url, LIMIT, network, interrupt).map_err(|source| match source {
        HttpError::Interrupted => RepositoryError::Interrupted,
        source => RepositoryError::Unreachable { source, known: false },
    })?;
    // The answer of a captive portal must not become a pin. The package manager checks signatures.
    let date = match tool {
        Tool::Mmdebstrap => date_of_release(&content),
        Tool::Dnf | Tool::Zypper => date_of_repomd(&content),
        Tool::Apk => date_of_apkindex(&content),
        Tool::Pacman => date_of_database(&content),
    };
    match date {
        Ok(date) => Ok((Sha256::of(&content), date)),
        Err(reason) => Err(RepositoryError::NoIndex { url: redacted(url), reason }),
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

    fn how() -> distro::Bootstrap {
        let distros = distro::Distros::built_in();
        distros.get("debian").and_then(|debian| debian.file.bootstrap.as_ref()).expect("it is there").of(
            "bookworm",
            &[],
            Arch::X86_64,
        )
    }

    fn source(mirror: Option<&str>) -> Bootstrap {
        Bootstrap {
            keyring: None,
            allow_expired: false,
            distro: "debian".to_owned(),
            release: "bookworm".to_owned(),
            mirror: mirror.map(str::to_owned),
            security_mirror: None,
            components: vec!["main".to_owned()],
        }
    }

    #[test]
    fn a_release_has_updates_and_security_updates() {
        let host = |url: &str| Some(url.to_owned());
        let mirrors = Mirrors { main: host("http://a.invalid/debian/"), security: host("http://a.invalid/security") };
        let found = repositories(&source(Some("http://b.invalid/debian")), &how(), &mirrors).expect("both are known");
        let found: Vec<_> = found.iter().map(|(url, suite)| (url.as_str(), suite.as_str())).collect();
        assert_eq!(
            found,
            [
                ("http://b.invalid/debian", "bookworm"),
                ("http://b.invalid/debian", "bookworm-updates"),
                ("http://a.invalid/security", "bookworm-security"),
            ]
        );
        let none = repositories(&source(None), &how(), &Mirrors::default());
        assert!(matches!(none, Err(RepositoryError::NoMirror { key: "mirror", .. })));
    }

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

    #[test]
    fn a_password_does_not_get_into_an_image() {
        let error = repositories(&source(Some("https://me:secret@b.invalid/debian")), &how(), &Mirrors::default());
        let said = error.expect_err("it is refused").to_string();
        assert!(said.starts_with("https://b.invalid/debian holds credentials"), "{said}");
    }
}
