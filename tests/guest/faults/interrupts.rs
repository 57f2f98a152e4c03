//! Ctrl-C and SIGTERM, in every part of a build.

use rustix::process::Signal;

use super::sandbox::Sandbox;

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_bootstrap_ends_at_once() {
    let sandbox = Sandbox::without_base();
    sandbox.recipe("small", "");
    let mut run = sandbox.start("build small.yaml");
    run.until_output("Unpacking");
    run.interrupt(Signal::INT);
    let mut run = sandbox.start("build small.yaml");
    run.until_activity("make the file systems");
    run.interrupt(Signal::TERM);
    assert!(sandbox.layers().iter().all(|(_, _, state)| state != "complete"), "{:?}", sandbox.layers());
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_build_ends_at_once_wherever_it_is_and_goes_on_from_there() {
    let sandbox = Sandbox::with_base();
    sandbox.element("first", "steps:\n  configure:\n    - write: { path: /etc/first, content: first }\n");
    let script = "if [ {{ wait }} = true ]; then mkfifo /tmp/never; echo waiting; cat /tmp/never; fi";
    sandbox.recipe(
        "small",
        &format!(
            "params: {{ wait: {{ type: boolean, default: false }} }}\nelements: [first]\n\
             steps: {{ boot: [{{ run: {{ inline: '{script}' }} }}] }}\n"
        ),
    );
    let mut run = sandbox.start("build small.yaml");
    run.until_activity("start the guest");
    run.interrupt(Signal::INT);

    let mut run = sandbox.start("build small.yaml --param wait=true");
    run.until_output("waiting");
    let ended = run.interrupt(Signal::TERM);
    assert!(ended.events.iter().all(|event| event["event"] != "step-failed"), "an interrupt is no failure");
    let complete = |step: &str| sandbox.layers().iter().any(|(name, _, state)| name == step && state == "complete");
    assert!(complete("configure first") && !complete("boot small"), "{:?}", sandbox.layers());

    let mut run = sandbox.start("build small.yaml");
    run.until_activity("export");
    let ended = run.interrupt(Signal::INT);
    assert!(
        ended.events.iter().all(|event| event["event"] != "step-started" || event["step"]["element"] != "first"),
        "the layer that was there is used: {:#?}",
        ended.events
    );
    assert_eq!(sandbox.names("out/small"), ["build.log"], "no part of an artifact stays");

    let ended = sandbox.start("build small.yaml").end();
    assert_eq!(ended.code, Some(0), "{:#?}", ended.events.last());
    assert!(ended.events.iter().all(|event| event["event"] != "step-started"), "every layer was there");
    assert!(ended.events.iter().all(|event| event["activity"] != "start the guest"));
    sandbox.assert_clean();
}
