//! Keys of recipes and elements, from the types that read them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use goldsmith::element::schema::ElementFile;
use goldsmith::recipe::RecipeFile;
use goldsmith::units::ByteSize;
use serde_json::{Map, Value as Json};

use super::generated::{head, row};

/// Types whose values a table of keys tells well enough in words: plain text of some form.
const PLAIN: [&str; 2] = ["ByteSize", "Mode"];

/// Most values that every key of the type lists.
const LONGEST: usize = 8;

/// Types that another generator tells of: actions, with all types that their keys have.
fn of_actions() -> BTreeSet<String> {
    let schema = schemars::schema_for!(goldsmith::action::Action).to_value();
    let defs = schema["$defs"].as_object().expect("it has types");
    defs.keys().cloned().chain(["Action".to_owned()]).collect()
}

/// Every type by its name. The recipe is `Recipe`, an `element.yaml` is `Element`.
fn types() -> &'static Map<String, Json> {
    static TYPES: OnceLock<Map<String, Json>> = OnceLock::new();
    TYPES.get_or_init(find_types)
}

fn find_types() -> Map<String, Json> {
    let mut types = Map::new();
    for (name, schema) in [
        ("Recipe", schemars::schema_for!(RecipeFile).to_value()),
        ("Element", schemars::schema_for!(ElementFile).to_value()),
    ] {
        if let Some(defs) = schema.get("$defs").and_then(Json::as_object) {
            types.extend(defs.clone());
        }
        types.insert(name.to_owned(), schema);
    }
    types
}

fn find(name: &str) -> Json {
    types().get(name).unwrap_or_else(|| panic!("no type is called `{name}`")).clone()
}

/// Names of the types that the reference must tell of.
pub(crate) fn named() -> BTreeSet<String> {
    let of_actions = of_actions();
    let left_out = |name: &str| PLAIN.contains(&name) || of_actions.contains(name);
    types().keys().filter(|name| !left_out(name)).cloned().collect()
}

/// A table of the keys of a type.
pub(crate) fn keys(name: &str) -> String {
    let schema = find(name);
    let properties =
        schema.get("properties").and_then(Json::as_object).unwrap_or_else(|| panic!("`{name}` has no keys"));
    let required: Vec<_> = schema.get("required").and_then(Json::as_array).into_iter().flatten().collect();
    let mut text = head(["key", "value", "default", "meaning"]);
    for (key, property) in properties {
        let (meaning, told) = sentences(property);
        let default = match (property.get("default"), told) {
            _ if required.iter().any(|name| *name == key) => "required".to_owned(),
            (_, Some(told)) => told,
            (Some(Json::Number(bytes)), None) if kind(property) == "size" => {
                let size = ByteSize::bytes(bytes.as_u64().expect("a size is a number"));
                format!("`{}`", size.to_string().replace(' ', ""))
            }
            (Some(value), None) => shown(value),
            (None, None) if property.get("type") == Some(&Json::from("boolean")) => "`false`".to_owned(),
            (None, None) => String::new(),
        };
        text.push_str(&row([&format!("`{key}`"), &kind(property), &default, &meaning]));
    }
    text
}

/// A table of the words that a type knows.
pub(crate) fn values(name: &str) -> String {
    let schema = find(name);
    let mut text = head(["value", "meaning"]);
    let variants = schema.get("oneOf").and_then(Json::as_array);
    for variant in variants.unwrap_or_else(|| panic!("`{name}` has no values")) {
        let listed = variant.get("enum").and_then(Json::as_array).into_iter().flatten();
        for value in variant.get("const").into_iter().chain(listed) {
            text.push_str(&row([&format!("`{}`", word(value)), &sentences(variant).0]));
        }
    }
    text
}

/// A table of what a type may be: objects with one key each.
pub(crate) fn variants(name: &str) -> String {
    let mut text = head(["key", "value", "meaning"]);
    for (key, value, meaning) in variants_of(name) {
        text.push_str(&row([&format!("`{key}`"), &kind(&value), &meaning]));
    }
    text
}

