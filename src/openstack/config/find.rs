//! Choice of the cloud: by options, by variables, or because it is the only one.

use super::CloudConfig;
use super::files::{Files, of_variables};
use super::places::Places;
use crate::openstack::CloudError;

impl CloudConfig {
    /// Finds the chosen cloud, or the only one.
    ///
    /// # Errors
    ///
    /// If there is no such cloud, or a setting is missing.
    pub fn find(places: &Places) -> Result<Self, CloudError> {
        let found = meant(places)?;
        Ok(Self { proxies: places.proxies.clone(), tokens: places.tokens.clone(), ..found })
    }
}

fn meant(places: &Places) -> Result<CloudConfig, CloudError> {
    let described = places.described();
    match (places.chosen(), described) {
        (None, Some(described)) => of_variables(places, described),
        (Some(name), Some(described)) if name == places.name_of_variables() => of_variables(places, described),
        (Some(name), _) => {
            let files = Files::read(places)?;
            files.cloud(name)?.ok_or_else(|| CloudError::NoCloud {
                known: files.names(),
                files: files.read.clone(),
                name: name.to_owned(),
            })
        }
        (None, None) => {
            let files = Files::read(places)?;
            match files.names().as_slice() {
                [only] => files.cloud(only)?.ok_or_else(|| CloudError::NoConfig { dirs: places.dirs.clone() }),
                [] => Err(CloudError::NoConfig { dirs: places.dirs.clone() }),
                names => Err(CloudError::WhichCloud { known: names.to_vec() }),
            }
        }
    }
}
