//! Signatures of published files: by OpenPGP, as distributions use, or by minisign.

use std::fmt;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use minisign::{PublicKey, SecretKey, SecretKeyBox, SignatureBox};

use crate::fsx::{IoContext as _, PathError};
use crate::interrupt::Interrupt;
use crate::process::{self, ProcessError};
use crate::recipe::publish::key_id;

/// Time limit of `gpg`: its agent may ask a person for a passphrase.
const DEADLINE: Duration = Duration::from_secs(120);

/// A key that signs files.
#[derive(Debug)]
pub enum Signer {
    /// A secret key of `gpg`.
    OpenPgp(OpenPgp),
    /// A secret key of minisign.
    Minisign(Minisign),
}

/// A secret key of `gpg`.
#[derive(Debug)]
pub struct OpenPgp {
    home: Option<PathBuf>,
    /// Directory for files that `gpg` reads and writes.
    scratch: PathBuf,
    key: String,
    /// Fingerprint of the primary key, which identifies the signer in a signature.
    fingerprint: String,
}

/// A secret key of minisign, ready to sign.
pub struct Minisign {
    secret: SecretKey,
    public: PublicKey,
}

impl fmt::Debug for Minisign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Minisign").field("public", &self.public.to_base64()).finish_non_exhaustive()
    }
}

/// An error of signing.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// `gpg` lacks this key, or the key cannot sign.
    #[error("gpg has no secret key {key} that can sign: {reason}")]
    NoKey {
        /// The fingerprint that was searched for.
        key: String,
        /// The cause.
        reason: String,
    },
    /// `gpg` cannot be run, or fails.
    #[error("cannot sign with OpenPGP")]
    Gpg(#[source] ProcessError),
    /// The minisign key cannot be used.
    #[error("cannot use {} as a secret key of minisign: {reason}", file.display())]
    Minisign {
        /// The file of the key.
        file: PathBuf,
        /// The cause.
        reason: String,
    },
    /// Signing failed.
    #[error("cannot sign with minisign: {0}")]
    Failed(String),
    /// The new signature is not valid.
    #[error("the signature that was just made with {key} is not valid")]
    Invalid {
        /// The key.
        key: String,
    },
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] PathError),
}

impl SignError {
    /// Returns advice, if there is any.
    pub(super) fn help(&self) -> Option<&'static str> {
        match self {
            Self::NoKey { .. } => {
                Some("`gpg --list-secret-keys` shows what is there; GNUPGHOME names another place with keys")
            }
            Self::Minisign { .. } => {
                Some("`password: { env: VARIABLE }` or `{ file: PATH }` beside it says where its password is")
            }
            Self::Gpg(_) | Self::Failed(_) | Self::Invalid { .. } | Self::File(_) => None,
        }
    }
}

impl Signer {
    /// Finds an OpenPGP key by 16 or 40 hexadecimal digits. `home` is the directory of `gpg`'s keys, if it is not the default;
    /// `scratch` is a directory for temporary files.
    ///
    /// # Errors
    ///
    /// If `gpg` lacks this secret key, or the key can no longer sign.
    pub fn openpgp(key: &str, home: Option<PathBuf>, scratch: &Path) -> Result<Self, SignError> {
        let no_key = |reason: &str| SignError::NoKey { key: key.to_owned(), reason: reason.to_owned() };
        key_id(key).map_err(|reason| no_key(&reason))?;
        let mut list = gpg(home.as_deref());
        let listed = match process::capture(list.args(["--with-colons", "--list-secret-keys", key])) {
            Err(ProcessError::Failed { .. }) => return Err(no_key("there is none")),
            result => result.map_err(SignError::Gpg)?,
        };
        let fingerprint = usable(&listed).map_err(no_key)?.to_owned();
        Ok(Self::OpenPgp(OpenPgp { home, scratch: scratch.to_owned(), key: key.to_owned(), fingerprint }))
    }