fn variants_of(name: &str) -> Vec<(String, Json, String)> {
    let schema = find(name);
    let variants = schema.get("oneOf").and_then(Json::as_array).unwrap_or_else(|| panic!("`{name}` has no variants"));
    let one = |variant: &Json| {
        let (key, value) = variant.get("properties").and_then(Json::as_object)?.iter().next()?;
        Some((key.clone(), value.clone(), sentences(variant).0))
    };
    variants.iter().filter_map(one).collect()
}

/// Every action, each with its keys.
pub(crate) fn actions() -> String {
    let mut text = String::new();
    let mut told = BTreeSet::new();
    for (name, value, meaning) in variants_of("Action") {
        text.push_str(&format!("### `{name}`\n\n{meaning}\n\n"));
        match reference(&value) {
            Some(def) => {
                text.push_str(&format!("{}\n", keys(def)));
                told.insert(def.to_owned());
                for (key, property) in find(def)["properties"].as_object().expect("it has keys") {
                    if let Some(entry) = reference(&property["items"]) {
                        text.push_str(&format!("Each entry of `{key}` has these keys:\n\n{}\n", keys(entry)));
                        told.insert(entry.to_owned());
                    }
                }
            }
            None => text.push_str(&format!("Its value is {}.\n\n", kind(&value))),
        }
    }
    let left_out = |name: &str| name == "Action" || PLAIN.contains(&name);
    let expected: BTreeSet<_> = of_actions().into_iter().filter(|name| !left_out(name)).collect();
    assert_eq!(told, expected, "an action has a type that the reference does not know");
    text
}

fn reference(schema: &Json) -> Option<&str> {
    schema.get("$ref").and_then(Json::as_str).and_then(|path| path.strip_prefix("#/$defs/"))
}

/// What a value looks like.
fn kind(schema: &Json) -> String {
    if let Some(name) = reference(schema) {
        return of_type(name);
    }
    if let Some(list) = schema.get("anyOf").and_then(Json::as_array) {
        let kinds: Vec<_> = list.iter().filter(|one| one.get("type") != Some(&Json::from("null"))).map(kind).collect();
        return kinds.join(" or ");
    }
    let name = match schema.get("type") {
        Some(Json::String(name)) => name.as_str(),
        Some(Json::Array(names)) => names.iter().filter_map(Json::as_str).find(|name| *name != "null").unwrap_or("any"),
        _ => return "any value".to_owned(),
    };
    match name {
        "array" => match schema.get("items").map(kind).as_deref() {
            Some("text") => "list of texts".to_owned(),
            Some("map") => "list of maps".to_owned(),
            Some(other) => format!("list of {}", other.replace("[map]", "[maps]")),
            None => "list".to_owned(),
        },
        "object" => match schema.get("additionalProperties") {
            // Keys that people choose, if there are no others.
            Some(values @ Json::Object(_)) if schema.get("properties").is_none() => format!("name: {}", kind(values)),
            _ => "map".to_owned(),
        },
        "string" => "text".to_owned(),
        "boolean" => "`true`, `false`".to_owned(),
        "integer" => "number".to_owned(),
        other => other.to_owned(),
    }
}

/// What a value of a named type looks like: its words if it has some.
fn of_type(name: &str) -> String {
    match name {
        "ByteSize" => return "size".to_owned(),
        "Mode" => return "octal text".to_owned(),
        _ => {}
    }
    let schema = find(name);
    let variants: Vec<_> = schema.get("oneOf").and_then(Json::as_array).into_iter().flatten().collect();
    let words: Vec<_> = variants
        .iter()
        .flat_map(|variant| {
            let listed = variant.get("enum").and_then(Json::as_array).into_iter().flatten();
            variant.get("const").into_iter().chain(listed)
        })
        .map(|value| format!("`{}`", word(value)))
        .collect();
    if !words.is_empty() && words.len() == variants.len().max(words.len()) {
        // A long list is told once, where its values are explained.
        return match places().get(name).filter(|_| words.len() > LONGEST) {
            Some(place) => format!("[{}]({place})", name.to_lowercase()),
            None => words.join(", "),
        };
    }
    if let Some(kind) = schema.get("type").and_then(Json::as_str).filter(|kind| *kind != "object") {
        return if kind == "string" { "text".to_owned() } else { kind.to_owned() };
    }
    match places().get(name) {
        Some(place) => format!("[map]({place})"),
        None => "map".to_owned(),
    }
}

