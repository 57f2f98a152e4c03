//! Distributions are data: what the program has, what people add, and what is wrong with what they add.

mod names;
mod ubuntu;

use std::collections::BTreeSet;
use std::path::Path;

use goldsmith::distro::{Distros, Mirrors};
use goldsmith::guest::Inspection;
use goldsmith::pin;
use goldsmith::plan::Distro;
use goldsmith::recipe::{self, Arch, Base, Firmware, LoadOptions, Loaded, System};

fn options(distros: Option<&Path>) -> LoadOptions {
    LoadOptions { distro_dirs: distros.map(Path::to_owned).into_iter().collect(), ..LoadOptions::new(Arch::X86_64) }
}

/// A folder of distributions.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::create_dir_all(folder.path().join(name)).expect("a folder");
        std::fs::write(folder.path().join(name).join("distro.yaml"), text).expect("a file");
    }
    folder
}

/// What is wrong with the files of a folder: file, line, column and message.
fn faults(files: &[(&str, &str)]) -> Vec<String> {
    let folder = folder(files);
    let (_, found) = Distros::load(&[folder.path().to_owned()]);
    let mut told: Vec<_> = found
        .iter()
        .map(|fault| {
            let file = fault.file().replace(&format!("{}/", folder.path().display()), "");
            let at = fault.position().map_or(String::new(), |at| format!(":{}:{}", at.line, at.column));
            format!("{file}{at} {}", fault.message())
        })
        .collect();
    told.sort();
    told
}

fn load(text: &str, distros: Option<&Path>, system: Option<&System>) -> Result<Loaded, String> {
    let text = format!("name: x\narch: x86_64\n{text}\n");
    recipe::load_str(Path::new("tests/recipes/valid/x.yaml"), &text, &options(distros), system)
        .map_err(|errors| errors.render(false))
}

#[test]
fn every_distribution_of_the_program_is_whole_and_has_names_of_its_own() {
    let folders: BTreeSet<String> = std::fs::read_dir("distros")
        .expect("they are there")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    let (distros, found) = Distros::load(&["distros".into()]);
    assert_eq!(found, [], "files as they are in the tree");
    let names: BTreeSet<_> = Distros::built_in().iter().map(|one| one.file.name.clone()).collect();
    assert_eq!(names, folders, "what is in the tree is in the program");
    let mut words = BTreeSet::new();
    for one in distros.iter() {
        for word in [&one.file.name].into_iter().chain(&one.file.aliases) {
            assert!(words.insert(word.clone()), "`{word}` is there twice");
            assert_eq!(distros.get(word).map(|found| &found.file.name), Some(&one.file.name), "{word}");
        }
        for arch in &one.file.architectures {
            let os = one.os(&distros_release(one), *arch);
            for element in ["ssh_server", "growpart", "grub", "network", "kernel_cloud"] {
                assert!(os.packages.contains_key(element), "{} has no {element}", one.file.name);
            }
        }
    }
}

fn distros_release(one: &goldsmith::distro::Distribution) -> Distro {
    let release = one.file.releases.last().map(|release| (release.name.clone(), release.version.clone()));
    let (name, version) = release.unwrap_or_default();
    one.named(name, version)
}

/// Every element of the program that asks for something asks for what every distribution has.
#[test]
fn every_element_can_be_used_on_every_distribution() {
    let elements = "elements: [base-system, kernel, dhcp-network, sshd, cloud-init, growpart, net-rules, no-firewall, \
                    qemu-guest-agent, bootloader, uefi, serial-console, sysprep]";
    let text = format!("base: {{ image: {{ source: a, sha256: SHA256SUMS }} }}\n{elements}");
    for one in Distros::built_in().iter() {
        for firmware in [vec![Firmware::Uefi], vec![Firmware::Bios, Firmware::Uefi]] {
            let system = System { distro: distros_release(one), firmware };
            let loaded = load(&text, None, Some(&system)).unwrap_or_else(|errors| panic!("{errors}"));
            let composition = loaded.composition.expect("the distribution is known");
            assert!(composition.packages.contains_key("cloud-init"), "{}", one.file.name);
        }
    }
}

