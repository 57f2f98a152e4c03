//! Recipes that start from other recipes: each image is asked from inside by its recipe's own steps, which fail the build.

use serde_json::Value;

use crate::image_base::{goldsmith, launches};
use crate::shared::SMALL;

const BELOW: &str = r#"
elements: [one]
packages: [ed]
steps:
  configure:
    - write: { path: /etc/below, content: "below\n" }
  clean:
    - run: { inline: "echo below >>/etc/cleaned" }
"#;

const ONE: &str = r#"
name: one
description: for tests
steps:
  finish:
    - run: { inline: "cat /etc/below >/etc/finished; cat /etc/upon /etc/top >>/etc/finished 2>/dev/null || true" }
  clean:
    - run: { inline: "echo one >>/etc/cleaned" }
checks:
  - path-exists: /etc/finished
"#;

const UPON: &str = r#"
name: upon
base: { recipe: { source: below.yaml } }
packages: [bc]
steps:
  configure:
    - write: { path: /etc/upon, content: "upon\n" }
    - run: { inline: "test $(echo 6*7 | bc) = 42; printf '%s\n' 1p Q | ed -s /etc/below | grep -x below" }
  clean:
    - run: { inline: "test \"$(tr '\n' ' ' </etc/finished)\" = 'below upon ' && test \"$(tr '\n' ' ' </etc/cleaned)\" = 'one below '" }
"#;

const TOP: &str = r#"
name: top
base: { recipe: { source: upon.yaml } }
elements: [one]
steps:
  configure:
    - write: { path: /etc/top, content: "top\n" }
  clean:
    - run: { inline: "test \"$(tr '\n' ' ' </etc/finished)\" = 'below upon top '" }
"#;

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn recipes_start_from_recipes_and_share_their_layers() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    let below = format!("name: below\n{SMALL}{BELOW}");
    std::fs::create_dir_all(work.join("elements/one")).expect("a directory");
    for (name, text) in
        [("below.yaml", below.as_str()), ("upon.yaml", UPON), ("top.yaml", TOP), ("elements/one/element.yaml", ONE)]
    {
        std::fs::write(work.join(name), text).expect("a file");
    }
    let events = goldsmith(work, &["build", "upon.yaml"]);
    let shared = ["base debian bookworm", "configure below", "finish one", "clean one", "clean below"];
    let own = ["install packages", "configure upon", "finish one", "clean upon", "clean one", "finalize upon"];
    assert_eq!(started(&events), shared.into_iter().chain(own).collect::<Vec<_>>());
    assert_eq!(launches(&events), 1, "one guest for both recipes");

    let events = goldsmith(work, &["build", "upon.yaml"]);
    assert_eq!((launches(&events), &events.last().expect("a result")["unchanged"]), (0, &Value::Bool(true)));
    assert_eq!(started(&goldsmith(work, &["build", "below.yaml"])), ["finalize below"], "all others are there");

    let events = goldsmith(work, &["build", "top.yaml"]);
    assert_eq!(started(&events), ["configure top", "finish one", "clean top", "clean one", "finalize top"]);
    assert_eq!(launches(&events), 1);

    std::fs::write(work.join("below.yaml"), below.replace("content: \"below", "content: \"below\\nnew"))
        .expect("a file");
    std::fs::write(work.join("upon.yaml"), UPON.replace("'below upon '", "'below new upon '")).expect("a file");
    let events = goldsmith(work, &["build", "upon.yaml"]);
    assert_eq!(started(&events), shared[1..].iter().chain(&own).copied().collect::<Vec<_>>());
    assert_eq!(launches(&events), 1);
}

/// The steps whose layers were made.
fn started(events: &[Value]) -> Vec<String> {
    let started = events.iter().filter(|event| event["event"] == "step-started");
    started
        .map(|event| {
            format!(
                "{} {}",
                event["step"]["phase"].as_str().unwrap_or_default(),
                event["step"]["element"].as_str().unwrap_or_default()
            )
        })
        .collect()
}
