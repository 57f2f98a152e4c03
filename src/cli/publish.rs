//! `goldsmith publish`.

mod failing;
mod keys;

use std::io::Stdout;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::args::{Source, parse_param};
use super::convert::{parse_format, parse_word};
use super::failure::{Failure, FailureKind};
use super::images::{self, CloudArgs};
use super::jsonl::JsonReporter;
use super::progress::TerminalReporter;
use super::settings::Global;
use super::{hints, print, signals};
use crate::event::Reporter;
use crate::export::manifest::Summary;
use crate::image::Format;
use crate::interrupt::Interrupt;
use crate::publish::{self, Context, SourceError, Subject, Verb};
use crate::recipe::delivery::{Elsewhere, Import};
use crate::recipe::publish::{Certificate, ChecksumKeys, Directory, Glance, Hash, Promote, Sign, Target, Visibility};
use crate::recipe::{self, Layout, SecretSource, System};
use crate::units::parse_duration;
use keys::Environment;

/// `goldsmith publish`.
#[derive(Debug, Args)]
pub(super) struct Publish {
    /// A recipe whose image was built, or a directory that a build has written its artifacts to
    #[arg(value_name = "RECIPE|DIR")]
    image: PathBuf,
    /// Set a parameter of the recipe; may be given several times
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = parse_param)]
    params: Vec<(String, String)>,
    /// Look for elements of the recipe here first; may be given several times
    #[arg(long, value_name = "DIR")]
    elements: Vec<PathBuf>,
    /// Directory of the recipe's artifacts [default: out/<image name>]
    #[arg(short, long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Promote the image before the present one again, and publish nothing
    #[arg(long, conflicts_with = "cleanup")]
    rollback: bool,
    /// Remove what interrupted runs have left, and publish nothing
    #[arg(long)]
    cleanup: bool,
    /// What was touched since then is no leftover
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = parse_duration, requires = "cleanup")]
    older_than: Duration,
    /// The target, where a recipe names none.
    #[command(flatten)]
    target: TargetArgs,
    /// The cloud.
    #[command(flatten)]
    cloud: CloudArgs,
}

/// A target, where a recipe names none.
#[derive(Debug, Args)]
#[group(id = "target", multiple = true)]
struct TargetArgs {
    /// Publish to this directory, not to a cloud
    #[arg(long, value_name = "PATH", conflicts_with_all = ["name", "visibility", "property", "tag", "protected", "hidden", "promote"])]
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
    /// The target that they describe.
    fn target(&self) -> Target {
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
        if let Some(path) = &self.directory {
            let (openpgp, minisign) = (self.sign_openpgp.clone(), self.sign_minisign.clone());
            let sign = ChecksumKeys { openpgp, minisign, password: None };
            let sign = Some(sign).filter(|sign| *sign != ChecksumKeys::default());
            let formats = format.iter().copied().collect();
            return Target::Directory(Directory { path: path.clone(), formats, keep: *keep, sign });
        }
        let sign = sign_key.clone().zip(certificate.clone()).map(|(key, certificate)| Sign {
            key: SecretSource::File(key),
            certificate: match certificate.to_str().filter(|text| uuid::Uuid::try_parse(text).is_ok()) {
                Some(id) => Certificate::Id(id.to_owned()),
                None => Certificate::File(certificate),
            },
            hash: Hash::default(),
        });
        Target::Glance(Glance {
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
        })
    }
}

