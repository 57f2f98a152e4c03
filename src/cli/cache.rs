//! The command `goldsmith cache`: lists, shrinks and checks the cache, and the one that several machines share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::{Failure, FailureKind};
use super::options::{CacheOption, RemoteOptions};
use super::output::{columns, print, would_remove};
use super::progress::during;
use super::remote_cache::{self, OfRecipes};
use super::settings::Global;
use super::{hints, signals};
use crate::event::{Event, Reporter as _};
use crate::layer::{Finding, GcPolicy, LayerInfo, LayerKey, LayerState, Store, Subject};
use crate::units::{ByteSize, parse_duration};

/// `goldsmith cache`.
#[derive(Debug, Args)]
pub(super) struct Cache {
    /// What to do
    #[command(subcommand)]
    pub(super) command: CacheVerb,
    /// The cache.
    #[command(flatten)]
    pub(super) directory: CacheOption,
}

/// What to do with the cache.
#[derive(Debug, Subcommand)]
pub(super) enum CacheVerb {
    /// List the layers
    Ls {
        /// List those of the remote cache
        #[arg(long)]
        remote: bool,
        /// The cache that several machines share.
        #[command(flatten)]
        options: RemoteOptions,
    },
    /// Remove old layers, or the least recently used ones until the cache is small enough
    Gc {
        /// Remove layers that no build has used for this long: `7d`, `12h`
        #[arg(long, value_name = "TIME", value_parser = parse_duration)]
        max_age: Option<Duration>,
        /// Remove the least recently used layers until the cache has at most this size
        #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
        max_size: Option<ByteSize>,
        /// Remove everything
        #[arg(long)]
        all: bool,
        /// Only print what would be removed
        #[arg(long)]
        dry_run: bool,
        /// Remove layers of the remote cache, for all machines
        #[arg(long)]
        remote: bool,
        /// The cache that several machines share.
        #[command(flatten)]
        options: RemoteOptions,
    },
    /// Read every layer and compare it with its digest
    Verify {
        /// Remove damaged layers and all layers on top of them
        #[arg(long)]
        repair: bool,
        /// With --repair, only print what would be removed
        #[arg(long, requires = "repair")]
        dry_run: bool,
        /// Read the layers of the remote cache, and change nothing
        #[arg(long, conflicts_with = "repair")]
        remote: bool,
        /// The cache that several machines share.
        #[command(flatten)]
        options: RemoteOptions,
    },
    /// Share layers of this machine with the remote cache
    Push {
        /// Share only layers that were made for this image; repeat the option for several
        #[arg(long, value_name = "NAME")]
        image: Vec<String>,
        /// The cache that several machines share.
        #[command(flatten)]
        options: RemoteOptions,
    },
    /// Fetch all layers of recipes that the remote cache has, and build nothing
    Pull(Box<OfRecipes>),
    /// Show where a build would take each layer from, and why not from the remote cache
    Explain(Box<OfRecipes>),
    /// Make a key that signs layers for the remote cache
    Keygen {
        /// The new file with the secret key; the public key goes into FILE.pub
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Lists, shrinks or checks the store.
pub(super) fn cache(verb: &CacheVerb, global: &Global) -> Result<(), Failure> {
    match verb {
        CacheVerb::Ls { remote: true, options } => return remote_cache::list(options, global),
        CacheVerb::Gc { remote: true, options, .. } => return remote_cache::gc(policy(verb)?, options, global),
        CacheVerb::Verify { remote: true, options, .. } => return remote_cache::verify(options, global),
        CacheVerb::Push { image, options } => return remote_cache::push(image, options, global),
        CacheVerb::Pull(args) => return remote_cache::pull(args, global),
        CacheVerb::Explain(args) => return remote_cache::explain(args, global),
        CacheVerb::Keygen { file } => return remote_cache::keygen(file, global),
        CacheVerb::Ls { .. } | CacheVerb::Gc { .. } | CacheVerb::Verify { .. } => {}
    }
    let mut store = Store::open(&global.cache).map_err(|error| hints::store(&error))?;
    match verb {
        CacheVerb::Ls { .. } => {
            let layers = store.list().map_err(|error| hints::store(&error))?;
            if global.json {
                print(&format!("{}\n", json!(layers)));
            } else {
                let total = layers.iter().map(|layer| layer.bytes).sum();
                print(&table(&layers));
                let all = crate::fsx::allocated_below(store.root()).map_err(|error| hints::file(&error))?;
                let (of_layers, rest) = (ByteSize::bytes(total), ByteSize::bytes(all.saturating_sub(total)));
                let count = layers.len();
                let all = ByteSize::bytes(all);
                print(&format!("{count} layers, {of_layers}; packages, images and others {rest}; {all} in all\n"));
            }
        }
        CacheVerb::Gc { dry_run, .. } => {
            let report = store.gc(policy(verb)?).map_err(|error| hints::store(&error))?;
            if global.json {
                print(&format!("{}\n", json!(report)));
            } else {
                if *dry_run {
                    report.removed.iter().for_each(told);
                    report
                        .images_removed
                        .iter()
                        .for_each(|image| would_remove(&format!("image {image}"), "no layer that stays needs it"));
                } else {
                    print(&table(&report.removed));
                }
                let verb = if *dry_run { "in all" } else { "removed" };
                let freed = ByteSize::bytes(report.freed_bytes);
                print(&format!(
                    "{verb} {} layers, {} partial ones and {} base images ({freed}); {} layers kept\n",
                    report.removed.len(),
                    report.partial_removed,
                    report.images_removed.len(),
                    report.kept,
                ));
            }
        }
        CacheVerb::Verify { repair, dry_run, .. } => {
            let findings = verified(&store, global)?;
            let removed = match (repair, dry_run) {
                (false, _) => Ok(Vec::new()),
                (true, false) => store.repair(&findings),
                (true, true) => store.would_repair(&findings),
            };
            let removed = removed.map_err(|error| hints::store(&error))?;
            if global.json {
                let removed_word = if *dry_run { "would_remove" } else { "removed" };
                print(&format!("{}\n", json!({ "findings": findings, removed_word: removed })));
            } else {
                repaired(&findings, &removed, *repair, *dry_run);
            }
            if !findings.is_empty() && !repair {
                let count = match findings.len() {
                    1 => "an entry of the cache is damaged".to_owned(),
                    count => format!("{count} entries of the cache are damaged"),
                };
                return Err(Failure::of(FailureKind::Host, count)
                    .hint("`goldsmith cache verify --repair` removes them; the next build makes them again"));
            }
        }
        CacheVerb::Push { .. } | CacheVerb::Pull(_) | CacheVerb::Explain(_) | CacheVerb::Keygen { .. } => {}
    }
    Ok(())
}

/// Returns what garbage collection removes.
fn policy(verb: &CacheVerb) -> Result<GcPolicy, Failure> {
    match verb {
        CacheVerb::Gc { max_age, max_size, all, dry_run, .. } if max_age.is_some() || max_size.is_some() || *all => {
            let max_bytes = max_size.map(ByteSize::get);
            Ok(GcPolicy { max_age: *max_age, max_bytes, all: *all, dry_run: *dry_run })
        }
        _ => Err(Failure::of(FailureKind::Usage, "no option says what to remove")
            .hint("give --max-age 14d, --max-size 20GiB or --all")),
    }
}

/// Prints the findings, and the layers and images that were or would be removed.
fn repaired(findings: &[Finding], removed: &[LayerKey], repair: bool, dry_run: bool) {
    for finding in findings {
        print(&format!("{finding}\n"));
    }
    if dry_run {
        for finding in findings {
            if let Subject::Image(name) = &finding.subject {
                would_remove(&format!("image {name}"), "it is damaged");
            }
        }
        for key in removed {
            let damaged = findings.iter().any(|finding| finding.subject == Subject::Layer(*key));
            let reason = if damaged { "it is damaged" } else { "a layer or image below it is missing or damaged" };
            would_remove(&format!("layer {}", key.short()), reason);
        }
    }
    match (findings.is_empty(), repair && !dry_run) {
        (true, _) if removed.is_empty() => print("every layer and image matches its digest\n"),
        (_, true) => {
            print(&format!("removed these and {} layers; the next build makes them again\n", removed.len()));
        }
        _ => {}
    }
}

/// Checks the store against its digests, and shows the progress on a terminal.
fn verified(store: &Store, global: &Global) -> Result<Vec<Finding>, Failure> {
    let interrupt = signals::interrupt()?;
    let activity = "read the cache";
    let findings = during(global.terminal, activity, |screen| {
        store.verify(&interrupt, &mut |done, total| {
            screen.report(&Event::Progress { activity: activity.to_owned(), done, total: Some(total) });
        })
    });
    findings.map_err(|error| hints::store(&error))
}

/// Prints a layer that a dry run would remove.
fn told(layer: &LayerInfo) {
    let what = layer.meta.as_ref().map_or_else(
        || "it is not complete".to_owned(),
        |meta| format!("`{}` of {}, last used {}", meta.step, meta.image_name, used(layer)),
    );
    would_remove(&format!("layer {}", layer.key.short()), &what);
}

/// Returns when a layer was last used.
fn used(layer: &LayerInfo) -> String {
    jiff::Timestamp::try_from(layer.last_used)
        .map_or_else(|_| "at an unknown time".to_owned(), |time| time.strftime("%F %T").to_string())
}

fn table(layers: &[LayerInfo]) -> String {
    if layers.is_empty() {
        return String::new();
    }
    let mut rows = vec![["LAYER", "IMAGE", "STEP", "SIZE", "LAST USED", ""].map(str::to_owned).to_vec()];
    rows.extend(layers.iter().map(|layer| {
        let (image, step) =
            layer.meta.as_ref().map_or(("-", "-"), |meta| (meta.image_name.as_str(), meta.step.as_str()));
        let state = if layer.state == LayerState::Complete {
            String::new()
        } else {
            format!("{:?}", layer.state).to_lowercase()
        };
        let used = jiff::Timestamp::try_from(layer.last_used)
            .map_or_else(|_| "-".to_owned(), |time| time.strftime("%F %T").to_string());
        vec![
            layer.key.short(),
            image.to_owned(),
            step.to_owned(),
            ByteSize::bytes(layer.bytes).to_string(),
            used,
            state,
        ]
    }));
    columns(&rows)
}
