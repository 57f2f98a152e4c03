//! Merging of a cloud's entry with its profile and its region, by the steps of openstacksdk's `OpenStackConfig.get_one`.

use super::format::format;
use super::value::{Map, Node, Value};
use super::wrong::{Result, Wrong};

/// Keys that belong below `auth` as text, with their older names. The last name that is set counts, and beside `auth` it counts
/// more than below it.
const OF_AUTH: [(&str, &[&str]); 10] = [
    ("domain_id", &["domain_id", "domain-id"]),
    ("domain_name", &["domain_name", "domain-name"]),
    ("user_domain_id", &["user_domain_id", "user-domain-id"]),
    ("user_domain_name", &["user_domain_name", "user-domain-name"]),
    ("project_domain_id", &["project_domain_id", "project-domain-id"]),
    ("project_domain_name", &["project_domain_name", "project-domain-name"]),
    ("token", &["auth-token", "auth_token", "token"]),
    ("passcode", &["passcode"]),
    ("project_id", &["tenant_id", "tenant-id", "project_id", "project-id"]),
    ("project_name", &["tenant_name", "tenant-name", "project_name", "project-name"]),
];

/// Merges the settings of a cloud: profile, entry and region. The keys of the result have no hyphens.
pub(super) fn resolve(entry: &Map, profile: Option<&Map>, region: Option<&str>) -> Result<Map> {
    let regions = regions(entry, profile)?;
    let found = match region {
        Some(name) => regions.iter().find(|(known, _)| known.printed().as_deref() == Some(name)),
        None => regions.first(),
    };
    let mut config = Map::new();
    for (key, value) in [("auth_type", "password"), ("interface", "public")] {
        config.insert(key.to_owned(), Node::text(value));
    }
    config.insert("auth".to_owned(), Node::unwritten(Value::Map(Map::new())));
    for part in [profile, Some(entry), found.map(|(_, values)| values)].into_iter().flatten() {
        update(&mut config, part)?;
    }
    for selector in ["cloud", "profile", "regions", "region-name"] {
        config.shift_remove(selector);
    }
    let name = region.map(Node::text).or_else(|| Some(found?.0.clone()));
    config.insert("region_name".to_owned(), name.unwrap_or(Node::text("")));
    timeouts(&mut config);
    let mut auth = match config.shift_remove("auth") {
        Some(Node { value: Value::Map(auth), .. }) => auth,
        _ => Map::new(),
    };
    older_names(&mut config, &mut auth);
    let mut config = interfaces(config);
    domains(&mut config, &mut auth);
    if let Some(url) = auth.get_mut("auth_url")
        && let Value::Text(text) = &url.value
    {
        let text = format(text, &config).map_err(|message| Wrong::at(url, format!("`auth_url`: {message}"), FORMAT))?;
        url.value = Value::Text(text);
    }
    config.insert("auth".to_owned(), Node::unwritten(Value::Map(auth)));
    Ok(normal(config))
}

/// Help for errors in braces.
pub(super) const FORMAT: &str =
    "braces stand for other keys of the cloud, as in `{region_name}`; a brace itself is written `{{` or `}}`";

/// Puts a map over another one; the maps under `auth` are merged.
fn update(config: &mut Map, over: &Map) -> Result<()> {
    for (key, node) in over {
        match (key.as_str(), &node.value) {
            ("auth", Value::Map(more)) => {
                if let Some(Node { value: Value::Map(auth), .. }) = config.get_mut("auth") {
                    auth.extend(more.clone());
                }
            }
            ("auth", Value::Null) => {}
            ("auth", _) => return Err(Wrong::at(node, format!("`auth` is {}", node.kind()), "write a map")),
            _ => {
                config.insert(key.clone(), node.clone());
            }
        }
    }
    Ok(())
}

/// Returns the regions with their own settings, the default region first.
fn regions(entry: &Map, profile: Option<&Map>) -> Result<Vec<(Node, Map)>> {
    let own = normal(entry.clone());
    for config in [Some(&own), profile].into_iter().flatten() {
        let told = |key: &str| config.get(key).filter(|node| !matches!(node.value, Value::Null));
        match (told("regions"), told("region_name")) {
            (Some(Node { value: Value::List(list), .. }), _) | (None, Some(Node { value: Value::List(list), .. })) => {
                return list.iter().map(region).collect();
            }
            (Some(other), _) => return Err(Wrong::at(other, format!("`regions` is {}", other.kind()), "write a list")),
            (None, Some(name)) => {
                let Some(text) = name.printed() else { return Err(Wrong::kind("region_name", name)) };
                let one = |text: &str| (Node { value: Value::Text(text.to_owned()), ..name.clone() }, Map::new());
                return Ok(text.split(',').map(one).collect());
            }
            (None, None) => {}
        }
    }
    Ok(Vec::new())
}

