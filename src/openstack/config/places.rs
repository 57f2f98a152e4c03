//! The places that a cloud's configuration comes from: options, files and variables.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::fetch::Proxies;

/// Variables that choose a cloud but do not describe one.
const SELECTORS: [&str; 5] =
    ["OS_CLOUD", "OS_REGION_NAME", "OS_CLIENT_CONFIG_FILE", "OS_CLIENT_SECURE_FILE", "OS_CLOUD_NAME"];

/// Prefixes of variables of OpenStack's own tests and logs.
const OF_OTHERS: [&str; 3] = ["OS_TEST", "OS_STD", "OS_LOG"];

/// Sources of a configuration.
#[derive(Clone, Default)]
pub struct Places {
    /// The cloud that the user names.
    pub cloud: Option<String>,
    /// The region that the user names, which has precedence over the configuration.
    pub region: Option<String>,
    /// The only file to read: `OS_CLIENT_CONFIG_FILE`.
    pub file: Option<PathBuf>,
    /// The first file with secrets to try: `OS_CLIENT_SECURE_FILE`.
    pub secure: Option<PathBuf>,
    /// Directories to search, in this order.
    pub dirs: Vec<PathBuf>,
    /// The directory among these that others may control: the current one.
    pub strange: Option<PathBuf>,
    /// Home directory, for `~` at the beginning of a path.
    pub home: Option<PathBuf>,
    /// Variables of the environment that begin with `OS_`.
    pub variables: BTreeMap<String, String>,
    /// Proxies of the environment.
    pub proxies: Proxies,
    /// Directory of tokens of earlier commands, if they are kept: see [`private_dir`](crate::openstack::tokens::private_dir).
    pub tokens: Option<PathBuf>,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The values of variables include passwords.
        let names: Vec<_> = self.variables.keys().collect();
        f.debug_struct("Places")
            .field("cloud", &self.cloud)
            .field("region", &self.region)
            .field("file", &self.file)
            .field("secure", &self.secure)
            .field("dirs", &self.dirs)
            .field("home", &self.home)
            .field("variables", &names)
            .finish_non_exhaustive()
    }
}

impl Places {
    /// Returns openstacksdk's search path, from the environment. `here` is the current directory.
    pub fn search(
        here: PathBuf,
        variable: &dyn Fn(&str) -> Option<OsString>,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let path = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let home = path("HOME");
        let user = home.as_ref().map(|home| home.join(".config"));
        // openstacksdk joins several directories of XDG_CONFIG_DIRS to one path, which never exists.
        let site = path("XDG_CONFIG_DIRS").unwrap_or_else(|| "/etc/xdg".into());
        let site = Some(site).filter(|dirs| !dirs.to_string_lossy().contains(':'));
        let dirs = [path("XDG_CONFIG_HOME"), user, site, Some("/etc".into())];
        let dirs = dirs.into_iter().flatten().map(|dir| dir.join("openstack"));
        Self {
            file: path("OS_CLIENT_CONFIG_FILE"),
            secure: path("OS_CLIENT_SECURE_FILE"),
            dirs: std::iter::once(here.clone()).chain(dirs).collect(),
            strange: Some(here),
            home,
            variables: variables.into_iter().filter(|(name, _)| name.starts_with("OS_")).collect(),
            ..Self::default()
        }
    }

    /// Returns a variable if it is not empty. Scripts set variables to the empty text to unset them.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns the name of the chosen cloud.
    pub(super) fn chosen(&self) -> Option<&str> {
        self.cloud.as_deref().filter(|name| !name.is_empty()).or_else(|| self.variable("OS_CLOUD"))
    }

    /// Returns the name of the cloud that the variables describe.
    pub(super) fn name_of_variables(&self) -> &str {
        self.variable("OS_CLOUD_NAME").unwrap_or("envvars")
    }

    /// Returns the settings in the variables: `OS_PROJECT_NAME` is `project_name`. `None` if they only choose a cloud.
    pub(super) fn described(&self) -> Option<Vec<(String, &str)>> {
        let own = self.variables.iter().filter(|(name, value)| {
            let others = OF_OTHERS.iter().any(|prefix| name.starts_with(prefix));
            name.starts_with("OS_") && !value.is_empty() && !others
        });
        let own: Vec<_> = own.collect();
        own.iter().any(|(name, _)| !SELECTORS.contains(&name.as_str())).then(|| {
            let entries = own.into_iter().filter(|(name, _)| *name != "OS_CLOUD");
            entries.map(|(name, value)| (name["OS_".len()..].to_ascii_lowercase(), value.as_str())).collect()
        })
    }
}
