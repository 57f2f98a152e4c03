//! The page of what was tested on which distribution, from the records of images that passed every check.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use goldsmith::distro::{Distribution, Distros};
use goldsmith::element::library::{ElementOrigin, Library};
use goldsmith::recipe::{Arch, LoadOptions, System, load_str};
use goldsmith::verify;

use super::verified::{Made, Record, directory};

/// Images that tests make and do not boot, so that they have no record: distribution, version, the place of the mark, the mark, and
/// the test.
const NOT_BOOTED: [(&str, &str, Place, &str, &str); 5] = [
    ("debian", "12", Place::Base, "built", "an_image_is_built_upon_another"),
    ("ubuntu", "24.04", Place::Base, "built, synthetic", "takes_long_ubuntus_names_are_bootstrapped_and_are_a_base"),
    (
        "alpine",
        "3.23",
        Place::Packages("x86_64"),
        "built, synthetic",
        "apk_makes_a_disk_of_packages_with_the_names_of_alpine",
    ),
    (
        "arch",
        "rolling",
        Place::Packages("x86_64"),
        "built, synthetic",
        "pacman_makes_a_disk_of_packages_with_the_names_of_arch_linux",
    ),
    (
        "opensuse",
        "16.0",
        Place::Packages("x86_64"),
        "built, synthetic",
        "zypper_makes_a_disk_of_packages_with_the_names_of_opensuse",
    ),
];

/// Mark of a release whose data nobody has tested.
const WRITTEN: &str = "written";

/// A column of the table of distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// From packages, for this architecture.
    Packages(&'static str),
    /// An image of the distribution is the base.
    Base,
}

/// All records, by the names of their files.
fn records() -> Vec<Record> {
    let mut paths: Vec<_> =
        fs::read_dir(directory()).expect("records").map(|it| it.expect("an entry").path()).collect();
    paths.sort();
    let read = |path: &Path| serde_json::from_str(&fs::read_to_string(path).expect("a record")).expect("a record");
    paths.iter().map(|path| read(path)).collect()
}

/// The text of a part of the page.
pub(crate) fn make(what: &str) -> String {
    match what {
        "distributions" => distributions(),
        "elements" => elements(),
        "checks" => checks(),
        "skipped" => skipped(),
        _ => panic!("nothing makes `{what}`"),
    }
}

fn table(head: &[String], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut text = format!("| {} |\n|{}\n", head.join(" | "), "---|".repeat(head.len()));
    for row in rows {
        text.push_str(&format!("| {} |\n", row.join(" | ")));
    }
    text
}

/// For every release: what was made of it.
fn distributions() -> String {
    let records = records();
    let distros = Distros::built_in();
    let mut rows = Vec::new();
    for distribution in distros.iter() {
        let file = &distribution.file;
        let named: Vec<_> =
            file.releases.iter().map(|release| (release.version.as_str(), release.name.as_str())).collect();
        let tested = records.iter().filter(|record| record.distro == file.name).map(|record| record.version.as_str());
        let tested: BTreeSet<_> =
            tested.filter(|version| !named.iter().any(|(named, _)| is_of(version, named))).collect();
        let mut versions: Vec<_> =
            named.into_iter().chain(tested.into_iter().map(|version| (version, version))).collect();
        if versions.is_empty() {
            versions.push(("", ""));
        }
        for (version, name) in versions {
            let name = if name == version { String::new() } else { format!("({name})") };
            let release = format!("{} {version} {name}", file.title);
            let columns = [Place::Packages("x86_64"), Place::Packages("aarch64"), Place::Base];
            let marks = columns.map(|place| mark(distribution, version, place, &records).to_owned());
            rows.push(std::iter::once(release.trim().to_owned()).chain(marks).collect());
        }
    }
    let head = ["release", "from packages, x86_64", "from packages, aarch64", "an image of it as the base"];
    table(&head.map(str::to_owned), rows)
}

/// Whether a version is that of a release, or one of its updates: 3.23.6 is of 3.23.
fn is_of(version: &str, release: &str) -> bool {
    version.strip_prefix(release).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The mark of a release.
fn mark(distribution: &Distribution, version: &str, place: Place, records: &[Record]) -> &'static str {
    let file = &distribution.file;
    let bootstrapped = |arch: &str| {
        let known = file.releases.iter().any(|release| release.version == version);
        known && file.bootstrap.is_some() && file.architectures.iter().any(|it| it.name() == arch)
    };
    if matches!(place, Place::Packages(arch) if !bootstrapped(arch)) {
        return "no";
    }
    let record = records.iter().find(|record| {
        let same = match place {
            Place::Packages(arch) => {
                matches!(record.made, Made::Packages | Made::SyntheticPackages) && record.arch == arch
            }
            Place::Base => matches!(record.made, Made::Image | Made::SyntheticImage),
        };
        same && record.distro == file.name && is_of(&record.version, version)
    });
    let built =
        NOT_BOOTED.iter().find(|(name, of, column, ..)| *name == file.name && *of == version && *column == place);
    match (record.map(|record| record.made), built) {
        (Some(Made::SyntheticPackages | Made::SyntheticImage), _) => "booted, synthetic",
        (Some(_), _) => "booted",
        (None, Some((_, _, _, mark, _))) => mark,
        (None, None) => WRITTEN,
    }
}