fn region(node: &Node) -> Result<(Node, Map)> {
    let unfit = |node: &Node| {
        let message = "an entry of `regions` is neither a name nor a map with `name` and `values`";
        Wrong::at(node, message, "write the name of the region")
    };
    match &node.value {
        Value::Map(map) => {
            let known = map.keys().all(|key| ["name", "values"].contains(&key.as_str()));
            let name = map.get("name").filter(|name| known && name.printed().is_some()).ok_or_else(|| unfit(node))?;
            let values = match map.get("values").map(|values| &values.value) {
                None => Map::new(),
                Some(Value::Map(values)) => values.clone(),
                Some(_) => return Err(unfit(node)),
            };
            let said = values.into_iter().filter(|(_, value)| !matches!(value.value, Value::Null));
            Ok((name.clone(), said.collect()))
        }
        _ if node.printed().is_some() => Ok((node.clone(), Map::new())),
        _ => Err(unfit(node)),
    }
}

/// Merges all timeouts into `api_timeout`: the last one of a service counts for all.
fn timeouts(config: &mut Map) {
    let of_services: Vec<_> = config
        .keys()
        .filter(|key| key.ends_with("timeout") && !["timeout", "api_timeout"].contains(&key.as_str()))
        .cloned()
        .collect();
    let said = of_services.iter().filter_map(|key| config.shift_remove(key)).collect::<Vec<_>>();
    if let Some(last) = said.into_iter().next_back().filter(|node| !matches!(node.value, Value::Null)) {
        config.insert("api_timeout".to_owned(), last);
    }
}

fn older_names(config: &mut Map, auth: &mut Map) {
    for (name, keys) in OF_AUTH {
        let mut found = None;
        for key in keys {
            let said = [auth.shift_remove(*key), config.shift_remove(*key)].into_iter().flatten();
            // openstacksdk turns `null` into the text `None`, which nobody means.
            found = said.filter(|node| !matches!(node.value, Value::Null)).last().or(found);
        }
        if let Some(mut node) = found.filter(|node| !matches!(&node.value, Value::Text(text) if text.is_empty())) {
            if let Some(text) = node.as_text() {
                node.value = Value::Text(text);
            }
            auth.insert(name.to_owned(), node);
        }
    }
}

/// Renames keys that end with `endpoint_type`, the old name of `interface`.
fn interfaces(config: Map) -> Map {
    let renamed = config.into_iter().map(|(key, node)| match key.strip_suffix("endpoint_type") {
        Some(service) => (format!("{service}interface"), node),
        None => (key, node),
    });
    let mut new = Map::new();
    for (key, node) in renamed {
        new.insert(key, node);
    }
    new
}

/// Uses the domain of the scope for user and project if these have none.
fn domains(config: &mut Map, auth: &mut Map) {
    for (name, of) in [
        ("domain_id", ["user_domain_id", "project_domain_id"]),
        ("domain_name", ["user_domain_name", "project_domain_name"]),
    ] {
        if !["project_id", "project_name"].iter().any(|key| auth.contains_key(*key)) {
            continue;
        }
        if let Some(domain) = auth.shift_remove(name) {
            for key in of {
                auth.entry(key.to_owned()).or_insert_with(|| domain.clone());
            }
        }
        config.shift_remove(name);
    }
}

/// Replaces hyphens in keys by underscores, and numbers by texts.
fn normal(map: Map) -> Map {
    let mut new = Map::new();
    for (key, mut node) in map {
        let key = key.replace('-', "_");
        node.value = match node.value {
            Value::Map(map) => Value::Map(normal(map)),
            Value::Int(text) if key != "api_timeout" && key != "insecure" => Value::Text(text),
            Value::Float(text) if key != "insecure" => Value::Text(text),
            value => value,
        };
        new.insert(key, node);
    }
    new
}
