//! Keys of the remote layer cache: one that signs records, and those whose records are taken. They are Ed25519 keys in the files of
//! minisign, so `minisign` can make and check them too.

use std::fmt;
use std::fs;
use std::io::Cursor;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use minisign::{KeyPair, PublicKey, PublicKeyBox, SecretKey, SecretKeyBox, SignatureBox};

use super::refusal::Refusal;
use crate::fsx::{Access, IoContext as _, NewFile, PathError};

/// An error of a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file of the key cannot be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// There is a file with the name of the new key.
    #[error("{} exists, and a key is never overwritten", .0.display())]
    Exists(PathBuf),
    /// Other users can read the secret key.
    #[error("other users can read the secret key {}", .0.display())]
    Open(PathBuf),
    /// The file has no secret key.
    #[error("{} is no secret key without a password: {reason}", file.display())]
    Secret {
        /// The file.
        file: PathBuf,
        /// The cause.
        reason: String,
    },
    /// The text is no public key.
    #[error("`{0}` is no public key")]
    Public(String),
    /// No key could be made.
    #[error("cannot make a key: {0}")]
    Make(String),
}

impl KeyError {
    /// Returns advice, if there is any.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::File(_) | Self::Make(_) => return None,
            Self::Exists(_) => "give another name, or move the old key away".to_owned(),
            Self::Open(file) => format!("`chmod 600 {}`", file.display()),
            Self::Secret { .. } => "`goldsmith cache keygen FILE` makes a key".to_owned(),
            Self::Public(_) => {
                "a public key has 56 characters and begins with RW: `goldsmith cache keygen` prints it".to_owned()
            }
        })
    }
}

/// A key that signs records.
pub struct SigningKey {
    secret: SecretKey,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("public", &self.public()).finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Makes a new key. Only its owner can read the file. The public key goes into a file with `.pub` after the same name.
    ///
    /// # Errors
    ///
    /// If one of the files exists, or cannot be written.
    pub fn generate(file: &Path) -> Result<Self, KeyError> {
        let failed = |error: minisign::PError| KeyError::Make(error.to_string());
        let KeyPair { pk: public, sk: secret } = KeyPair::generate_unencrypted_keypair().map_err(failed)?;
        let boxed = secret.to_box(Some("goldsmith layer cache, secret key")).map_err(failed)?;
        let beside = public_file(file);
        if beside.exists() {
            return Err(KeyError::Exists(beside));
        }
        new_file(file, Access::Private, &boxed.into_string())?;
        new_file(&beside, Access::Umask, &public.to_box().map_err(failed)?.into_string())?;
        Self::read(file)
    }

    /// Reads a key without a password.
    ///
    /// # Errors
    ///
    /// If others can read the file, or it has no such key.
    pub fn read(file: &Path) -> Result<Self, KeyError> {
        if fs::metadata(file).at(file)?.mode() & 0o077 != 0 {
            return Err(KeyError::Open(file.to_owned()));
        }
        let text = fs::read_to_string(file).at(file)?;
        let failed = |error: minisign::PError| KeyError::Secret { file: file.to_owned(), reason: error.to_string() };
        let boxed = SecretKeyBox::from_string(&text).map_err(failed)?;
        let secret = boxed.into_unencrypted_secret_key().map_err(failed)?;
        let public = PublicKey::from_secret_key(&secret).map_err(failed)?;
        Ok(Self { secret, public })
    }

    /// Returns the public key as text.
    pub fn public(&self) -> String {
        self.public.to_base64()
    }

    /// Signs a text.
    pub(super) fn sign(&self, text: &str, comment: &str) -> Result<String, String> {
        let public = Some(&self.public);
        let signed =
            minisign::sign(public, &self.secret, Cursor::new(text), Some(comment), Some("goldsmith layer cache"));
        signed.map(SignatureBox::into_string).map_err(|error| error.to_string())
    }
}

/// Returns the name of the file with the public key of a secret one.
fn public_file(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

fn new_file(path: &Path, access: Access, text: &str) -> Result<(), KeyError> {
    use std::io::Write as _;
    let new = NewFile::create(path, access)?;
    new.file().write_all(text.as_bytes()).at(path)?;
    new.persist_new().map_err(|error| match error.source.kind() {
        std::io::ErrorKind::AlreadyExists => KeyError::Exists(path.to_owned()),
        _ => error.into(),
    })
}

/// The public keys whose records are taken.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys(Vec<PublicKey>);

impl TrustedKeys {
    /// Adds a key: its 56 characters, or the content of its file.
    ///
    /// # Errors
    ///
    /// If the text is no public key.
    pub fn add(&mut self, text: &str) -> Result<(), KeyError> {
        let text = text.trim();
        let key = match text.lines().count() {
            2 => PublicKeyBox::from_string(text).and_then(PublicKeyBox::into_public_key),
            _ => PublicKey::from_base64(text),
        };
        let key = key.map_err(|_| KeyError::Public(crate::text::printable(text.as_bytes())))?;
        self.0.push(key);
        Ok(())
    }

    /// Adds the public key of a key that signs.
    pub fn add_own(&mut self, key: &SigningKey) {
        self.0.push(key.public.clone());
    }

    /// Returns whether no key is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a public key is trusted.
    pub(super) fn has(&self, public: &str) -> bool {
        self.0.iter().any(|key| key.to_base64() == public)
    }

    /// Checks that a trusted key has signed a text.
    pub(super) fn check(&self, text: &str, signature: &str) -> Result<(), Refusal> {
        let Ok(boxed) = SignatureBox::from_string(signature) else { return Err(Refusal::Unsigned) };
        let mut id = [0; 8];
        id.iter_mut().zip(boxed.keynum()).for_each(|(to, from)| *to = *from);
        let mut of_key = self.0.iter().filter(|key| key.keynum() == boxed.keynum()).peekable();
        if of_key.peek().is_none() {
            return Err(Refusal::Untrusted(format!("{:016X}", u64::from_le_bytes(id))));
        }
        let valid = |key: &PublicKey| minisign::verify(key, &boxed, Cursor::new(text), true, false, false).is_ok();
        if of_key.any(valid) { Ok(()) } else { Err(Refusal::Forged) }
    }
}
