//! Comparison of the facts about two images' systems.
//!
//! The facts are compared in the form of `goldsmith inspect --json`: a fact that is added there is compared here without
//! further code.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::change::change;
use super::{Change, Section};

/// Things of one kind, each with its name.
type Items = Vec<(String, Map<String, Value>)>;

/// Compares two systems, and the sizes of their disks in bytes. Sections without a change are left out.
pub(super) fn compare(before: (&Value, u64), after: (&Value, u64)) -> Vec<Section> {
    let (old, new) = (items(before.0, before.1), items(after.0, after.1));
    let arguments = |system: &Value| strings(&system["boot"]["default"]["args"]);
    let mut sections: Vec<_> = old
        .into_iter()
        .zip(new)
        .map(|((name, before), (_, after))| Section { name, changes: matched(before, after) })
        .collect();
    let packages = packages(&list(before.0, "packages"), &list(after.0, "packages"));
    sections.push(Section { name: "packages", changes: packages });
    let kernel_arguments = kernel_arguments(&arguments(before.0), &arguments(after.0));
    sections.push(Section { name: "kernel_arguments", changes: kernel_arguments });
    sections.retain(|section| !section.changes.is_empty());
    sections.sort_by_key(|section| SECTIONS.iter().position(|name| *name == section.name));
    sections
}

/// Names of all sections, in their order.
pub const SECTIONS: [&str; 12] = [
    "disk",
    "partitions",
    "file_systems",
    "os",
    "boot",
    "boot_loaders",
    "kernels",
    "kernel_arguments",
    "packages",
    "services",
    "users",
    "cloud_init",
];

/// Returns all things that are matched by name alone.
fn items(system: &Value, size: u64) -> [(&'static str, Items); 10] {
    let named = |key: &'static str| move |item: &Map<String, Value>| text(field(item, key));
    let mut disk = object(&system["partition_table"], &["partitions"]);
    disk.insert("size".to_owned(), json!(size));
    let mut boot = object(&system["boot"], &["loaders", "kernels", "default"]);
    boot.extend(object(&system["boot"]["default"], &["args"]));
    let loader = |item: &Map<String, Value>| format!("{} {}", text(field(item, "firmware")), text(field(item, "path")));
    let place = |item: &Map<String, Value>| match field(item, "partition") {
        Value::Null => text(field(item, "device")),
        number => text(number),
    };
    let service = |item: &Map<String, Value>| match text(field(item, "scope")).as_str() {
        "user" => format!("{} (of users)", text(field(item, "unit"))),
        _ => text(field(item, "unit")),
    };
    let partitions = each(&list(&system["partition_table"], "partitions"), &["number"], named("number"));
    [
        ("disk", vec![("disk".to_owned(), disk)]),
        ("partitions", partitions),
        // The used space follows from the files.
        ("file_systems", each(&list(system, "file_systems"), &["used", "capacity", "partition", "device"], place)),
        ("os", one("os", &system["os"])),
        ("boot", vec![("boot".to_owned(), boot)]),
        ("boot_loaders", each(&list(&system["boot"], "loaders"), &["firmware", "path"], loader)),
        ("kernels", each(&list(&system["boot"], "kernels"), &["release"], named("release"))),
        ("services", each(&list(system, "services"), &["unit", "scope"], service)),
        ("users", each(&list(system, "users"), &["name"], named("name"))),
        ("cloud_init", one("cloud-init", &system["cloud_init"])),
    ]
}

/// Compares packages by name; if an image has one for several architectures or in several versions, by these too.
fn packages(before: &[Map<String, Value>], after: &[Map<String, Value>]) -> Vec<Change> {
    let several = |name: &dyn Fn(&Map<String, Value>) -> String| {
        let mut most = BTreeMap::<_, usize>::new();
        for image in [before, after] {
            let mut counts = BTreeMap::<_, usize>::new();
            image.iter().for_each(|package| *counts.entry(name(package)).or_default() += 1);
            counts.into_iter().for_each(|(name, count)| {
                let most = most.entry(name).or_default();
                *most = count.max(*most);
            });
        }
        most.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name).collect::<Vec<_>>()
    };
    let plain = |package: &Map<String, Value>| text(field(package, "name"));
    let with_arch = |package: &Map<String, Value>| format!("{}:{}", plain(package), text(field(package, "arch")));
    let (archs, versions) = (several(&plain), several(&with_arch));
    let name = |package: &Map<String, Value>| {
        let (name, full) = (plain(package), with_arch(package));
        if versions.binary_search(&full).is_ok() {
            format!("{full} {}", text(field(package, "version")))
        } else if archs.binary_search(&name).is_ok() {
            full
        } else {
            name
        }
    };
    matched(each(before, &["name"], name), each(after, &["name"], name))
}