#[test]
fn what_os_release_says_finds_the_distribution() {
    let distros = Distros::built_in();
    for (names, found) in [
        (&["debian"][..], Some("debian")),
        (&["ubuntu", "debian"], Some("ubuntu")),
        (&["kali", "debian", "kalilinux"], Some("kali")),
        (&["amzn", "centos", "rhel", "fedora"], Some("amazonlinux")),
        (&["opensuse-leap", "suse", "opensuse"], Some("opensuse")),
        (&["almalinux", "rhel", "centos", "fedora", "redhat-based"], Some("almalinux")),
        // Nobody has described these, but they say what they are like.
        (&["pop", "ubuntu", "debian"], Some("ubuntu")),
        (&["miraclelinux", "rhel", "centos", "fedora"], Some("rhel")),
        (&["plan9", "unknown"], None),
    ] {
        let one = distros.recognise(names.iter().copied());
        assert_eq!(one.map(|one| one.file.name.as_str()), found, "{names:?}");
    }
}

/// What inspection would tell of an image.
fn inspection(distro: &str, ids: &[&str], version: &str, codename: Option<&str>) -> Inspection {
    Inspection {
        distro: distro.to_owned(),
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        product: format!("Product {version}"),
        version: version.to_owned(),
        codename: codename.map(str::to_owned),
        arch: "x86_64".to_owned(),
        mounts: Vec::new(),
        root_filesystem: "ext4".to_owned(),
        firmware: vec![Firmware::Bios],
        storage: Default::default(),
    }
}

#[test]
fn the_system_of_an_image_has_the_names_that_elements_use() {
    let distros = Distros::built_in();
    for (libguestfs, ids, version, codename, told) in [
        ("debian", &["debian"][..], "12", Some("bookworm"), "debian bookworm 12 debian"),
        ("kalilinux", &["kali", "debian"], "2026.1", Some("kali-rolling"), "kali kali-rolling 2026.1 debian"),
        ("redhat-based", &["amzn", "fedora"], "2023", None, "amazonlinux 2023 2023 redhat"),
        ("redhat-based", &["almalinux", "rhel"], "9.4", None, "almalinux 9.4 9.4 redhat"),
        ("opensuse", &["opensuse-leap", "suse", "opensuse"], "15.6", None, "opensuse 15.6 15.6 suse"),
        // Old images have no os-release.
        ("centos", &[], "6", None, "centos 6 6 redhat"),
    ] {
        let system =
            pin::system("base.qcow2", &inspection(libguestfs, ids, version, codename), &distros).expect("it is known");
        let Distro { name, release, version, family } = system.distro;
        assert_eq!(format!("{name} {release} {version} {family}"), told);
    }
    let error =
        pin::system("base.qcow2", &inspection("void", &["void"], "1", None), &distros).expect_err("nobody knows it");
    let said = error.to_string();
    assert!(
        said.starts_with("base.qcow2 holds Product 1, which is none of the known distributions (almalinux,"),
        "{said}"
    );
    assert!(said.ends_with("ubuntu), and names none in `ID_LIKE`"), "{said}");
}

/// What a release says counts for it and for what its makers call a part of it.
#[test]
fn releases_differ() {
    let distros = Distros::built_in();
    for (name, release, version, unit) in [
        ("fedora", "42", "42", "cloud-init.service"),
        ("fedora", "43", "43", "cloud-init-network.service"),
        ("rocky", "9.4", "9.4", "cloud-init.service"),
    ] {
        let one = distros.get(name).expect("it is known");
        let os = one.os(&one.named(release.to_owned(), version.to_owned()), Arch::X86_64);
        assert_eq!(os.units["cloud_init"], unit, "{name} {release}");
    }
    let text = "name: point\ntitle: Point\nextends: debian\nreleases: [{ name: one, version: \"9\", units: { ssh: nine.service } }]\n";
    let folder = folder(&[("point", text)]);
    let (distros, _) = Distros::load(&[folder.path().to_owned()]);
    let point = distros.get("point").expect("it is known");
    for (release, version, unit) in [
        ("one", "", "nine.service"),
        ("x", "9.4", "nine.service"),
        ("x", "9", "nine.service"),
        ("x", "90", "ssh.service"),
    ] {
        let os = point.os(&point.named(release.to_owned(), version.to_owned()), Arch::X86_64);
        assert_eq!(os.units["ssh"], unit, "{release} {version}");
    }
}

