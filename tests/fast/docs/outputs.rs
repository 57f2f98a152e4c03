//! Output that the documentation shows is what the program prints, where a test can find that out at once: for
//! `goldsmith validate`.

use std::process::Command;

use super::pages::{self, Page};

/// Recipes of a page: blocks below a comment that begins with a file's name, such as `web.yaml` or `wrong.yaml: why`.
fn recipes(page: &Page) -> Vec<(&str, &str)> {
    let named = page.blocks.iter().filter(|block| block.info.starts_with("yaml"));
    let named = named.filter_map(|block| {
        let name = block.reason.as_deref()?.split([':', ' ']).next()?;
        name.ends_with(".yaml").then_some((name, block.text.as_str()))
    });
    named.collect()
}

/// What the program prints of a recipe.
fn validated(name: &str, recipe: &str) -> String {
    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join(name), recipe).expect("a file");
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    let ran = goldsmith.current_dir(&dir).args(["validate", name]).env("LC_ALL", "C.UTF-8").output();
    let ran = ran.expect("the program runs");
    [ran.stdout, ran.stderr].iter().map(|bytes| String::from_utf8_lossy(bytes)).collect()
}

#[test]
fn the_output_of_validate_is_shown_as_it_is() {
    let mut compared = 0;
    for page in pages::all() {
        for (name, recipe) in recipes(&page) {
            let first = format!("$ goldsmith validate {name}\n");
            for shown in page.blocks.iter().filter_map(|block| block.text.strip_prefix(&first)) {
                assert_eq!(shown.trim_end(), validated(name, recipe).trim_end(), "{}: {name}", page.path.display());
                compared += 1;
            }
        }
    }
    assert!(compared >= 2, "the tutorial shows a recipe that is valid and one that is not");
}
