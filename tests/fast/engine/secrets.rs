//! Scripts: what they are given, and what must not be left of it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use goldsmith::build::{self, AfterFailure, BuildError};
use goldsmith::event::{Event, Redacting, Reporter};
use goldsmith::export::{self, manifest::RecipeInfo};
use goldsmith::guest::Ended;
use goldsmith::guest::fake::Content;

use super::fixture::{Answers, Fixture};

const SECRET: &str = "correct-horse-battery";

const RECIPE: &str = "
secrets: { token: { env: TOKEN }, other: { file: x } }
steps:
  configure:
    - run: { inline: \"log in\", secrets: [token], args: [a, \"b c\"], env: { PLACE: here }, network: true }
    - run: { inline: \"log out\" }
";

fn fixture() -> Fixture {
    let mut fixture = Fixture::new();
    fixture.secrets = BTreeMap::from([
        ("token".to_owned(), SECRET.as_bytes().to_vec()),
        ("other".to_owned(), b"not asked for".to_vec()),
    ]);
    fixture
}

#[test]
fn a_script_gets_its_arguments_environment_network_and_secrets() {
    let fixture = fixture();
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let shown = seen.clone();
    fixture.world.on_run(move |_, tree| {
        let here = tree.iter().filter(|(path, _)| path.starts_with("/run/goldsmith-secrets"));
        let told = here.map(|(path, node)| match &node.content {
            Content::File(content) => format!("{path} {:o} {}", node.mode, String::from_utf8_lossy(content)),
            _ => path.clone(),
        });
        shown.lock().expect("no panic").push(told.collect::<Vec<_>>().join(", "));
        Ended { status: 0, tail: Vec::new() }
    });
    fixture.build(&fixture.plan(RECIPE)).expect("it builds");
    assert_eq!(*seen.lock().expect("no panic"), [format!("/run/goldsmith-secrets/token 400 {SECRET}"), String::new()]);
    let runs = fixture.world.runs();
    assert_eq!(runs[0].words, ["/run/goldsmith/script", "a", "b c"]);
    let env = |name: &str| runs[0].env.get(name).map(String::as_str);
    assert_eq!(env("PLACE"), Some("here"));
    assert_eq!(env("GOLDSMITH_SECRETS"), Some("/run/goldsmith-secrets"));
    assert_eq!(env("GOLDSMITH_DISK"), Some("/dev/sdc"));
    assert_eq!(env("GOLDSMITH_ARCH"), Some("x86_64"));
    assert!(runs[0].network && !runs[1].network);
    assert!(!runs[1].env.contains_key("GOLDSMITH_SECRETS"));
    let calls = fixture.world.calls();
    let around: Vec<_> = calls.iter().filter(|call| call.starts_with("secrets") || call.starts_with("run")).collect();
    let (provide, take, run) =
        ("secrets /run/goldsmith-secrets token", "secrets /run/goldsmith-secrets", "run /run/goldsmith/script");
    assert_eq!(around, [provide, run, take, run]);
}

#[test]
fn secrets_are_taken_away_after_a_failure_too() {
    let fixture = fixture();
    fixture.world.fail_run(0, goldsmith::guest::fake::Failing::Status(1));
    fixture.build(&fixture.plan(RECIPE)).expect_err("it fails");
    let calls = fixture.world.calls();
    assert_eq!(
        calls.iter().rfind(|call| call.starts_with("secrets")).expect("called"),
        "secrets /run/goldsmith-secrets"
    );
}

#[test]
fn another_value_of_a_secret_runs_nothing_again() {
    let mut fixture = fixture();
    fixture.build(&fixture.plan(RECIPE)).expect("it builds");
    fixture.world.reset();
    fixture.secrets.insert("token".to_owned(), b"another value".to_vec());
    fixture.build(&fixture.plan(RECIPE)).expect("it builds");
    assert_eq!((fixture.world.launches(), fixture.ran()), (0, vec![]));
}

#[test]
fn a_secret_without_a_value_is_an_error_of_the_step() {
    let mut fixture = fixture();
    fixture.secrets.remove("token");
    let Err(BuildError::Step { source, .. }) = fixture.build(&fixture.plan(RECIPE)) else {
        panic!("there is no value")
    };
    assert_eq!(source.to_string(), "run `log in`: the secret `token` has no value");
    assert_eq!(fixture.ran(), [""; 0]);
}

/// Files below a directory that contain a text.
fn holding(dir: &Path, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(holding(&path, text));
        } else if std::fs::read(&path).expect("a file").windows(text.len()).any(|window| window == text.as_bytes()) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn the_value_of_a_secret_is_in_no_layer_no_log_and_no_manifest() {
    let fixture = fixture();
    // A script that shows what it has been given, as one with `set -x` does.
    let reporter: Arc<Mutex<Option<Arc<dyn Reporter>>>> = Arc::default();
    let shown = reporter.clone();
    let mut runs = 0;
    fixture.world.on_run(move |_, _| {
        let line = format!("+ login --token={SECRET}");
        if let Some(reporter) = &*shown.lock().expect("no panic") {
            reporter.report(&Event::Output { line: line.clone() });
        }
        runs += 1;
        Ended { status: i32::from(runs == 1), tail: vec![line] }
    });
    let plan = fixture.plan(RECIPE);
    let mut workshop = fixture.workshop();
    workshop.reporter = Arc::new(Redacting::new(workshop.reporter, fixture.secrets.values()));
    *reporter.lock().expect("no panic") = Some(workshop.reporter.clone());

    let kept = fixture.dir.path().join("cache/failed.qcow2");
    let mut answers = Answers(vec![AfterFailure::Keep(kept.clone())]);
    let error = build::build(&plan, None, fixture.session(&workshop), &mut answers).expect_err("it fails at first");
    let BuildError::Step { source, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.tail(), ["+ login --token=***"]);
    assert!(kept.exists());

    let built = build::build(&plan, None, fixture.session(&workshop), &mut Answers(vec![])).expect("it builds");
    let disk = build::finalize(&plan, built, None).expect("it ends");
    let out = fixture.dir.path().join("cache/out");
    let (file, sha256) = ("recipe.yaml".to_owned(), goldsmith::digest::Sha256::of(b""));
    let info = RecipeInfo { file, sha256, included: Default::default() };
    export::export(&plan, &disk, &out, &info, None, &workshop.reporter, &fixture.interrupt).expect("it is exported");
    std::fs::write(out.join("log"), format!("{:?}", fixture.events.all())).expect("writable");

    assert_eq!(holding(&fixture.cache(), SECRET), [""; 0]);
    assert_eq!(holding(&out, "--token=***").len(), 1, "the log has the line, without the value");
    assert!(!serde_json::to_string(&plan).expect("JSON").contains(SECRET));
    assert!(holding(&fixture.cache(), "GOLDFAKE").len() > 3, "it was looked for in layers that have content");

    // The search would have found it: a script that writes the value into a file of the image leaves it in layers.
    let leaky = self::fixture();
    leaky.world.on_run(|_, tree| {
        tree.insert("/etc/token".to_owned(), super::fixture::file(SECRET.as_bytes()));
        Ended { status: 0, tail: Vec::new() }
    });
    leaky.build(&leaky.plan(RECIPE)).expect("it builds");
    assert_ne!(holding(&leaky.cache(), SECRET), [""; 0]);
}

#[test]
fn the_deadline_is_that_of_the_step_or_a_shorter_one_of_the_script() {
    let fixture = fixture();
    let seen: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let noted = seen.clone();
    fixture.world.on_run(move |command, _| {
        noted.lock().expect("no panic").push(command.timeout.expect("there is always one"));
        Ended { status: 0, tail: Vec::new() }
    });
    let long = "    - run: { inline: own, timeout: 2h }\n    - run: { inline: rest }\n";
    let short = "    - run: { inline: own, timeout: 10s }\n";
    fixture
        .build(
            &fixture.plan(&format!(
                "steps:\n  install:\n{long}  configure:\n{short}  boot:\n    - run: {{ inline: plain }}\n"
            )),
        )
        .expect("it builds");
    let seen = seen.lock().expect("no panic");
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    assert_eq!(seen[0], minutes(120));
    // The rest of the two and a half hours that this step has.
    assert!(seen[1] <= minutes(150) && seen[1] > minutes(60), "{seen:?}");
    assert_eq!(seen[2], Duration::from_secs(10));
    assert!(seen[3] <= minutes(30) && seen[3] > minutes(10), "{seen:?}");
}
