//! The target that the options of `goldsmith publish` describe.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::failing;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::parse::{once, parse_format, parse_param, parse_tag, parse_word};
use crate::export::manifest::Summary;
use crate::image::Format;
use crate::publish::{PublishError, Subject};
use crate::recipe::SecretSource;
use crate::recipe::delivery::{Import, RegionImage};
use crate::recipe::publish::{Certificate, ChecksumKeys, Directory, Glance, Hash, Promote, Sign, Target, Visibility};
use crate::units::parse_duration;

/// Tag of promoted images, if the option names none.
const PROMOTED: &str = "promoted";

/// Directory to publish to if nothing names a target.
const DIRECTORY: &str = "published";

/// A target, where a recipe names none.
#[derive(Debug, Args)]
#[group(id = "target", multiple = true)]
pub(super) struct TargetArgs {
    /// Publish to this directory instead of a cloud [default: published, if nothing names a cloud]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["name", "visibility", "property", "tag", "protected", "hidden", "import", "store", "url", "from", "import_timeout", "sign_key", "certificate"])]
    directory: Option<PathBuf>,
    /// Sign the checksums with this gpg key: a fingerprint, or its last 16 digits
    #[arg(long, value_name = "KEY", requires = "directory")]
    sign_openpgp: Option<String>,
    /// Sign the checksums with this minisign secret key, which has no password
    #[arg(long, value_name = "FILE", requires = "directory")]
    sign_minisign: Option<PathBuf>,
    /// Name of the image in the cloud; %Y%m%d stands for the build date [default: the image's name]
    #[arg(long)]
    name: Option<String>,
    /// Publish the artifact of this format [default: for a cloud the first format that Glance accepts; for a directory all]
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    format: Option<Format>,
    /// Who sees the image: private (default), shared, community, public
    #[arg(long, value_name = "WHO", value_parser = parse_word::<Visibility>)]
    visibility: Option<Visibility>,
    /// Add or replace a property; all behind the first `=` is the value; an empty value removes the property; repeat the option
    /// for several
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_param)]
    property: Vec<(String, String)>,
    /// Tag of the image, as it is: commas do not separate tags; repeat the option for several
    #[arg(long, value_parser = parse_tag)]
    tag: Vec<String>,
    /// Protect the image from being deleted
    #[arg(long)]
    protected: bool,
    /// Hide the image from lists
    #[arg(long)]
    hidden: bool,
    /// Import method: auto (default), upload, glance-direct, web-download (with --url), glance-download (with --from)
    #[arg(long, value_name = "METHOD", value_parser = parse_word::<Import>)]
    import: Option<Import>,
    /// Store for the data, or `all`; repeat the option for several [default: the service's default store]
    #[arg(long, value_name = "NAME")]
    store: Vec<String>,
    /// URL of the file, for web-download
    #[arg(long)]
    url: Option<String>,
    /// Image of another region with the same data, for glance-download
    #[arg(long, value_name = "REGION/ID")]
    from: Option<RegionImage>,
    /// Give up if the import shows no progress for this long; a download by the service shows none until its end [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    import_timeout: Option<Duration>,
    /// Promote the image if it has passed its checks: in a cloud, give it this tag, and take the tag from the image that has it; in a
    /// directory, where every published image becomes the current one, publish no other
    #[arg(long, value_name = "TAG", num_args = 0..=1, require_equals = true, default_missing_value = PROMOTED)]
    promote: Option<String>,
    /// Keep this number of images with this name, and remove older ones
    #[arg(long, value_name = "NUMBER")]
    keep: Option<u32>,
    /// Sign the image with this private key, a PEM file
    #[arg(long, value_name = "FILE", requires = "certificate")]
    sign_key: Option<PathBuf>,
    /// Certificate of the key: a PEM file, or an id in the cloud's key manager
    #[arg(long, value_name = "ID|FILE", requires = "sign_key")]
    certificate: Option<PathBuf>,
}

impl TargetArgs {
    /// Returns the target that the options describe. `cloud` says whether another option or a variable names a cloud.
    pub(super) fn target(&self, cloud: bool) -> Target {
        let glance = self.glance();
        // Both kinds of targets have these.
        let only_glance = Glance { format: None, keep: None, promote: None, ..glance.clone() } != Glance::default();
        match &self.directory {
            Some(path) => self.tree(path.clone()),
            None if cloud || only_glance => Target::Glance(Box::new(glance)),
            None => self.tree(PathBuf::from(DIRECTORY)),
        }
    }

    /// Refuses a property that is given twice.
    pub(super) fn check(&self) -> Result<(), Failure> {
        once("property", &self.property)
    }

    /// Refuses to promote in a directory what has not passed its checks, and a tag, which no directory has.
    pub(super) fn check_promotion(&self, target: &Target, subject: &Subject) -> Result<(), Failure> {
        let Some(tag) = self.promote.as_ref().filter(|_| matches!(target, Target::Directory(_))) else { return Ok(()) };
        if tag != PROMOTED {
            let failure =
                Failure::of(FailureKind::Usage, format!("--promote={tag}: images in a directory have no tags"));
            return Err(failure.hint("`--promote` alone publishes the image if it has passed its checks"));
        }
        let verified = Summary::read(&subject.dir).and_then(|summary| summary.verified);
        match verified.is_some_and(|verified| verified.passed) {
            true => Ok(()),
            false => Err(failing::failure(&PublishError::NotVerified)),
        }
    }

    /// Returns whether no option describes a target.
    pub(super) fn is_empty(&self) -> bool {
        self.directory.is_none() && self.glance() == Glance::default()
    }

    fn tree(&self, path: PathBuf) -> Target {
        let (openpgp, minisign) = (self.sign_openpgp.clone(), self.sign_minisign.clone());
        let sign = ChecksumKeys { openpgp, minisign, password: None };
        let sign = Some(sign).filter(|sign| *sign != ChecksumKeys::default());
        Target::Directory(Directory { path, formats: self.format.iter().copied().collect(), keep: self.keep, sign })
    }

    fn glance(&self) -> Glance {
        let Self {
            name,
            format,
            visibility,
            property,
            tag,
            protected,
            hidden,
            promote,
            keep,
            sign_key,
            certificate,
            ..
        } = self;
        let sign = sign_key.clone().zip(certificate.clone()).map(|(key, certificate)| Sign {
            key: SecretSource::File(key),
            certificate: match certificate.to_str().filter(|text| uuid::Uuid::try_parse(text).is_ok()) {
                Some(id) => Certificate::Id(id.to_owned()),
                None => Certificate::File(certificate),
            },
            hash: Hash::default(),
        });
        Glance {
            name: name.clone(),
            format: *format,
            visibility: visibility.unwrap_or_default(),
            properties: property.iter().cloned().collect(),
            tags: tag.clone(),
            protected: *protected,
            hidden: *hidden,
            import: self.import.unwrap_or_default(),
            stores: self.store.clone(),
            url: self.url.clone(),
            from: self.from.clone(),
            import_timeout: self.import_timeout,
            promote: promote.clone().map(|tag| Promote { tag, ..Promote::default() }),
            keep: *keep,
            sign,
            ..Glance::default()
        }
    }
}
