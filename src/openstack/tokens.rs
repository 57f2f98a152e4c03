//! Tokens of earlier commands, in files that only the user can read: asking Keystone takes longer than many a request that follows.
//!
//! A file belongs to one cloud, user and scope. What says where a token is sent is part of that too: a configuration of a stranger,
//! beside a project, must not get the token of another by naming its user.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::catalog::Service;
use super::config::{Auth, CloudConfig};
use crate::digest::Sha256;
use crate::fetch::Secret;
use crate::fsx::{IoContext as _, PathError, write_private};

/// Version of the files' format.
const FORMAT: u32 = 1;

/// Time before the end of a token from which it is no longer used: a request must end before the token does.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// Size limit of a file, in bytes.
const LIMIT: u64 = 4 << 20;

/// Permissions of everybody but the owner.
const OTHERS: u32 = 0o077;

/// A login: the token, and what Keystone said with it.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) token: Secret,
    pub(super) made: Timestamp,
    pub(super) expires: Option<Timestamp>,
    pub(super) catalog: Vec<Service>,
    pub(super) project: Option<String>,
}

/// The content of a file.
#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    token: String,
    made: Timestamp,
    expires: Timestamp,
    catalog: Vec<Service>,
    project: Option<String>,
    salt: String,
    /// See [`proof`].
    proof: String,
}

/// A directory that cannot keep tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenCacheError {
    /// Others could read the tokens, or put their own there.
    #[error("others than its owner have access to {}, or it belongs to somebody else", .0.display())]
    Exposed(PathBuf),
    /// The directory cannot be made or read.
    #[error(transparent)]
    File(#[from] PathError),
}

/// Makes a directory for tokens, with this user alone as its reader, or checks that an existing one is so.
///
/// # Errors
///
/// If others have access to it or to a file in it, or if it cannot be made.
pub fn private_dir(dir: &Path) -> Result<(), TokenCacheError> {
    let exposed = |path: &Path| TokenCacheError::Exposed(path.to_owned());
    match dir.symlink_metadata() {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if let Some(parent) = dir.parent() {
                std::fs::create_dir_all(parent).at(parent)?;
            }
            match DirBuilder::new().mode(0o700).create(dir) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.at(dir)?,
            }
        }
        Err(error) => return Err(error).at(dir).map_err(TokenCacheError::from),
    }
    let meta = dir.symlink_metadata().at(dir)?;
    if !meta.is_dir() || !is_private(&meta) {
        return Err(exposed(dir));
    }
    for entry in std::fs::read_dir(dir).at(dir)? {
        let path = entry.at(dir)?.path();
        match path.symlink_metadata() {
            Ok(meta) if !is_private(&meta) || !meta.is_file() => return Err(exposed(&path)),
            // Another command may just have replaced or removed it.
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).at(path).map_err(TokenCacheError::from),
        }
    }
    Ok(())
}

/// Returns whether a file is this user's, and nobody else has access.
fn is_private(meta: &std::fs::Metadata) -> bool {
    meta.mode() & OTHERS == 0 && meta.uid() == rustix::process::geteuid().as_raw()
}

/// Returns the login of an earlier command with this configuration, unless its token ends soon.
pub(super) fn find(config: &CloudConfig) -> Option<Login> {
    let kept = read(&place(config)?)?;
    let valid =
        kept.format == FORMAT && kept.proof == proof(&kept.salt, &config.auth) && is_fresh(&kept, Timestamp::now());
    valid.then(|| Login {
        token: Secret::new(kept.token),
        made: kept.made,
        expires: Some(kept.expires),
        catalog: kept.catalog,
        project: kept.project,
    })
}

