//! Builds that do not come to their end, and those after them.

use goldsmith::build::{AfterFailure, BuildError};
use goldsmith::disk::qemu_img::QemuImg;
use goldsmith::guest::GuestError;
use goldsmith::guest::fake::{Failing, files};

use super::fixture::{Answers, Fixture, HISTORY, history, text};

const RECIPE: &str = "
steps:
  install: [{ run: { inline: first } }]
  configure: [{ run: { inline: second a } }, { run: { inline: second b } }]
  boot: [{ run: { inline: third } }]
";

/// A fixture on which the n-th program ends like this.
fn failing(n: usize, how: Failing) -> Fixture {
    let fixture = Fixture::new();
    fixture.world.fail_run(n, how);
    fixture
}

/// The guest's own error at the bottom of a failed step.
fn of_guest(error: &BuildError) -> &GuestError {
    match error {
        BuildError::Step { source, .. } => source.guest().expect("it is the guest's"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_failed_step_leaves_the_layers_before_it_and_the_next_build_goes_on_there() {
    let fixture = failing(2, Failing::Status(3));
    let error = fixture.build(&fixture.plan(RECIPE)).expect_err("it fails");
    assert_eq!(error.to_string(), "step `configure image` failed");
    let BuildError::Step { source, kept: None, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "run `second b` ended with exit status 3");
    assert_eq!(source.tail(), ["failed with 3"]);
    assert_eq!(
        fixture.events.steps()[2..],
        ["install image started", "install image finished", "configure image started", "configure image failed"]
    );
    fixture.assert_store_is_sound();
    assert_eq!(fixture.store().list().expect("readable").len(), 2, "the base and the first step");

    fixture.world.reset();
    let disk = fixture.build(&fixture.plan(&RECIPE.replace("second b", "second mended"))).expect("it builds");
    assert_eq!(fixture.ran(), ["second a", "second mended", "third"]);
    assert_eq!(history(&disk), ["first", "second a", "second mended", "third"]);
    fixture.assert_store_is_sound();
}

#[test]
fn a_step_tried_again_starts_from_a_clean_layer() {
    let fixture = failing(2, Failing::Status(1));
    let disk = fixture.build_with(&fixture.plan(RECIPE), &mut Answers(vec![AfterFailure::Retry])).expect("it builds");
    assert_eq!(fixture.ran(), ["first", "second a", "second b", "second a", "second b", "third"]);
    assert_eq!(history(&disk), ["first", "second a", "second b", "third"], "nothing of the first try is left");
    assert_eq!(fixture.world.launches(), 1);
    assert_eq!(
        fixture.events.steps()[4..8],
        ["configure image started", "configure image failed", "configure image started", "configure image finished"]
    );
    fixture.assert_store_is_sound();
}

#[test]
fn a_step_may_fail_as_often_as_someone_tries() {
    let fixture = failing(0, Failing::Status(1));
    fixture.world.fail_run(1, Failing::NoSpace);
    let retry = AfterFailure::Retry;
    let error = fixture.build_with(&fixture.plan(RECIPE), &mut Answers(vec![retry])).expect_err("it fails twice");
    assert!(matches!(of_guest(&error), GuestError::NoSpace { .. }));
    fixture.assert_store_is_sound();
}

#[test]
fn a_kept_disk_can_be_opened_with_all_its_layers() {
    let fixture = failing(2, Failing::Status(1));
    let target = fixture.dir.path().join("elsewhere").join("failed.qcow2");
    std::fs::create_dir(target.parent().expect("it has one")).expect("a directory");
    let mut answers = Answers(vec![AfterFailure::Keep(target.clone())]);
    let error = fixture.build_with(&fixture.plan(RECIPE), &mut answers).expect_err("it fails");
    let BuildError::Step { kept: Some(kept), .. } = &error else { panic!("{error:?}") };
    assert_eq!(kept, &target);
    let info = QemuImg::default().info(&target).expect("a sound file");
    assert!(info.backing_file.expect("an overlay").starts_with('/'), "the file may be moved");
    let chain = std::process::Command::new("qemu-img").args(["info", "--backing-chain", "-U"]).arg(&target).output();
    let chain = chain.expect("qemu-img is there");
    assert!(chain.status.success(), "{}", String::from_utf8_lossy(&chain.stderr));
    assert_eq!(String::from_utf8_lossy(&chain.stdout).lines().filter(|line| line.starts_with("image: ")).count(), 3);
    assert_eq!(text(&files(&target), HISTORY), "first\nsecond a\nsecond b\n");
    fixture.assert_store_is_sound();
}

#[test]
fn a_disk_that_cannot_be_kept_is_a_warning_beside_the_failure() {
    let fixture = failing(0, Failing::Status(9));
    let nowhere = fixture.dir.path().join("no/such/directory/failed.qcow2");
    let error = fixture.build_with(&fixture.plan(RECIPE), &mut Answers(vec![AfterFailure::Keep(nowhere)]));
    let error = error.expect_err("it fails");
    let BuildError::Step { source, kept: None, .. } = &error else { panic!("{error:?}") };
    assert_eq!(source.to_string(), "run `first` ended with exit status 9");
    let told = fixture.events.steps();
    assert!(told.iter().any(|told| told.starts_with("warning: cannot keep the disk of the failed step")), "{told:?}");
    fixture.assert_store_is_sound();
}

#[test]
fn an_interrupt_in_mid_step_ends_the_build_and_costs_only_that_step() {
    // The guest notices it, or the guest ends for it and only the flag tells why.
    for how in [Failing::Interrupted, Failing::Died] {
        let fixture = Fixture::new();
        let interrupt = fixture.interrupt.clone();
        fixture.world.fail_run(1, how);
        let mut runs = 0;
        fixture.world.on_run(move |_, _| {
            runs += 1;
            if runs == 2 {
                interrupt.raise();
            }
            goldsmith::guest::Ended { status: 0, tail: Vec::new() }
        });
        let error = fixture.build_with(&fixture.plan(RECIPE), &mut Answers(vec![AfterFailure::Retry]));
        assert!(matches!(error, Err(BuildError::Interrupted)), "{error:?}");
        assert_eq!(fixture.ran().len(), 2, "nobody was asked, nothing ran again");
        fixture.assert_store_is_sound();
        assert_eq!(fixture.store().list().expect("readable").len(), 2, "the base and the first step");
    }
}

#[test]
fn an_interrupt_before_the_first_step_does_nothing() {
    let fixture = Fixture::new();
    fixture.interrupt.raise();
    assert!(matches!(fixture.build(&fixture.plan(RECIPE)), Err(BuildError::Interrupted)));
    assert_eq!(fixture.world.launches(), 0);
    fixture.assert_store_is_sound();
}

#[test]
fn a_guest_that_ends_is_told_as_such_and_nobody_is_asked() {
    let fixture = failing(1, Failing::Died);
    let error =
        fixture.build_with(&fixture.plan(RECIPE), &mut Answers(vec![AfterFailure::Retry])).expect_err("it fails");
    assert!(matches!(of_guest(&error), GuestError::Died(_)));
    assert_eq!(fixture.ran().len(), 2);
    fixture.assert_store_is_sound();
    fixture.world.reset();
    fixture.build(&fixture.plan(RECIPE)).expect("another guest does it");
    assert_eq!(fixture.ran(), ["second a", "second b", "third"]);
}

#[test]
fn a_deadline_is_told_with_its_length() {
    let fixture = failing(1, Failing::Deadline);
    let recipe = RECIPE.replace("{ inline: second a }", "{ inline: second a, timeout: 90s }");
    let error = fixture.build(&fixture.plan(&recipe)).expect_err("it fails");
    assert_eq!(of_guest(&error).to_string(), "stopped after 90 s: the deadline of this step");
    fixture.assert_store_is_sound();
}

#[test]
fn a_guest_that_does_not_start_costs_no_base() {
    let fixture = Fixture::new();
    let plan = fixture.plan(RECIPE);
    let workshop = fixture.workshop();
    let launch = |_: &goldsmith::interrupt::Interrupt| Err(GuestError::Launch("no QEMU".to_owned()));
    let session = goldsmith::build::Session::new(&workshop, Box::new(launch));
    let error = goldsmith::build::build(&plan, None, session, &mut Answers(vec![])).expect_err("no guest");
    assert!(matches!(&error, BuildError::Guest { source: GuestError::Launch(_), .. }), "{error:?}");
    assert_eq!(fixture.events.steps().last().map(String::as_str), Some("base debian bookworm failed"));
    assert!(fixture.store().find(&plan.steps[0].key).expect("readable").is_some());
    fixture.assert_store_is_sound();
}

#[test]
fn a_package_that_is_nowhere_names_who_wants_it() {
    let mut fixture = Fixture::new();
    fixture.element("web", "packages: { debian: [ngnix, curl] }");
    fixture.unknown_packages = vec!["ngnix".to_owned()];
    let error = fixture.build(&fixture.plan("elements: [web]\npackages: [ngnix]")).expect_err("it is misspelt");
    assert_eq!(error.to_string(), "no repository has the package ngnix (wanted by web, image)");
    fixture.assert_store_is_sound();
}