/// Returns kernel arguments that were added or removed, or else their new order, if it changed.
fn kernel_arguments(before: &[String], after: &[String]) -> Vec<Change> {
    let counted = |arguments: &[String]| {
        let mut seen = BTreeMap::<_, usize>::new();
        let named = arguments.iter().map(|argument| {
            let count = seen.entry(argument.clone()).or_default();
            *count += 1;
            let again = if *count > 1 { format!(" ({count})") } else { String::new() };
            (format!("{argument}{again}"), Map::new())
        });
        named.collect::<Items>()
    };
    let changes = matched(counted(before), counted(after));
    if changes.is_empty() && before != after {
        let order = |arguments: &[String]| Some(Map::from_iter([("order".to_owned(), json!(arguments.join(" ")))]));
        return vec![Change { name: "all".to_owned(), before: order(before), after: order(after) }];
    }
    changes
}

/// Matches things by name, sorted: numbers by value, then words.
fn matched(before: Items, after: Items) -> Vec<Change> {
    let mut all = BTreeMap::<_, (Option<Map<_, _>>, Option<Map<_, _>>)>::new();
    let key = |name: String| (name.parse::<u64>().unwrap_or(u64::MAX), name);
    for (name, properties) in before {
        all.entry(key(name)).or_default().0 = Some(properties);
    }
    for (name, properties) in after {
        all.entry(key(name)).or_default().1 = Some(properties);
    }
    let pairs = all.into_iter();
    pairs.filter_map(|((_, name), (before, after))| change(&name, before.as_ref(), after.as_ref())).collect()
}

/// Names things, without properties that are part of the name or that are not compared.
fn each(list: &[Map<String, Value>], without: &[&str], name: impl Fn(&Map<String, Value>) -> String) -> Items {
    list.iter()
        .map(|item| {
            let properties = item.iter().filter(|(key, _)| !without.contains(&key.as_str()));
            (name(item), properties.map(|(key, value)| (key.clone(), value.clone())).collect())
        })
        .collect()
}

/// Returns a thing of which an image has at most one.
fn one(name: &str, value: &Value) -> Items {
    if value.is_null() { Vec::new() } else { vec![(name.to_owned(), object(value, &[]))] }
}

/// Returns a property; null if there is none.
fn field<'a>(item: &'a Map<String, Value>, key: &str) -> &'a Value {
    item.get(key).unwrap_or(&Value::Null)
}

fn object(value: &Value, without: &[&str]) -> Map<String, Value> {
    let mut map = value.as_object().cloned().unwrap_or_default();
    map.retain(|key, _| !without.contains(&key.as_str()));
    map
}

fn list(value: &Value, key: &str) -> Vec<Map<String, Value>> {
    let list = value[key].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().map(|item| object(item, &[])).collect()
}

fn strings(value: &Value) -> Vec<String> {
    value.as_array().map(|list| list.iter().map(text).collect()).unwrap_or_default()
}