#[test]
fn the_hosts_mirrors_come_before_the_distributions() {
    let distros = Distros::built_in();
    let how = |name: &str| distros.get(name).and_then(|one| one.file.bootstrap.clone()).expect("it has one");
    let ports = how("ubuntu").mirrors(Arch::Aarch64);
    assert!(ports.main.as_deref().is_some_and(|url| url.ends_with("/ubuntu-ports")), "{ports:?}");
    assert_eq!(ports.main, ports.security);
    let host = Mirrors { main: Some("http://here.example/ubuntu".to_owned()), security: None };
    let both = host.clone().or(how("ubuntu").mirrors(Arch::X86_64));
    assert_eq!(both.main, host.main);
    assert!(both.security.is_some_and(|url| url.contains("security")));
    assert_eq!(how("debian").mirrors(Arch::X86_64), Mirrors::default(), "the host's own, or the recipe's");
}

#[test]
fn all_that_is_wrong_is_told_with_its_place() {
    let all = "family: x\narchitectures: [x86_64]\nmechanisms: { packages: apt, init: systemd, initramfs: dracut, bootloader: grub, \
               efi: grub-install, network: networkd, locale: locale-gen, timezone: localtime, \
               certificates: pki-trust, relabel: none }\n";
    let whole = |name: &str, more: &str| format!("name: {name}\ntitle: A title\n{all}{more}");
    assert_eq!(faults(&[("mine", &whole("mine", ""))]), [""; 0]);
    let bad = "name: other\ntitle: A title\nfamly: x\nextends: debian\nmechanisms: { packages: pkg }\nreleases:\n  \
               - { name: one, version: \"1\", end: soon }\n  - { name: one, version: \"2\" }\n\
               packages: { a-b: [x], ok: [-y], arch: { x86_64: [z], sparc: [z] } }\npaths: { grub: boot }\n\
               units: { ssh: [a] }\n";
    let faulty = faults(&[("bad", bad)]);
    assert_eq!(
        faulty,
        [
            "bad/distro.yaml:10:16 `boot` is not an absolute path in the image",
            "bad/distro.yaml:11:15 expected a string, found a list",
            "bad/distro.yaml:1:7 the distribution is named `other`, and its folder `bad`",
            "bad/distro.yaml:3:1 unknown key `famly`",
            "bad/distro.yaml:5:25 unknown mechanism `pkg`",
            "bad/distro.yaml:7:37 `soon` is not a day: write it like 2028-08-09",
            "bad/distro.yaml:8:13 release `one` is there twice",
            "bad/distro.yaml:9:13 `a-b` cannot name anything in a template: use lowercase letters, digits and `_`",
            "bad/distro.yaml:9:28 `-y` is not the name of a package",
            "bad/distro.yaml:9:54 unknown name `sparc`",
        ]
    );
    let keyed = |how: &str, fingerprint: &str| {
        format!(
            "name: a\ntitle: A\nextends: debian\nreleases: [{{ name: one, version: \"1\" }}]\nbootstrap: {{ {how}, origin: A, \
             directories: [a], suites: [RELEASE], keyring: {{ file: /k.gpg, package: k, fingerprints: [{fingerprint}] }} }}\n"
        )
    };
    for (files, told) in [
        (
            &[("a", "name: a\ntitle: A\n")][..],
            &["a/distro.yaml `architectures` is missing", "a/distro.yaml `family` is missing"][..],
        ),
        (&[("a", "name: a\ntitle: A\nextends: debain\n")], &["a/distro.yaml:3:10 unknown distribution `debain`"]),
        (
            &[("a", "name: a\ntitle: A\nextends: b\n"), ("b", "name: b\ntitle: B\nextends: a\n")],
            &["b/distro.yaml:3:10 distributions extend each other in a circle: a -> b -> a"],
        ),
        (
            &[("a", "name: a\ntitle: A\nextends: debian\naliases: [ubuntu]\n")],
            &["a/distro.yaml:4:11 `ubuntu` is a name of `ubuntu` already"],
        ),
        (
            &[("a", "name: a\ntitle: A\nextends: debian\nbootstrap: { tool: mmdebstrap }\n")],
            &["a/distro.yaml:4:1 `origin` is missing in `bootstrap`"],
        ),
        (
            &[("a", &keyed("tool: mmdebstrap, components: [main]", "991BC93C"))],
            &[
                "a/distro.yaml:5:152 `991BC93C` is not the fingerprint of a key: write all 40 digits, in capitals and without spaces",
            ],
        ),
        (
            &[("a", &keyed("tool: dnf, database: /var/lib/rpm", &"A".repeat(40)))],
            &["a/distro.yaml:5:148 dnf cannot choose keys of a file: it trusts all of them"],
        ),
    ] {
        let found = faults(files);
        assert!(told.iter().all(|told| found.contains(&(*told).to_owned())), "{found:#?} lacks one of {told:#?}");
    }
    // A recipe beside such a file says so too.
    let folder = folder(&[("bad", bad)]);
    let errors = load("base: { bootstrap: { distro: debian, release: bookworm } }", Some(folder.path()), None);
    let errors = errors.expect_err("a distribution is at fault");
    assert_eq!(errors.matches("error: ").count(), faulty.len(), "{errors}");
}

