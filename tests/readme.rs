//! The README's reference lists what there is: no more, no less.

use std::collections::BTreeSet;

use goldsmith::action::Action;
use goldsmith::cli::failure::exit;
use goldsmith::recipe::RecipeFile;

const README: &str = include_str!("../README.md");

/// First cells, without code marks, of the table below a heading.
fn table(heading: &str) -> BTreeSet<String> {
    let section = README.split(&format!("\n{heading}\n")).nth(1).expect("the heading is there");
    section
        .lines()
        .skip_while(|line| !line.starts_with('|'))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .filter_map(|line| line.split('|').nth(1))
        .map(|cell| cell.trim().trim_matches('`').to_owned())
        .collect()
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> BTreeSet<String> {
    names.cloned().collect()
}

#[test]
fn every_action_is_listed() {
    let schema = schemars::schema_for!(Action);
    let variants = schema.get("oneOf").and_then(|variants| variants.as_array()).expect("an enum");
    let known =
        variants.iter().filter_map(|variant| variant["properties"].as_object()).flat_map(|object| object.keys());
    assert_eq!(table("### Actions"), names(known));
}

#[test]
fn every_key_of_a_recipe_is_listed() {
    let schema = schemars::schema_for!(RecipeFile);
    let known = schema.get("properties").and_then(|properties| properties.as_object()).expect("a struct").keys();
    assert_eq!(table("### Keys of a recipe"), names(known));
}

#[test]
fn every_exit_code_is_listed() {
    let codes = [
        exit::OK,
        exit::DIFFERENT,
        exit::USAGE,
        exit::RECIPE,
        exit::HOST,
        exit::BUILD,
        exit::VERIFICATION,
        exit::PUBLISH,
        exit::INTERRUPTED,
    ];
    assert_eq!(table("### Exit codes"), codes.iter().map(u8::to_string).collect());
}
