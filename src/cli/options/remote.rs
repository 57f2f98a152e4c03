//! Options of the remote cache, and the settings that stand for them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;

use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::cli::network;
use crate::cli::progress::TerminalReporter;
use crate::cli::publish::Environment;
use crate::cli::settings::Global;
use crate::engines::Remote;
use crate::event::{Event, Reporter as _};
use crate::publish::Keys as _;
use crate::remote::{
    Directory, KeyError, LeaseTimes, Location, ObjectStore, Oci, RemoteCache, S3, Settings, SigningKey, TrustedKeys,
};

/// What to do about a missing address.
const NAME_ONE: &str =
    "give --remote-cache URL, or set `remote-cache` in a configuration file or GOLDSMITH_REMOTE_CACHE";

/// The cache that several machines share.
#[derive(Debug, Clone, Default, Args)]
pub(in crate::cli) struct RemoteOptions {
    /// Take layers from this cache, which several machines share: s3://BUCKET/PREFIX?endpoint=URL,
    /// oci://REGISTRY/REPOSITORY, or a directory [default: $GOLDSMITH_REMOTE_CACHE]
    #[arg(long, value_name = "URL")]
    remote_cache: Option<String>,
    /// Take layers that this public key, or the one in this file, has signed; repeat the option for several [default:
    /// $GOLDSMITH_REMOTE_CACHE_TRUST]
    #[arg(long, value_name = "KEY")]
    remote_cache_trust: Vec<String>,
    /// Sign shared layers with the secret key in this file, and trust it [default: $GOLDSMITH_REMOTE_CACHE_KEY]
    #[arg(long, value_name = "FILE")]
    remote_cache_key: Option<PathBuf>,
}

/// What a command does with the remote cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) enum RemoteUse {
    /// It takes layers, and shares new ones if the user says so on the command line or in the settings.
    Build {
        /// Whether the command line says so.
        writes: bool,
    },
    /// It only reads.
    Read,
    /// It shares layers.
    Write,
    /// It lists and removes, whoever has signed.
    Manage,
}

impl RemoteOptions {
    /// Opens the remote cache, if there is one.
    pub(in crate::cli) fn open(
        &self,
        purpose: RemoteUse,
        global: &Global,
    ) -> Result<Option<Arc<RemoteCache>>, Failure> {
        self.opened(purpose, false, global)
    }

    fn opened(&self, purpose: RemoteUse, needed: bool, global: &Global) -> Result<Option<Arc<RemoteCache>>, Failure> {
        let usage = |message: &str| Failure::of(FailureKind::Usage, message);
        let settings = &global.settings;
        let Some(address) = self.remote_cache.clone().or_else(|| settings.text("remote-cache")) else {
            if purpose == (RemoteUse::Build { writes: true }) {
                return Err(usage("--remote-cache-write has no cache to write to").hint(NAME_ONE));
            }
            return Ok(None);
        };
        let writes = match purpose {
            RemoteUse::Build { writes } => writes || settings.is_on("remote-cache-write"),
            RemoteUse::Write => true,
            RemoteUse::Read | RemoteUse::Manage => false,
        };
        let key = self.remote_cache_key.clone().or_else(|| settings.text("remote-cache-key").map(PathBuf::from));
        let key = key.map(|file| SigningKey::read(&file).map_err(|error| of_key(&error))).transpose()?;
        if writes && key.is_none() {
            return Err(usage("no key signs the layers that are shared").hint(
                "`goldsmith cache keygen FILE` makes one; give it by --remote-cache-key FILE, `remote-cache-key` or GOLDSMITH_REMOTE_CACHE_KEY",
            ));
        }
        let mut trusted = TrustedKeys::default();
        for text in self.trusted(global) {
            trusted.add(&public_key(&text)?).map_err(|error| of_key(&error))?;
        }
        key.iter().for_each(|key| trusted.add_own(key));
        // Whom a user trusts, no project decides: without a key its cache is left out.
        let only_project = self.remote_cache.is_none() && settings.is_of_project("remote-cache");
        if trusted.is_empty() && only_project && !writes && !needed {
            let message = format!(
                "the remote cache of the project ({}) is not used, because no key is trusted: `remote-cache-trust` in \
                 ~/.config/goldsmith/config.yaml names one",
                crate::address::shown(&address)
            );
            let screen = TerminalReporter::plain(global.terminal, Box::new(std::io::stderr()));
            screen.report(&Event::Warning { message });
            return Ok(None);
        }
        if trusted.is_empty() && purpose != RemoteUse::Manage {
            return Err(usage("no key is trusted, so no layer of the remote cache could be taken")
                .hint("give --remote-cache-trust KEY, or set `remote-cache-trust` or GOLDSMITH_REMOTE_CACHE_TRUST"));
        }
        let signer = key.filter(|_| writes);
        let store = store(&address, global)?;
        // Linux always says its name.
        let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        let (dir, leases) = (global.cache.clone(), LeaseTimes::default());
        Ok(Some(Arc::new(RemoteCache::new(Settings { store, trusted, signer, dir, machine, leases }))))
    }