/// For every element: the images that had it.
fn elements() -> String {
    let records = records();
    let library = Library::new(vec![]);
    let names =
        library.names().into_iter().filter(|(_, origin)| *origin == ElementOrigin::BuiltIn).map(|(name, _)| name);
    let rows: Vec<_> = names
        .map(|name| {
            let cells = records.iter().map(|record| match record.elements.contains(&name) {
                true if record.own_checks => "yes",
                true => "booted",
                false if refused(&library, &name, record) => "refused",
                false => WRITTEN,
            });
            std::iter::once(format!("[`{name}`](elements.md#{name})")).chain(cells.map(str::to_owned)).collect()
        })
        .collect();
    table(&columns("element", &records), rows)
}

fn columns(first: &str, records: &[Record]) -> Vec<String> {
    std::iter::once(first.to_owned()).chain(records.iter().map(|record| record.title.clone())).collect()
}

/// Whether a recipe with this element, and with those that it requires, is refused for the distribution of this image.
fn refused(library: &Library, element: &str, record: &Record) -> bool {
    let distros = Distros::built_in();
    let distribution = distros.get(&record.distro).expect("the distribution of a record");
    // Images of other releases are bases too.
    let release = distribution.file.releases.iter().find(|release| is_of(&record.version, &release.version));
    let name = release.map_or(record.version.clone(), |release| release.name.clone());
    let system = System { distro: distribution.named(name, record.version.clone()), firmware: Vec::new() };
    let mut elements = BTreeSet::new();
    let mut open = vec![element.to_owned()];
    while let Some(name) = open.pop() {
        let requires = library.load(&name).unwrap_or_else(|errors| panic!("{errors}")).requires;
        if elements.insert(name) {
            open.extend(requires);
        }
    }
    let elements: Vec<_> = elements.into_iter().collect();
    let digest = "0".repeat(64);
    let recipe = format!(
        "name: it\nbase: {{ image: {{ source: it.qcow2, sha256: \"{digest}\" }} }}\nelements: [{}]\noutputs: [{{ format: qcow2 }}]\n",
        elements.join(", ")
    );
    let options = LoadOptions::new(Arch::X86_64);
    load_str(Path::new("it.yaml"), &recipe, &options, Some(&system)).is_err()
}

/// For every check of the program: what it said of each image.
fn checks() -> String {
    let records = records();
    let rules: Vec<_> = verify::rules().collect();
    for id in records.iter().flat_map(|record| record.passed.iter().chain(record.skipped.keys())) {
        assert!(rules.iter().any(|rule| rule.id == id), "no check is called `{id}`: run the test of the record again");
    }
    let rows = rules.iter().map(|rule| {
        let cells = records.iter().map(|record| match rule.id {
            id if record.passed.contains(id) => "passed",
            id if record.skipped.contains_key(id) => "skipped",
            _ => "",
        });
        std::iter::once(format!("`{}`", rule.id)).chain(cells.map(str::to_owned)).collect()
    });
    table(&columns("check", &records), rows)
}

/// Why checks were skipped.
fn skipped() -> String {
    let mut reasons: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for record in records() {
        for (id, why) in record.skipped {
            reasons.entry((why, id)).or_default().push(record.title.clone());
        }
    }
    let rows = reasons.into_iter().map(|((why, id), titles)| vec![format!("`{id}`"), why, titles.join("; ")]);
    table(&["check", "why it was skipped", "image"].map(str::to_owned), rows)
}

#[test]
fn images_without_a_record_are_made_by_tests_that_exist() {
    let sources = ["apk.rs", "image_base.rs", "pacman.rs", "ubuntu.rs", "zypper.rs"].map(|file| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guest").join(file);
        fs::read_to_string(path).expect("a test")
    });
    for (.., test) in NOT_BOOTED {
        assert!(sources.iter().any(|source| source.contains(&format!("fn {test}()"))), "{test}");
    }
}

#[test]
fn an_element_that_a_distribution_cannot_have_is_refused() {
    let library = Library::new(vec![]);
    let record = |distro: &str, version: &str| Record {
        title: String::new(),
        distro: distro.to_owned(),
        version: version.to_owned(),
        arch: "x86_64".to_owned(),
        made: Made::Image,
        elements: BTreeSet::new(),
        own_checks: true,
        boots: BTreeSet::new(),
        passed: BTreeSet::new(),
        skipped: BTreeMap::new(),
    };
    assert!(refused(&library, "extlinux", &record("fedora", "42")));
    assert!(!refused(&library, "extlinux", &record("alpine", "3.23")));
    assert!(!refused(&library, "uefi", &record("fedora", "42")));
}