/// A new folder is all that a distribution of known mechanisms takes.
#[test]
fn a_folder_is_a_distribution_that_can_be_bootstrapped() {
    let text = "name: acme\ntitle: Acme Linux\naliases: [acmeos]\nextends: debian\nuser: acme\n\
        releases:\n  - { name: road, version: \"1\", units: { ssh: acme-ssh.service } }\n  - { name: cliff, version: \"2\" }\n\
        bootstrap:\n  tool: mmdebstrap\n  origin: Acme\n  directories: [acme]\n  \
        keyring: { file: /usr/share/keyrings/acme.gpg, package: acme-keyring }\n  suites: [RELEASE, RELEASE-more]\n  \
        security-suites: [RELEASE/safe]\n  components: [main, tnt]\n\
        packages: { growpart: [acme-grow], rocket: [acme-rocket] }\n";
    let folder = folder(&[("acme", text)]);
    let of = |release: &str| {
        let base = format!("base: {{ bootstrap: {{ distro: acmeos, release: {release} }} }}");
        let more = "elements: [cloud-init, growpart, sshd]\npackages: \"{{ os.packages.rocket + [os.user] }}\"";
        let loaded = load(&format!("{base}\n{more}"), Some(folder.path()), None);
        loaded.unwrap_or_else(|errors| panic!("{errors}"))
    };
    let loaded = of("cliff");
    let Base::Bootstrap(source) = &loaded.recipe.base else { panic!("a bootstrap") };
    assert_eq!((source.distro.as_str(), &source.components[..]), ("acme", &["main".to_owned(), "tnt".to_owned()][..]));
    let composition = loaded.composition.expect("it is known");
    assert_eq!((composition.distro.family.as_str(), composition.distro.version.as_str()), ("debian", "2"));
    let packages: Vec<_> = composition.packages.keys().map(String::as_str).collect();
    assert_eq!(packages, ["acme", "acme-grow", "acme-rocket", "cloud-init", "openssh-server", "sudo"]);
    assert_eq!(composition.os.units["ssh"], "ssh.service");
    assert_eq!(of("road").composition.expect("it is known").os.units["ssh"], "acme-ssh.service");
}

#[test]
fn a_release_can_have_suites_of_its_own() {
    let distros = Distros::built_in();
    let debian = &distros.get("debian").expect("it is known").file;
    let bootstrap = debian.bootstrap.as_ref().expect("it can be bootstrapped");
    let suites = |name: &str| {
        let release = debian.releases.iter().find(|release| release.name == name).expect("it is a release");
        let how = bootstrap.of(name, &release.suites, Arch::X86_64);
        [how.suites, how.security_suites].concat().join(" ")
    };
    assert_eq!(suites("trixie"), "trixie trixie-updates trixie-security");
    assert_eq!(suites("sid"), "sid");
}

