//! Signed images: Glance verifies them by certificates of a real key manager, and cursive, by which it does, judges them too.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::cloud::TestCloud;
use crate::goldsmith;
use crate::publishing::{built, only, path};

/// Verifies as Glance and Nova do: file, certificate, and the three properties of the signature.
const JUDGE: &str = "
import sys
from cryptography import x509
from cursive import signature_utils as utils
data, certificate, signature, method, kind = sys.argv[1:]
key = x509.load_pem_x509_certificate(open(certificate, 'rb').read()).public_key()
known = utils.SignatureKeyType.lookup(kind)
assert isinstance(key, known.public_key_type), kind
verifier = known.create_verifier(utils.get_signature(signature), utils.get_hash_method(method), key)
verifier.update(open(data, 'rb').read())
verifier.verify()
";

/// Makes a key and a certificate for it: files `NAME.key` and `NAME.crt`.
fn made(cloud: &TestCloud, name: &str, algorithm: &[&str]) -> [String; 2] {
    let files = ["key", "crt"].map(|extension| cloud.path(&format!("{name}.{extension}")).display().to_string());
    let run = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output().expect("openssl");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&[&["genpkey", "-out", &files[0], "-algorithm"], algorithm].concat());
    run(&["req", "-new", "-x509", "-key", &files[0], "-out", &files[1], "-subj", &format!("/CN={name}")]);
    files
}

fn told<'a>(image: &'a Value, property: &str) -> &'a str {
    image[property].as_str().unwrap_or_else(|| panic!("no {property}: {image}"))
}

#[test]
#[ignore = "starts a Keystone, a Glance and a Barbican"]
fn signatures_are_made_and_verified_by_everybody() {
    let cloud = TestCloud::start_with_key_manager();
    let variables = cloud.variables();
    let run = |arguments: &[&str]| goldsmith(&cloud, arguments, &variables);
    let dir = built(&cloud, "gold", 1, &Value::Null);
    let file = dir.join("gold.qcow2").display().to_string();
    let curve = |option: &'static str| ["EC", "-pkeyopt", option];
    let stranger = made(&cloud, "stranger", &["RSA"]);
    for (name, algorithm, kind) in [
        ("rsa", &["RSA"][..], "RSA-PSS"),
        ("p384", &curve("ec_paramgen_curve:secp384r1"), "ECC_SECP384R1"),
        ("p521", &curve("ec_paramgen_curve:secp521r1"), "ECC_SECP521R1"),
    ] {
        let [key, certificate] = made(&cloud, name, algorithm);
        let publish = ["publish", path(&dir), "--name", name, "--sign-key", &key, "--certificate", &certificate];
        let ran = run(&publish);
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
        let image = run(&["images", "show", name, "--json"]).json();
        assert_eq!((told(&image, "status"), told(&image, "img_signature_key_type")), ("active", kind));
        // The service has looked, and by this certificate.
        let log = std::fs::read_to_string(cloud.path("glance.log")).expect("a log");
        let seen = format!("Successfully verified signature for image {}", told(&image, "id"));
        assert!(log.contains(&seen), "{name}: {log}");
        let signature = [told(&image, "img_signature"), told(&image, "img_signature_hash_method"), kind];
        let judged = cloud.python(&[&["-c", JUDGE, &file, &certificate], &signature[..]].concat());
        assert!(judged.status.success(), "{name}: {}", String::from_utf8_lossy(&judged.stderr));

        // Who downloads verifies too, by the certificate of the key manager or by one of his own.
        let back = cloud.path(&format!("{name}.back")).display().to_string();
        let download = ["images", "download", name, &back, "--force", "--verify-signature"];
        let ran = run(&download);
        assert!(
            ran.code == Some(0)
                && ran.stdout.contains(&format!("signed by CN={name}: the certificate that the image names")),
            "{} {}",
            ran.stdout,
            ran.stderr
        );
        let ran = run(&[&download[..], &["--certificate", &certificate]].concat());
        assert!(ran.code == Some(0) && ran.stdout.contains("the certificate given"), "{} {}", ran.stdout, ran.stderr);
        std::fs::remove_file(&back).expect("a file");
        let ran = run(&[&download[..], &["--certificate", &stranger[1]]].concat());
        assert_eq!(ran.code, Some(14), "{} {}", ran.stdout, ran.stderr);
        assert!(ran.stdout.is_empty() && !Path::new(&back).exists());
        let left = std::fs::read_dir(Path::new(&back).parent().expect("a directory")).expect("a directory");
        let mut left = left.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        assert!(!left.any(|name| name.ends_with(".goldsmith-part")));
    }
    // A certificate is stored once, and found again by its id.
    let [key, certificate] =
        ["key", "crt"].map(|extension| cloud.path(&format!("rsa.{extension}")).display().to_string());
    let image = run(&["images", "show", "rsa", "--json"]).json();
    let id = told(&image, "img_signature_certificate_uuid");
    // What is signed is not signed anew.
    let again = run(&["publish", path(&dir), "--name", "rsa", "--sign-key", &key, "--certificate", &certificate]);
    assert!(again.code == Some(0) && !again.stdout.contains("img_signature"), "{} {}", again.stdout, again.stderr);
    assert_eq!(run(&["images", "show", "rsa", "--json"]).json()["img_signature"], image["img_signature"]);
    for (name, certificate) in [("by file", certificate.as_str()), ("by id", id)] {
        let ran = run(&["publish", path(&dir), "--name", name, "--sign-key", &key, "--certificate", certificate]);
        assert_eq!(ran.code, Some(0), "{name}: {}", ran.stderr);
        let image = run(&["images", "show", name, "--json"]).json();
        assert_eq!(told(&image, "img_signature_certificate_uuid"), id, "{name}");
    }
}

