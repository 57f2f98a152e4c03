//! Layer keys: pinned ones, and what enters them.

use std::collections::BTreeMap;
use std::path::Path;

use goldsmith::action::Action;
use goldsmith::digest::Sha256;
use goldsmith::distro::Distros;
use goldsmith::layer::LayerKey;
use goldsmith::plan::{self, Asset, AssetKind, BasePlan, DiskPlan, Origin, Plan, RepositoryPin, key};
use goldsmith::recipe::{self, Arch, Base, Firmware, LoadOptions};
use goldsmith::units::ByteSize;
use serde_json::{Value, json};

const RECIPE: &str = "
name: fixed
base: { bootstrap: { distro: debian, release: bookworm } }
disk: { size: 2GiB, layout: bios+uefi }
packages: [nginx, curl]
secrets: { token: { env: TOKEN } }
steps:
  install:
    - copy: { source: files/etc, path: /etc }
  configure:
    - write: { path: /etc/motd, content: \"hello\\n\", mode: \"0600\", owner: \"root:adm\" }
    - run: { script: files/hello.sh, args: [a], env: { B: c }, network: true, secrets: [token], timeout: 5min }
    - service: { enable: [nginx] }
  clean:
    - packages: { remove: [nano] }
    - empty: [/etc/machine-id]
";

fn pin(url: &str, suite: &str, digit: &str) -> RepositoryPin {
    let sha256 = Sha256::parse(&digit.repeat(64)).expect("64 digits");
    let components = vec!["main".to_owned()];
    RepositoryPin { url: url.to_owned(), suite: suite.to_owned(), components, sha256, date: 1_694_250_511 }
}

/// The recipe's files with modes that do not depend on the umask under which the repository was cloned.
fn with_fixed_modes() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a folder");
    let from = Path::new("tests/recipes/valid");
    let modes = [("files", 0o755), ("files/etc", 0o755), ("files/etc/sub", 0o755), ("files/etc/a.conf", 0o644)];
    for (path, mode) in modes.into_iter().chain([("files/etc/sub/b.conf", 0o644), ("files/hello.sh", 0o755)]) {
        let target = folder.path().join(path);
        if from.join(path).is_dir() {
            std::fs::create_dir(&target).expect("a folder");
        } else {
            std::fs::copy(from.join(path), &target).expect("a file");
        }
        std::fs::set_permissions(&target, std::fs::Permissions::from_mode(mode)).expect("a mode");
    }
    folder
}

fn plan(text: &str) -> Plan {
    let options = LoadOptions::new(Arch::X86_64);
    let folder = with_fixed_modes();
    let loaded = recipe::load_str(&folder.path().join("fixed.yaml"), text, &options, None);
    let loaded = loaded.unwrap_or_else(|errors| panic!("{errors}"));
    let Base::Bootstrap(source) = loaded.recipe.base.clone() else { panic!("a bootstrap") };
    let repositories = vec![
        pin("http://mirror.example/debian", "bookworm", "1"),
        pin("http://mirror.example/debian-security", "bookworm-security", "2"),
    ];
    let composition = loaded.composition.expect("a bootstrap's distribution is known");
    plan::resolve(&loaded.recipe, composition, BasePlan::Bootstrap { source, repositories }, Vec::new())
}

/// A key that changes here makes every layer of every cache anew. That is a cache break: it belongs into the
/// CHANGELOG, and it is right only if layers made before would be wrong now. Then raise [`key::FORMAT`] too, so
/// that a build can say why nothing is cached.
#[test]
fn the_keys_of_a_fixed_plan_are_these() {
    let keys: Vec<_> = plan(RECIPE).steps.iter().map(|step| format!("{} {}", step.key, step.id)).collect();
    assert_eq!(
        keys,
        [
            "19782ff0f6e1fd35d630ba46cfb02f545050a3bab558d56151309ace7e88b9d6 base debian bookworm",
            "8f687fe14e415b10aaae66696a48f759478f007ee42a9a3dbb3e5ddced3b2f61 install fixed",
            "4bfa0503a96faf6a1ca270663604cd9b5c15ecd4192dbb047f519bd53c4c1ff4 configure fixed",
            "98529639a7b1e3fe8784e82d37514bd3f6d02ea1dff1a3874ae30dde6ca5eea2 clean fixed",
            "2267e2abdea16d23d163b67b04613f9a843938f648cef8a8664ee5bbf664c827 finalize fixed"
        ]
    );
}

#[test]
fn an_image_is_of_the_last_change_of_its_repositories() {
    let mut plan = plan(RECIPE);
    assert_eq!(plan.epoch(), Some(1_694_250_511));
    for number in 0..2 {
        let BasePlan::Bootstrap { repositories, .. } = &mut plan.base else { panic!("a bootstrap") };
        repositories[number].date = 1_800_000_000 - number as u64;
        assert_eq!(plan.epoch(), Some(1_800_000_000), "{number}");
    }
}

