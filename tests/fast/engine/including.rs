//! Builds of recipes that include files.

use super::fixture::{Fixture, history};

const RECIPE: &str = "
include: [parts/agent.yaml]
steps:
  install: [{ run: { inline: own install } }]
  configure: [{ run: { inline: own configure } }]
";

#[test]
fn a_build_after_a_change_of_an_included_file_begins_with_its_step() {
    let fixture = Fixture::new();
    fixture.file("parts/agent.yaml", "steps: { configure: [{ run: { script: agent.sh } }] }\n", 0o644);
    for (version, ran) in [
        ("agent 1", &["own install", "agent 1", "own configure"][..]),
        ("agent 2", &["agent 2", "own configure"]),
        ("agent 2", &[]),
    ] {
        fixture.file("parts/agent.sh", &format!("#!/bin/sh\n{version}\n"), 0o755);
        fixture.world.reset();
        let disk = fixture.build(&fixture.plan(RECIPE)).expect("it builds");
        assert_eq!(fixture.ran(), ran, "{version}");
        assert_eq!(fixture.world.launches(), usize::from(!ran.is_empty()), "{version}");
        assert_eq!(history(&disk), ["own install", version, "own configure"]);
    }
    fixture.assert_store_is_sound();
}