    /// Reads a minisign key, with its password if it has one.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is no such key, or if the password is wrong.
    pub fn minisign(file: &Path, password: Option<String>) -> Result<Self, SignError> {
        let failed =
            |reason: &dyn fmt::Display| SignError::Minisign { file: file.to_owned(), reason: reason.to_string() };
        let text = std::fs::read_to_string(file).at(file)?;
        let boxed = SecretKeyBox::from_string(&text).map_err(|error| failed(&error))?;
        // Without a password the library would ask for one.
        let secret = match password {
            Some(password) => boxed.into_secret_key(Some(password)),
            None => boxed.into_unencrypted_secret_key(),
        };
        let secret = secret.map_err(|error| failed(&error))?;
        let public = PublicKey::from_secret_key(&secret).map_err(|error| failed(&error))?;
        Ok(Self::Minisign(Minisign { secret, public }))
    }

    /// Returns the ending that a file's signature adds to its name.
    pub fn ending(&self) -> &'static str {
        match self {
            Self::OpenPgp(_) => "asc",
            Self::Minisign(_) => "minisig",
        }
    }

    /// Signs a file's content. The signature is for a separate file, and is verified before it is returned.
    ///
    /// # Errors
    ///
    /// If signing fails, or the signature is not valid.
    pub fn sign(&self, file: &str, content: &[u8], interrupt: &Interrupt) -> Result<Vec<u8>, SignError> {
        let (signature, key) = match self {
            Self::OpenPgp(key) => (key.run(content, &["--armor", "--detach-sign"], interrupt)?, key.key.clone()),
            Self::Minisign(key) => {
                let comment = format!("timestamp:{}\tfile:{file}\thashed", jiff::Timestamp::now().as_second());
                let untrusted = "signature from minisign secret key";
                let (public, secret) = (Some(&key.public), &key.secret);
                let signature = minisign::sign(public, secret, Cursor::new(content), Some(&comment), Some(untrusted));
                let signature = signature.map_err(|error| SignError::Failed(error.to_string()))?;
                (signature.into_string().into_bytes(), key.public.to_base64())
            }
        };
        if self.verifies(content, &signature)? { Ok(signature) } else { Err(SignError::Invalid { key }) }
    }

    /// Returns whether a signature is by this key and of this content.
    ///
    /// # Errors
    ///
    /// If `gpg` or its files fail.
    pub fn verifies(&self, content: &[u8], signature: &[u8]) -> Result<bool, SignError> {
        match self {
            Self::OpenPgp(key) => key.verifies(content, signature),
            Self::Minisign(key) => {
                let boxed = std::str::from_utf8(signature).ok().and_then(|text| SignatureBox::from_string(text).ok());
                let valid = |boxed| minisign::verify(&key.public, &boxed, Cursor::new(content), true, false, false);
                Ok(boxed.is_some_and(|boxed| valid(boxed).is_ok()))
            }
        }
    }
}

impl OpenPgp {
    /// Signs a text in place, so that text and signature are one file.
    ///
    /// # Errors
    ///
    /// If signing fails, or the signature is not valid.
    pub fn clear_sign(&self, text: &[u8], interrupt: &Interrupt) -> Result<Vec<u8>, SignError> {
        let signed = self.run(text, &["--clear-sign"], interrupt)?;
        let valid = self.verified(&signed)?.as_deref() == Some(text);
        if valid { Ok(signed) } else { Err(SignError::Invalid { key: self.key.clone() }) }
    }

    /// Returns the text of a file that is signed in place; `None` if it has no valid signature of this key.
    ///
    /// # Errors
    ///
    /// If `gpg` or its files fail.
    pub fn verified(&self, signed: &[u8]) -> Result<Option<Vec<u8>>, SignError> {
        let dir = tempfile::tempdir_in(&self.scratch).at(&self.scratch)?;
        let [file, text] = ["signed", "text"].map(|name| dir.path().join(name));
        std::fs::write(&file, signed).at(&file)?;
        let mut command = gpg(self.home.as_deref());
        command.arg("--output").arg(&text).args(["--status-fd", "1", "--decrypt"]).arg(&file);
        if self.valid(&mut command)? { Ok(Some(std::fs::read(&text).at(&text)?)) } else { Ok(None) }
    }