#[test]
#[ignore = "starts a Keystone, a Glance and a Barbican"]
fn signatures_that_do_not_fit_are_refused_and_leave_nothing() {
    let cloud = TestCloud::start_with_key_manager();
    let variables = cloud.variables();
    let run = |arguments: &[&str]| goldsmith(&cloud, arguments, &variables);
    // Of different sizes, as their data is the same random one.
    let [gold, silver] = [("gold", 1), ("silver", 2)].map(|(name, size)| built(&cloud, name, size, &Value::Null));
    let [key, certificate] = made(&cloud, "rsa", &["RSA"]);
    let stranger = made(&cloud, "stranger", &["RSA"]);
    let common = made(&cloud, "common", &["EC", "-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    let ran = run(&["publish", path(&gold), "--sign-key", &key, "--certificate", &certificate]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let image = only(&cloud);
    let nobody = "11111111-2222-4333-8444-555555555555";
    let secret = std::fs::read_to_string(&key).expect("a key");

    // Found out before anything is sent.
    for (key, certificate, words) in [
        (&key, stranger[1].as_str(), "the certificate `CN=stranger` is of another key"),
        (&common[0], &common[1], "image services cannot verify the key"),
        (&certificate, &certificate, "openssl does not read the key"),
        (&key, &key, "openssl does not read the certificate"),
        (&key, nobody, "does not give or take the certificate"),
    ] {
        let ran = run(&["publish", path(&silver), "--sign-key", key, "--certificate", certificate]);
        assert_eq!(ran.code, Some(14), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert!(!ran.stderr.contains(secret.lines().nth(1).expect("a line")), "{}", ran.stderr);
        assert_eq!(only(&cloud)["id"], image["id"]);
    }
    // Found out by the service: the signature of another image, and a certificate that it does not get.
    let properties = |certificate: &str| {
        let names = ["img_signature", "img_signature_hash_method", "img_signature_key_type"];
        let mut given: Vec<_> = names.iter().map(|name| format!("{name}={}", told(&image, name))).collect();
        given.push(format!("img_signature_certificate_uuid={certificate}"));
        given.into_iter().flat_map(|property| ["--property".to_owned(), property]).collect::<Vec<_>>()
    };
    for (certificate, words) in [
        (told(&image, "img_signature_certificate_uuid"), "the data is not what was signed"),
        (nobody, "does the id belong to one that your project may read"),
    ] {
        let properties = properties(certificate);
        let properties: Vec<_> = properties.iter().map(String::as_str).collect();
        let ran = run(&[&["publish", path(&silver)], &properties[..]].concat());
        assert_eq!(ran.code, Some(14), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert_eq!(only(&cloud)["id"], image["id"]);
    }
    // An image without a signature cannot be verified.
    let ran = run(&["publish", path(&silver)]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let back = cloud.path("back").display().to_string();
    let ran = run(&["images", "download", "silver", &back, "--verify-signature"]);
    assert_eq!((ran.code, json!(Path::new(&back).exists())), (Some(14), json!(false)), "{}", ran.stderr);
    assert!(ran.stderr.contains("the image has no signature: it lacks img_signature,"), "{}", ran.stderr);
}

#[test]
#[ignore = "starts a Keystone, a Glance and a Barbican"]
fn a_recipe_says_who_signs_and_what_is_promised() {
    let cloud = TestCloud::start_with_key_manager();
    let facts = json!({
        "distro": "debian", "version": "12", "firmware": ["bios", "uefi"], "boots": ["bios", "uefi"], "default_user": "debian",
        "min_disk_gib": 3, "min_ram_mib": 256, "measured": true,
    });
    let dir = built(&cloud, "gold", 1, &facts);
    let [key, certificate] = made(&cloud, "rsa", &["RSA"]);
    let recipe = cloud.path("recipe.yaml");
    let publish = |scs: &str, variables: &[(&'static str, String)]| {
        let text = format!(
            "name: gold\narch: x86_64\nbase: {{ bootstrap: {{ distro: debian, release: bookworm }} }}\noutputs: [{{ format: qcow2 }}]\n\
             publish:\n  - glance:\n      sign: {{ key: {{ env: KEY }}, certificate: {{ file: rsa.crt }}, hash: sha512 }}\n      \
             scs: {{ replace_frequency: monthly, provided_until: notice, uuid_validity: last-3, image_source: private, {scs} }}\n"
        );
        std::fs::write(&recipe, text).expect("a file");
        goldsmith(&cloud, &["publish", path(&recipe), "--out", path(&dir)], variables)
    };
    let mut variables = cloud.variables().to_vec();
    let described = "image_description: 'the golden one', os_purpose: generic";
    let ran = publish("image_description: ''", &variables);
    assert!(ran.code == Some(10) && ran.stderr.contains("a description, or its address, is missing"), "{}", ran.stderr);
    // Nobody has noted when this image was built.
    let ran = publish(described, &variables);
    assert!(ran.code == Some(14) && ran.stderr.contains("nothing says `image_build_date`"), "{}", ran.stderr);
    let manifest = dir.join("manifest.json");
    let mut told: Value = serde_json::from_str(&std::fs::read_to_string(&manifest).expect("a manifest")).expect("JSON");
    told["created"] = json!("2026-11-21T19:05:06Z");
    std::fs::write(&manifest, told.to_string()).expect("a file");
    let ran = publish(described, &variables);
    assert!(
        ran.code == Some(11) && ran.stderr.contains("there is no key to sign with: $KEY is not set"),
        "{}",
        ran.stderr
    );
    let secret = std::fs::read_to_string(&key).expect("a key");
    variables.push(("KEY", secret.clone()));
    let ran = publish(described, &variables);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let image = only(&cloud);
    for (name, value) in [
        ("replace_frequency", "monthly"),
        ("provided_until", "notice"),
        ("uuid_validity", "last-3"),
        ("image_source", "private"),
        ("os_purpose", "generic"),
        ("image_build_date", "2026-11-21 19:05:06"),
        ("image_original_user", "debian"),
        ("hw_rng_model", "virtio"),
        ("img_signature_hash_method", "SHA-512"),
    ] {
        assert_eq!(image[name], json!(value), "{name} of {image}");
    }
    let file = dir.join("gold.qcow2").display().to_string();
    let judged =
        cloud.python(&["-c", JUDGE, &file, &certificate, self::told(&image, "img_signature"), "SHA-512", "RSA-PSS"]);
    assert!(judged.status.success(), "{}", String::from_utf8_lossy(&judged.stderr));
    assert!(!ran.stderr.contains(secret.lines().nth(1).expect("a line")), "{}", ran.stderr);
}
