//! The catalog of a cloud: its services and their addresses.

use serde::{Deserialize, Serialize};

use super::CloudError;
use super::config::CloudConfig;

/// The address of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Endpoint {
    /// Interface, which is the kind of network: `public`, `internal`, `admin`.
    interface: String,
    /// Region of the service.
    #[serde(default)]
    region: Option<String>,
    /// URL.
    url: String,
}

/// A service of the catalog.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Service {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

/// Returns the address of a service of this type.
pub(super) fn endpoint(catalog: &[Service], config: &CloudConfig, kind: &'static str) -> Result<String, CloudError> {
    let endpoints = || catalog.iter().filter(|service| service.kind == kind).flat_map(|service| &service.endpoints);
    let fitting: Vec<_> = endpoints()
        .filter(|endpoint| endpoint.interface == config.interface)
        .filter(|endpoint| config.region.is_none() || endpoint.region == config.region)
        .collect();
    match fitting.as_slice() {
        [only] => Ok(only.url.clone()),
        [] => Err(CloudError::NoService {
            kind,
            region: config.region.clone(),
            interface: config.interface.clone(),
            known: endpoints()
                .map(|endpoint| {
                    format!("{} ({})", endpoint.region.as_deref().unwrap_or("no region"), endpoint.interface)
                })
                .collect(),
        }),
        several if config.region.is_some() => Ok(several[0].url.clone()),
        several => Err(CloudError::WhichRegion {
            known: several.iter().filter_map(|endpoint| endpoint.region.clone()).collect(),
        }),
    }
}

/// Returns an address without the version that it has in some catalogs.
pub(super) fn base(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    match url.rsplit_once('/') {
        Some((base, version)) if (version == "v1" || version.starts_with("v2")) && !base.ends_with('/') => base,
        _ => url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_no_part_of_an_address() {
        for (url, expected) in [
            ("http://h:9292", "http://h:9292"),
            ("http://h:9292/", "http://h:9292"),
            ("http://h/image/v2", "http://h/image"),
            ("http://h:9311/v1", "http://h:9311"),
            ("http://h/image/v2.1/", "http://h/image"),
            ("http://v2", "http://v2"),
        ] {
            assert_eq!(base(url), expected);
        }
    }
}
