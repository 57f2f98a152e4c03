//! The format of `element.yaml`: the types that its YAML is decoded to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::action::Action;
use crate::vocabulary::Phase;

/// An element: a reusable part of an image, as data.
///
/// Its templates see its parameters and the built-ins `name`, `arch`, `distro`, `release`,
/// `version`, `family`, `firmware` (a list of `bios`, `uefi`) and `os` (see `goldsmith schema distro`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ElementFile {
    /// Name of the element and of its directory.
    pub name: String,
    /// One sentence that says what the element adds to the image.
    pub description: String,
    /// Parameters that a recipe can set.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub params: BTreeMap<String, Param>,
    /// Elements that the recipe must list too. They run before this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// Elements that run before this one if the recipe lists them. `"*"` means all that need not run after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<String>,
    /// Elements that a recipe cannot list together with this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<String>,
    /// Packages by `<distro>-<release>`, `<distro>` or family. Goldsmith installs those of the most specific entry and those
    /// of `all`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub packages: BTreeMap<String, Vec<String>>,
    /// The actions of the element.
    #[serde(default, skip_serializing_if = "Steps::is_empty")]
    pub steps: Steps,
    /// Checks of images with this element.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::element::schema::checks")]
    pub checks: Vec<Check>,
}

/// The actions of an element or of a recipe, by phase.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Steps {
    /// Actions that run after all packages are installed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::element::schema::actions")]
    pub install: Vec<Action>,
    /// Actions that configure the system.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::element::schema::actions")]
    pub configure: Vec<Action>,
    /// Actions that decide how the image boots.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::element::schema::actions")]
    pub boot: Vec<Action>,
    /// Actions that run after the `boot` actions of all elements. Elements write the boot loader's configuration and the initramfs
    /// here, once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::element::schema::actions")]
    pub finish: Vec<Action>,
    /// Actions that remove what must not be in an image.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::element::schema::actions")]
    pub clean: Vec<Action>,
}

impl Steps {
    /// Keys of the phases, in the order in which they run.
    pub const PHASES: [&str; 5] = ["install", "configure", "boot", "finish", "clean"];

    /// Returns whether no phase has an action.
    pub fn is_empty(&self) -> bool {
        let Self { install, configure, boot, finish, clean } = self;
        [install, configure, boot, finish, clean].into_iter().all(Vec::is_empty)
    }

    /// Returns the actions of each phase, in the order in which the phases run.
    pub(crate) fn phases(self) -> [(Phase, Vec<Action>); 5] {
        let Self { install, configure, boot, finish, clean } = self;
        [
            (Phase::Install, install),
            (Phase::Configure, configure),
            (Phase::Boot, boot),
            (Phase::Finish, finish),
            (Phase::Clean, clean),
        ]
    }
}

/// A parameter of a recipe or element.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Param {
    /// Type of the value.
    #[serde(rename = "type")]
    pub kind: ParamType,
    /// Default value. A parameter without it must be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<serde_json::Value>,
    /// List of the allowed values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choices: Option<Vec<serde_json::Value>>,
    /// One sentence that describes the parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// Type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ParamType {
    /// Text.
    String,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// A list of texts.
    List,
}

/// An assertion about the image, read from its disk or from the image when it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    /// The kernel command line has this argument.
    KernelArg(String),
    /// This path exists.
    PathExists(String),
    /// This path does not exist.
    PathAbsent(String),
    /// This file exists and is empty.
    FileEmpty(String),
    /// A file has a line that matches a regular expression.
    FileMatches(FileMatches),
    /// No file that a glob finds has a line that matches a regular expression.
    FileLacks(FileMatches),
    /// A unit starts at boot.
    ServiceEnabled(String),
    /// A unit does not start at boot, or does not exist.
    ServiceOff(String),
    /// A package is installed.
    PackageInstalled(String),
    /// Something must be true while the image runs.
    Booted(Booted),
}

/// Returns the ids of checks, `<element>/<number>`: the checks of each element are counted from 1.
pub fn check_ids(checks: &[(String, Check)]) -> Vec<String> {
    let mut numbers = BTreeMap::<&str, usize>::new();
    let ids = checks.iter().map(|(element, _)| {
        let number = numbers.entry(element).or_default();
        *number += 1;
        format!("{element}/{number}")
    });
    ids.collect()
}

/// A pattern in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileMatches {
    /// Absolute path or glob.
    pub path: String,
    /// Regular expression for one line.
    pub pattern: String,
}

/// An assertion about the running image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Booted {
    /// The serial console shows text that matches this regular expression.
    Serial(String),
    /// This command, run as root in the instance, succeeds.
    Command(String),
    /// Something listens on this TCP port.
    Port(u16),
}

/// Returns the schema of a list of actions. Each may have a `when` condition, which is removed before the action is read.
pub(crate) fn actions(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    conditional_list(generator.subschema_for::<Action>())
}

/// Returns the schema of a list of checks, conditional like [`actions`].
pub(crate) fn checks(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    conditional_list(generator.subschema_for::<Check>())
}

fn conditional_list(entry: schemars::Schema) -> schemars::Schema {
    schemars::json_schema!({ "type": "array", "items": entry })
}
