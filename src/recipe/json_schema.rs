//! JSON Schemas of recipes and elements, for editors: made from the types that read them.
//!
//! Two things are added, because they happen before the types are read: an entry of a list of actions or checks may have `when`,
//! and a template may stand for a value that is not any text.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value as Json, json};

use super::schema::RecipeFile;
use crate::distro::{DistroFile, Distros};
use crate::element::schema::ElementFile;
use crate::units::ByteSize;

/// A template that is wholly one expression.
const TEMPLATE: &str = r"^\{\{.*\}\}$";

/// Schema of a recipe, draft 2020-12. It may bootstrap the distributions that are known. Without `include`, nothing else can have the
/// keys that every recipe needs.
pub fn recipe_schema(distros: &Distros) -> Json {
    let (mut schema, needed) = partial_schema(distros);
    if let Some(object) = object_of(&mut schema, "") {
        object.insert("anyOf".to_owned(), json!([{ "required": ["include"] }, needed]));
    }
    schema
}

/// Schema of a file that recipes include, draft 2020-12: it may lack the keys that every recipe needs.
pub fn included_schema(distros: &Distros) -> Json {
    let mut schema = partial_schema(distros).0;
    schema["title"] = json!("File that Goldsmith recipes include");
    schema
}

/// Returns the schema of a recipe without keys that it needs, and the schema of what it needs.
fn partial_schema(distros: &Distros) -> (Json, Json) {
    let mut schema = schema::<RecipeFile>("Goldsmith recipe");
    let names: Vec<&str> = distros
        .iter()
        .filter(|one| one.file.bootstrap.is_some())
        .flat_map(|one| [&one.file.name].into_iter().chain(&one.file.aliases))
        .map(String::as_str)
        .collect();
    let text = json!({ "type": "string", "pattern": TEMPLATE });
    narrow(&mut schema, "distro", "components", json!({ "anyOf": [{ "enum": names }, text] }));
    let [recipe, param, bootstrap, image, tree, container, mut installer, file, base] = [
        "",
        "/$defs/Param",
        "/$defs/Bootstrap",
        "/$defs/ImageSource",
        "/$defs/TreeSource",
        "/$defs/ContainerSource",
        "/$defs/InstallerSource",
        "/$defs/InstallerFile",
        "/$defs/BaseRecipe",
    ]
    .map(|place| {
        let keys = object_of(&mut schema, place).and_then(|object| object.remove("required"));
        json!({ "required": keys.unwrap_or(json!([])) })
    });
    installer["properties"] = json!({ "kernel": file, "initrd": file, "iso": file });
    let mut needed = recipe;
    needed["properties"] = json!({
        "params": { "additionalProperties": param },
        "base": { "properties": {
            "bootstrap": bootstrap, "image": image, "tree": tree, "container": container, "installer": installer, "recipe": base,
        } },
    });
    (schema, needed)
}

/// Returns the part of a schema that is about a map, where a template may stand for the map.
fn object_of<'a>(schema: &'a mut Json, place: &str) -> Option<&'a mut Map<String, Json>> {
    let templated = format!("{place}/anyOf/0");
    let place = if schema.pointer(&templated).is_some() { templated } else { place.to_owned() };
    schema.pointer_mut(&place)?.as_object_mut()
}

/// Schema of an `element.yaml`, draft 2020-12. It may have packages for the distributions that are known.
pub fn element_schema(distros: &Distros) -> Json {
    let mut schema = schema::<ElementFile>("Goldsmith element");
    let names: Vec<&str> = distros.iter().map(|one| one.file.name.as_str()).collect();
    let pattern = format!("^({}|({})-.+)$", distros.package_keys().join("|"), names.join("|"));
    narrow(&mut schema, "packages", "conflicts", json!({ "propertyNames": { "pattern": pattern } }));
    schema
}

/// Schema of a `distro.yaml`, draft 2020-12.
pub fn distro_schema() -> Json {
    let mut schema = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<DistroFile>();
    schema.insert("title".to_owned(), json!("Goldsmith distribution"));
    schema.to_value()
}

/// Adds a rule that the data of distributions gives to the property `key` of the object that also has the property `beside`.
fn narrow(schema: &mut Json, key: &str, beside: &str, more: Json) {
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut)
        && properties.contains_key(beside)
        && let Some(property) = properties.get_mut(key).and_then(Json::as_object_mut)
    {
        property.insert("allOf".to_owned(), json!([more]));
        return;
    }
    match schema {
        Json::Object(object) => object.values_mut().for_each(|inner| narrow(inner, key, beside, more.clone())),
        Json::Array(list) => list.iter_mut().for_each(|inner| narrow(inner, key, beside, more.clone())),
        _ => {}
    }
}

fn schema<T: JsonSchema>(title: &str) -> Json {
    let settings = SchemaSettings::draft2020_12();
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    Written { defs: schema.get("$defs").cloned().unwrap_or_default() }.transform(&mut schema);
    Templated.transform(&mut schema);
    for name in ["Action", "Check", "Target"] {
        if let Some(variants) = schema.pointer_mut(&format!("/$defs/{name}/oneOf")).and_then(Json::as_array_mut) {
            variants.iter_mut().for_each(conditional);
        }
    }
    schema.insert("title".to_owned(), json!(title));
    schema.to_value()
}