    fn run(&self, content: &[u8], what: &[&str], interrupt: &Interrupt) -> Result<Vec<u8>, SignError> {
        let dir = tempfile::tempdir_in(&self.scratch).at(&self.scratch)?;
        let [input, output] = ["content", "signed"].map(|name| dir.path().join(name));
        std::fs::write(&input, content).at(&input)?;
        let mut command = gpg(self.home.as_deref());
        command.args(["--digest-algo", "SHA512", "--local-user", &self.key]).args(what);
        command.arg("--output").args([&output, &input]);
        process::run_lines(&mut command, interrupt, Some(DEADLINE), |_| {}).map_err(SignError::Gpg)?;
        Ok(std::fs::read(&output).at(&output)?)
    }

    fn verifies(&self, content: &[u8], signature: &[u8]) -> Result<bool, SignError> {
        let dir = tempfile::tempdir_in(&self.scratch).at(&self.scratch)?;
        let [file, beside] = ["content", "signature"].map(|name| dir.path().join(name));
        std::fs::write(&file, content).at(&file)?;
        std::fs::write(&beside, signature).at(&beside)?;
        let mut command = gpg(self.home.as_deref());
        self.valid(command.args(["--status-fd", "1", "--verify"]).args([&beside, &file]))
    }

    /// Returns whether `gpg` reports a valid signature of this key: "VALIDSIG" ends with the fingerprint of the primary key
    /// (GnuPG, doc/DETAILS).
    fn valid(&self, command: &mut Command) -> Result<bool, SignError> {
        match process::capture(command) {
            Ok(said) => Ok(said.lines().any(|line| {
                line.starts_with("[GNUPG:] VALIDSIG ") && line.split(' ').next_back() == Some(&self.fingerprint)
            })),
            Err(ProcessError::Failed { .. }) => Ok(false),
            Err(error) => Err(SignError::Gpg(error)),
        }
    }
}

fn gpg(home: Option<&Path>) -> Command {
    let mut command = Command::new("gpg");
    // The status and error texts must not depend on the language of the system.
    command.env("LC_ALL", "C").args(["--batch", "--no-tty", "--yes"]);
    if let Some(home) = home {
        command.arg("--homedir").arg(home);
    }
    command
}

/// Returns the fingerprint of the primary key that `gpg` lists, if it can sign (GnuPG, doc/DETAILS: fields 2, 10 and 12).
fn usable(listed: &str) -> Result<&str, &'static str> {
    let mut records = listed.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let key = records.find(|record| record[0] == "sec").ok_or("there is none")?;
    match key.get(1) {
        Some(&"e") => return Err("it has expired"),
        Some(&"r") => return Err("it is revoked"),
        Some(&("i" | "d" | "n")) => return Err("it is not valid"),
        _ => {}
    }
    // A capital letter is an ability of the whole key, with its subkeys.
    if !key.get(11).is_some_and(|can| can.contains('S')) {
        return Err("it is not made for signing");
    }
    let fingerprint = records.find(|record| record[0] == "fpr").and_then(|record| record.get(9).copied());
    fingerprint.ok_or("its fingerprint is not known")
}

#[cfg(test)]
pub(super) mod tests {
    use minisign::KeyPair;

    use super::*;

    /// Makes an OpenPGP key in a directory of its own, and returns its fingerprint.
    pub(in crate::publish) fn openpgp(dir: &Path) -> String {
        let mut make = gpg(Some(dir));
        make.args(["--passphrase", "", "--quick-generate-key", "Images <images@example.org>", "ed25519", "sign", "1d"]);
        process::capture(&mut make).expect("gpg makes a key");
        let listed = process::capture(gpg(Some(dir)).args(["--with-colons", "--list-secret-keys"])).expect("gpg");
        usable(&listed).expect("a key").to_owned()
    }

    /// Makes a minisign key in a file, with or without a password.
    pub(in crate::publish) fn minisign_key(file: &Path, password: Option<&str>) -> PublicKey {
        let pair = match password {
            Some(password) => KeyPair::generate_encrypted_keypair(Some(password.to_owned())),
            None => KeyPair::generate_unencrypted_keypair(),
        };
        let pair = pair.expect("a key");
        std::fs::write(file, pair.sk.to_box(None).expect("a key").into_string()).expect("a file");
        pair.pk
    }

