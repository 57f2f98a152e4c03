//! Configuration files of clouds: search, trust, and merging of `clouds.yaml` with `secure.yaml`.

use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::CloudConfig;
use super::entry::resolve;
use super::places::Places;
use super::settings::Settings;
use super::value::{Map, Node, Value};
use super::vendors;
use super::wrong::{self, Wrong};
use super::yaml::parse;
use crate::fsx::IoContext as _;
use crate::openstack::CloudError;
use crate::yaml::{Diagnostics, Source};

/// Extensions of configuration files, in the order of the search.
const EXTENSIONS: [&str; 3] = ["yaml", "yml", "json"];

/// The content of the configuration files.
pub(super) struct Files<'a> {
    places: &'a Places,
    clouds: Map,
    /// Files that were read, for messages.
    pub(super) read: Vec<String>,
    /// Paths at which `clouds-public.yaml` is searched for.
    public: Vec<PathBuf>,
    /// Reason why a file with secrets was not read.
    left_out: Option<String>,
}

impl<'a> Files<'a> {
    pub(super) fn read(places: &'a Places) -> Result<Self, CloudError> {
        let is_strange = |dir: &Path| places.strange.as_deref() == Some(dir);
        let mut read = Vec::new();
        let main = match &places.file {
            Some(file) => Some((file.clone(), load(file)?)),
            None => first(&candidates(&places.dirs, "clouds", |_| true))?,
        };
        let (main, mut whole) = main.map_or((None, Map::new()), |(file, map)| (Some(file), map));
        read.extend(main.iter().map(|file| file.display().to_string()));
        // A file of another user must neither get this user's password nor redirect it. If the user names the file, it is
        // trusted.
        let beside = main.as_deref().and_then(Path::parent).map(Path::to_owned);
        let theirs = places.file.is_none() && beside.as_deref().is_some_and(is_strange);
        let suspect = main.as_deref().filter(|_| places.file.is_none()).and_then(suspicion);
        let fits = |dir: &Path| match (theirs, suspect) {
            (true, _) | (_, Some(_)) => beside.as_deref() == Some(dir),
            (false, None) => !is_strange(dir) || beside.as_deref() == Some(dir),
        };
        // Secrets may be in a separate file of the same form.
        let named = |trusted: bool| places.secure.iter().filter(move |_| trusted).cloned();
        let mut secure: Vec<PathBuf> = named(!theirs && suspect.is_none()).collect();
        secure.extend(candidates(&places.dirs, "secure", fits));
        let all = named(true).chain(candidates(&places.dirs, "secure", |_| true)).find(|file| file.is_file());
        let found = first(&secure)?;
        let left_out = match (&main, all) {
            (Some(main), Some(file)) if found.as_ref().map(|(found, _)| found) != Some(&file) => {
                let reason = suspect.unwrap_or("one of them lies in the current directory, which may be a stranger's");
                let (file, main) = (file.display(), main.display());
                Some(format!(
                    "{file} is not taken together with {main}: {reason}; to trust {main}, name it in OS_CLIENT_CONFIG_FILE"
                ))
            }
            _ => None,
        };
        if let Some((file, secrets)) = found {
            read.push(file.display().to_string());
            merge(&mut whole, secrets);
        }
        let public = candidates(&places.dirs, "clouds-public", |dir| theirs || fits(dir));
        Ok(Self { places, clouds: section(whole, "clouds"), read, public, left_out })
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.clouds.keys().cloned().collect()
    }

    pub(super) fn cloud(&self, name: &str) -> Result<Option<CloudConfig>, CloudError> {
        let Some(node) = self.clouds.get(name) else { return Ok(None) };
        let Value::Map(entry) = &node.value else {
            let wrong = Wrong::at(node, format!("the entry is {}", node.kind()), "write a map");
            return Err(wrong.of_cloud(name, &self.read));
        };
        describe(name, entry, self.places, &self.public, self.read.clone(), self.left_out.as_deref()).map(Some)
    }
}

/// Returns the cloud that the variables describe.
pub(super) fn of_variables(places: &Places, described: Vec<(String, &str)>) -> Result<CloudConfig, CloudError> {
    let entry: Map = described.into_iter().map(|(key, value)| (key, Node::text(value))).collect();
    let public = candidates(&places.dirs, "clouds-public", |dir| places.strange.as_deref() != Some(dir));
    describe(places.name_of_variables(), &entry, places, &public, vec!["the variables OS_*".to_owned()], None)
}

