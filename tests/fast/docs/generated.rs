//! Parts of pages that are made from the program itself. A part begins with the line `<!-- generated: WHAT -->` and
//! ends with the line `<!-- end -->`.

use std::path::Path;

use goldsmith::verify::{self, Group, Severity, Stage};

use super::{commands, elements, events, matrix, pages, schema};

/// Set it to write the parts instead of comparing them.
const WRITE: &str = "GOLDSMITH_WRITE_DOCS";

const BEGIN: &str = "<!-- generated: ";
const END: &str = "<!-- end -->";

/// The text of a part.
fn make(what: &str) -> String {
    let (kind, argument) = what.split_once(' ').unwrap_or((what, ""));
    match kind {
        "keys" => schema::keys(argument),
        "values" => schema::values(argument),
        "variants" => schema::variants(argument),
        "actions" => schema::actions(),
        "elements" => elements::all(),
        "events" => events::of_builds(),
        "commands" => commands::table(),
        "options" => commands::options(),
        "checks" => checks(argument),
        "severities" => severities(),
        "exit-codes" => exit_codes(),
        "settings" => settings(),
        "matrix" => matrix::make(argument),
        _ => panic!("nothing makes `{what}`"),
    }
}

/// A page with its parts made anew.
fn renewed(text: &str) -> String {
    let mut new = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        new.push_str(&format!("{line}\n"));
        if let Some(what) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(" -->")) {
            assert!(lines.any(|line| line == END), "`{what}` has no end");
            new.push_str(&format!("\n{}\n\n{END}\n", make(what).trim()));
        }
    }
    new
}

/// One row of a table. A bar would end the cell, and `<` outside of code would begin a tag.
pub(crate) fn row<const N: usize>(cells: [&str; N]) -> String {
    let cells = cells.map(|cell| {
        let cell = cell.replace('\n', " ").replace('|', "\\|");
        let parts = cell.split('`').enumerate();
        let parts = parts.map(|(i, part)| if i % 2 == 0 { part.replace('<', "\\<") } else { part.to_owned() });
        parts.collect::<Vec<_>>().join("`")
    });
    format!("| {} |\n", cells.join(" | "))
}

/// The head of a table.
pub(crate) fn head<const N: usize>(cells: [&str; N]) -> String {
    format!("{}|{}\n", row(cells), "---|".repeat(N))
}

/// What verifying looks at: `static` or `booted`.
fn checks(stage: &str) -> String {
    let stage = match stage {
        "static" => Stage::Static,
        "booted" => Stage::Booted,
        _ => panic!("there is no stage `{stage}`"),
    };
    let mut text = head(["check", "about", "severity", "what must be true", "why", "what to do if it is not"]);
    for rule in verify::rules().filter(|rule| rule.stage == stage) {
        let name = format!("`{}`", rule.id);
        let sentence = format!("{}.", rule.sentence);
        text.push_str(&row([&name, rule.group.name(), severity(rule.severity), &sentence, rule.reason, rule.mend]));
    }
    text
}

fn severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// How many checks of each kind there are.
fn severities() -> String {
    let mut text = head(["about", "checks", "of these, errors"]);
    let groups = [
        Group::Disk,
        Group::Boot,
        Group::Network,
        Group::Access,
        Group::Metadata,
        Group::Hygiene,
        Group::Services,
        Group::Element,
    ];
    for group in groups {
        let count = |worst: bool| {
            let found = verify::rules().filter(|rule| rule.group == group);
            found.filter(|rule| !worst || rule.severity == Severity::Error).count().to_string()
        };
        if group != Group::Element {
            text.push_str(&row([group.name(), &count(false), &count(true)]));
        }
    }
    text
}

/// The settings of configuration files, from the table that reads them.
fn settings() -> String {
    let mut text = head(["key", "variable", "value", "default", "meaning"]);
    for setting in goldsmith::cli::settings_of_files() {
        let variable = setting.variable.map(|name| format!("`{name}`")).unwrap_or_default();
        let whose = if setting.project { "" } else { " Not in the file of a project." };
        let name = format!("`{}`", setting.name);
        let meaning = format!("{}{whose}", setting.meaning);
        text.push_str(&row([&name, &variable, &setting.value, setting.default, &meaning]));
    }
    text
}

/// The constants of `goldsmith::cli::failure::exit`, and the sentences above them.
fn exit_codes() -> String {
    let source = include_str!("../../../src/cli/failure.rs");
    let module = source.split("pub mod exit {").nth(1).and_then(|rest| rest.split("\n}").next()).expect("the module");
    let mut text = head(["code", "meaning"]);
    let mut sentence = String::new();
    for line in module.lines().map(str::trim) {
        if let Some(part) = line.strip_prefix("/// ") {
            sentence.push_str(part);
        } else if let Some(code) = line.strip_suffix(';').and_then(|line| line.split(" = ").nth(1)) {
            text.push_str(&row([&format!("`{code}`"), &std::mem::take(&mut sentence)]));
        }
    }
    text
}

#[test]
fn generated_parts_are_current() {
    let write = std::env::var_os(WRITE).is_some();
    let mut stale = Vec::new();
    for page in pages::all() {
        let new = renewed(&page.text);
        if new != page.text {
            if write {
                std::fs::write(pages::root().join(&page.path), new).expect("the page can be written");
            } else {
                stale.push(page.path.display().to_string());
            }
        }
    }
    assert!(stale.is_empty(), "run the tests once with {WRITE}=1: {} is not what the program says", stale.join(", "));
}

#[test]
fn the_reference_has_every_kind_of_part() {
    let parts: Vec<String> = pages::all()
        .iter()
        .filter(|page| page.path.starts_with(Path::new("docs/src/reference")))
        .flat_map(|page| page.text.lines().map(str::to_owned).collect::<Vec<_>>())
        .filter_map(|line| Some(line.strip_prefix(BEGIN)?.strip_suffix(" -->")?.to_owned()))
        .collect();
    for part in ["actions", "elements", "commands", "options", "checks static", "checks booted", "exit-codes"] {
        assert!(parts.iter().any(|there| there == part), "no page of the reference has `{part}`");
    }
    let named = schema::named();
    let missing: Vec<_> =
        named.iter().filter(|name| !parts.iter().any(|part| part.ends_with(&format!(" {name}")))).collect();
    assert!(missing.is_empty(), "no page of the reference has the keys or values of {missing:?}");
}

#[test]
fn a_part_that_is_old_is_renewed() {
    let old = format!("# A\n{BEGIN}exit-codes -->\noutdated\n{END}\nrest\n");
    let new = renewed(&old);
    assert!(new.contains("| `14` | The image could not be published. |"), "{new}");
    assert!(new.starts_with("# A\n") && new.ends_with("\nrest\n") && !new.contains("outdated"), "{new}");
    assert_eq!(renewed(&new), new);
}
