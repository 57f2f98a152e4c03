//! Connects a command to its cloud, which options, the environment or clouds.yaml name.

use std::path::PathBuf;
use std::sync::Once;

use clap::Args;
use serde_json::json;

use super::failure::{Failure, FailureKind};
use super::network;
use super::progress::TerminalReporter;
use super::settings::{Global, user_cache};
use crate::event::{Event, Reporter as _};
use crate::openstack::config::{CloudConfig, Places};
use crate::openstack::tokens::{TokenCacheError, private_dir};
use crate::openstack::{Cloud, CloudError};

/// Which cloud. `clouds.yaml` or the variables `OS_*` supply what the options leave out.
#[derive(Debug, Default, Args)]
pub(super) struct CloudOptions {
    /// Name of the cloud in clouds.yaml [default: $OS_CLOUD, or the only cloud]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) os_cloud: Option<String>,
    /// Region of the cloud [default: from the cloud's configuration, or the only region]
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) os_region: Option<String>,
    /// Log in anew, and keep no token for later commands
    #[arg(long, global = true)]
    pub(super) no_token_cache: bool,
}

/// Logs in to the cloud that options, the environment or clouds.yaml name.
pub(super) fn connect(args: &CloudOptions, global: &Global) -> Result<Cloud, Failure> {
    let config = CloudConfig::find(&places(args, global)).map_err(|error| failure(&error))?;
    if let Some(message) = config.warning() {
        warn(message, global);
    }
    Cloud::connect(config).map_err(|error| failure(&error))
}

/// Returns whether options or variables name a cloud. A cloud that only a file names may be there for other programs.
pub(super) fn is_named(args: &CloudOptions) -> bool {
    let told = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    args.os_cloud.is_some() || told("OS_CLOUD") || told("OS_AUTH_URL")
}

/// Returns the places of cloud configurations: openstacksdk's search path, and the environment.
pub(super) fn places(args: &CloudOptions, global: &Global) -> Places {
    let told = |name: &str| std::env::var_os(name);
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let region = std::env::var("OS_REGION_NAME").ok().filter(|value| !value.is_empty());
    Places {
        cloud: args.os_cloud.clone(),
        region: args.os_region.clone().or(region),
        proxies: network::proxies(),
        tokens: tokens(args, global),
        ..Places::search(".".into(), &told, variables)
    }
}

fn warn(message: String, global: &Global) {
    let screen = TerminalReporter::plain(global.terminal, Box::new(std::io::stderr()));
    screen.report(&Event::Warning { message });
    screen.finish();
}

/// Returns the directory of tokens, unless the user wants none. It is in the cache of the user and not in that of Goldsmith, which
/// `--cache` puts anywhere, and which CI systems store and share.
fn tokens(args: &CloudOptions, global: &Global) -> Option<PathBuf> {
    let off = global.settings.get("token-cache").is_some_and(|entry| entry.value == json!(false));
    if args.no_token_cache || off {
        return None;
    }
    let dir = user_cache()?.join("goldsmith-tokens");
    match private_dir(&dir) {
        Ok(()) => Some(dir),
        Err(error) => {
            let help = match &error {
                TokenCacheError::Exposed(path) => {
                    format!("remove {}, or switch it off: `--no-token-cache`", path.display())
                }
                TokenCacheError::File(_) => "`--no-token-cache` switches it off".to_owned(),
            };
            // A command may have several images, each with its own connection.
            static TOLD: Once = Once::new();
            let told = format!("no token is kept, so that every command logs in anew: {error}; {help}");
            TOLD.call_once(|| warn(told, global));
            None
        }
    }
}

/// Converts errors of a cloud, or of its configuration.
pub(super) fn failure(error: &CloudError) -> Failure {
    let kind = match error {
        CloudError::NoConfig { .. }
        | CloudError::NoCloud { .. }
        | CloudError::WhichCloud { .. }
        | CloudError::WhichRegion { .. }
        | CloudError::Config { .. }
        | CloudError::NoProject { .. }
        | CloudError::Proxy { .. }
        | CloudError::Certificates { .. }
        | CloudError::File(_) => FailureKind::Usage,
        CloudError::Yaml(found) => {
            let details = json!(found.records());
            return Failure::rendered(FailureKind::Usage, &error.to_string(), found.render(false), details);
        }
        _ => FailureKind::Publish,
    };
    let failure = Failure::new(kind, error);
    match error.help() {
        Some(help) => failure.hint(help),
        None => failure,
    }
}
