//! A target in words of the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::parse::{parse_format, parse_param, parse_word};
use crate::image::Format;
use crate::recipe::SecretSource;
use crate::recipe::delivery::{Elsewhere, Import};
use crate::recipe::publish::{Certificate, ChecksumKeys, Directory, Glance, Hash, Promote, Sign, Target, Visibility};
use crate::units::parse_duration;

/// The directory that needs no server, where nothing else is said.
const DIRECTORY: &str = "published";

/// A target, where a recipe names none.
#[derive(Debug, Args)]
#[group(id = "target", multiple = true)]
pub(super) struct TargetArgs {
    /// Publish to this directory, not to a cloud [default: published, where no cloud is named]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["name", "visibility", "property", "tag", "protected", "hidden", "promote", "import", "store", "url", "from", "patience", "sign_key", "certificate"])]
    directory: Option<PathBuf>,
    /// Sign the checksums with this key of gpg: a fingerprint, or the last 16 digits of it
    #[arg(long, value_name = "KEY", requires = "directory")]
    sign_openpgp: Option<String>,
    /// Sign the checksums with this secret key of minisign, which has no password
    #[arg(long, value_name = "FILE", requires = "directory")]
    sign_minisign: Option<PathBuf>,
    /// Name of the image at the service; %Y%m%d is the date when it was made [default: the image's own]
    #[arg(long)]
    name: Option<String>,
    /// Publish the artifact of this format [default: the first that the service takes; all to a directory]
    #[arg(long, value_name = "FORMAT", value_parser = parse_format)]
    format: Option<Format>,
    /// Who sees it: private (default), shared, community, public
    #[arg(long, value_name = "WHO", value_parser = parse_word::<Visibility>)]
    visibility: Option<Visibility>,
    /// A property beside those that follow from the image, or in place of one, which an empty value leaves out; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_param)]
    property: Vec<(String, String)>,
    /// A tag; may be given several times
    #[arg(long)]
    tag: Vec<String>,
    /// Let nobody delete it
    #[arg(long)]
    protected: bool,
    /// Leave it out of lists
    #[arg(long)]
    hidden: bool,
    /// How its data gets there: auto (default), upload, glance-direct, web-download (with --url), glance-download (with --from)
    #[arg(long, value_name = "METHOD", value_parser = parse_word::<Import>)]
    import: Option<Import>,
    /// A store that its data goes to, or `all`; may be given several times [default: the one the service prefers]
    #[arg(long, value_name = "NAME")]
    store: Vec<String>,
    /// Where the service finds the file, for web-download
    #[arg(long)]
    url: Option<String>,
    /// The image of another region that has the same data, for glance-download
    #[arg(long, value_name = "REGION/ID")]
    from: Option<Elsewhere>,
    /// Give an import up in which nothing changes for this long; a download changes nothing until it is whole [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    patience: Option<Duration>,
    /// Put it in the place of the image that has this tag
    #[arg(long, value_name = "TAG", num_args = 0..=1, require_equals = true, default_missing_value = "promoted")]
    promote: Option<String>,
    /// Remove older images of this name, so that so many stay
    #[arg(long, value_name = "NUMBER")]
    keep: Option<u32>,
    /// Sign it by this private key, a file in PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    sign_key: Option<PathBuf>,
    /// The certificate of the key: a file in PEM, or its id in the cloud's key manager
    #[arg(long, value_name = "ID|FILE", requires = "sign_key")]
    certificate: Option<PathBuf>,
}

impl TargetArgs {
    /// The target that they describe; `cloud` tells whether something else names a cloud.
    pub(super) fn target(&self, cloud: bool) -> Target {
        let glance = self.glance();
        // Both kinds of targets have these.
        let only_glance = Glance { format: None, keep: None, ..glance.clone() } != Glance::default();
        match &self.directory {
            Some(path) => self.tree(path.clone()),
            None if cloud || only_glance => Target::Glance(Box::new(glance)),
            None => self.tree(PathBuf::from(DIRECTORY)),
        }
    }

    /// Whether nothing is said at all.
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
            patience: self.patience,
            promote: promote.clone().map(|tag| Promote { tag, ..Promote::default() }),
            keep: *keep,
            sign,
            ..Glance::default()
        }
    }
}
