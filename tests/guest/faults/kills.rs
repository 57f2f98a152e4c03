//! SIGKILL at random moments.

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use rustix::process::Signal;

use super::sandbox::Sandbox;

/// Number of kills unless `GOLDSMITH_TEST_KILLS` says otherwise.
const KILLS: u32 = 6;

/// A build of the recipe below takes about as long without KVM.
const LATEST: Duration = Duration::from_secs(16);

/// Every step but the base depends on the round: each round has as much to do.
fn write_recipe(sandbox: &Sandbox, round: u32) {
    let elements: Vec<_> = (1..=6).map(|n| format!("quick-{n}: {{ round: {round} }}")).collect();
    sandbox.recipe("killed", &format!("elements: [{}]\n", elements.join(", ")));
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_kill_costs_the_current_step_only() {
    let kills = std::env::var("GOLDSMITH_TEST_KILLS").ok().map_or(KILLS, |count| count.parse().unwrap());
    let sandbox = Sandbox::with_base();
    for n in 1..=6 {
        let after = if n > 1 { format!("after: [quick-{}]\n", n - 1) } else { String::new() };
        let script = "echo {{ round }} >/etc/round";
        sandbox.element(
            &format!("quick-{n}"),
            &format!(
                "params: {{ round: {{ type: integer }} }}\n{after}steps:\n  configure:\n    - run: {{ inline: '{script}' }}\n"
            ),
        );
    }
    let mut round = 0;
    write_recipe(&sandbox, round);
    let mut whole: BTreeSet<String> = BTreeSet::new();
    let mut killed = 0;
    while killed < kills {
        let run = sandbox.start("build killed.yaml");
        // The moment is what the test is about; nothing is waited for.
        let delay = LATEST.mul_f64(RandomState::new().hash_one(killed) as f64 / u64::MAX as f64);
        std::thread::sleep(delay);
        run.signal(Signal::KILL);
        let ended = run.end();
        let moment = format!("kill {killed} after {delay:?}");
        if ended.code.is_some() {
            // It was ready before: this is no kill.
            assert_eq!(ended.code, Some(0), "{moment}: {:#?}", ended.events.last());
            round += 1;
            write_recipe(&sandbox, round);
            continue;
        }
        killed += 1;
        sandbox.await_silence();
        let now: BTreeSet<String> =
            sandbox.layers().into_iter().filter(|(_, _, state)| state == "complete").map(|(_, key, _)| key).collect();
        assert!(now.is_superset(&whole), "{moment} lost layers: {whole:?} {now:?}");
        // What is finished is committed while the next step runs.
        let finished = ended.events.iter().filter(|event| event["event"] == "step-finished").count();
        assert!(now.len() + 1 >= whole.len() + finished, "{moment}: {finished} finished, {whole:?} {now:?}");
        whole = now;
        let (code, stderr) = sandbox.run("cache verify");
        assert_eq!(code, Some(0), "{moment}: {stderr}");
    }
    let (code, stderr) = sandbox.run("build killed.yaml");
    assert_eq!(code, Some(0), "{stderr}");
    sandbox.assert_clean();
    let artifacts = sandbox.names("out/killed");
    assert!(artifacts.iter().all(|name| !name.contains("part") && !name.starts_with('.')), "{artifacts:?}");
    let (code, stderr) = sandbox.run("cache gc --max-age 30d");
    assert_eq!(code, Some(0), "{stderr}");
    assert!(sandbox.layers().iter().all(|(_, _, state)| state == "complete"), "{:?}", sandbox.layers());
}
