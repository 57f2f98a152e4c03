//! Tokens that are kept for later commands, before a real Keystone and a real Glance.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::cloud::{PASSWORD, TestCloud};
use super::proxy::Proxy;
use super::{Ran, goldsmith};

/// A cloud whose Keystone is asked through a proxy that counts.
struct Counted {
    cloud: TestCloud,
    keystone: Proxy,
    variables: Vec<(&'static str, String)>,
}

impl Counted {
    fn start() -> Self {
        let cloud = TestCloud::start();
        std::fs::create_dir_all(cloud.path("home")).expect("a directory");
        let keystone = Proxy::start(cloud.auth_url.trim_end_matches("/v3"), Vec::new());
        let mut variables = cloud.variables().to_vec();
        variables[0].1 = format!("{}/v3", keystone.url);
        Self { cloud, keystone, variables }
    }

    fn run(&self, words: &[&str]) -> Ran {
        self.run_with(words, &[])
    }

    fn run_with(&self, words: &[&str], more: &[(&'static str, &str)]) -> Ran {
        let mut variables = self.variables.clone();
        variables.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        variables.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
        let ran = goldsmith(&self.cloud, words, &variables);
        for secret in [PASSWORD].into_iter().map(str::to_owned).chain(self.tokens()) {
            assert!(!ran.stdout.contains(&secret) && !ran.stderr.contains(&secret), "{words:?}: {}", ran.stderr);
        }
        ran
    }

    fn logins(&self) -> usize {
        self.keystone.seen("POST", "/v3/auth/tokens").len()
    }

    fn dir(&self) -> PathBuf {
        self.cloud.path("home/.cache/goldsmith-tokens")
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.dir()).into_iter().flatten();
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    fn tokens(&self) -> Vec<String> {
        self.files().iter().map(|file| kept(file)["token"].as_str().expect("a token").to_owned()).collect()
    }
}

fn kept(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).expect("a file")).expect("JSON")
}

const LIST: &[&str] = &["images", "list", "--verbose"];

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn one_login_serves_many_commands() {
    let counted = Counted::start();
    for _ in 0..3 {
        let ran = counted.run(LIST);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "no image\n"), "{}", ran.stderr);
        assert_eq!(ran.stderr, "");
    }
    assert_eq!(counted.logins(), 1);
    let [file] = &counted.files()[..] else { panic!("{:?}", counted.files()) };
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").mode() & 0o7777;
    assert_eq!((mode(&counted.dir()), mode(file)), (0o700, 0o600));
    let text = std::fs::read_to_string(file).expect("text");
    assert!(!text.contains(PASSWORD), "{text}");

    // Another project is another login, and the first one stays.
    counted.cloud.openstack(&["project", "create", "other"]);
    counted.cloud.openstack_plain(&["role", "add", "--user", "admin", "--project", "other", "admin"]);
    let other = &[("OS_PROJECT_NAME", "other")];
    for _ in 0..2 {
        assert_eq!(counted.run_with(LIST, other).code, Some(0));
    }
    assert_eq!((counted.logins(), counted.files().len()), (2, 2));
    let [one, two] = [0, 1].map(|number| kept(&counted.files()[number])["project"].clone());
    assert_ne!(one, two);
    assert_eq!(counted.run(LIST).code, Some(0));
    assert_eq!(counted.logins(), 2);

    // A wrong password is as wrong as before.
    let wrong = counted.run_with(LIST, &[("OS_PASSWORD", "wrong-password")]);
    assert!(wrong.code == Some(14) && wrong.stderr.contains("is refused with 401"), "{}", wrong.stderr);
    assert!(!wrong.stderr.contains("wrong-password"), "{}", wrong.stderr);
    assert_eq!(counted.run(LIST).code, Some(0));
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn a_token_that_the_service_refuses_is_thrown_away_once() {
    let counted = Counted::start();
    assert_eq!(counted.run(LIST).code, Some(0));
    let file = counted.files().remove(0);
    let mut content = kept(&file);
    let good = content["token"].clone();
    content["token"] = "gAAAAABmadeup".into();
    std::fs::write(&file, content.to_string()).expect("a file");
    let ran = counted.run(LIST);
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "no image\n"), "{}", ran.stderr);
    assert_eq!(counted.logins(), 2);
    let now = kept(&file)["token"].clone();
    assert!(now != "gAAAAABmadeup" && now != good, "the new token is kept");
    assert_eq!(counted.run(LIST).code, Some(0));
    assert_eq!(counted.logins(), 2);
    // What ends soon is not used.
    let soon = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(200);
    let mut content = kept(&file);
    content["expires"] = soon.to_string().into();
    std::fs::write(&file, content.to_string()).expect("a file");
    assert_eq!(counted.run(LIST).code, Some(0));
    assert_eq!(counted.logins(), 3);
    assert_ne!(kept(&file)["token"], now);
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn the_cache_can_be_off_and_is_never_for_others() {
    let counted = Counted::start();
    for (words, more) in
        [(&["images", "list", "--no-token-cache"][..], &[][..]), (LIST, &[("GOLDSMITH_TOKEN_CACHE", "false")])]
    {
        let before = counted.logins();
        for _ in 0..2 {
            assert_eq!(counted.run_with(words, more).code, Some(0));
        }
        assert_eq!((counted.logins() - before, counted.dir().exists()), (2, false), "{words:?}");
    }
    let config = counted.cloud.path("home/.config/goldsmith");
    std::fs::create_dir_all(&config).expect("a directory");
    std::fs::write(config.join("config.yaml"), "token-cache: false\n").expect("a file");
    assert_eq!(counted.run(LIST).code, Some(0));
    assert!(!counted.dir().exists());
    std::fs::remove_file(config.join("config.yaml")).expect("a file");
    // The file of a project does not decide where logins are kept.
    std::fs::write(counted.cloud.path("store/goldsmith.yaml"), "token-cache: true\n").expect("a file");
    let refused = counted.run(LIST);
    assert!(refused.code != Some(0) && refused.stderr.contains("cannot set `token-cache`"), "{}", refused.stderr);
    std::fs::remove_file(counted.cloud.path("store/goldsmith.yaml")).expect("a file");

    // What others can read is told, and not used.
    assert_eq!(counted.run(LIST).code, Some(0));
    let file = counted.files().remove(0);
    for (path, mode, good) in [(file, 0o644, 0o600), (counted.dir(), 0o755, 0o700)] {
        let allow = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        allow(mode);
        let before = counted.logins();
        let ran = counted.run(LIST);
        assert_eq!((ran.code, counted.logins() - before), (Some(0), 1), "{}", ran.stderr);
        let told = format!("have access to {}", path.display());
        assert!(ran.stderr.contains(&told) && ran.stderr.contains("--no-token-cache"), "{}", ran.stderr);
        allow(good);
        assert_eq!(counted.run(LIST).stderr, "");
    }
}
