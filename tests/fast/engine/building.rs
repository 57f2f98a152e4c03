//! What a build does, and what it does not do again.

use std::sync::atomic::Ordering;

use goldsmith::disk::qemu_img::QemuImg;

use super::fixture::{Fixture, history};

/// Two elements and steps of the recipe's own: every phase has a step, `configure` has three.
const RECIPE: &str = "
elements: [one, two]
steps:
  install: [{ run: { inline: own install } }]
  configure: [{ run: { inline: own configure } }]
  boot: [{ run: { inline: own boot } }]
  clean: [{ run: { inline: own clean } }]
";

const STEPS: [&str; 7] =
    ["one install", "own install", "one configure", "two configure", "own configure", "own boot", "own clean"];

fn fixture() -> Fixture {
    let fixture = Fixture::new();
    fixture.element(
        "one",
        "steps:\n  install: [{ run: { inline: one install } }]\n  configure: [{ run: { inline: one configure } }]",
    );
    fixture.element("two", "after: [one]\nsteps: { configure: [{ run: { script: go.sh } }] }");
    fixture.file("elements/two/go.sh", "#!/bin/sh\ntwo configure\n", 0o755);
    fixture
}

/// A fixture on which the recipe has been built once and nothing is counted yet.
fn built() -> Fixture {
    let fixture = fixture();
    fixture.build(&fixture.plan(RECIPE)).expect("it builds");
    fixture.world.reset();
    fixture.events.steps();
    fixture
}

#[test]
fn a_first_build_runs_every_step_once_in_order_with_one_launch() {
    let fixture = fixture();
    let plan = fixture.plan(RECIPE);
    let disk = fixture.build(&plan).expect("it builds");
    assert_eq!(fixture.ran(), STEPS);
    assert_eq!(fixture.world.launches(), 1);
    assert_eq!(fixture.bootstraps.load(Ordering::SeqCst), 1);
    assert_eq!(history(&disk), STEPS, "the final disk holds what every step did");
    let expected: Vec<_> =
        plan.steps.iter().flat_map(|step| ["started", "finished"].map(|how| format!("{} {how}", step.id))).collect();
    assert_eq!(fixture.events.steps(), expected);
    let calls = fixture.world.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("attach")).count(), 1, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| call.starts_with("freeze")).count(), STEPS.len(), "{calls:?}");
    assert_eq!(calls.iter().filter(|call| *call == "trim").count(), 1, "{calls:?}");
    fixture.assert_store_is_sound();
}

#[test]
fn each_layer_holds_what_its_step_did_and_stands_on_the_one_before() {
    let fixture = fixture();
    let plan = fixture.plan(RECIPE);
    fixture.build(&plan).expect("it builds");
    let store = fixture.store();
    for (done, pair) in plan.steps.windows(2).enumerate() {
        let layer = store.find(&pair[1].key).expect("readable").expect("it was made");
        let info = QemuImg::default().info(&layer.disk).expect("qcow2");
        assert_eq!(info.backing_file, Some(format!("../{}/disk.qcow2", pair[0].key)));
        let tree = goldsmith::guest::fake::files(&layer.disk);
        let history = super::fixture::text(&tree, super::fixture::HISTORY);
        assert_eq!(history.lines().count(), (done + 1).min(STEPS.len()), "{}", pair[1].id);
        assert_eq!(layer.meta.step, pair[1].id.to_string());
    }
}

#[test]
fn a_second_build_launches_nothing_and_runs_nothing() {
    let fixture = built();
    let plan = fixture.plan(RECIPE);
    let disk = fixture.build(&plan).expect("it builds");
    assert_eq!((fixture.world.launches(), fixture.ran()), (0, vec![]));
    assert_eq!(fixture.bootstraps.load(Ordering::SeqCst), 1);
    assert_eq!(history(&disk), STEPS);
    assert_eq!(disk.layer.meta.facts["packages"][0]["name"], "base-files");
    assert_eq!(disk.timings.len(), plan.steps.len());
    assert!(fixture.events.steps().iter().all(|told| told.ends_with(" cached")));
}

#[test]
fn a_changed_configure_step_runs_it_and_what_follows_only() {
    let fixture = built();
    let changed = RECIPE.replace("own configure", "own configure changed");
    let disk = fixture.build(&fixture.plan(&changed)).expect("it builds");
    assert_eq!(fixture.ran(), ["own configure changed", "own boot", "own clean"]);
    assert_eq!(fixture.world.launches(), 1);
    assert_eq!(history(&disk)[3..], ["two configure", "own configure changed", "own boot", "own clean"]);
    let reasons = fixture.events.reasons();
    let told = "configure image: action 1 (run) changed, inline: own configure -> own configure changed";
    assert_eq!(reasons[0], told);
    assert!(reasons[1..].iter().all(|reason| reason.ends_with(": an earlier step changed")), "{reasons:?}");
    // What was there before is there still.
    fixture.world.reset();
    fixture.build(&fixture.plan(RECIPE)).expect("it builds");
    assert_eq!(fixture.world.launches(), 0);
    fixture.assert_store_is_sound();
}

