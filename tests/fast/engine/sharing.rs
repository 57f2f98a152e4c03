//! Builds beside each other, and recipes that begin alike.

use std::sync::atomic::Ordering;

use super::fixture::{Fixture, history};

#[test]
fn two_builds_of_one_plan_do_every_step_once_and_both_succeed() {
    let fixture = Fixture::new();
    for name in ["one", "two", "three"] {
        fixture.element(name, &format!("steps: {{ configure: [{{ run: {{ inline: {name} }} }}] }}"));
    }
    let plan = fixture.plan("elements: [one, two, three]\nsteps: { clean: [{ run: { inline: last } }] }");
    let disks = std::thread::scope(|scope| {
        let builds = [0, 1, 2].map(|_| scope.spawn(|| fixture.build(&plan)));
        builds.map(|build| build.join().expect("no panic").expect("it builds"))
    });
    let mut ran = fixture.ran();
    ran.sort();
    assert_eq!(ran, ["last", "one", "three", "two"]);
    assert_eq!(fixture.bootstraps.load(Ordering::SeqCst), 1);
    for disk in &disks {
        assert_eq!(history(disk), ["one", "two", "three", "last"]);
        assert_eq!(disk.layer.meta.sha256, disks[0].layer.meta.sha256);
    }
    fixture.assert_store_is_sound();
}

#[test]
fn what_two_recipes_begin_with_is_built_once() {
    let fixture = Fixture::new();
    fixture.element("common", "steps: { install: [{ run: { inline: common } }] }");
    let recipe = |own: &str| format!("elements: [common]\nsteps: {{ configure: [{{ run: {{ inline: {own} }} }}] }}");
    let first = fixture.build(&fixture.plan_named("first", &recipe("first"))).expect("it builds");
    fixture.world.reset();
    let second = fixture.build(&fixture.plan_named("second", &recipe("second"))).expect("it builds");
    assert_eq!(fixture.ran(), ["second"]);
    assert_eq!(fixture.bootstraps.load(Ordering::SeqCst), 1);
    assert_eq!(history(&first), ["common", "first"]);
    assert_eq!(history(&second), ["common", "second"]);
    fixture.assert_store_is_sound();
}

#[test]
fn builds_that_part_run_side_by_side() {
    let fixture = Fixture::new();
    fixture.element("common", "steps: { install: [{ run: { inline: common } }] }");
    let plans = ["left", "right"].map(|name| {
        let body = format!("elements: [common]\nsteps: {{ configure: [{{ run: {{ inline: {name} }} }}] }}");
        fixture.plan_named(name, &body)
    });
    std::thread::scope(|scope| {
        let builds = [&plans[0], &plans[1]].map(|plan| scope.spawn(|| fixture.build(plan).expect("it builds")));
        for (build, name) in builds.into_iter().zip(["left", "right"]) {
            assert_eq!(history(&build.join().expect("no panic")), ["common", name]);
        }
    });
    assert_eq!(fixture.ran().iter().filter(|ran| *ran == "common").count(), 1);
    fixture.assert_store_is_sound();
}
