//! Pins package repositories to the digest of their index: `InRelease`, rpm's `repomd.xml`, apk's `APKINDEX.tar.gz`, or pacman's
//! database. It lists the digests of all packages, or of files that list these.

use std::collections::BTreeSet;
use std::path::Path;

use super::Network;
use super::connection::{HttpError, redacted};
use super::http;
use super::index_date;
use super::pins::{self, PinPolicy};
use crate::digest::Sha256;
use crate::distro::{self, Mirrors, Tool};
use crate::fsx::PathError;
use crate::interrupt::Interrupt;
use crate::plan::RepositoryPin;
use crate::recipe::{Arch, Bootstrap};

/// Largest index that is read, in bytes. Real ones are smaller: that of Arch Linux's largest repository has about 8 MB.
const LIMIT: usize = 32 << 20;

/// The reason why repositories could not be pinned.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    /// The recipe, the host's apt and the distribution's data name no mirror.
    #[error("no mirror of {origin} is known: set base.bootstrap.{key} in the recipe")]
    NoMirror {
        /// The distribution, as its repositories name it.
        origin: String,
        /// Key of the recipe for the mirror.
        key: &'static str,
    },
    /// A mirror's URL has a password, which would become part of the image and of its manifest.
    #[error("{0} holds credentials, which the image would contain: let the mirror identify this machine otherwise")]
    Credentials(String),
    /// The certificates for the mirror cannot be used.
    #[error("{0}; base.bootstrap.client-certificate names it")]
    Certificates(String),
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
    match index_date::of(tool, &content) {
        Ok(date) => Ok((Sha256::of(&content), date)),
        Err(reason) => Err(RepositoryError::NoIndex { url: redacted(url), reason }),
    }
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
            client_certificate: None,
            certificate_authority: None,
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
    fn a_password_does_not_get_into_an_image() {
        let error = repositories(&source(Some("https://me:secret@b.invalid/debian")), &how(), &Mirrors::default());
        let said = error.expect_err("it is refused").to_string();
        assert!(said.starts_with("https://b.invalid/debian holds credentials"), "{said}");
    }
}