#[test]
fn a_key_is_the_digest_of_its_ingredients_and_they_hold_the_parent() {
    let plan = plan(RECIPE);
    for pair in plan.steps.windows(2) {
        assert_eq!(pair[1].key, key::of(&pair[1].ingredients));
        assert_eq!(pair[1].ingredients["parent"], json!(pair[0].key));
    }
}

#[test]
fn ingredients_have_these_members_and_no_others() {
    let plan = plan(RECIPE);
    let members = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        members(&plan.steps[0].ingredients),
        ["format", "parent", "base", "mechanisms", "disk", "packages", "repositories", "mirrors"]
    );
    for (step, derived) in plan.steps[1..].iter().zip([None, Some("derived"), Some("derived"), None]) {
        let all = ["format", "parent", "actions", "files", "network"].into_iter().chain(derived);
        assert_eq!(members(&step.ingredients), all.collect::<Vec<_>>(), "{}", step.id);
    }
    assert_eq!(
        plan.steps[2].ingredients["actions"][1],
        json!({ "run": {
            "script": "files/hello.sh", "args": ["a"], "env": { "B": "c" }, "network": true, "secrets": ["token"],
        } }),
        "the name of a secret and no deadline"
    );
    let text = serde_json::to_string(&plan.steps.iter().map(|step| &step.ingredients).collect::<Vec<_>>());
    let text = text.expect("JSON");
    for absent in ["tests/recipes", env!("CARGO_MANIFEST_DIR"), "TOKEN", "timeout", "fixed"] {
        assert!(!text.contains(absent), "{absent} is in {text}");
    }
}

#[test]
fn what_changes_an_image_changes_its_keys_from_there_on() {
    let before = plan(RECIPE);
    for (from, to, first) in [
        ("size: 2GiB", "size: 3GiB", Some(0)),
        ("layout: bios+uefi", "layout: uefi", Some(0)),
        ("release: bookworm", "release: trixie", Some(0)),
        ("release: bookworm }", "release: bookworm, components: [main, contrib] }", Some(0)),
        ("[nginx, curl]", "[nginx]", Some(0)),
        ("files/etc, path: /etc", "files/etc, path: /srv", Some(1)),
        ("hello\\n", "hello", Some(2)),
        ("\"0600\"", "\"0644\"", Some(2)),
        ("root:adm", "root:root", Some(2)),
        ("args: [a]", "args: [b]", Some(2)),
        ("B: c", "B: d", Some(2)),
        ("network: true", "network: false", Some(2)),
        ("secrets: [token]", "secrets: []", Some(2)),
        ("enable: [nginx]", "disable: [nginx]", Some(2)),
        ("[nano]", "[vim]", Some(3)),
        // What changes no image changes no key.
        ("[nginx, curl]", "[curl, nginx]", None),
        ("timeout: 5min", "timeout: 6min", None),
        ("env: TOKEN", "file: token", None),
        ("name: fixed", "name: other", None),
        ("steps:", "outputs: [{ format: raw }]\nsteps:", None),
        ("steps:", "# a remark\ndescription: new\nchecks: [{ path-exists: /etc }]\nsteps:", None),
    ] {
        assert!(RECIPE.contains(from), "{from}");
        let after = plan(&RECIPE.replacen(from, to, 1));
        let differs = before.steps.iter().zip(&after.steps).position(|(before, after)| before.key != after.key);
        assert_eq!(differs, first, "{from} -> {to}");
        let all = before.steps.iter().zip(&after.steps).skip(first.unwrap_or(usize::MAX));
        assert!(all.into_iter().all(|(before, after)| before.key != after.key), "{from} -> {to}");
    }
}

fn base_key(base: &BasePlan, size: u64, packages: &[&str]) -> LayerKey {
    base_key_of("debian", base, size, packages)
}

fn base_key_of(distro: &str, base: &BasePlan, size: u64, packages: &[&str]) -> LayerKey {
    let distros = Distros::built_in();
    let distribution = distros.get(distro).expect("it is known");
    let os = distribution.os(&distribution.named("x".to_owned(), "1".to_owned()), Arch::X86_64);
    let disk = DiskPlan { size: ByteSize::bytes(size), firmware: vec![Firmware::Bios], ..DiskPlan::default() };
    let packages = packages.iter().map(|name| ((*name).to_owned(), vec!["someone".to_owned()])).collect();
    key::of(&key::base(Arch::X86_64, &os, &disk, base, &packages))
}

#[test]
fn the_repositories_of_a_bootstrap_count_with_their_place() {
    let Base::Bootstrap(source) = ({
        let text = "bootstrap: { distro: debian, release: bookworm }";
        let text = format!("name: x\nbase: {{ {text} }}\n");
        let options = LoadOptions::new(Arch::X86_64);
        recipe::load_str(Path::new("x.yaml"), &text, &options, None).expect("a recipe").recipe.base
    }) else {
        panic!("a bootstrap")
    };
    let of = |pins: &[RepositoryPin]| {
        base_key(&BasePlan::Bootstrap { source: source.clone(), repositories: pins.to_vec() }, 1 << 30, &[])
    };
    let (main, security) =
        (pin("http://a.example", "bookworm", "1"), pin("http://a.example", "bookworm-security", "2"));
    let before = of(&[main.clone(), security.clone()]);
    assert_eq!(before, of(&[security.clone(), main.clone()]), "not their order");
    assert_ne!(before, of(&[pin("http://a.example", "bookworm", "3"), security.clone()]), "their state");
    assert_ne!(before, of(&[pin("http://b.example", "bookworm", "1"), security]), "where the image will ask");
    assert_ne!(before, of(std::slice::from_ref(&main)), "their number");
    let expired = recipe::Bootstrap { allow_expired: true, ..source.clone() };
    let expired = BasePlan::Bootstrap { source: expired, repositories: vec![main.clone()] };
    assert_ne!(of(&[main]), base_key(&expired, 1 << 30, &[]), "whether the image accepts expired ones");
}