/// Where the reference tells of each type: the page, and the heading above the part.
fn places() -> &'static BTreeMap<String, String> {
    static PLACES: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    PLACES.get_or_init(find_places)
}

fn find_places() -> BTreeMap<String, String> {
    let mut places = BTreeMap::new();
    for page in super::pages::all().iter().filter(|page| page.path.starts_with("docs/src/reference")) {
        let file = page.path.file_name().and_then(|name| name.to_str()).expect("a page has a name");
        let mut heading = String::new();
        for line in page.text.lines() {
            let part = line.strip_prefix("<!-- generated: ").and_then(|rest| rest.strip_suffix(" -->"));
            if line.starts_with("## ") || line.starts_with("### ") {
                heading = format!("#{}", super::pages::anchor(line.trim_start_matches(['#', ' '])));
            } else if part == Some("actions") {
                places.insert("Action".to_owned(), format!("{file}{heading}"));
            } else if let Some((_, name)) = part.and_then(|part| part.split_once(' ')) {
                places.insert(name.to_owned(), format!("{file}{heading}"));
            }
        }
    }
    places
}

fn word(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A default value; nothing where there is none.
fn shown(value: &Json) -> String {
    match value {
        Json::Null => String::new(),
        Json::Object(_) => String::new(),
        Json::Array(list) if list.is_empty() => String::new(),
        Json::Array(list) => format!("`[{}]`", list.iter().map(word).collect::<Vec<_>>().join(", ")),
        other => format!("`{}`", word(other)),
    }
}

/// The description of something, without and with what it says about the default.
fn sentences(schema: &Json) -> (String, Option<String>) {
    let text = schema.get("description").and_then(Json::as_str).unwrap_or_default().replace('\n', " ");
    // Links of the source's own documentation.
    let text = text.replace("[`", "`").replace("`]", "`");
    match text.split_once("Default: ") {
        Some((before, default)) => {
            let default = default.trim_end_matches('.');
            (before.trim_end().to_owned(), Some(default.to_owned()))
        }
        None => (text, None),
    }
}

/// Whether a recipe has a key such as `disk.layout`; `None` where the first word is no key of a recipe at all.
fn has(path: &str) -> Option<bool> {
    let (first, second) = path.split_once('.')?;
    let property = find("Recipe").pointer(&format!("/properties/{first}"))?.clone();
    let direct = reference(&property);
    let optional = property.get("anyOf").and_then(Json::as_array).into_iter().flatten().find_map(reference);
    let schema = find(direct.or(optional)?);
    Some(schema.pointer(&format!("/properties/{second}")).is_some())
}

#[test]
fn advice_of_checks_names_keys_that_recipes_have() {
    assert_eq!((has("disk.layout"), has("disk.nothing"), has("junit.xml")), (Some(true), Some(false), None));
    for rule in goldsmith::verify::rules() {
        for code in rule.mend.split('`').skip(1).step_by(2) {
            assert_ne!(has(code), Some(false), "{}: no recipe has `{code}`", rule.id);
        }
    }
}

#[test]
fn advice_of_checks_names_elements_that_there_are() {
    let known = goldsmith::element::library::Library::new(vec![]).names();
    let mut seen = 0;
    for rule in goldsmith::verify::rules() {
        for rest in rule.mend.split("element ").skip(1) {
            let name = rest.split([',', ';', ' ', ':']).next().unwrap_or_default().trim_matches('`');
            assert!(known.contains_key(name), "{}: there is no element `{name}`", rule.id);
            seen += 1;
        }
    }
    assert!(seen > 20, "{seen} rules name an element");
}
