//! The keys of configuration files: the one table from which reading, variables, the schema and `goldsmith config` are made.

/// A setting that a file or a variable can make.
#[derive(Debug)]
pub(in crate::cli) struct Key {
    /// Name in a file.
    pub(in crate::cli) name: &'static str,
    /// The environment variable, if one can hold the value.
    pub(in crate::cli) variable: Option<&'static str>,
    /// Kind of the value.
    pub(in crate::cli) kind: Kind,
    /// The value if nobody sets it, in words.
    pub(in crate::cli) default: &'static str,
    /// Whether the file of a project may set it: it could be a stranger's, as a recipe.
    pub(in crate::cli) project: bool,
    /// The option that wins, without `--`, and the commands whose option gets the value. The first command checks the value.
    pub(super) option: Option<(&'static str, &'static [&'static str])>,
    /// One sentence.
    pub(in crate::cli) meaning: &'static str,
}

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum Kind {
    /// A path.
    Path,
    /// A list of paths. A variable separates them by `:`.
    Paths,
    /// A text, which the option reads.
    Text,
    /// One of some words, which the option knows.
    Word(&'static [&'static str]),
    /// A whole number, which the option reads.
    Number,
    /// `true` or `false`.
    Flag,
    /// URLs by the name of the distribution.
    Mirrors,
    /// The address of a bucket, or the path of a directory.
    Address,
    /// A list of public keys, or of files with one. A variable separates them by spaces or commas.
    Keys,
}

impl Kind {
    /// Returns what is expected.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Path => "a path",
            Self::Paths => "a list of paths",
            Self::Text | Self::Word(_) => "a text",
            Self::Number => "a whole number",
            Self::Flag => "`true` or `false`",
            Self::Mirrors => "a map",
            Self::Address => "an address",
            Self::Keys => "a list of keys",
        }
    }
}

/// Name of the commands whose option is one of all commands.
pub(super) const EVERY: &str = "";

const RECIPES: &[&str] = &["build", "plan"];
const GUESTS: &[&str] = &["build", "plan", "inspect", "diff"];
const MACHINES: &[&str] = &["build", "plan", "inspect", "diff", "verify", "run"];
const CLOUDS: &[&str] = &["build", "publish", "images"];
const CACHES: &[&str] = &["build", "plan", "validate", "inspect", "verify", "run", "diff", "cache", "doctor"];

