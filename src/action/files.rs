//! Actions that change files of the image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::mode::Mode;
use super::texts::{Texts, is_false};
use crate::syntax::{anything, directory_path, file_path, one_line, owner, pattern};

/// A file from text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Absolute path in the image. Goldsmith makes missing parent directories with mode 0755.
    pub path: String,
    /// The whole content of the file.
    pub content: String,
    /// Permissions. Default: 0644.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// `user` or `user:group`, names or numbers. Default: `root:root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl Write {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[("path", file_path), ("owner", owner), ("content", anything), ("mode", anything)];
}

/// A file or a directory, with everything in it, brought into the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Copy {
    /// File or directory, relative to the recipe or element.
    pub source: String,
    /// Absolute path in the image. If `source` is a directory, its content is merged into this directory.
    pub path: String,
    /// Permissions of every copied file. As with `chmod`, they also change its access control list. Default: those of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// `user` or `user:group` of everything that is copied: files, directories and links. Default: `root:root`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl Copy {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts =
        &[("path", directory_path), ("owner", owner), ("source", anything), ("mode", anything)];
}

/// An archive unpacked into the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Extract {
    /// Tar file, as it is or compressed with gzip, xz or zstd.
    pub source: String,
    /// Absolute path of the directory to unpack into. It is made if it is missing.
    pub path: String,
}

impl Extract {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[("path", directory_path), ("source", anything)];
}

/// Changes of a text file, applied in the order: `delete`, `replace`, `ensure-line`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Edit {
    /// Absolute path or glob. With a glob, the action edits all matching files.
    pub path: String,
    /// Regular expressions. The action removes every line that matches one of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delete: Vec<String>,
    /// Replacements of all matches within lines.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replace: Vec<Replace>,
    /// Line to append if the file does not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ensure_line: Option<String>,
    /// Ignore a path that does not exist. Otherwise it is an error.
    #[serde(skip_serializing_if = "is_false")]
    pub if_present: bool,
}

impl Edit {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[
        ("path", file_path),
        ("delete.*", pattern),
        ("replace.*.pattern", pattern),
        ("replace.*.with", one_line),
        ("ensure-line", one_line),
    ];
}

/// One replacement by regular expression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Replace {
    /// Regular expression for each line.
    pub pattern: String,
    /// Replacement. `$1` and `${1}` are the first group, `$$` is a dollar sign. A group that the pattern lacks is an error.
    pub with: String,
}

/// Permissions and owners of files and directories that are there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Permissions {
    /// Absolute path or glob. With a glob, the action changes all matching files and directories, but nothing in these
    /// directories.
    pub path: String,
    /// Permissions. Default: those that are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// `user` or `user:group`, names or numbers. As with `chown`, a new owner takes set-user-ID and set-group-ID from a program
    /// unless `mode` gives them. Default: those that are there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Ignore a path that does not exist. Otherwise it is an error.
    #[serde(skip_serializing_if = "is_false")]
    pub if_present: bool,
}

impl Permissions {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[("path", file_path), ("owner", owner), ("mode", anything)];
}

/// A directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mkdir {
    /// Absolute path.
    pub path: String,
    /// Permissions. Default: 0755; an existing directory keeps its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// `user` or `user:group`. Default: `root:root`; an existing directory keeps its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl Mkdir {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[("path", file_path), ("owner", owner), ("mode", anything)];
}

/// A symbolic link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Symlink {
    /// Absolute path of the link.
    pub path: String,
    /// Path that the link points to, absolute or relative to the link.
    pub target: String,
}

impl Symlink {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[("path", file_path), ("target", one_line)];
}

/// A rename.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Move {
    /// Absolute path of the existing file or directory.
    pub from: String,
    /// New absolute path.
    pub to: String,
}

impl Move {
    /// Rules for its texts.
    pub(super) const TEXTS: Texts = &[("from", file_path), ("to", file_path)];
}