/// Lets a variant, an object with one key, have `when` too.
fn conditional(variant: &mut Json) {
    if let Some(properties) = variant.get_mut("properties").and_then(Json::as_object_mut) {
        let description = "Expression; the entry is left out if it is false.";
        properties.insert("when".to_owned(), json!({ "type": ["string", "boolean"], "description": description }));
    }
}

/// Writes sizes in defaults as recipes do: the types that read recipes have numbers of bytes.
struct Written {
    defs: Json,
}

impl Written {
    /// Returns the default of a schema as it is written.
    fn default_of(&self, schema: &Json, default: &Json) -> Json {
        let name = schema.get("$ref").and_then(Json::as_str).and_then(|path| path.rsplit('/').next());
        let properties = || self.defs.get(name?)?.get("properties")?.as_object();
        match (name, default) {
            (Some("ByteSize"), Json::Number(bytes)) => {
                let size = ByteSize::bytes(bytes.as_u64().unwrap_or_default());
                json!(size.to_string().replace(' ', ""))
            }
            (_, Json::Object(entries)) => entries
                .iter()
                .map(|(key, value)| {
                    let inner = properties().and_then(|properties| properties.get(key));
                    (key.clone(), inner.map_or_else(|| value.clone(), |inner| self.default_of(inner, value)))
                })
                .collect(),
            _ => default.clone(),
        }
    }
}

impl Transform for Written {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(default) = schema.get("default") {
            let written = self.default_of(schema.as_value(), default);
            schema.insert("default".to_owned(), written);
        }
    }
}

/// Lets a value that is not just any text be a template.
struct Templated;

impl Transform for Templated {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(object) = schema.as_object_mut()
            && !is_any_text(object)
        {
            alternative(object);
        }
    }
}

/// Returns whether a schema accepts every template already, or is no place for one.
fn is_any_text(object: &Map<String, Json>) -> bool {
    let typed = |name: &str| match object.get("type") {
        Some(Json::String(single)) => single == name,
        Some(Json::Array(several)) => several.iter().any(|one| one == name),
        _ => false,
    };
    let value = ["integer", "number", "boolean", "array"].into_iter().any(typed) && !typed("string");
    let names = object
        .get("oneOf")
        .and_then(Json::as_array)
        .is_some_and(|variants| variants.iter().all(|variant| variant.get("const").is_some()));
    !(value || names || object.contains_key("enum") || object.contains_key("pattern"))
}

