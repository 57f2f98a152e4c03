//! Checks who signed a list of checksums: with OpenPGP by `gpgv`, as Debian's tools do, or with minisign.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minisign::{PublicKey, PublicKeyBox, SignatureBox};

use super::sums;
use crate::digest::Sha256;
use crate::fsx::{IoContext as _, PathError};
use crate::process;

/// Limit on the size of keys and signatures, in bytes. Real ones are smaller.
pub(super) const LIMIT: usize = 1 << 20;

/// The reason why a signature is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// The key cannot be read.
    #[error(
        "cannot use {} as a key: {reason}{}",
        path.display(),
        package.as_ref().map(|package| format!("; the package `{package}` contains it")).unwrap_or_default()
    )]
    Key {
        /// The file of the key.
        path: PathBuf,
        /// The reason.
        reason: String,
        /// Package of the host that contains the file, if that is known.
        package: Option<String>,
    },
    /// There is no signature.
    #[error("{list} has no signature: there is none in it, and nothing at {}", tried.join(", "))]
    Unsigned {
        /// The list.
        list: String,
        /// The places that were searched for a signature.
        tried: Vec<String>,
    },
    /// Another key has signed, or the list has changed.
    #[error("{list} is not signed by the key in {}{}", key.display(), said.as_ref().map(|said| format!(": {said}")).unwrap_or_default())]
    Invalid {
        /// The list.
        list: String,
        /// The key.
        key: PathBuf,
        /// The message of `gpgv`.
        said: Option<String>,
    },
    /// `gpgv` is missing.
    #[error("cannot start `gpgv`, which checks OpenPGP signatures: install the package `gpgv`")]
    NoProgram(#[source] std::io::Error),
    /// A temporary file could not be written.
    #[error(transparent)]
    File(#[from] PathError),
}

/// A key that lists are signed by.
#[derive(Debug)]
pub(super) struct Key {
    path: PathBuf,
    kind: Kind,
    /// Fingerprints of the keys that count; all count if there are none.
    fingerprints: Vec<String>,
    /// Digest of the file and of the fingerprints: results for one key must not count for another.
    pub(super) digest: Sha256,
}

#[derive(Debug)]
enum Kind {
    /// A keyring in binary format for `gpgv`.
    OpenPgp(Vec<u8>),
    Minisign(PublicKey),
}

impl Key {
    /// Reads a key: a public key of OpenPGP, armored or not, or one of minisign. `package` contains the file.
    pub(super) fn read(path: PathBuf, fingerprints: &[String], package: Option<&str>) -> Result<Self, SignatureError> {
        let package = package.map(str::to_owned);
        let failed = |reason: String| SignatureError::Key { path: path.clone(), reason, package: package.clone() };
        let content = super::limited::read_limited(&path, LIMIT).map_err(|error| failed(error.to_string()))?;
        let text = std::str::from_utf8(&content).unwrap_or_default();
        let kind = if text.contains("PRIVATE KEY BLOCK") || text.contains("secret key") {
            return Err(failed("it is a secret key; the public one is needed".to_owned()));
        } else if text.contains("-----BEGIN PGP PUBLIC KEY BLOCK-----") {
            Kind::OpenPgp(unarmored(text).ok_or_else(|| failed("its armor is damaged".to_owned()))?)
        } else if text.starts_with("untrusted comment:") {
            let boxed = PublicKeyBox::from_string(text).and_then(PublicKeyBox::into_public_key);
            Kind::Minisign(boxed.map_err(|error| failed(error.to_string()))?)
        } else if let Ok(key) = PublicKey::from_base64(text.trim()) {
            Kind::Minisign(key)
        } else if content.first().is_some_and(|byte| byte & 0x80 != 0) {
            Kind::OpenPgp(content.clone())
        } else {
            return Err(failed("it is neither a public key of OpenPGP nor one of minisign".to_owned()));
        };
        if let (Kind::Minisign(_), false) = (&kind, fingerprints.is_empty()) {
            return Err(failed("`fingerprints` are those of OpenPGP keys, and this is a key of minisign".to_owned()));
        }
        let known = [&content, fingerprints.concat().as_bytes()].concat();
        Ok(Self { digest: Sha256::of(&known), kind, fingerprints: fingerprints.to_vec(), path })
    }

    /// Returns the endings after the name of a list that make the name of its signature.
    pub(super) fn endings(&self) -> &'static [&'static str] {
        match self.kind {
            Kind::OpenPgp(_) => &[".asc", ".gpg", ".sign", ".sig"],
            Kind::Minisign(_) => &[".minisig"],
        }
    }

    /// Returns whether the list contains its signature.
    pub(super) fn signs_within(&self, list: &[u8]) -> bool {
        matches!(self.kind, Kind::OpenPgp(_)) && sums::is_signed_within(list)
    }

    /// Returns the signed part of a list: all of it if the signature is a separate file, else the text before the signature.
    /// `scratch` is a directory for temporary files.
    pub(super) fn signed(
        &self,
        list: &[u8],
        beside: Option<&[u8]>,
        name: &str,
        scratch: &Path,
    ) -> Result<Vec<u8>, SignatureError> {
        let invalid =
            |said: Option<String>| SignatureError::Invalid { list: name.to_owned(), key: self.path.clone(), said };
        match &self.kind {
            Kind::Minisign(key) => {
                let text = beside.and_then(|beside| std::str::from_utf8(beside).ok()).unwrap_or_default();
                let boxed = SignatureBox::from_string(text).map_err(|error| invalid(Some(error.to_string())))?;
                minisign::verify(key, &boxed, Cursor::new(list), true, false, false)
                    .map_err(|error| invalid(Some(error.to_string())))?;
                Ok(list.to_vec())
            }
            Kind::OpenPgp(ring) => {
                gpgv(ring, &self.fingerprints, list, beside, scratch)?.map_err(|said| invalid(Some(said)))
            }
        }
    }
}

