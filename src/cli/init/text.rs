//! The texts of new recipes and elements.

use super::base::Start;
use crate::element::library::Library;
use crate::vocabulary::Arch;

/// Elements of an image that clouds boot, in their order. The last one removes what building leaves.
const USUAL: [&str; 10] = [
    "base-system",
    "kernel",
    "dhcp-network",
    "sshd",
    "cloud-init",
    "growpart",
    "bootloader",
    "uefi",
    "serial-console",
    "sysprep",
];

/// Longest description that stands behind the name of an element.
const LONGEST: usize = 90;

/// What a text is about.
#[derive(Debug)]
pub(super) struct About<'a> {
    /// Name of the image, or of the element.
    pub(super) name: &'a str,
    pub(super) start: &'a Start,
    /// Size of the disk in GiB.
    pub(super) gibibytes: u64,
    pub(super) arch: Arch,
    pub(super) library: &'a Library,
}

/// Returns the comment by which editors find a schema.
fn schema(up: &str, kind: &str) -> String {
    format!("# yaml-language-server: $schema={up}.goldsmith/{kind}.schema.json\n")
}

/// Returns a text as YAML, in quotes if it could be read as something else.
fn scalar(text: &str) -> String {
    let words = ["true", "false", "null", "yes", "no", "on", "off"];
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_.-/ ".contains(c))
        && !words.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::json!(text).to_string() }
}

impl About<'_> {
    /// Returns the text of a recipe.
    pub(super) fn recipe(&self) -> String {
        let mut text = schema("", "recipe");
        text.push_str(&format!("name: {}\ndescription: {}\n", scalar(self.name), scalar(&self.described())));
        text.push_str(
            "\n# Values that a build can set: --param greeting=Welcome\nparams:\n  \
             greeting: { type: string, default: Hello, description: First word of the message at login }\n",
        );
        text.push_str(&self.base());
        text.push_str(&self.elements(None));
        text.push_str(
            "\n# More packages, by their names in the distribution.\npackages: []\n\
             \n# The image's own actions, by phase: install, configure, boot, finish and clean.\nsteps:\n  configure:\n    \
             - write: { path: /etc/motd, content: \"{{ greeting }} from {{ name }}\\n\" }\n\
             \n# What must be true of the image. Each build checks it, and much more: `goldsmith verify --list`\nchecks:\n  \
             - path-exists: /etc/motd\n\
             \n# The files that a build makes. `format` may also be raw, vmdk, vhd, vhdx, vdi, ova and others.\noutputs:\n  \
             - { format: qcow2, compression: zstd }\n",
        );
        text.push_str(VERIFY);
        text.push_str(
            "\n# Where `goldsmith publish` puts the image: a directory, an object store or a cloud.\n# publish:\n\
             #   - directory: { path: /srv/images }\n",
        );
        text
    }

    /// Returns the text of an element.
    pub(super) fn element(&self) -> String {
        format!(
            "{}name: {}\ndescription: A message for users who log in\n\
             \n# Values that a recipe can set.\nparams:\n  \
             text: {{ type: string, default: Welcome, description: Text of the message }}\n\
             \n# Elements that come before this one if a recipe lists them. `requires` names those that it must list.\n\
             after: [base-system]\n\
             \n# Packages, by distribution, by family, or for all.\npackages: {{ all: [] }}\n\
             \n# Actions of the phase `configure`. The others are install, boot, finish and clean.\nconfigure:\n  \
             - write: {{ path: /etc/motd, content: \"{{{{ text }}}}\\n\" }}\n\
             \n# What must be true of every image with this element.\nchecks:\n  - path-exists: /etc/motd\n",
            schema("../../", "element"),
            scalar(self.name),
        )
    }

    /// Returns the text of the recipe that tests an element.
    pub(super) fn test(&self) -> String {
        let mut text = schema("../../", "recipe");
        text.push_str(&format!(
            "# `goldsmith test` builds this image, boots it and checks it.\nname: test-{}\n",
            self.name
        ));
        text.push_str(&format!("description: Test of the element {}\n", self.name));
        text.push_str(&self.base());
        text.push_str(&self.elements(Some(self.name)));
        text.push_str(VERIFY);
        text
    }

    fn described(&self) -> String {
        match self.start {
            Start::Packages { title, version, .. } => format!("{title} {version} with a message at login"),
            Start::Image { .. } => "A disk image with a message at login".to_owned(),
        }
    }

    fn base(&self) -> String {
        let layout = if self.arch.has_bios() { "bios+uefi" } else { "uefi" };
        match self.start {
            Start::Packages { distro, release, .. } => format!(
                "\n# The image starts from packages of a mirror. `goldsmith distros` lists distributions and releases.\nbase:\n  \
                 bootstrap: {{ distro: {}, release: {} }}\n\
                 \ndisk: {{ size: {}GiB, layout: {layout} }}\n",
                scalar(distro),
                scalar(release),
                self.gibibytes,
            ),
            Start::Image { source, sha256 } => format!(
                "\n# The image starts from this disk image, which stays as it is.\nbase:\n  image:\n    source: {}\n    sha256: {}\n\
                 \n# At least as large as the disk of the image.\ndisk: {{ size: {}GiB }}\n",
                serde_json::json!(source),
                serde_json::json!(sha256),
                self.gibibytes,
            ),
        }
    }

    /// Returns the list of elements, with one more before the last.
    fn elements(&self, more: Option<&str>) -> String {
        let mut names: Vec<&str> = match self.start {
            Start::Packages { .. } => USUAL.to_vec(),
            // The image has its own kernel, boot loader and services.
            Start::Image { .. } => vec!["sysprep"],
        };
        if let Some(more) = more {
            names.insert(names.len() - 1, more);
        }
        let width = names.iter().map(|name| name.len()).max().unwrap_or(0);
        let mut text =
            "\n# Reusable parts of the image. `goldsmith elements` lists all of them.\nelements:\n".to_owned();
        for name in names {
            let described = self.library.load(name).map(|element| element.description).unwrap_or_default();
            match described.chars().count() {
                1..=LONGEST => text.push_str(&format!("  - {name:width$} # {described}\n")),
                _ => text.push_str(&format!("  - {name}\n")),
            }
        }
        text
    }
}

/// The part of a recipe that has its image verified.
const VERIFY: &str = "\n# Each build checks the disk, and boots the image as a cloud does. Without this key it does neither.\nverify: {}\n";