/// Publishes an image that was built earlier, or looks after what was published.
pub(super) fn publish(args: &Publish, global: &Global) -> Result<(), Failure> {
    let verb = match (args.rollback, args.cleanup) {
        (true, _) => Verb::RollBack,
        (_, true) => Verb::CleanUp(args.older_than),
        _ => Verb::Publish,
    };
    let (subject, mut targets) = args.subject(global)?;
    let said = args.target.target();
    if targets.is_empty() {
        let faults = said.faults(Some(&subject.outputs));
        if let Some(fault) = faults.into_iter().next() {
            return Err(Failure::of(FailureKind::Usage, fault.message).hint(fault.help));
        }
        targets.push(said);
    } else if said != Target::Glance(Glance::default()) {
        let failure = Failure::of(FailureKind::Usage, "the recipe says where and how its image is published");
        return Err(failure.hint("leave out the options about the target, or name the directory of the artifacts"));
    }
    let interrupt = Interrupt::new();
    signals::watch(interrupt.clone()).map_err(|error| Failure::new(FailureKind::Host, &error))?;
    let lines = global.json.then(|| Arc::new(JsonReporter::new(std::io::stdout())));
    at_targets(verb, &subject, &targets, &args.cloud, lines, interrupt, global)
}

impl Publish {
    /// The image, and the targets that its recipe names.
    fn subject(&self, global: &Global) -> Result<(Subject, Vec<Target>), Failure> {
        if self.image.is_dir() {
            let dir = self.image.clone();
            let none = || failing::source(&SourceError::NoManifest { dir: dir.clone() });
            let summary = Summary::read(&dir).ok_or_else(none)?;
            let outputs = summary.artifacts.into_iter().map(|artifact| artifact.output).collect();
            return Ok((Subject { name: summary.name, outputs, dir }, Vec::new()));
        }
        let source =
            Source { recipe: self.image.clone(), params: self.params.clone(), elements: self.elements.clone() };
        let options = source.load_options()?;
        let load = |system| recipe::load(&self.image, &options, system).map_err(|found| hints::recipe(&found, global));
        let mut loaded = load(None)?;
        let name = loaded.recipe.name.clone();
        let dir = self.out.clone().unwrap_or_else(|| Path::new("out").join(&name));
        if loaded.composition.is_none() {
            // What is on a base image is known since it was built.
            let none = || failing::source(&SourceError::NoManifest { dir: dir.clone() });
            let distro = Summary::read(&dir).ok_or_else(none)?.distro;
            loaded = load(Some(&System { distro, firmware: Layout::BiosUefi.firmware() }))?;
        }
        let targets = loaded.composition.map(|composition| composition.publish).unwrap_or_default();
        let targets = targets.into_iter().map(|target| target.below(&loaded.recipe.dir)).collect();
        Ok((Subject { name, outputs: loaded.recipe.outputs, dir }, targets))
    }
}

/// Does something at all targets and tells what came of it.
pub(super) fn at_targets(
    verb: Verb,
    subject: &Subject,
    targets: &[Target],
    cloud: &CloudArgs,
    lines: Option<Arc<JsonReporter<Stdout>>>,
    interrupt: Interrupt,
    global: &Global,
) -> Result<(), Failure> {
    let screen = Arc::new(TerminalReporter::on_stderr(global.terminal));
    let reporter: Arc<dyn Reporter> = match &lines {
        Some(lines) => Arc::clone(lines) as _,
        None => Arc::clone(&screen) as _,
    };
    let context = Context { subject, places: images::places(cloud), keys: &Environment, reporter, interrupt };
    let outcomes = publish::run(verb, targets, &context);
    screen.finish();
    let mut failures = Vec::new();
    for outcome in outcomes {
        let of = if targets.len() > 1 { format!("{}: ", outcome.target) } else { String::new() };
        match (outcome.result, &lines) {
            (Ok(deeds), Some(lines)) => {
                lines.line(&json!({ "event": "published", "target": outcome.target, "deeds": deeds }));
            }
            (Ok(deeds), None) if deeds.is_empty() => print(&format!("{of}there was nothing to do\n")),
            (Ok(deeds), None) => print(&deeds.iter().map(|deed| format!("{of}{deed}\n")).collect::<String>()),
            (Err(error), lines) => {
                let failure = failing::failure(&error);
                if let Some(lines) = lines {
                    let told = json!({ "event": "not-published", "target": outcome.target, "error": failure.message });
                    lines.line(&told);
                }
                failures.push((outcome.target, failure));
            }
        }
    }
    failing::all(failures, targets.len())
}