#[test]
fn what_a_distribution_lacks_is_an_error_of_who_asks() {
    let base = "base: { bootstrap: { distro: debian, release: bookworm } }";
    for (line, place, words) in [
        (
            "packages: '{{ os.packages.growprt }}'",
            "4:15",
            &["there is no `os.packages.growprt`", "did you mean `os.packages.growpart`?"][..],
        ),
        (
            "packages: ['a-{{ os.paths.bls_entries }}']",
            "4:18",
            &["there is no `os.paths.bls_entries`", "distros/debian/distro.yaml"],
        ),
        ("packages: '{{ os.packages.sudo + os.packages.rocket }}'", "4:34", &["there is no `os.packages.rocket`"]),
        ("packages: '{{ os.package.sudo }}'", "4:15", &["there is no `os.package`", "did you mean `os.packages`?"]),
    ] {
        let errors = load(&format!("{base}\n{line}"), None, None).expect_err(line);
        assert!(errors.contains(&format!("x.yaml:{place}")), "{line}: {errors}");
        assert!(words.iter().all(|word| errors.contains(word)), "{line}: {errors}");
        assert_eq!(errors.matches("error: ").count(), 1, "{errors}");
    }
    // Whoever asks for what no distribution has need not know which one the image holds.
    let image = "base: { image: { source: a, sha256: SHA256SUMS } }";
    let errors =
        load(&format!("{image}\npackages: '{{{{ os.packages.rocket }}}}'"), None, None).expect_err("none has it");
    assert!(errors.contains("there is no `os.packages.rocket`"), "{errors}");
    // Some have this, and the image may be of one of them.
    let text = format!("{image}\npackages: ['{{{{ os.paths.bls_entries | length }}}}']");
    load(&text, None, None).expect("no error yet");
}

#[test]
fn what_cannot_be_bootstrapped_says_what_can() {
    for (distro, words) in [
        ("debain", &["unknown distribution `debain`", "did you mean `debian`?", "`debian`, `fedora`"][..]),
        ("kali", &["`kali` cannot be made of packages here", "start from an image of it"]),
    ] {
        let text = format!("base: {{ bootstrap: {{ distro: {distro}, release: bookworm }} }}");
        let errors = load(&text, None, None).expect_err(distro);
        assert!(errors.contains("x.yaml:3:30"), "{errors}");
        assert!(words.iter().all(|word| errors.contains(word)), "{errors}");
    }
}

#[test]
fn a_distribution_of_a_folder_is_used_instead_of_the_programs() {
    let text = std::fs::read_to_string("distros/debian/distro.yaml").expect("a file");
    let text = text.replace("growpart: [cloud-guest-utils, fdisk]", "growpart: [grown-at-home]");
    let folder = folder(&[("debian", &text)]);
    let recipe = "base: { bootstrap: { distro: debian, release: bookworm } }\nelements: [cloud-init, growpart]";
    let loaded = load(recipe, Some(folder.path()), None).unwrap_or_else(|errors| panic!("{errors}"));
    assert!(loaded.composition.expect("it is known").packages.contains_key("grown-at-home"));
    let note = format!("distribution `debian` of {} is used instead of the built-in one", folder.path().display());
    assert_eq!(loaded.notes, [note]);
}

#[test]
fn a_recipe_names_certificates_for_dnf_only_and_a_secret_that_it_has() {
    let load = |text: &str| {
        recipe::load_str(Path::new("x.yaml"), text, &options(None), None).map_err(|error| error.to_string())
    };
    let text = "name: x\nbase: { bootstrap: { distro: rhel, release: \"9\", client-certificate: entitlement } }\n";
    let error = load(text).expect_err("it has no secret");
    assert!(error.contains("the recipe has no secret `entitlement`"), "{error}");
    let text = format!("{text}secrets: {{ entitlement: {{ file: entitlement.pem }} }}\n");
    let loaded = load(&text.replace("entitlement } }\ns", "entitlement, certificate-authority: ca.pem } }\ns"));
    let Base::Bootstrap(source) = loaded.expect("a recipe").recipe.base else { panic!("a bootstrap") };
    let authority = Path::new(source.certificate_authority.as_deref().expect("an authority"));
    assert!(authority.is_absolute() && authority.ends_with("ca.pem"), "{authority:?}");
    let json = serde_json::to_string(&source).expect("JSON");
    assert!(!json.contains("certificate"), "no manifest has the name of the secret, or a path of the host: {json}");
    let error = load(&text.replace("distro: rhel, release: \"9\"", "distro: debian, release: trixie"));
    let error = error.expect_err("apt gets none");
    assert!(error.contains("`client-certificate` is for distributions with dnf"), "{error}");
}