/// Keeps a login for later commands, if its token has an end, and removes those that have ended. A cache that cannot be written makes
/// commands slower, and never wrong.
pub(super) fn keep(config: &CloudConfig, login: &Login) {
    let (Some(path), Some(expires)) = (place(config), login.expires) else { return };
    let mut salt = [0; 16];
    if getrandom::fill(&mut salt).is_err() {
        return;
    }
    let salt = hex::encode(salt);
    let kept = Kept {
        format: FORMAT,
        token: login.token.reveal().to_owned(),
        made: login.made,
        expires,
        catalog: login.catalog.clone(),
        project: login.project.clone(),
        proof: proof(&salt, &config.auth),
        salt,
    };
    if let Some(dir) = path.parent() {
        tidy(dir);
    }
    if let Ok(content) = serde_json::to_vec(&kept) {
        let _ = write_private(&path, &content);
    }
}

/// Throws away the login of this configuration: the service has refused its token.
pub(super) fn forget(config: &CloudConfig) {
    if let Some(path) = place(config) {
        let _ = std::fs::remove_file(path);
    }
}

/// Removes files whose token has ended, or that are not understood.
fn tidy(dir: &Path) {
    let now = Timestamp::now();
    for path in std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()) {
        let ours = path.extension().is_some_and(|ending| ending == "json");
        if ours && !read(&path).is_some_and(|kept| is_fresh(&kept, now)) {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn is_fresh(kept: &Kept, now: Timestamp) -> bool {
    kept.expires > now + MARGIN
}

/// Reads a file that nobody but its owner can read.
fn read(path: &Path) -> Option<Kept> {
    let flags = OFlags::NOFOLLOW.bits() | OFlags::NONBLOCK.bits();
    let file: File = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path).ok()?;
    let meta = file.metadata().ok()?;
    if !meta.is_file() || !is_private(&meta) {
        return None;
    }
    let mut content = Vec::new();
    file.take(LIMIT).read_to_end(&mut content).ok()?;
    serde_json::from_slice(&content).ok()
}

/// Returns the file of a configuration. A token that the user gives is not kept: it may have its own end.
fn place(config: &CloudConfig) -> Option<PathBuf> {
    let dir = config.tokens.as_ref()?;
    let who = match &config.auth {
        Auth::Password { user, scope, .. } => json!({ "user": user, "scope": scope }),
        Auth::ApplicationCredential { credential, .. } => json!({ "credential": credential }),
        Auth::Token { .. } => return None,
    };
    let key = json!({
        "format": FORMAT,
        "keystone": config.auth_url,
        "who": who,
        // Where tokens are sent, and to whom services are trusted to belong.
        "services": [config.image_endpoint, config.key_manager_endpoint],
        "verify": config.verify,
        "certificates": config.ca_file,
        "client": config.client.as_ref().map(|client| (&client.certificate, &client.key)),
    });
    Some(dir.join(format!("{}.json", Sha256::of(key.to_string().as_bytes()))))
}

/// Returns two bytes of a salted digest of the password: enough to notice that another password is given, and too little to find the
/// password by.
fn proof(salt: &str, auth: &Auth) -> String {
    hex::encode(&Sha256::of(format!("{salt}\0{}", auth.secret().reveal()).as_bytes()).bytes()[..2])
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn config(dir: &Path) -> CloudConfig {
        let places = super::super::config::Places {
            variables: [
                ("OS_AUTH_URL", "https://one.example/v3"),
                ("OS_USERNAME", "me"),
                ("OS_PASSWORD", "hunter2"),
                ("OS_PROJECT_NAME", "images"),
            ]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
            tokens: Some(dir.to_owned()),
            ..Default::default()
        };
        CloudConfig::find(&places).expect("a cloud")
    }

    fn login(token: &str, seconds: i64) -> Login {
        let now = Timestamp::now();
        let expires = Some(now + jiff::SignedDuration::from_secs(seconds));
        Login { token: Secret::new(token), made: now, expires, catalog: Vec::new(), project: Some("p".to_owned()) }
    }

    fn token(config: &CloudConfig) -> Option<String> {
        find(config).map(|login| login.token.reveal().to_owned())
    }

    #[test]
    fn a_token_is_for_one_cloud_user_project_and_password() {
        let top = tempfile::tempdir().expect("a directory");
        let dir = top.path().join("tokens");
        private_dir(&dir).expect("it is made");
        let known = config(&dir);
        keep(&known, &login("secret-token", 3600));
        assert_eq!(token(&known).as_deref(), Some("secret-token"));
        let changed = |change: fn(&mut CloudConfig)| {
            let mut other = config(&dir);
            change(&mut other);
            other
        };
        let password = |user: serde_json::Value, password: &str, scope: serde_json::Value| Auth::Password {
            user,
            password: Secret::new(password),
            scope,
        };
        let Auth::Password { user, scope, .. } = known.auth.clone() else { panic!("another login") };
        let auths = [
            password(json!({ "id": "other" }), "hunter2", scope.clone()),
            password(user.clone(), "hunter2", json!({ "project": { "id": "other" } })),
            password(user.clone(), "hunter2", serde_json::Value::Null),
            password(user, "wrong", scope),
            Auth::ApplicationCredential { credential: json!({ "id": "x" }), secret: Secret::new("hunter2") },
            Auth::Token { token: Secret::new("hunter2"), scope: serde_json::Value::Null },
        ];
        let others = auths.map(|auth| CloudConfig { auth, ..config(&dir) });
        for other in others.into_iter().chain([
            changed(|config| config.auth_url = "https://two.example/v3".to_owned()),
            changed(|config| config.image_endpoint = Some("http://stranger.example".to_owned())),
            changed(|config| config.verify = false),
            changed(|config| config.ca_file = Some("other.pem".into())),
            changed(|config| config.tokens = None),
        ]) {
            assert_eq!(token(&other), None, "{other:?}");
        }
        // The region only chooses among what the catalog has.
        assert!(token(&changed(|config| config.region = Some("there".to_owned()))).is_some());
        forget(&known);
        assert_eq!(token(&known), None);
    }

    #[test]
    fn a_token_is_used_until_it_ends_soon() {
        let dir = tempfile::tempdir().expect("a directory");
        let config = config(dir.path());
        for (seconds, found) in [(301 + 60, true), (299, false), (-1, false)] {
            keep(&config, &login("token", seconds));
            assert_eq!(token(&config).is_some(), found, "{seconds}");
        }
        // What has ended goes when another login is kept.
        let other = CloudConfig { auth_url: "https://two.example/v3".to_owned(), ..config };
        keep(&other, &login("token", 3600));
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1);
        let endless = Login { expires: None, ..login("token", 0) };
        keep(&CloudConfig { auth_url: "https://three.example/v3".to_owned(), ..other }, &endless);
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1);
    }

    #[test]
    fn what_others_can_read_is_refused() {
        let top = tempfile::tempdir().expect("a directory");
        let dir = top.path().join("a/tokens");
        private_dir(&dir).expect("it is made");
        let mode = |path: &Path| std::fs::metadata(path).expect("it is there").mode() & 0o7777;
        assert_eq!(mode(&dir), 0o700);
        let config = config(&dir);
        keep(&config, &login("secret-token", 3600));
        let file = place(&config).expect("a file");
        assert_eq!(mode(&file), 0o600);
        let content = std::fs::read_to_string(&file).expect("text");
        assert!(content.contains("secret-token") && !content.contains("hunter2"), "{content}");
        assert!(!file.to_string_lossy().contains("hunter2"));

        let allow = |path: &Path, mode| std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
        let refused = || matches!(private_dir(&dir), Err(TokenCacheError::Exposed(_)));
        for mode in [0o640, 0o604, 0o620] {
            allow(&file, mode);
            assert!(refused() && token(&config).is_none(), "{mode:o}");
        }
        allow(&file, 0o600);
        assert!(!refused() && token(&config).is_some());
        allow(&dir, 0o750);
        assert!(refused());
        allow(&dir, 0o700);
        // A link could lead to a file of somebody else.
        let away = top.path().join("away");
        std::fs::rename(&file, &away).expect("moved");
        std::os::unix::fs::symlink(&away, &file).expect("a link");
        assert!(refused() && token(&config).is_none());
        std::fs::remove_file(&file).expect("removed");
        std::fs::rename(&dir, top.path().join("b")).expect("moved");
        std::os::unix::fs::symlink(top.path().join("b"), &dir).expect("a link");
        assert!(refused());
    }
}