    /// Ends the agent that `gpg` starts for each directory of keys. It would outlive the directory for a while.
    fn end_agent(home: &Path) {
        let _ = Command::new("gpgconf").arg("--homedir").arg(home).args(["--kill", "all"]).status();
    }

    #[test]
    fn openpgp_signs_and_sees_what_is_not_signed() {
        let dir = tempfile::tempdir().expect("a directory");
        let fingerprint = openpgp(dir.path());
        let home = Some(dir.path().to_owned());
        for key in [fingerprint.as_str(), &fingerprint[24..]] {
            let signer = Signer::openpgp(key, home.clone(), dir.path()).expect("the key is there");
            let signature = signer.sign("SHA256SUMS", b"sums\n", &Interrupt::new()).expect("a signature");
            assert!(signature.starts_with(b"-----BEGIN PGP SIGNATURE-----"));
            assert!(signer.verifies(b"sums\n", &signature).expect("gpg"));
            assert!(!signer.verifies(b"other\n", &signature).expect("gpg"));
            let Signer::OpenPgp(key) = signer else { panic!("{signer:?}") };
            let signed = key.clear_sign(b"{}\n", &Interrupt::new()).expect("it is signed");
            assert!(signed.starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----"));
            let forged = String::from_utf8(signed).expect("text").replace("{}", "[]");
            assert_eq!(key.verified(forged.as_bytes()).expect("gpg"), None);
        }
        for (key, words) in [
            ("0123456789abcdef", "there is none"),
            ("--help", "a key is named by its fingerprint"),
            ("89abcdef", "a key is named by its fingerprint"),
        ] {
            let error = Signer::openpgp(key, home.clone(), dir.path()).expect_err("there is no such key");
            assert!(error.to_string().contains(words), "{error}");
        }
        // A signature by another key is not valid.
        let other = tempfile::tempdir().expect("a directory");
        let stranger =
            Signer::openpgp(&openpgp(other.path()), Some(other.path().to_owned()), dir.path()).expect("a key");
        let signature = stranger.sign("SHA256SUMS", b"sums\n", &Interrupt::new()).expect("a signature");
        let signer = Signer::openpgp(&fingerprint, home, dir.path()).expect("the key is there");
        assert!(!signer.verifies(b"sums\n", &signature).expect("gpg"));
        end_agent(dir.path());
        end_agent(other.path());
    }

    #[test]
    fn minisign_signs_and_sees_what_is_not_signed() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("key");
        for password in [None, Some("not-so-secret")] {
            minisign_key(&file, password);
            let signer = Signer::minisign(&file, password.map(str::to_owned)).expect("the key is there");
            let signature = signer.sign("SHA256SUMS", b"sums\n", &Interrupt::new()).expect("a signature");
            assert!(signer.verifies(b"sums\n", &signature).expect("it is looked at"));
            assert!(!signer.verifies(b"other\n", &signature).expect("it is looked at"));
            assert!(!signer.verifies(b"sums\n", b"nonsense").expect("it is looked at"));
            for wrong in [None, Some("wrong-password")] {
                if wrong != password {
                    let error = Signer::minisign(&file, wrong.map(str::to_owned)).expect_err("it is wrong");
                    assert!(!format!("{error:?} {error}").contains("wrong-password"), "{error:?}");
                }
            }
        }
    }

    #[test]
    fn keys_that_cannot_sign_are_told() {
        let key = |validity: &str, can: &str| {
            format!("sec:{validity}:255:22:ID:1:2::u:::{can}:::+:::23::0:\nfpr:::::::::FINGERPRINT:\n")
        };
        assert_eq!(usable(&key("u", "scSC")), Ok("FINGERPRINT"));
        for (listed, reason) in [
            (key("e", "scSC"), "it has expired"),
            (key("r", "scSC"), "it is revoked"),
            (key("u", "cC"), "it is not made for signing"),
            (String::new(), "there is none"),
        ] {
            assert_eq!(usable(&listed), Err(reason));
        }
    }
}
