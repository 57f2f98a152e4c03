//! Connects a command to its cloud, which options, the environment or clouds.yaml name.

use clap::Args;
use serde_json::json;

use super::failure::{Failure, FailureKind};
use super::network;
use super::progress::TerminalReporter;
use super::terminal::Terminal;
use crate::event::{Event, Reporter as _};
use crate::openstack::config::{CloudConfig, Places};
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
}

/// Logs in to the cloud that options, the environment or clouds.yaml name.
pub(super) fn connect(args: &CloudOptions) -> Result<Cloud, Failure> {
    let config = CloudConfig::find(&places(args)).map_err(|error| failure(&error))?;
    if let Some(message) = config.warning() {
        let screen = TerminalReporter::plain(Terminal::of_stderr(), Box::new(std::io::stderr()));
        screen.report(&Event::Warning { message });
        screen.finish();
    }
    Cloud::connect(config).map_err(|error| failure(&error))
}

/// Returns whether options or variables name a cloud. A cloud that only a file names may be there for other programs.
pub(super) fn is_named(args: &CloudOptions) -> bool {
    let told = |name: &str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    args.os_cloud.is_some() || told("OS_CLOUD") || told("OS_AUTH_URL")
}

/// Returns the places of cloud configurations: openstacksdk's search path, and the environment.
pub(super) fn places(args: &CloudOptions) -> Places {
    let told = |name: &str| std::env::var_os(name);
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let region = std::env::var("OS_REGION_NAME").ok().filter(|value| !value.is_empty());
    Places {
        cloud: args.os_cloud.clone(),
        region: args.os_region.clone().or(region),
        proxies: network::proxies(),
        ..Places::search(".".into(), &told, variables)
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
