//! Several images in one run: each step that they share is made once, and a failure stops only the images that need its step.

use std::sync::atomic::{AtomicUsize, Ordering};

use goldsmith::build::BuildError;
use goldsmith::event::Event;
use goldsmith::guest::fake::Failing;
use goldsmith::layer::LayerKey;
use goldsmith::pipeline::batch::{self, Ended, Tried};
use goldsmith::plan::Plan;

use super::fixture::Fixture;

/// Plans of images with the element `common`, each with a script of its own in `configure`.
fn plans(fixture: &Fixture, scripts: &[&str]) -> Vec<Plan> {
    fixture.element("common", "steps: { install: [{ run: { inline: common } }] }");
    let plan = |(number, script): (usize, &&str)| {
        let body = format!("elements: [common]\nsteps: {{ configure: [{{ run: {{ inline: {script} }} }}] }}");
        fixture.plan_named(&format!("image-{number}"), &body)
    };
    scripts.iter().enumerate().map(plan).collect()
}

/// Builds plans, and returns what became of each and how many ran at the same time at most.
fn run(fixture: &Fixture, plans: &[Plan], limit: usize) -> (Vec<String>, usize) {
    let chains: Vec<Vec<LayerKey>> =
        plans.iter().map(|plan| plan.steps.iter().map(|step| step.key).collect()).collect();
    let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = |number: usize| {
        most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let built = fixture.build(&plans[number]);
        running.fetch_sub(1, Ordering::SeqCst);
        let failed = match &built {
            Err(BuildError::Step { step, .. }) => {
                plans[number].steps.iter().find(|other| other.id == *step).map(|step| step.key)
            }
            _ => None,
        };
        Tried { result: built.is_ok(), failed }
    };
    let ended = batch::run(&chains, limit, &fixture.store(), &fixture.interrupt, work);
    let ended = ended.into_iter().map(|ended| match ended {
        Ended::Tried(true) => "made".to_owned(),
        Ended::Tried(false) => "failed".to_owned(),
        Ended::Blocked { by, .. } => format!("blocked by {by}"),
        Ended::Interrupted => "interrupted".to_owned(),
    });
    (ended.collect(), most.into_inner())
}

#[test]
fn steps_that_images_share_are_made_once_and_no_image_waits_with_a_guest() {
    for limit in [1, 2, 8] {
        let fixture = Fixture::new();
        let (ended, most) = run(&fixture, &plans(&fixture, &["a", "b", "c", "d"]), limit);
        assert_eq!(ended, ["made"; 4]);
        let mut ran = fixture.ran();
        assert_eq!(ran.first().map(String::as_str), Some("common"), "{ran:?}");
        ran.sort();
        assert_eq!(ran, ["a", "b", "c", "common", "d"], "{limit} at a time");
        assert_eq!(fixture.bootstraps.load(Ordering::SeqCst), 1);
        assert!(most <= limit, "{most} ran at the same time");
        let waited = fixture.events.all().iter().any(|event| matches!(event, Event::Waiting { .. }));
        assert!(!waited, "an image was begun although another one made its layer");
        fixture.assert_store_is_sound();
    }
}

#[test]
fn images_without_a_common_layer_are_built_at_the_same_time() {
    let fixture = Fixture::new();
    let plans = ["600MiB", "700MiB"].map(|size| {
        let body = "steps: { configure: [{ run: { inline: 'sleep' } }] }";
        fixture.plan_of_text(&format!(
            "name: image-{size}\nbase: {{ bootstrap: {{ distro: debian, release: bookworm }} }}\ndisk: {{ size: {size} }}\n{body}\n"
        ))
    });
    // Each of the two goes on only when the other has begun.
    let begun = std::sync::Barrier::new(2);
    let chains: Vec<Vec<LayerKey>> =
        plans.iter().map(|plan| plan.steps.iter().map(|step| step.key).collect()).collect();
    let work = |number: usize| {
        begun.wait();
        Tried { result: fixture.build(&plans[number]).is_ok(), failed: None }
    };
    let ended = batch::run(&chains, 2, &fixture.store(), &fixture.interrupt, work);
    assert!(ended.iter().all(|ended| matches!(ended, Ended::Tried(true))), "{ended:?}");
}

#[test]
fn a_failed_image_does_not_stop_the_others() {
    let fixture = Fixture::new();
    // The first script is of `common`, the second one of the first image.
    fixture.world.fail_run(1, Failing::Status(1));
    let (ended, _) = run(&fixture, &plans(&fixture, &["a", "b", "c"]), 1);
    assert_eq!(ended, ["failed", "made", "made"]);
}

#[test]
fn images_that_share_a_failed_step_are_not_tried() {
    let fixture = Fixture::new();
    fixture.world.fail_run(1, Failing::Status(1));
    fixture.element("common", "steps: { install: [{ run: { inline: common } }] }");
    // The first two have the step that fails; each has a step of its own after it.
    let plans = [("a", "one"), ("a", "more"), ("other", "three")].map(|(configure, boot)| {
        let steps =
            format!("configure: [{{ run: {{ inline: {configure} }} }}], boot: [{{ run: {{ inline: {boot} }} }}]");
        fixture.plan_named("image", &format!("elements: [common]\nsteps: {{ {steps} }}"))
    });
    let (ended, _) = run(&fixture, &plans, 1);
    assert_eq!(ended, ["failed", "blocked by 0", "made"]);
    assert!(!fixture.ran().contains(&"more".to_owned()));
}

#[test]
fn after_an_interrupt_no_image_is_begun() {
    let fixture = Fixture::new();
    let plans = plans(&fixture, &["a", "b"]);
    fixture.interrupt.raise();
    assert_eq!(run(&fixture, &plans, 2).0, ["interrupted"; 2]);
    assert_eq!(fixture.ran(), [""; 0]);
}