/// Returns a value as a part of a name.
fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn system() -> Value {
        json!({
            "partition_table": {
                "kind": "gpt", "uuid": "d",
                "partitions": [
                    { "number": 1, "start": 1048576, "size": 1048576, "kind": "bios", "uuid": "p1" },
                    { "number": 10, "start": 2097152, "size": 9437184, "kind": "root", "uuid": "p10" },
                ],
            },
            "file_systems": [{ "partition": 10, "device": null, "kind": "ext4", "uuid": "f", "used": 1, "capacity": 2 }],
            "os": { "distro": "debian", "version": "12" },
            "boot": {
                "firmware": ["bios"],
                "loaders": [{ "firmware": "bios", "name": "grub", "path": null }],
                "kernels": [{ "release": "6.1.0-1", "path": "/boot/vmlinuz", "initrd": null }],
                "default": { "title": "Debian", "kernel": "/boot/vmlinuz", "args": ["ro", "console=tty0", "console=ttyS0"] },
            },
            "packages": [
                { "name": "bash", "version": "5.2-1", "arch": "amd64" },
                { "name": "libc6", "version": "2.36", "arch": "amd64" },
            ],
            "services": [{ "unit": "ssh.service", "state": "enabled", "wanted_by": ["multi-user.target"] }],
            "users": [{ "name": "root", "uid": 0, "logins": [] }],
            "cloud_init": { "enabled": true, "datasources": ["None"] },
            "notes": ["unlike"],
        })
    }

    /// Returns the changes as lines, after an edit of the second system.
    fn lines(edit: impl FnOnce(&mut Value)) -> Vec<String> {
        let (before, mut after) = (system(), system());
        edit(&mut after);
        let found = compare((&before, 1), (&after, 1));
        let show =
            |side: &Option<Map<String, Value>>| side.as_ref().map_or("-".to_owned(), |side| json!(side).to_string());
        let lines = found.iter().flat_map(|section| {
            let line = |change: &Change| {
                format!("{} {} {} {}", section.name, change.name, show(&change.before), show(&change.after))
            };
            section.changes.iter().map(line).collect::<Vec<_>>()
        });
        lines.collect()
    }

    #[test]
    fn systems_that_are_the_same_differ_in_nothing() {
        assert_eq!(lines(|_| {}), [""; 0]);
        // Neither notes nor facts that follow from the files.
        assert_eq!(
            lines(|system| {
                system["notes"] = json!([]);
                system["file_systems"][0]["used"] = json!(7);
            }),
            [""; 0]
        );
        assert_eq!(compare((&Value::Null, 1), (&Value::Null, 1)), []);
    }

    #[test]
    fn every_kind_of_fact_is_compared() {
        for (path, section) in [
            ("/partition_table/uuid", "disk"),
            ("/partition_table/partitions/0/size", "partitions"),
            ("/file_systems/0/uuid", "file_systems"),
            ("/os/version", "os"),
            ("/boot/firmware/0", "boot"),
            ("/boot/default/kernel", "boot"),
            ("/boot/loaders/0/name", "boot_loaders"),
            ("/boot/kernels/0/path", "kernels"),
            ("/packages/0/version", "packages"),
            ("/packages/0/arch", "packages"),
            ("/services/0/state", "services"),
            ("/users/0/uid", "users"),
            ("/cloud_init/datasources/0", "cloud_init"),
        ] {
            let found = lines(|system| *system.pointer_mut(path).expect(path) = json!("other"));
            assert_eq!(found.len(), 1, "{path}: {found:?}");
            assert!(found[0].starts_with(&format!("{section} ")) && found[0].contains("other"), "{found:?}");
        }
        let (system, sizes) = (system(), |found: Vec<Section>| found[0].changes[0].after.clone());
        assert_eq!(sizes(compare((&system, 1), (&system, 2))), Some(Map::from_iter([("size".to_owned(), json!(2))])));
    }

    #[test]
    fn what_is_there_in_one_image_only_is_added_or_removed() {
        let found = lines(|system| {
            system["services"] = json!([{ "unit": "nginx.service", "state": "enabled" }]);
            system["cloud_init"] = Value::Null;
            system["partition_table"]["partitions"][0]["number"] = json!(2);
        });
        let beginnings = [
            r#"partitions 1 {"start":"#,
            r#"partitions 2 - {"start":"#,
            r#"services nginx.service - {"state":"enabled"}"#,
            r#"services ssh.service {"state":"enabled","#,
            r#"cloud_init cloud-init {"enabled":true,"#,
        ];
        assert_eq!(found.len(), beginnings.len(), "{found:#?}");
        for (line, beginning) in found.iter().zip(beginnings) {
            assert!(line.starts_with(beginning), "{line}");
        }
    }

    #[test]
    fn kernel_arguments_count_one_by_one() {
        let arguments = |arguments: &[&str]| {
            let arguments = json!(arguments);
            lines(|system| system["boot"]["default"]["args"] = arguments)
        };
        assert_eq!(
            arguments(&["ro", "console=tty0", "quiet"]),
            ["kernel_arguments console=ttyS0 {} -", "kernel_arguments quiet - {}"]
        );
        assert_eq!(arguments(&["ro", "console=tty0", "console=ttyS0", "ro"]), ["kernel_arguments ro (2) - {}"]);
        // The last console is the one that counts.
        assert_eq!(
            arguments(&["ro", "console=ttyS0", "console=tty0"]),
            [concat!(
                r#"kernel_arguments all {"order":"ro console=tty0 console=ttyS0"} "#,
                r#"{"order":"ro console=ttyS0 console=tty0"}"#
            )]
        );
    }

    #[test]
    fn packages_that_are_there_several_times_are_told_apart() {
        let libc = |version: &str, arch: &str| json!({ "name": "libc6", "version": version, "arch": arch });
        let found = |packages: Value| {
            lines(|system| {
                let list = system["packages"].as_array_mut().expect("a list");
                list.truncate(1);
                list.extend(packages.as_array().expect("a list").iter().cloned());
            })
        };
        assert_eq!(found(json!([libc("2.37", "amd64")])), [r#"packages libc6 {"version":"2.36"} {"version":"2.37"}"#]);
        assert_eq!(
            found(json!([libc("2.36", "amd64"), libc("2.36", "i386")])),
            [r#"packages libc6:i386 - {"version":"2.36","arch":"i386"}"#]
        );
        assert_eq!(
            found(json!([libc("2.37", "amd64"), libc("2.38", "amd64")])),
            [
                r#"packages libc6:amd64 2.36 {"version":"2.36","arch":"amd64"} -"#,
                r#"packages libc6:amd64 2.37 - {"version":"2.37","arch":"amd64"}"#,
                r#"packages libc6:amd64 2.38 - {"version":"2.38","arch":"amd64"}"#,
            ]
        );
    }

    #[test]
    fn numbers_are_sorted_by_value() {
        let found = lines(|system| {
            let added = json!({ "number": 9, "start": 0, "size": 1, "kind": "x", "uuid": "p9" });
            system["partition_table"]["partitions"][0]["uuid"] = json!("new");
            system["partition_table"]["partitions"][1]["uuid"] = json!("new");
            system["partition_table"]["partitions"].as_array_mut().expect("a list").push(added);
        });
        let names: Vec<_> = found.iter().filter_map(|line| line.split(' ').nth(1)).collect();
        assert_eq!(names, ["1", "9", "10"]);
    }
}
