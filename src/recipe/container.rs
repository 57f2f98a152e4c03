//! Names of container images, in the forms that skopeo and podman use.

use std::path::Path;

use crate::digest::Sha256;

/// Registry of names without a host.
const DEFAULT_HOST: &str = "docker.io";

/// Where a container image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A directory with the layout of the OCI Image Format Specification.
    Layout {
        /// The directory.
        dir: String,
        /// Name of the image in it, by the annotation `org.opencontainers.image.ref.name`.
        tag: Option<String>,
    },
    /// A tar archive of `docker save`.
    Archive {
        /// The file.
        file: String,
    },
    /// An image in a registry, by the OCI Distribution Specification.
    Registry {
        /// Name of the host, with its port if there is one.
        host: String,
        /// Name of the repository.
        name: String,
        /// The tag.
        tag: Option<String>,
        /// The digest, which decides if there is a tag too.
        digest: Option<Sha256>,
    },
}

impl Reference {
    /// Reads a name.
    ///
    /// # Errors
    ///
    /// The reason why it is no name of a container image.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.contains(char::is_control) {
            return Err("it has control characters".to_owned());
        }
        if let Some(place) = text.strip_prefix("oci:") {
            let (dir, tag) = match place.rsplit_once(':') {
                Some((dir, tag)) if !tag.contains('/') && !tag.is_empty() => (dir, Some(tag.to_owned())),
                _ => (place.trim_end_matches(':'), None),
            };
            return match dir {
                "" => Err("a directory is missing: `oci:DIRECTORY:TAG`".to_owned()),
                dir => Ok(Self::Layout { dir: dir.to_owned(), tag }),
            };
        }
        if let Some(file) = text.strip_prefix("docker-archive:") {
            return match file {
                "" => Err("a file is missing: `docker-archive:FILE`".to_owned()),
                file => Ok(Self::Archive { file: file.to_owned() }),
            };
        }
        match text.strip_prefix("docker://") {
            Some(name) => registry(name),
            None => Err("it begins with `oci:`, `docker-archive:` or `docker://`".to_owned()),
        }
    }

    /// Returns the name with a relative path below a directory.
    #[must_use]
    pub fn below(self, folder: &Path) -> Self {
        let moved = |path: String| folder.join(path).to_string_lossy().into_owned();
        match self {
            Self::Layout { dir, tag } => Self::Layout { dir: moved(dir), tag },
            Self::Archive { file } => Self::Archive { file: moved(file) },
            registry @ Self::Registry { .. } => registry,
        }
    }
}

impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Layout { dir, tag: None } => write!(f, "oci:{dir}"),
            Self::Layout { dir, tag: Some(tag) } => write!(f, "oci:{dir}:{tag}"),
            Self::Archive { file } => write!(f, "docker-archive:{file}"),
            Self::Registry { host, name, tag, digest } => {
                write!(f, "docker://{host}/{name}")?;
                tag.iter().try_for_each(|tag| write!(f, ":{tag}"))?;
                digest.iter().try_for_each(|digest| write!(f, "@sha256:{digest}"))
            }
        }
    }
}

/// Reads a name of a registry: `HOST/NAME:TAG@sha256:DIGEST`.
fn registry(text: &str) -> Result<Reference, String> {
    let (text, digest) = match text.split_once('@') {
        Some((text, digest)) => {
            let hex = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64).and_then(Sha256::parse);
            (text, Some(hex.ok_or("behind `@` is no digest: `sha256:` and 64 hexadecimal digits")?))
        }
        None => (text, None),
    };
    // A port has no `/` behind it only if there is no name.
    let (text, tag) = match text.rsplit_once(':') {
        Some((text, tag)) if !tag.contains('/') => (text, Some(tag.to_owned())),
        _ => (text, None),
    };
    let (host, name) = match text.split_once('/') {
        Some((host, name)) if host.contains(['.', ':']) || host == "localhost" => (host, name.to_owned()),
        // Docker Hub keeps what has no user of its own in `library`.
        Some(_) => (DEFAULT_HOST, text.to_owned()),
        None => (DEFAULT_HOST, format!("library/{text}")),
    };
    let host = host.to_ascii_lowercase();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-.:[]".contains(c);
    if host.is_empty() || !host.chars().all(plain) || url::Url::parse(&format!("https://{host}/")).is_err() {
        return Err(format!("`{host}` is no name of a host"));
    }
    // OCI Distribution Specification, "Pulling manifests".
    let word = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.ends_with(|c: char| c.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
    };
    if name.len() > 255 || !name.split('/').all(word) {
        return Err(format!(
            "`{name}` is no name of an image in a registry: it has lowercase letters, digits, `.`, `_`, `-` and `/`"
        ));
    }
    if let Some(tag) = &tag {
        let good = tag.len() <= 128
            && tag.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            && tag.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if !good {
            return Err(format!("`{tag}` is no tag"));
        }
    }
    if tag.is_none() && digest.is_none() {
        return Err(format!("it has no tag and no digest: write `docker://{host}/{name}:TAG`"));
    }
    Ok(Reference::Registry { host, name, tag, digest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_skopeo() {
        let digest = Sha256::of(b"x");
        for (text, shown) in [
            ("oci:dir", "oci:dir"),
            ("oci:./a/dir:12", "oci:./a/dir:12"),
            ("oci:/a:b/dir", "oci:/a:b/dir"),
            ("docker-archive:a.tar", "docker-archive:a.tar"),
            ("docker://debian:12", "docker://docker.io/library/debian:12"),
            ("docker://me/debian:12", "docker://docker.io/me/debian:12"),
            ("docker://Quay.io/a/b:v1", "docker://quay.io/a/b:v1"),
            ("docker://localhost:5000/a:v1", "docker://localhost:5000/a:v1"),
            ("docker://[::1]:5000/a:v1", "docker://[::1]:5000/a:v1"),
        ] {
            let found = Reference::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(found.to_string(), shown);
        }
        let both = format!("docker://h.example/a:v1@sha256:{digest}");
        assert_eq!(Reference::parse(&both).map(|found| found.to_string()), Ok(both));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (text, words) in [
            ("debian:12", "it begins with"),
            ("oci:", "directory is missing"),
            ("docker-archive:", "file is missing"),
            ("docker://h.example/a", "no tag and no digest"),
            ("docker://h.example/A:1", "no name of an image"),
            ("docker://h.example/../a:1", "no name of an image"),
            ("docker://h.example/a//b:1", "no name of an image"),
            ("docker://h.example/a:-1", "no tag"),
            ("docker://h.example/a@sha256:12", "no digest"),
            ("docker://h.example/a@md5:d41d8cd98f00b204e9800998ecf8427e", "no digest"),
            ("docker://me:secret@h.example/a:1", "no digest"),
            ("docker://h .example/a:1", "no name of a host"),
        ] {
            let error = Reference::parse(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