#[test]
fn a_script_runs_again_when_its_content_has_changed() {
    let fixture = built();
    fixture.file("elements/two/go.sh", "#!/bin/sh\ntwo changed\n", 0o755);
    fixture.build(&fixture.plan(RECIPE)).expect("it builds");
    assert_eq!(fixture.ran(), ["two changed", "own configure", "own boot", "own clean"]);
    assert_eq!(fixture.events.reasons()[0], "configure two: go.sh changed");
    fixture.world.reset();
    fixture.file("elements/two/go.sh", "#!/bin/sh\ntwo changed\n", 0o644);
    fixture.build(&fixture.plan(RECIPE)).expect("it builds");
    assert_eq!(fixture.ran(), [""; 0], "it is run whatever its mode is");
}

#[test]
fn what_cannot_change_a_layer_runs_nothing_again() {
    let fixture = built();
    for (what, recipe) in [
        ("a comment", RECIPE.replace("steps:", "# more to come\nsteps:")),
        ("the description", format!("description: new\n{RECIPE}")),
        ("a timeout", RECIPE.replace("{ inline: own boot }", "{ inline: own boot, timeout: 5min }")),
        ("the outputs", format!("outputs: [{{ format: raw }}]\n{RECIPE}")),
        ("a check", format!("checks: [{{ path-exists: /etc }}]\n{RECIPE}")),
    ] {
        fixture.build(&fixture.plan(&recipe)).expect(what);
        assert_eq!((fixture.world.launches(), fixture.ran()), (0, vec![]), "{what}");
    }
    fixture.build(&fixture.plan_named("other", RECIPE)).expect("it builds");
    assert_eq!((fixture.world.launches(), fixture.ran()), (0, vec![]), "the name");
}

#[test]
fn a_layer_that_is_gone_is_made_again_with_all_that_stood_on_it() {
    let fixture = built();
    let plan = fixture.plan(RECIPE);
    let layer = fixture.store().find(&plan.steps[6].key).expect("readable").expect("it was made");
    std::fs::remove_dir_all(layer.disk.parent().expect("a directory")).expect("removable");
    let disk = fixture.build(&plan).expect("it builds");
    assert_eq!(fixture.ran()[0], "own boot");
    assert_eq!(history(&disk), STEPS);
}

#[test]
fn what_only_a_guest_can_make_is_made_before_the_base_is_a_layer() {
    let fixture = fixture();
    let disk = "disk: { size: 2GiB, partitions: [bios-boot, file-system: { mount: /var, type: xfs, size: 400MiB }, \
        file-system: { mount: / }] }";
    let base = "base: { bootstrap: { distro: debian, release: bookworm } }";
    let plan = fixture.plan_of_text(&format!("name: image\n{base}\n{disk}\n{RECIPE}"));
    fixture.build(&plan).expect("it builds");
    assert_eq!(fixture.ran(), STEPS);
    assert_eq!(fixture.world.launches(), 1);
    let calls = fixture.world.calls();
    let at = |start: &str| calls.iter().position(|call| call.starts_with(start)).expect(start);
    assert!(at("form [Xfs { on: Partition(2), ") < at("unmount") && at("unmount") < at("mount / /var"), "{calls:?}");
    let layer = fixture.store().find(&plan.steps[0].key).expect("readable").expect("it was made");
    let names = std::fs::read_dir(layer.disk.parent().expect("it has one")).expect("a directory");
    let names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name()).collect();
    assert!(names.iter().all(|name| !name.to_string_lossy().ends_with(".tar")), "{names:?}");
    fixture.assert_store_is_sound();
}

/// Keys of what is encrypted are no part of layers' keys.
#[test]
fn a_base_that_is_found_is_opened_with_the_secrets_and_files_that_it_would_hide_are_an_error() {
    let mut fixture = fixture();
    fixture.secrets.insert("disk-key".to_owned(), b"correct-horse".to_vec());
    let head = "name: image\nbase: { bootstrap: { distro: debian, release: bookworm } }\nsecrets: { disk-key: { env: KEY } }\n\
        disk: { size: 2GiB, partitions: [bios-boot, file-system: { mount: /srv, size: 400MiB, encrypted: { secret: disk-key } }, \
        file-system: { mount: / }] }\n";
    let plan = fixture.plan_of_text(&format!("{head}{RECIPE}"));
    fixture.build(&plan).expect("it builds");
    let calls = fixture.world.calls();
    assert!(calls.iter().any(|call| call.starts_with("form [Encrypted { on: Partition(2), ")), "{calls:?}");
    assert!(!calls.iter().any(|call| call.contains("Opens") || call.contains("horse")), "{calls:?}");
    fixture.build(&plan).expect("it is built");
    let calls = fixture.world.calls();
    assert!(calls.iter().any(|call| call.starts_with("form [Opens { on: Partition(2), label: \"srv\"")), "{calls:?}");
    let writes = "steps: { configure: [{ write: { path: /srv/.hidden, content: x } }] }\n";
    let error = fixture.build(&fixture.plan_of_text(&format!("{head}{writes}"))).expect_err("it would be hidden");
    let words = "/srv/.hidden is no file of the encrypted file system of /srv";
    assert!(error.to_string().starts_with(words), "{error}");
    fixture.assert_store_is_sound();
}
