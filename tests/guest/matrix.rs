//! Several images in one run, by the command line, on one small base: what they share is made once, and one that fails stops no other.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::shared::{SMALL, small_cache};

const RECIPE: &str = r#"
name: "image-{{ flavour }}"
params: { flavour: { type: string } }
matrix: { flavour: [a, b, c] }
steps:
  install:
    - write: { path: /etc/shared, content: "all\n" }
  configure:
    - run: { inline: "echo {{ flavour }} >/etc/flavour; test {{ flavour }} != c" }
"#;

fn goldsmith(work: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    command.env("LC_ALL", "C").current_dir(work).args(args).args(["--cache", "cache"]).output().expect("it runs")
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

/// The steps whose layers were made, each with its image.
fn started(events: &[Value]) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let started = events.iter().filter(|event| event["event"] == "step-started");
    let mut names: Vec<_> =
        started.map(|event| format!("{}: {}", text(&event["image"]), text(&event["step"]["phase"]))).collect();
    names.sort();
    names
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn images_of_a_matrix_share_their_steps_and_fail_alone() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    small_cache(&work.join("cache"));
    let write = |name: &str, text: &str| std::fs::write(work.join(name), text).expect("a file");
    write("recipe.yaml", &format!("{SMALL}{RECIPE}"));

    let output = goldsmith(work, &["build", "recipe.yaml", "--json", "--jobs", "2"]);
    let events = lines(&output);
    assert_eq!(output.status.code(), Some(12), "a step failed: {events:#?}");
    let first = started(&events);
    let shared: Vec<_> = first.iter().filter(|step| step.ends_with(": install")).collect();
    assert_eq!(shared.len(), 1, "the shared step is made once: {first:?}");
    assert!(!first.iter().any(|step| step.ends_with(": base")), "the base was there: {first:?}");
    let ended: Vec<_> = events.iter().filter(|event| event["event"] == "image-ended").collect();
    let results: Vec<_> = ended.iter().map(|event| [event["image"].as_str(), event["result"].as_str()]).collect();
    let expected = [("image-a", "built"), ("image-b", "built"), ("image-c", "failed")];
    assert_eq!(results, expected.map(|(image, result)| [Some(image), Some(result)]));
    let last = events.last().expect("a result");
    assert_eq!((&last["event"], &last["message"]), (&"failed".into(), &"1 of 3 images failed".into()));
    assert_eq!(last["details"][0]["image"], "image-c");
    let xml = std::fs::read_to_string(work.join("out/junit.xml")).expect("a report");
    assert!(xml.contains("tests=\"3\" failures=\"1\"") && xml.contains("image-c"), "{xml}");
    for (image, there) in [("image-a", true), ("image-b", true), ("image-c", false)] {
        assert_eq!(work.join("out").join(image).join(format!("{image}.qcow2")).is_file(), there, "{image}");
    }

    // Text for people; nothing of the good images is made again.
    let output = goldsmith(work, &["build", "recipe.yaml", "--only", "image-[ab]"]);
    let (table, progress) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{progress}");
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!((rows.len(), rows[0][0], rows[0][1], rows[1][0]), (2, "image-a", "unchanged", "image-b"), "{table}");
    assert!(progress.lines().any(|line| line.contains("image-a: ") && line.contains("cached")), "{progress}");
    let next: Vec<_> = progress.lines().filter(|line| line.starts_with("next: ")).collect();
    assert!(next.len() == 1 && next[0].ends_with("out/image-a"), "one image is tried, and not all: {progress}");

    // Two recipes at once: the other one has a name of its own.
    let other = RECIPE.replace("image-", "other-").replace("[a, b, c]", "[a]");
    write("other.yaml", &format!("{SMALL}{other}"));
    let output = goldsmith(work, &["build", "recipe.yaml", "other.yaml", "--json", "--only", "*-a"]);
    let events = lines(&output);
    assert!(output.status.success(), "{events:#?}");
    assert_eq!(started(&events), [""; 0], "the layers do not depend on the name of the image");
    write("other.yaml", &format!("{SMALL}{RECIPE}"));
    let output = goldsmith(work, &["plan", "recipe.yaml", "other.yaml"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("both make an image `image-a`"), "{said}");

    let output = goldsmith(work, &["plan", "recipe.yaml"]);
    let tree = String::from_utf8_lossy(&output.stdout);
    assert_eq!(tree.matches("install recipe").count(), 1, "a shared step has one line: {tree}");
    assert!(tree.contains("|- ") && tree.contains("`- "), "{tree}");
}
