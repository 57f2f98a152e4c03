//! What a build does, and what it does not do again.

use std::sync::atomic::Ordering;

use goldsmith::disk::qemu_img::QemuImg;

use super::bench::{Bench, history};

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

fn bench() -> Bench {
    let bench = Bench::new();
    bench
        .element("one", "install: [{ run: { inline: one install } }]\nconfigure: [{ run: { inline: one configure } }]");
    bench.element("two", "after: [one]\nconfigure: [{ run: { script: go.sh } }]");
    bench.file("elements/two/go.sh", "#!/bin/sh\ntwo configure\n", 0o755);
    bench
}

/// A bench on which the recipe has been built once and nothing is counted yet.
fn built() -> Bench {
    let bench = bench();
    bench.build(&bench.plan(RECIPE)).expect("it builds");
    bench.world.reset();
    bench.events.steps();
    bench
}

#[test]
fn a_first_build_runs_every_step_once_in_order_with_one_launch() {
    let bench = bench();
    let plan = bench.plan(RECIPE);
    let disk = bench.build(&plan).expect("it builds");
    assert_eq!(bench.ran(), STEPS);
    assert_eq!(bench.world.launches(), 1);
    assert_eq!(bench.bootstraps.load(Ordering::SeqCst), 1);
    assert_eq!(history(&disk), STEPS, "the final disk holds what every step did");
    let expected: Vec<_> =
        plan.steps.iter().flat_map(|step| ["started", "finished"].map(|how| format!("{} {how}", step.id))).collect();
    assert_eq!(bench.events.steps(), expected);
    let calls = bench.world.calls();
    assert_eq!(calls.iter().filter(|call| call.starts_with("attach")).count(), 1, "{calls:?}");
    assert_eq!(calls.iter().filter(|call| call.starts_with("freeze")).count(), STEPS.len(), "{calls:?}");
    assert_eq!(calls.iter().filter(|call| *call == "trim").count(), 1, "{calls:?}");
    bench.assert_store_is_sound();
}

#[test]
fn each_layer_holds_what_its_step_did_and_stands_on_the_one_before() {
    let bench = bench();
    let plan = bench.plan(RECIPE);
    bench.build(&plan).expect("it builds");
    let store = bench.store();
    for (done, pair) in plan.steps.windows(2).enumerate() {
        let layer = store.find(&pair[1].key).expect("readable").expect("it was made");
        let info = QemuImg::default().info(&layer.disk).expect("qcow2");
        assert_eq!(info.backing_file, Some(format!("../{}/disk.qcow2", pair[0].key)));
        let tree = goldsmith::guest::fake::files(&layer.disk);
        let history = super::bench::text(&tree, super::bench::HISTORY);
        assert_eq!(history.lines().count(), (done + 1).min(STEPS.len()), "{}", pair[1].id);
        assert_eq!(layer.meta.step, pair[1].id.to_string());
    }
}

#[test]
fn a_second_build_launches_nothing_and_runs_nothing() {
    let bench = built();
    let plan = bench.plan(RECIPE);
    let disk = bench.build(&plan).expect("it builds");
    assert_eq!((bench.world.launches(), bench.ran()), (0, vec![]));
    assert_eq!(bench.bootstraps.load(Ordering::SeqCst), 1);
    assert_eq!(history(&disk), STEPS);
    assert_eq!(disk.layer.meta.facts["packages"][0]["name"], "base-files");
    assert_eq!(disk.timings.len(), plan.steps.len());
    assert!(bench.events.steps().iter().all(|told| told.ends_with(" cached")));
}

#[test]
fn a_changed_configure_step_runs_it_and_what_follows_only() {
    let bench = built();
    let changed = RECIPE.replace("own configure", "own configure changed");
    let disk = bench.build(&bench.plan(&changed)).expect("it builds");
    assert_eq!(bench.ran(), ["own configure changed", "own boot", "own clean"]);
    assert_eq!(bench.world.launches(), 1);
    assert_eq!(history(&disk)[3..], ["two configure", "own configure changed", "own boot", "own clean"]);
    let reasons = bench.events.reasons();
    assert_eq!(reasons[0], "configure image: action 1 (run) changed");
    assert!(reasons[1..].iter().all(|reason| reason.ends_with(": an earlier step changed")), "{reasons:?}");
    // What was there before is there still.
    bench.world.reset();
    bench.build(&bench.plan(RECIPE)).expect("it builds");
    assert_eq!(bench.world.launches(), 0);
    bench.assert_store_is_sound();
}

#[test]
fn a_script_runs_again_when_its_content_has_changed() {
    let bench = built();
    bench.file("elements/two/go.sh", "#!/bin/sh\ntwo changed\n", 0o755);
    bench.build(&bench.plan(RECIPE)).expect("it builds");
    assert_eq!(bench.ran(), ["two changed", "own configure", "own boot", "own clean"]);
    assert_eq!(bench.events.reasons()[0], "configure two: go.sh changed");
    bench.world.reset();
    bench.file("elements/two/go.sh", "#!/bin/sh\ntwo changed\n", 0o644);
    bench.build(&bench.plan(RECIPE)).expect("it builds");
    assert_eq!(bench.ran(), [""; 0], "it is run whatever its mode is");
}

#[test]
fn what_cannot_change_a_layer_runs_nothing_again() {
    let bench = built();
    for (what, recipe) in [
        ("a comment", RECIPE.replace("steps:", "# more to come\nsteps:")),
        ("the description", format!("description: new\n{RECIPE}")),
        ("a timeout", RECIPE.replace("{ inline: own boot }", "{ inline: own boot, timeout: 5min }")),
        ("the outputs", format!("outputs: [{{ format: raw }}]\n{RECIPE}")),
        ("a check", format!("checks: [{{ path-exists: /etc }}]\n{RECIPE}")),
    ] {
        bench.build(&bench.plan(&recipe)).expect(what);
        assert_eq!((bench.world.launches(), bench.ran()), (0, vec![]), "{what}");
    }
    bench.build(&bench.plan_named("other", RECIPE)).expect("it builds");
    assert_eq!((bench.world.launches(), bench.ran()), (0, vec![]), "the name");
}

#[test]
fn a_layer_that_is_gone_is_made_again_with_all_that_stood_on_it() {
    let bench = built();
    let plan = bench.plan(RECIPE);
    let layer = bench.store().find(&plan.steps[6].key).expect("readable").expect("it was made");
    std::fs::remove_dir_all(layer.disk.parent().expect("a directory")).expect("removable");
    let disk = bench.build(&plan).expect("it builds");
    assert_eq!(bench.ran()[0], "own boot");
    assert_eq!(history(&disk), STEPS);
}
