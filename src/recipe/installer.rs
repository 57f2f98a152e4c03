//! A base that an operating system's own installer makes, and the answer file that the installer gets.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::verify::NetworkAccess;
use crate::digest::Sha256;
use crate::units::ByteSize;
use crate::vocabulary::{Arch, Firmware};

/// Characters around the name of a secret in an answer whose secrets are not filled in. No answer file may contain them.
pub(super) const MARKS: [char; 2] = ['\u{2}', '\u{3}'];

/// A base that an installer makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InstallerSource {
    /// Name or alias of the distribution that the installer installs. The build fails if the finished disk has another one.
    pub distro: String,
    /// Code name of the release that the installer installs, or its version. The build fails if the finished disk has another one.
    pub release: String,
    /// Kernel of the installer. Goldsmith starts it directly, with `initrd`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<InstallerFile>,
    /// Initial RAM disk of the installer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initrd: Option<InstallerFile>,
    /// Disc of the installer, as an ISO file. Without `kernel` the machine starts from it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iso: Option<InstallerFile>,
    /// Answer file for Debian's installer, relative to the recipe. Goldsmith appends it to `initrd` as `/preseed.cfg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preseed: Option<String>,
    /// Answer file for Anaconda, relative to the recipe: `ks.cfg` on a disk with the label `OEMDRV`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kickstart: Option<String>,
    /// Answer file for Subiquity, relative to the recipe: `user-data` on a disk with the label `cidata`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoinstall: Option<String>,
    /// Arguments of the installer's kernel, besides those that its kind needs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// Firmware of the machine, under which the installed system boots. Default: `bios`, for aarch64 `uefi`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<Firmware>,
    /// Memory of the machine. Installers may choose the size of a swap partition by it.
    #[serde(default = "default_memory")]
    pub memory: ByteSize,
    /// Processors of the machine. Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// What the machine reaches. Default: `user`.
    #[serde(default = "default_network")]
    pub network: NetworkAccess,
    /// Give the installer the proxy of this host's environment for `http:`. Debian's installer and Anaconda use it; Debian's also
    /// writes it into the system.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub proxy: bool,
    /// How long the installation may take. Default: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::units::option_duration")]
    #[schemars(with = "Option<String>")]
    pub deadline: Option<Duration>,
    /// How long the installer may show nothing and leave its processor idle before it counts as stuck. Default: 5min.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "crate::units::option_duration")]
    #[schemars(with = "Option<String>")]
    pub silence: Option<Duration>,
}

/// A file of an installer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct InstallerFile {
    /// An `http://` or `https://` URL, or a path relative to the recipe.
    pub source: String,
    /// SHA-256 of the file in hexadecimal, or the URL or path of a list of checksums. A URL needs it. Without it Goldsmith computes the
    /// digest of a file at each build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// File with the public key that must have signed the list of checksums, as for an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// Allow `http://` for a list of checksums without a signature, and for a login from `.netrc`, as for an image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
}

fn default_memory() -> ByteSize {
    ByteSize::mebibytes(2048)
}

fn default_network() -> NetworkAccess {
    NetworkAccess::User
}

/// Kinds of answer files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerKind {
    /// For Debian's installer.
    Preseed,
    /// For Anaconda.
    Kickstart,
    /// For Subiquity.
    Autoinstall,
}

impl AnswerKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::Preseed, Self::Kickstart, Self::Autoinstall];

    /// Returns the key of recipes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Preseed => "preseed",
            Self::Kickstart => "kickstart",
            Self::Autoinstall => "autoinstall",
        }
    }
}

/// An answer file with the values of its parameters, and with marks in the places of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its kind.
    pub kind: AnswerKind,
    /// Its text. It has no secret.
    pub(super) text: String,
}

impl Answer {
    /// Makes an answer of a text, in which [`Answer::mark`] stands for secrets.
    pub fn new(kind: AnswerKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }

    /// Returns what stands for a secret.
    pub fn mark(secret: &str) -> String {
        format!("{}{secret}{}", MARKS[0], MARKS[1])
    }

    /// Returns the digest of everything but the values of secrets.
    pub fn digest(&self) -> Sha256 {
        Sha256::of(self.text.as_bytes())
    }

    /// Returns the names of its secrets.
    pub fn secrets(&self) -> Vec<&str> {
        let after = self.text.split(MARKS[0]).skip(1);
        after.map(|rest| rest.split(MARKS[1]).next().unwrap_or(rest)).collect()
    }

    /// Returns the text with the values of secrets.
    ///
    /// # Errors
    ///
    /// The name of a secret without a value.
    pub fn filled<'v>(&self, value: impl Fn(&str) -> Option<&'v [u8]>) -> Result<Vec<u8>, String> {
        let mut parts = self.text.split(MARKS[0]);
        let mut filled = parts.next().unwrap_or_default().as_bytes().to_vec();
        for part in parts {
            let (name, rest) = part.split_once(MARKS[1]).unwrap_or((part, ""));
            let value = value(name).ok_or_else(|| name.to_owned())?;
            // Files of secrets mostly end with a line end, which is no part of a password.
            filled.extend_from_slice(value.strip_suffix(b"\n").unwrap_or(value));
            filled.extend_from_slice(rest.as_bytes());
        }
        Ok(filled)
    }
}

/// A base that an installer makes, with its answer file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Installer {
    /// What the recipe says.
    #[serde(flatten)]
    pub source: InstallerSource,
    /// What the installer is told.
    #[serde(skip)]
    pub answer: Answer,
}

impl InstallerSource {
    /// Returns the files of the installer, by their keys.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &InstallerFile)> {
        let files = [("kernel", &self.kernel), ("initrd", &self.initrd), ("iso", &self.iso)];
        files.into_iter().filter_map(|(key, file)| Some((key, file.as_ref()?)))
    }

    /// Returns the answer files that it names.
    pub fn answers(&self) -> impl Iterator<Item = (AnswerKind, &String)> {
        AnswerKind::ALL
            .into_iter()
            .zip([&self.preseed, &self.kickstart, &self.autoinstall])
            .filter_map(|(kind, path)| Some((kind, path.as_ref()?)))
    }

    /// Returns the firmware of the machine.
    pub fn firmware(&self, arch: Arch) -> Firmware {
        self.firmware.unwrap_or(if arch.has_bios() { Firmware::Bios } else { Firmware::Uefi })
    }

    /// Changes every relative path. The function gets the keys of its place.
    pub(super) fn move_paths(&mut self, moved: &mut dyn FnMut(&[&str], &mut String)) {
        for (key, file) in [("kernel", &mut self.kernel), ("initrd", &mut self.initrd), ("iso", &mut self.iso)] {
            let Some(file) = file else { continue };
            moved(&[key, "source"], &mut file.source);
            file.sha256.iter_mut().for_each(|path| moved(&[key, "sha256"], path));
            file.signed_by.iter_mut().for_each(|path| moved(&[key, "signed-by"], path));
        }
        for (key, path) in
            [("preseed", &mut self.preseed), ("kickstart", &mut self.kickstart), ("autoinstall", &mut self.autoinstall)]
        {
            path.iter_mut().for_each(|path| moved(&[key], path));
        }
    }
}