/// Returns the configuration that results from an entry and its profile.
fn describe(
    name: &str,
    entry: &Map,
    places: &Places,
    public: &[PathBuf],
    mut read: Vec<String>,
    left_out: Option<&str>,
) -> Result<CloudConfig, CloudError> {
    let profile = entry.get("profile").or_else(|| entry.get("cloud")).filter(|node| node.is_true());
    let profile = profile.and_then(Node::printed).filter(|profile| profile != places.name_of_variables());
    let known = match &profile {
        None => None,
        Some(profile) => match first(public)? {
            Some((file, map)) if section(map.clone(), "public-clouds").get(profile).is_some() => {
                read.push(file.display().to_string());
                section(map, "public-clouds").get(profile).and_then(Node::map).cloned()
            }
            _ => vendors::profile(profile).map_err(|wrong| wrong.of_cloud(name, &read))?,
        },
    };
    let found: wrong::Result<CloudConfig> = resolve(entry, known.as_ref(), places.region.as_deref()).and_then(|map| {
        let settings = Settings { map: &map, home: places.home.as_deref() };
        match profile.as_deref().filter(|_| !settings.has_address()) {
            Some(profile) => Err(unknown(profile, known.as_ref())),
            None => settings.cloud(name, &read),
        }
    });
    found.map_err(|wrong| match left_out {
        Some(left_out) => wrong.or_else(left_out).of_cloud(name, &read),
        None => wrong.of_cloud(name, &read),
    })
}

fn unknown(profile: &str, known: Option<&Map>) -> Wrong {
    let help = "write `auth_url` below `auth`";
    match (vendors::address(profile, known), known) {
        (Some(url), _) => {
            let message = format!("the profile `{profile}` is at {url}, and goldsmith does not download profiles");
            Wrong::new(message, format!("{help}; {url}/.well-known/openstack/api has it"))
        }
        (None, Some(_)) => Wrong::new(format!("the profile `{profile}` has no address of Keystone"), help),
        (None, None) => Wrong::new(format!("the profile `{profile}` is in no clouds-public.yaml"), help),
    }
}

fn candidates(dirs: &[PathBuf], name: &str, fits: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let dirs = dirs.iter().filter(|dir| fits(dir));
    dirs.flat_map(|dir| EXTENSIONS.iter().map(move |extension| dir.join(format!("{name}.{extension}")))).collect()
}

/// Reads the first of these files that exists. A file that this user may not read is skipped if there is a later one.
fn first(files: &[PathBuf]) -> Result<Option<(PathBuf, Map)>, CloudError> {
    let mut denied = None;
    for file in files.iter().filter(|file| file.is_file()) {
        match load(file) {
            Ok(map) => return Ok(Some((file.clone(), map))),
            Err(CloudError::File(error)) if error.source.kind() == ErrorKind::PermissionDenied => {
                denied = denied.or(Some(error));
            }
            Err(other) => return Err(other),
        }
    }
    denied.map_or(Ok(None), |error| Err(error.into()))
}

fn load(file: &Path) -> Result<Map, CloudError> {
    let text = std::fs::read_to_string(file).at(file)?;
    parse(&Source::hidden(file.display().to_string(), text))
        .map_err(|found| CloudError::Yaml(Box::new(Diagnostics::from(*found))))
}

/// Returns why a file may be from another user.
fn suspicion(file: &Path) -> Option<&'static str> {
    let metadata = file.metadata().ok()?;
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Some("the second one belongs to another user");
    }
    (metadata.mode() & 0o002 != 0).then_some("everybody can write to the second one")
}

fn section(mut file: Map, name: &str) -> Map {
    match file.shift_remove(name).map(|node| node.value) {
        Some(Value::Map(section)) => section,
        _ => Map::new(),
    }
}

/// Merges a map into another one, recursively. The second map has precedence.
fn merge(into: &mut Map, over: Map) {
    for (key, node) in over {
        match (into.get_mut(&key).map(|known| &mut known.value), node.value) {
            (Some(Value::Map(known)), Value::Map(more)) => merge(known, more),
            (_, value) => {
                into.insert(key, Node { value, place: node.place });
            }
        }
    }
}
