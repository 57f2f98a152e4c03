//! Names of units: systemd.unit(5).

/// Types of units, as the ends of their names.
pub const TYPES: [&str; 11] =
    ["service", "socket", "target", "device", "mount", "automount", "swap", "timer", "path", "slice", "scope"];

/// Longest name.
const LENGTH: usize = 255;

/// Whether a unit stands for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `ssh.service`.
    Plain,
    /// `getty@tty1.service`.
    Instance,
    /// `getty@.service`.
    Template,
}

/// The name of a unit, in its parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Name<'a> {
    /// What is before an `@` or the type.
    prefix: &'a str,
    /// What is between `@` and the type.
    instance: &'a str,
    /// `service`, `socket` and the like.
    pub(super) of_type: &'a str,
    pub(super) kind: Kind,
}

impl<'a> Name<'a> {
    /// The parts of a name; `None` if it is none.
    pub(super) fn parse(name: &'a str) -> Option<Self> {
        let (stem, of_type) = name.rsplit_once('.')?;
        let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b":-_.\\@".contains(&byte);
        if name.len() > LENGTH || !TYPES.contains(&of_type) || !stem.bytes().all(is_valid) {
            return None;
        }
        let (prefix, instance, kind) = match stem.split_once('@') {
            None => (stem, "", Kind::Plain),
            Some((prefix, "")) => (prefix, "", Kind::Template),
            Some((prefix, instance)) => (prefix, instance, Kind::Instance),
        };
        (!prefix.is_empty()).then_some(Self { prefix, instance, of_type, kind })
    }

    /// The template of an instance.
    pub(super) fn template(&self) -> Option<String> {
        (self.kind == Kind::Instance).then(|| format!("{}@.{}", self.prefix, self.of_type))
    }

    /// An instance of a template.
    pub(super) fn with_instance(&self, instance: &str) -> String {
        format!("{}@{instance}.{}", self.prefix, self.of_type)
    }

    /// Whether a unit of this type may have other names.
    pub(super) fn may_alias(&self) -> bool {
        matches!(self.of_type, "service" | "socket" | "target" | "device" | "timer" | "path")
    }

    /// Whether there may be templates of this type.
    pub(super) fn may_template(&self) -> bool {
        matches!(self.of_type, "service" | "socket" | "target" | "timer" | "path")
    }

    /// Whether a link of this name may lead to a unit of another name.
    pub(super) fn may_lead_to(&self, other: &Name<'_>) -> bool {
        let kinds = self.kind == other.kind || (self.kind == Kind::Instance && other.kind == Kind::Template);
        let instances = other.kind != Kind::Instance || self.instance == other.instance;
        self.may_alias()
            && (self.kind == Kind::Plain || self.may_template())
            && kinds
            && instances
            && self.of_type == other.of_type
    }

    /// The instance of an instance.
    pub(super) fn instance(&self) -> &'a str {
        self.instance
    }
}