/// Runs `gpgv` with only the keys of the ring, of which only those with the fingerprints count. The inner error is its message.
fn gpgv(
    ring: &[u8],
    fingerprints: &[String],
    list: &[u8],
    beside: Option<&[u8]>,
    scratch: &Path,
) -> Result<Result<Vec<u8>, String>, SignatureError> {
    std::fs::create_dir_all(scratch).at(scratch)?;
    let dir = tempfile::tempdir_in(scratch).at(scratch)?;
    let file = |name: &str, content: &[u8]| -> Result<PathBuf, PathError> {
        let path = dir.path().join(name);
        std::fs::write(&path, content).at(&path)?;
        Ok(path)
    };
    let (ring, list_file, text) = (file("ring.gpg", ring)?, file("list", list)?, dir.path().join("text"));
    let mut command = Command::new("gpgv");
    command.env("LC_ALL", "C").arg("--homedir").arg(dir.path()).args(["--status-fd", "1", "--keyring"]).arg(ring);
    match beside {
        Some(beside) => command.arg(file("signature", beside)?).arg(&list_file),
        None => command.arg("--output").arg(&text).arg(&list_file),
    };
    let output = process::die_with_parent(&mut command).stdin(Stdio::null()).output();
    let output = output.map_err(SignatureError::NoProgram)?;
    // The exit code covers every signature. But a list may have further signatures by keys that do not matter here.
    let status = String::from_utf8_lossy(&output.stdout).into_owned();
    let has = |word: &str| status.lines().any(|line| line.split(' ').nth(1) == Some(word));
    let good = has("GOODSIG") && has("VALIDSIG");
    if !good || ["BADSIG", "EXPKEYSIG", "REVKEYSIG", "EXPSIG"].into_iter().any(has) {
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing is known of it");
        return Ok(Err(crate::text::printable(last.trim_start_matches("gpgv: ").as_bytes())));
    }
    // The last word of `VALIDSIG` is the fingerprint of the primary key (GnuPG, doc/DETAILS).
    let by =
        |line: &str| Some(line.rsplit(' ').next()?.to_owned()).filter(|_| line.split(' ').nth(1) == Some("VALIDSIG"));
    let signers: Vec<String> = status.lines().filter_map(by).collect();
    if !fingerprints.is_empty() && !signers.iter().any(|key| fingerprints.contains(key)) {
        return Ok(Err(format!("signed by {}, and only {} counts", signers.join(", "), fingerprints.join(" or "))));
    }
    Ok(Ok(match beside {
        Some(_) => list.to_vec(),
        None => read_text(&text)?,
    }))
}

fn read_text(path: &Path) -> Result<Vec<u8>, PathError> {
    std::fs::read(path).at(path)
}

/// Returns the bytes of an armor (RFC 9580, 6.2), with all its blocks in order.
fn unarmored(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for block in text.split("-----BEGIN PGP PUBLIC KEY BLOCK-----").skip(1) {
        let (block, _) = block.split_once("-----END PGP PUBLIC KEY BLOCK-----")?;
        let lines = block.lines().map(str::trim);
        // Headers have a colon; the checksum begins with `=`, and is obsolete.
        let body = lines.filter(|line| !line.contains(':') && !line.starts_with('='));
        bytes.extend(STANDARD.decode(body.collect::<String>()).ok()?);
    }
    Some(bytes)
}
