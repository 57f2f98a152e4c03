//! Reads presets, by which a distribution says which units it wants enabled: systemd.preset(5).

use std::collections::BTreeMap;

use globset::{GlobBuilder, GlobMatcher};

use super::name::Name;
use crate::inspect::Tree;
use crate::inspect::paths::file_name;

/// Directories of presets, most specific first.
const DIRS: [&str; 5] = ["/etc", "/run", "/usr/local/lib", "/usr/lib", "/lib"];

/// Rules in order; the first that matches counts.
#[derive(Debug, Default)]
pub(super) struct Presets(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    pattern: GlobMatcher,
    /// Instances that are enabled, each with its own name.
    instances: Vec<String>,
    enable: bool,
}

impl Presets {
    pub(super) fn read(tree: &Tree, user: bool) -> Self {
        let scope = if user { "user" } else { "system" };
        let mut files: BTreeMap<String, String> = BTreeMap::new();
        for dir in DIRS {
            let directory = format!("{dir}/systemd/{scope}-preset");
            for entry in tree.children(&directory) {
                let name = file_name(&entry.path);
                if name.ends_with(".preset") {
                    files.entry(name.to_owned()).or_insert_with(|| format!("{directory}/{name}"));
                }
            }
        }
        Self(files.values().flat_map(|path| rules(&tree.text(path))).collect())
    }

    pub(super) fn enable(&self, unit: &str) -> bool {
        // A rule for instances holds for their template too.
        let matches =
            |rule: &&Rule| rule.pattern.is_match(unit) || rule.instances.iter().any(|instance| instance == unit);
        let rule = self.0.iter().find(matches);
        rule.is_none_or(|rule| rule.enable)
    }
}

fn rules(text: &str) -> Vec<Rule> {
    let lines = text.lines().map(str::trim_ascii).filter(|line| !line.starts_with(['#', ';']));
    let rule = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let enable = match words.next()? {
            "enable" => true,
            "disable" | "ignore" => false,
            _ => return None,
        };
        let pattern = words.next()?;
        let instances = match Name::parse(pattern) {
            Some(template) if enable => words.map(|instance| template.with_instance(instance)).collect(),
            _ => Vec::new(),
        };
        let pattern = GlobBuilder::new(pattern).backslash_escape(false).build().ok()?.compile_matcher();
        Some(Rule { pattern, instances, enable })
    };
    lines.filter_map(rule).collect()
}