/// All keys, in the order in which they are shown.
pub(in crate::cli) const KEYS: &[Key] = &[
    Key {
        name: "cache",
        variable: Some("GOLDSMITH_CACHE"),
        kind: Kind::Path,
        default: "$XDG_CACHE_HOME/goldsmith",
        project: false,
        option: Some(("cache", CACHES)),
        meaning: "Directory of layers, packages and base images.",
    },
    Key {
        name: "output",
        variable: Some("GOLDSMITH_OUTPUT"),
        kind: Kind::Path,
        default: "out",
        project: true,
        option: None,
        meaning: "Directory that gets a directory for the artifacts of each image. `--out` names that of one image.",
    },
    Key {
        name: "accel",
        variable: Some("GOLDSMITH_ACCEL"),
        kind: Kind::Word(&["auto", "kvm", "tcg"]),
        default: "auto",
        project: true,
        option: Some(("accel", MACHINES)),
        meaning: "How the processors of guests and machines run.",
    },
    Key {
        name: "memory",
        variable: Some("GOLDSMITH_MEMORY"),
        kind: Kind::Text,
        default: "1GiB",
        project: true,
        option: Some(("memory", GUESTS)),
        meaning: "Memory of the guest, such as `2GiB`.",
    },
    Key {
        name: "jobs",
        variable: Some("GOLDSMITH_JOBS"),
        kind: Kind::Number,
        default: "as processors and memory allow",
        project: true,
        option: Some(("jobs", &["build"])),
        meaning: "Number of images that are built at the same time.",
    },
    Key {
        name: "timeout",
        variable: Some("GOLDSMITH_TIMEOUT"),
        kind: Kind::Text,
        default: "30min",
        project: true,
        option: Some(("timeout", &["build"])),
        meaning: "How long a program of a step may run, such as `45min`.",
    },
    Key {
        name: "offline",
        variable: Some("GOLDSMITH_OFFLINE"),
        kind: Kind::Flag,
        default: "false",
        project: true,
        option: Some(("offline", RECIPES)),
        meaning: "Use the indexes and files in the cache, and no network. `--refresh` wins.",
    },
    Key {
        name: "network",
        variable: Some("GOLDSMITH_NETWORK"),
        kind: Kind::Word(&["user", "host", "isolated"]),
        default: "user",
        project: false,
        option: Some(("network", &["build"])),
        meaning: "What steps with network access reach.",
    },
    Key {
        name: "on-failure",
        variable: Some("GOLDSMITH_ON_FAILURE"),
        kind: Kind::Word(&["clean", "keep", "shell", "wait"]),
        default: "clean",
        project: false,
        option: Some(("on-failure", &["build"])),
        meaning: "What happens to the guest when a step fails.",
    },
    Key {
        name: "params",
        variable: Some("GOLDSMITH_PARAMS"),
        kind: Kind::Paths,
        default: "none",
        project: true,
        option: None,
        meaning: "Files with values of parameters. They may name parameters that a recipe does not have. `GOLDSMITH_PARAM_NAME`, `--params` and \
                  `--param` win.",
    },
    Key {
        name: "elements",
        variable: Some("GOLDSMITH_ELEMENTS"),
        kind: Kind::Paths,
        default: "none",
        project: true,
        option: None,
        meaning: "Directories of elements. Those of `--elements` are searched before.",
    },
    Key {
        name: "distros",
        variable: Some("GOLDSMITH_DISTROS"),
        kind: Kind::Paths,
        default: "none",
        project: true,
        option: None,
        meaning: "Directories of distributions. Those of `--distros` are searched before.",
    },
    Key {
        name: "mirrors",
        variable: None,
        kind: Kind::Mirrors,
        default: "those of this host's apt, or of the distribution",
        project: true,
        option: None,
        meaning: "Mirrors by the name of the distribution: a URL, or a map with the URLs `main` and `security`. A recipe's own mirror wins.",
    },
    Key {
        name: "cloud",
        variable: Some("OS_CLOUD"),
        kind: Kind::Text,
        default: "the only cloud",
        project: true,
        option: Some(("os-cloud", CLOUDS)),
        meaning: "Name of the cloud in `clouds.yaml`.",
    },
    Key {
        name: "region",
        variable: Some("OS_REGION_NAME"),
        kind: Kind::Text,
        default: "from the cloud's configuration, or the only region",
        project: true,
        option: Some(("os-region", CLOUDS)),
        meaning: "Region of the cloud.",
    },
    Key {
        name: "remote-cache",
        variable: Some("GOLDSMITH_REMOTE_CACHE"),
        kind: Kind::Address,
        default: "none",
        project: true,
        option: None,
        meaning: "Address of the cache that several machines share; in the file of a project, that of a bucket or a registry. `--remote-cache` wins.",
    },
    Key {
        name: "remote-cache-trust",
        variable: Some("GOLDSMITH_REMOTE_CACHE_TRUST"),
        kind: Kind::Keys,
        default: "none",
        project: false,
        option: None,
        meaning: "Public keys, or files with one, whose layers are taken. `--remote-cache-trust` wins.",
    },
    Key {
        name: "remote-cache-key",
        variable: Some("GOLDSMITH_REMOTE_CACHE_KEY"),
        kind: Kind::Path,
        default: "none",
        project: false,
        option: None,
        meaning: "File with the secret key that signs shared layers. `--remote-cache-key` wins.",
    },
    Key {
        name: "remote-cache-write",
        variable: Some("GOLDSMITH_REMOTE_CACHE_WRITE"),
        kind: Kind::Flag,
        default: "false",
        project: false,
        option: None,
        meaning: "Builds share new layers, as with `--remote-cache-write`.",
    },
    Key {
        name: "token-cache",
        variable: Some("GOLDSMITH_TOKEN_CACHE"),
        kind: Kind::Flag,
        default: "true",
        project: false,
        option: None,
        meaning: "Keep tokens of clouds for later commands. `--no-token-cache` wins.",
    },
    Key {
        name: "color",
        variable: Some("GOLDSMITH_COLOR"),
        kind: Kind::Word(&["auto", "always", "never"]),
        default: "auto",
        project: false,
        option: Some(("color", &[EVERY])),
        meaning: "When to use colours.",
    },
];