#[test]
fn an_image_base_counts_by_its_content_and_its_mechanisms() {
    let image = |source: &str, digit: &str, refreshed: Option<&str>| BasePlan::Image {
        source: source.to_owned(),
        sha256: Sha256::parse(&digit.repeat(64)).expect("64 digits"),
        refreshed: refreshed.map(str::to_owned),
    };
    let before = base_key(&image("a.qcow2", "1", None), 1 << 30, &[]);
    assert_eq!(before, base_key(&image("http://a.example/b", "1", Some("now")), 1 << 30, &["nginx"]));
    assert_ne!(before, base_key(&image("a.qcow2", "2", None), 1 << 30, &[]));
    assert_ne!(before, base_key(&image("a.qcow2", "1", None), 2 << 30, &[]));
    let of = |distro| base_key_of(distro, &image("a.qcow2", "1", None), 1 << 30, &[]);
    assert_eq!(before, of("ubuntu"), "what it is called changes nothing");
    assert_ne!(before, of("fedora"), "actions are carried out in another way there");
}

#[test]
fn a_tree_base_counts_by_its_digest_and_its_disk() {
    let tree = |source: &str, digit: &str, refreshed: Option<&str>| BasePlan::Tree {
        source: source.to_owned(),
        sha256: Sha256::parse(&digit.repeat(64)).expect("64 digits"),
        refreshed: refreshed.map(str::to_owned),
        files: goldsmith::tree::Source::Directory { origin: source.to_owned(), path: source.into() },
    };
    let before = base_key(&tree("a.tar", "1", None), 1 << 30, &[]);
    assert_eq!(before, base_key(&tree("docker://h.example/a:1", "1", Some("now")), 1 << 30, &["nginx"]));
    assert_ne!(before, base_key(&tree("a.tar", "2", None), 1 << 30, &[]));
    assert_ne!(before, base_key(&tree("a.tar", "1", None), 2 << 30, &[]));
    assert_ne!(before, base_key_of("fedora", &tree("a.tar", "1", None), 1 << 30, &[]));
}

#[test]
fn a_refresh_of_repositories_counts_where_packages_are_installed() {
    let parent = LayerKey::of("parent");
    let action = |json: Value| -> Action { serde_json::from_value(json).expect("an action") };
    let install = action(json!({ "packages": { "install": ["nginx"] } }));
    let hostname = action(json!({ "hostname": "web" }));
    let of =
        |actions: &[Action], refreshed| key::of(&key::step(parent, actions, &BTreeMap::new(), refreshed, None, None));
    let both = [hostname.clone(), install];
    assert_ne!(of(&both, None), of(&both, Some("now")));
    assert_eq!(of(&both[..1], None), of(&both[..1], Some("now")));
    assert_ne!(of(&both, None), of(&[both[1].clone(), hostname], None), "the order of actions counts");
}

#[test]
fn files_count_by_all_that_is_carried() {
    let asset = |content: &[u8], mode, origin| {
        let kind = AssetKind::File { sha256: Sha256::of(content), origin };
        Asset { kind, mode, xattrs: BTreeMap::new() }
    };
    let embedded = Origin::Embedded(b"x");
    let of = |path: &str, asset: Asset| {
        let files = BTreeMap::from([(path.to_owned(), asset)]);
        key::of(&key::step(LayerKey::of("parent"), &[], &files, None, None, None))
    };
    let before = of("run.sh", asset(b"x", 0o755, embedded.clone()));
    assert_eq!(before, of("run.sh", asset(b"x", 0o755, Origin::File("/home/me/run.sh".into()))));
    assert_ne!(before, of("run.sh", asset(b"y", 0o755, embedded.clone())));
    assert_ne!(before, of("run.sh", asset(b"x", 0o644, embedded.clone())));
    assert_ne!(before, of("go.sh", asset(b"x", 0o755, embedded.clone())));
    let mut more = asset(b"x", 0o755, embedded);
    more.xattrs.insert("user.a".to_owned(), b"b".to_vec());
    assert_ne!(before, of("run.sh", more), "all that is carried counts");
    let link = |target: &str| {
        let kind = AssetKind::Symlink { target: target.to_owned() };
        of("run.sh", Asset { kind, mode: 0o777, xattrs: BTreeMap::new() })
    };
    assert_ne!(link("a"), link("b"));
}
