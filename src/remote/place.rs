//! The address of a store, as people write it.

use std::path::PathBuf;

use url::Url;

use crate::bucket::Place;

/// Region of stores that have none.
const REGION: &str = "us-east-1";

/// The place of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A bucket of an object store, and the profile with its keys.
    Bucket(Box<Place>, Option<String>),
    /// A repository of a registry.
    Registry {
        /// The registry: `registry.example.org:5000`.
        host: String,
        /// Name of the repository.
        name: String,
        /// Whether http is allowed, where others can read the login.
        insecure: bool,
    },
    /// A directory that several machines mount.
    Directory(PathBuf),
}

/// An address that is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` is no address of a bucket, a registry or a directory: {reason}")]
pub struct PlaceError {
    /// The address, without secrets.
    pub address: String,
    /// The cause.
    pub reason: String,
}

impl Location {
    /// Reads an address: `s3://bucket/prefix?endpoint=https://…&region=…&path-style=false&profile=…`,
    /// `oci://registry/repository?insecure=true`, `file:///directory`, or the path of a directory. `endpoint` and `region` hold for an address that does not name them.
    ///
    /// # Errors
    ///
    /// If it is none of these.
    pub fn parse(text: &str, endpoint: Option<String>, region: Option<String>) -> Result<Self, PlaceError> {
        let wrong = |reason: String| PlaceError { address: crate::address::shown(text), reason };
        if !text.contains("://") {
            return match text {
                "" => Err(wrong("it is empty".to_owned())),
                path => Ok(Self::Directory(path.into())),
            };
        }
        let url = Url::parse(text).map_err(|error| wrong(error.to_string()))?;
        match url.scheme() {
            "file" => {
                let path = url.to_file_path().map_err(|()| wrong("it names another computer".to_owned()))?;
                Ok(Self::Directory(path))
            }
            "s3" => bucket(&url, endpoint, region).map_err(wrong),
            "oci" => registry(&url).map_err(wrong),
            other => Err(wrong(format!("goldsmith knows s3://, oci:// and file://, and not {other}://"))),
        }
    }
}

/// Reads the address of a repository.
fn registry(url: &Url) -> Result<Location, String> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a login does not belong into an address; `podman login` or `skopeo login` writes one".to_owned());
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or("it names no registry")?;
    let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let mut insecure = false;
    for (name, value) in url.query_pairs() {
        match &*name {
            "insecure" => insecure = value.parse().map_err(|_| "`insecure` is true or false")?,
            other => return Err(format!("`{other}` is not insecure")),
        }
    }
    let name = url.path().trim_matches('/');
    // The distribution specification has this form for names.
    let part = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        part.bytes().all(|byte| plain(byte) || matches!(byte, b'.' | b'_' | b'-'))
            && part.bytes().next().is_some_and(plain)
            && part.bytes().last().is_some_and(plain)
    };
    match name {
        "" => Err("it names no repository: write oci://REGISTRY/REPOSITORY".to_owned()),
        name if name.split('/').all(part) => Ok(Location::Registry { host, name: name.to_owned(), insecure }),
        _ => Err("the name of a repository has lower case letters, digits, and . _ - between them".to_owned()),
    }
}

/// Reads the address of a bucket.
fn bucket(url: &Url, mut endpoint: Option<String>, mut region: Option<String>) -> Result<Location, String> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "keys do not belong into an address, but into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned()
        );
    }
    let bucket = url.host_str().filter(|bucket| !bucket.is_empty()).ok_or("it names no bucket")?.to_owned();
    let (mut path_style, mut profile) = (None, None);
    for (name, value) in url.query_pairs() {
        match &*name {
            "endpoint" => endpoint = Some(value.into_owned()),
            "region" => region = Some(value.into_owned()),
            "profile" => profile = Some(value.into_owned()),
            "path-style" => path_style = Some(value.parse().map_err(|_| "`path-style` is true or false")?),
            other => return Err(format!("`{other}` is none of endpoint, region, path-style and profile")),
        }
    }
    let region = region.unwrap_or_else(|| REGION.to_owned());
    // Stores of other makers seldom have host names for buckets.
    let path_style = path_style.unwrap_or(endpoint.is_some());
    let endpoint = endpoint.unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
    let prefix = url.path().trim_matches('/').to_owned();
    let place = Place { endpoint, bucket, prefix, region, path_style, ..Place::default() };
    Ok(Location::Bucket(Box::new(place), profile))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Location, String> {
        Location::parse(text, None, None).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_a_bucket_or_a_directory() {
        assert_eq!(parse("/srv/layers"), Ok(Location::Directory("/srv/layers".into())));
        assert_eq!(parse("file:///srv/a%20b"), Ok(Location::Directory("/srv/a b".into())));
        let registry = |host: &str, insecure| {
            Ok(Location::Registry { host: host.to_owned(), name: "team/layers".to_owned(), insecure })
        };
        assert_eq!(parse("oci://r.example.org:5000/team/layers"), registry("r.example.org:5000", false));
        assert_eq!(parse("oci://[fd00::1]/team/layers/?insecure=true"), registry("[fd00::1]", true));
        let place = Place {
            endpoint: "http://127.0.0.1:9000".to_owned(),
            bucket: "cache".to_owned(),
            prefix: "team/a".to_owned(),
            region: "eu".to_owned(),
            path_style: true,
            ..Place::default()
        };
        let text = "s3://cache/team/a/?endpoint=http://127.0.0.1:9000&region=eu&profile=ci";
        assert_eq!(parse(text), Ok(Location::Bucket(Box::new(place.clone()), Some("ci".to_owned()))));
        let told = Location::parse("s3://cache/team/a", Some(place.endpoint.clone()), Some("eu".to_owned()));
        assert_eq!(told, Ok(Location::Bucket(Box::new(place), None)));
        let Ok(Location::Bucket(place, None)) = parse("s3://cache") else { panic!("a bucket") };
        assert_eq!((place.endpoint.as_str(), place.path_style), ("https://s3.us-east-1.amazonaws.com", false));
    }

    #[test]
    fn what_is_no_address_is_told_without_its_secrets() {
        for (text, words) in [
            ("", "it is empty"),
            ("http://cache.example.org", "not http://"),
            ("s3:///prefix", "names no bucket"),
            ("s3://id:hunter2@cache", "keys do not belong"),
            ("s3://cache?secret=hunter2", "`secret` is none of"),
            ("s3://cache?path-style=maybe", "true or false"),
            ("file://host/srv", "another computer"),
            ("oci://r.example.org", "names no repository"),
            ("oci://me:hunter2@r.example.org/a", "login does not belong"),
            ("oci://r.example.org/A", "lower case"),
            ("oci://r.example.org/a//b", "lower case"),
            ("oci://r.example.org/a?secret=hunter2", "`secret` is not"),
            ("oci://r.example.org/a:tag", "lower case"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
    }
}
