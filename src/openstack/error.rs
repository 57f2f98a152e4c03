//! Errors of work with a cloud, and advice for the user.

use std::path::PathBuf;
use std::time::Duration;

use crate::fsx::PathError;
use crate::yaml::Diagnostics;

/// An error of work with a cloud.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// No cloud is configured.
    #[error("no cloud is configured")]
    NoConfig {
        /// Directories that were searched.
        dirs: Vec<PathBuf>,
    },
    /// No cloud has this name.
    #[error("there is no cloud `{name}`")]
    NoCloud {
        /// The name.
        name: String,
        /// Names of the clouds in the files.
        known: Vec<String>,
        /// Files that were read.
        files: Vec<String>,
    },
    /// Several clouds are configured, and none is chosen.
    #[error("several clouds are configured, and none is chosen: {}", known.join(", "))]
    WhichCloud {
        /// Names of the clouds.
        known: Vec<String>,
    },
    /// The configuration of a cloud is not valid.
    #[error("cloud `{cloud}`: {message} (in {})", files.join(", "))]
    Config {
        /// The cloud.
        cloud: String,
        /// Files of its configuration.
        files: Vec<String>,
        /// Description of the error.
        message: String,
        /// Advice for the user.
        help: String,
    },
    /// A configuration file is not valid YAML.
    #[error("a configuration file cannot be read")]
    Yaml(Box<Diagnostics>),
    /// A file cannot be read.
    #[error(transparent)]
    File(#[from] PathError),
    /// A file of certificates or keys contains none.
    #[error("{} cannot be used: {reason}", path.display())]
    Certificates {
        /// The file.
        path: PathBuf,
        /// The cause.
        reason: String,
    },
    /// A proxy cannot be used.
    #[error("the proxy in `{variable}` cannot be used: {reason}")]
    Proxy {
        /// Variable that most programs read the proxy from.
        variable: &'static str,
        /// The cause.
        reason: String,
    },
    /// A service cannot be reached, or its answer was cut off.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// URL of the request.
        url: String,
        /// The cause.
        reason: String,
        /// Whether another try may succeed.
        passing: bool,
    },
    /// A service refuses a request.
    #[error("{method} {url} is refused with {status}: {message}")]
    Refused {
        /// Method of the request.
        method: String,
        /// URL of the request.
        url: String,
        /// Status of the answer.
        status: u16,
        /// Message of the service, made printable.
        message: String,
        /// Id of the request, by which the cloud's operators find it in their logs.
        request_id: Option<String>,
        /// Time to wait before the next try, if the service demands it.
        retry_after: Option<Duration>,
    },
    /// The answer of a service has an unexpected form.
    #[error("the answer of {url} is not understood: {reason}")]
    Strange {
        /// URL of the request.
        url: String,
        /// The cause.
        reason: String,
    },
    /// The catalog does not have the service.
    #[error("the catalog of the cloud has no service `{kind}`{}", region.as_ref().map(|region| format!(" in the region `{region}` with the interface `{interface}`")).unwrap_or_default())]
    NoService {
        /// Type of the service in the catalog: `image`, `key-manager`.
        kind: &'static str,
        /// The wanted region.
        region: Option<String>,
        /// The wanted interface.
        interface: String,
        /// Regions and interfaces of the service.
        known: Vec<String>,
    },
    /// The login is for no project, so Keystone gives no catalog.
    #[error("cloud `{cloud}`: the login is for no project")]
    NoProject {
        /// The cloud.
        cloud: String,
    },
    /// The cloud has several regions, and none is chosen.
    #[error("the cloud has several regions, and none is chosen: {}", known.join(", "))]
    WhichRegion {
        /// Names of the regions.
        known: Vec<String>,
    },
}

impl CloudError {
    /// Returns whether another try may succeed: after a broken connection, or if the service, or one behind it, is too busy or
    /// down (RFC 9110, section 15.6; RFC 6585, section 4).
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Refused { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            Self::Unreachable { passing, .. } => *passing,
            _ => false,
        }
    }

    /// Returns advice for the user.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoConfig { dirs } => {
                let dirs: Vec<_> = dirs.iter().map(|dir| dir.display().to_string()).collect();
                format!("write a clouds.yaml in one of {}, or set OS_AUTH_URL and what belongs to it", dirs.join(", "))
            }
            Self::NoCloud { known, files, .. } if known.is_empty() && files.is_empty() => {
                "no clouds.yaml was found".to_owned()
            }
            Self::NoCloud { known, files, .. } => format!("known are {} (in {})", known.join(", "), files.join(", ")),
            Self::WhichCloud { .. } => "choose one with --os-cloud NAME or OS_CLOUD".to_owned(),
            Self::WhichRegion { .. } => {
                "choose one with --os-region NAME, OS_REGION_NAME, or `region_name` in clouds.yaml".to_owned()
            }
            Self::Config { help, .. } => help.clone(),
            Self::NoProject { .. } => {
                "set `project_name` and its domain below `auth`, or OS_PROJECT_NAME and OS_PROJECT_DOMAIN_NAME"
                    .to_owned()
            }
            Self::NoService { kind, known, .. } if known.is_empty() => {
                let key = kind.replace('-', "_");
                format!("`{key}_endpoint_override` names its address where the catalog does not")
            }
            Self::NoService { known, .. } => format!("it has: {}", known.join(", ")),
            Self::Proxy { .. } => "name an HTTP proxy, or add the host to `no_proxy`".to_owned(),
            Self::Unreachable { passing: true, .. } => {
                "all tries failed: is the service, or a proxy before it, down?".to_owned()
            }
            Self::Unreachable { .. } => "is the address right, and does this host reach it?".to_owned(),
            Self::Refused { status: 401, url, .. } if url.ends_with("/auth/tokens") => {
                "the cloud does not accept this user, password and domain, or this credential".to_owned()
            }
            Self::Refused { status: 400, message, .. } if message.contains("URI for web-download") => {
                "the service fetches only from hosts and ports that its operators allow: ask them, or upload instead"
                    .to_owned()
            }
            Self::Refused { status: 403, message, .. } if message.contains("publicize_image") => {
                "only some users may show images to everybody: choose another visibility, or ask the cloud's operators"
                    .to_owned()
            }
            Self::Refused { status: 403, message, .. } if message.contains("communitize_image") => {
                "this cloud has no community images for this user: choose another visibility, or ask its operators"
                    .to_owned()
            }
            Self::Refused { status: 403, message, .. } if message.contains("' is reserved") => {
                "the cloud protects this property: leave it as it is, or ask its operators for the role".to_owned()
            }
            Self::Refused { status: 413, .. } => {
                "the service or the project's quota does not allow it: free some, or ask the operators".to_owned()
            }
            Self::Refused { status: 403, .. } => {
                "the cloud's policy does not let this user do it: ask its operators".to_owned()
            }
            Self::Refused { status: 429 | 502..=504, .. } => {
                "the service is too busy or away: try again later".to_owned()
            }
            Self::Refused { status: 500..=599, request_id: Some(id), .. } => {
                format!("the cloud's operators find it in their logs by {id}")
            }
            Self::Refused { status: 500..=599, .. } => {
                "something is wrong with the service: ask the cloud's operators".to_owned()
            }
            _ => return None,
        })
    }
}