    /// Opens the remote cache of a command that needs one.
    pub(in crate::cli) fn require(&self, purpose: RemoteUse, global: &Global) -> Result<Arc<RemoteCache>, Failure> {
        self.opened(purpose, true, global)?
            .ok_or_else(|| Failure::of(FailureKind::Usage, "no remote cache is named").hint(NAME_ONE))
    }

    /// Returns the cache that the machines of an engine share, for the engine's file. Opens nothing.
    pub(in crate::cli) fn shared(&self, global: &Global) -> Result<Remote, Failure> {
        let settings = &global.settings;
        let address = self.remote_cache.clone().or_else(|| settings.text("remote-cache")).ok_or_else(|| {
            Failure::of(FailureKind::Usage, "no remote cache is named, so the machines would share no step").hint(
                "give --remote-cache URL, or set `remote-cache` or GOLDSMITH_REMOTE_CACHE; a directory that all mount will do",
            )
        })?;
        let address = match located(&address)? {
            Location::Directory(path) if !address.contains("://") => {
                let path = std::path::absolute(&path).map_err(|error| Failure::new(FailureKind::Usage, &error))?;
                path.display().to_string()
            }
            _ => address,
        };
        let mut trusted = Vec::new();
        for text in self.trusted(global) {
            let content = public_key(&text)?;
            TrustedKeys::default().add(&content).map_err(|error| of_key(&error))?;
            // A file has a comment above the key.
            trusted.extend(content.lines().map(str::trim).rfind(|line| !line.is_empty()).map(str::to_owned));
        }
        let key = self.remote_cache_key.clone().or_else(|| settings.text("remote-cache-key").map(PathBuf::from));
        Ok(Remote { address, trusted, key: key.map(|key| key.display().to_string()) })
    }

    /// Returns the public keys of the command line, or else of the settings.
    fn trusted(&self, global: &Global) -> Vec<String> {
        match self.remote_cache_trust.as_slice() {
            [] => global.settings.texts("remote-cache-trust"),
            keys => keys.to_vec(),
        }
    }
}

/// Returns a public key that an option names, or that is in the file that it names.
fn public_key(text: &str) -> Result<String, Failure> {
    let path = Path::new(text);
    let content = if path.is_file() { std::fs::read_to_string(path) } else { Ok(text.to_owned()) };
    content.map_err(|error| Failure::of(FailureKind::Usage, format!("cannot read the public key {text}: {error}")))
}

/// Makes a key for the remote cache.
pub(in crate::cli) fn keygen(file: &Path) -> Result<SigningKey, Failure> {
    SigningKey::generate(file).map_err(|error| of_key(&error))
}

/// Returns the value of a variable that is not empty.
fn said(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

fn of_key(error: &KeyError) -> Failure {
    let failure = Failure::new(FailureKind::Usage, error);
    match error.help() {
        Some(help) => failure.hint(help),
        None => failure,
    }
}

/// Reads the address of a bucket, a registry or a directory. Variables of AWS tools complete it.
pub(in crate::cli) fn located(address: &str) -> Result<Location, Failure> {
    let endpoint = said("AWS_ENDPOINT_URL_S3").or_else(|| said("AWS_ENDPOINT_URL"));
    let region = said("AWS_REGION").or_else(|| said("AWS_DEFAULT_REGION"));
    Location::parse(address, endpoint, region).map_err(|error| {
        Failure::new(FailureKind::Usage, &error)
            .hint("write s3://BUCKET/PREFIX?endpoint=https://HOST, oci://REGISTRY/REPOSITORY, file:///DIRECTORY or the path of a directory")
    })
}

/// Opens the store at an address.
fn store(address: &str, global: &Global) -> Result<Arc<dyn ObjectStore>, Failure> {
    match located(address)? {
        Location::Registry { host, name, insecure } => {
            Ok(Arc::new(Oci::new(&host, &name, insecure, &network::network(global)?)))
        }
        Location::Directory(path) => {
            let path = std::path::absolute(&path).map_err(|error| Failure::new(FailureKind::Usage, &error))?;
            Ok(Arc::new(Directory::new(&path)))
        }
        Location::Bucket(mut place, profile) => {
            place.proxies = network::proxies();
            let credentials = Environment.s3(profile.as_deref()).map_err(|reason| {
                Failure::of(FailureKind::Host, format!("there are no keys for the remote cache: {reason}"))
                    .hint("set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile: `?profile=NAME`")
            })?;
            let store = S3::new(*place, credentials);
            Ok(Arc::new(store.map_err(|error| hints::remote(&error.into()))?))
        }
    }
}