fn alternative(object: &mut Map<String, Json>) {
    let mut outer = Map::new();
    for note in ["description", "default", "title", "$schema", "$defs"] {
        if let Some(value) = object.remove(note) {
            outer.insert(note.to_owned(), value);
        }
    }
    let inner = std::mem::take(object);
    outer.insert("anyOf".to_owned(), json!([inner, { "type": "string", "pattern": TEMPLATE }]));
    *object = outer;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Node, Source, Value, parse};

    /// The tree as JSON, templates and all.
    fn to_json(node: &Node) -> Json {
        match &node.value {
            Value::Null => Json::Null,
            Value::Bool(value) => json!(value),
            Value::Int(value) => json!(value),
            Value::Float(value) => json!(value),
            Value::Str(value) => json!(value),
            Value::List(list) => list.iter().map(to_json).collect(),
            Value::Map(map) => {
                Json::Object(map.entries.iter().map(|(key, value)| (key.text.clone(), to_json(value))).collect())
            }
        }
    }

    fn faults(schema: &Json, text: &str) -> Vec<String> {
        let node = parse(&Source::new("x.yaml", text)).0.expect("it is YAML");
        let validator = jsonschema::validator_for(schema).expect("the schema is one");
        validator.iter_errors(&to_json(&node)).map(|error| error.to_string()).collect()
    }

    fn fixtures(folder: &str) -> Vec<std::path::PathBuf> {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let entries = std::fs::read_dir(folder).expect("there are fixtures");
        entries.map(|entry| entry.expect("an entry").path()).collect()
    }

    #[test]
    fn an_included_file_may_lack_any_key_and_has_no_others() {
        let schema = included_schema(&Distros::built_in());
        assert_eq!(faults(&schema, "packages: [nginx]"), [""; 0]);
        assert!(!faults(&recipe_schema(&Distros::built_in()), "packages: [nginx]").is_empty());
        assert!(!faults(&schema, "package: [nginx]").is_empty());
        for path in fixtures("tests/recipes/valid/parts").into_iter().filter(|path| path.is_file()) {
            let text = std::fs::read_to_string(&path).expect("it is text");
            if path.extension().is_some_and(|extension| extension == "yaml") {
                assert_eq!(faults(&schema, &text), [""; 0], "{}", path.display());
            }
        }
    }

    #[test]
    fn what_the_parser_accepts_the_schema_accepts() {
        let schema = recipe_schema(&Distros::built_in());
        let recipes: Vec<_> = fixtures("tests/recipes/valid")
            .into_iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .collect();
        assert!(!recipes.is_empty());
        for path in recipes {
            let text = std::fs::read_to_string(&path).expect("a fixture");
            assert_eq!(faults(&schema, &text), [""; 0], "{}", path.display());
        }
        let schema = element_schema(&Distros::built_in());
        for path in fixtures("elements").into_iter().chain(fixtures("tests/recipes/valid/elements")) {
            if let Ok(text) = std::fs::read_to_string(path.join("element.yaml")) {
                assert_eq!(faults(&schema, &text), [""; 0], "{}", path.display());
            }
        }
    }

    #[test]
    fn defaults_are_as_recipes_write_them() {
        let schema = recipe_schema(&Distros::built_in());
        assert_eq!(schema["properties"]["disk"]["default"]["size"], "3GiB");
        let size =
            schema.pointer("/$defs/Disk/properties/size").or(schema.pointer("/$defs/Disk/anyOf/0/properties/size"));
        assert_eq!(size.and_then(|size| size.get("default")), Some(&json!("3GiB")), "{size:?}");
        fn numbers(value: &Json, found: &mut Vec<Json>) {
            match value {
                Json::Object(entries) => {
                    let large = |value: &&Json| value.as_u64().is_some_and(|number| number >= 1 << 20);
                    found.extend(entries.get("default").filter(large).cloned());
                    entries.values().for_each(|value| numbers(value, found));
                }
                Json::Array(list) => list.iter().for_each(|value| numbers(value, found)),
                _ => {}
            }
        }
        let mut found = Vec::new();
        numbers(&schema, &mut found);
        assert_eq!(found, [Json::Null; 0], "sizes in bytes");
    }

    #[test]
    fn files_of_distributions_fit_their_schema() {
        let schema = distro_schema();
        for path in fixtures("distros") {
            let text = std::fs::read_to_string(path.join("distro.yaml")).expect("a file");
            assert_eq!(faults(&schema, &text), [""; 0], "{}", path.display());
        }
        assert!(!faults(&schema, "name: x\ntitle: x\nmechanisms: { packages: pkg }\n").is_empty());
    }

    #[test]
    fn what_the_parser_refuses_the_schema_refuses() {
        let base = "name: x\nbase: { bootstrap: { distro: debian, release: bookworm } }\n";
        assert_eq!(faults(&recipe_schema(&Distros::built_in()), base), [""; 0]);
        for line in [
            "nmae: y",
            "disk: { szie: 3GiB }",
            "disk: { layout: mbr }",
            "elements: [{ a: 1 }]",
            "elements: [{ a: {}, b: {} }]",
            "steps: { configure: [{ wirte: {} }] }",
            "steps: { configure: [{ remove: /a }] }",
            "steps: { configure: [{ run: { network: sometimes } }] }",
            "steps: { configure: [{ when: x }] }",
            "outputs: [{ format: iso }]",
            "params: { a: { default: x } }",
        ] {
            assert!(!faults(&recipe_schema(&Distros::built_in()), &format!("{base}{line}\n")).is_empty(), "{line}");
        }
        let lacking = "base: { bootstrap: { distro: debian } }\nparams: { a: { default: x } }\n";
        assert!(!faults(&recipe_schema(&Distros::built_in()), lacking).is_empty());
        let including = format!("include: [x.yaml]\n{lacking}");
        assert_eq!(faults(&recipe_schema(&Distros::built_in()), &including), [""; 0]);
        let none = "name: x\nbase: { bootstrap: { distro: kali, release: '2026' } }\n";
        assert!(!faults(&recipe_schema(&Distros::built_in()), none).is_empty());
        for (packages, good) in
            [("all", true), ("debian-12", true), ("suse", true), ("kali", true), ("raspbian", false)]
        {
            let element = format!("name: x\ndescription: x\npackages: {{ {packages}: [y] }}\n");
            assert_eq!(faults(&element_schema(&Distros::built_in()), &element).is_empty(), good, "{packages}");
        }
        for line in [
            "disk: { layout: '{{ layout }}' }",
            "elements: [{ a: { b: 1 }, when: family == 'debian' }]",
            "steps: { configure: [{ run: { network: '{{ online }}' }, when: true }] }",
            "packages: '{{ packages }}'",
        ] {
            assert_eq!(faults(&recipe_schema(&Distros::built_in()), &format!("{base}{line}\n")), [""; 0], "{line}");
        }
    }

    #[test]
    fn schemas_say_what_they_are() {
        let distros = Distros::built_in();
        for (schema, title) in [
            (recipe_schema(&distros), "Goldsmith recipe"),
            (included_schema(&distros), "File that Goldsmith recipes include"),
            (element_schema(&distros), "Goldsmith element"),
            (distro_schema(), "Goldsmith distribution"),
        ] {
            assert_eq!(schema["title"], title);
            assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
            assert_eq!(schema.get("$id"), None);
        }
    }
}
