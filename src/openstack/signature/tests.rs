use std::path::Path;
use std::process::Command;

use super::super::image::Image;
use super::openssl::RSA_PSS;
use super::*;
use crate::digest::Sha256;
use crate::fetch::Secret;
use crate::image::digests::Digests;
use crate::recipe::publish::Hash;

/// Certificate that ended on 1 January 2021.
const ENDED: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBSDCB0KADAgECAgEBMAoGCCqGSM49BAMCMBAxDjAMBgNVBAMMBWVuZGVkMB4X\n\
DTIwMDEwMTAwMDAwMFoXDTIxMDEwMTAwMDAwMFowEDEOMAwGA1UEAwwFZW5kZWQw\n\
djAQBgcqhkjOPQIBBgUrgQQAIgNiAATLmD7EzLBmHdkEd/OyQvhXnvWcconY2eyw\n\
1iBwK/lj0e9i1mzGJjXeLskQjEfV4XEk5wG9uRZQjjauf+k7CMVJwmOgZ5upDt9R\n\
QilBu9mke/D6o1MqkY2nfVy0OpjenycwCgYIKoZIzj0EAwIDZwAwZAIwf3oK19Wh\n\
XLnsvE/lUdxYqlN+1Xx57OGZC4Qc7vY/HwoN9t1MuQffErrdy8KC7iSnAjBwlgDN\n\
FMVYyRiYzYMc34fIHweX8hBkzQPi8A0i+VqDVq/FRE7SkadJ99p29nrkyYk=\n\
-----END CERTIFICATE-----\n";

/// Makes a key by `openssl`, with a certificate.
fn made(dir: &Path, name: &str, key: &[&str]) -> (Key, Result<Certificate, SignatureError>) {
    let at = |name: String| dir.join(name).display().to_string();
    let (key_file, certificate) = (at(format!("{name}.key")), at(format!("{name}.crt")));
    let run = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).output().expect("openssl");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    run(&[&["genpkey", "-out", &key_file], key].concat());
    let subject = format!("/CN={name}");
    run(&["req", "-new", "-x509", "-key", &key_file, "-out", &certificate, "-subj", &subject]);
    let text = |path: &str| std::fs::read_to_string(path).expect("a text");
    (Key::new(Secret::new(text(&key_file))), Certificate::read(&text(&certificate)))
}

const RSA: [&str; 2] = ["-algorithm", "RSA"];

fn curve(option: &'static str) -> [&'static str; 4] {
    ["-algorithm", "EC", "-pkeyopt", option]
}

fn file(dir: &Path, name: &str) -> (std::path::PathBuf, Digests) {
    let path = dir.join(name);
    std::fs::write(&path, name).expect("a file");
    (path, Digests { sha256: Sha256::of(name.as_bytes()), sha512: None, md5: None })
}

#[test]
fn what_is_signed_is_verified_and_nothing_else() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let [(gold, digests), (silver, others)] = ["gold", "silver"].map(|name| file(dir.path(), name));
    let stranger = made(dir.path(), "stranger", &RSA).1.expect("a certificate");
    for (name, key, hash, kind) in [
        ("rsa", &RSA[..], Hash::Sha256, "RSA-PSS"),
        ("rsa", &RSA, Hash::Sha512, "RSA-PSS"),
        ("p384", &curve("ec_paramgen_curve:secp384r1"), Hash::Sha384, "ECC_SECP384R1"),
        ("p521", &curve("ec_paramgen_curve:secp521r1"), Hash::Sha224, "ECC_SECP521R1"),
        ("b571", &curve("ec_paramgen_curve:sect571r1"), Hash::Sha256, "ECC_SECT571R1"),
    ] {
        let (key, certificate) = made(dir.path(), name, key);
        let certificate = certificate.expect("a certificate");
        let signed = Signature::sign(&gold, &digests, hash, &key, &certificate).expect("it is signed");
        let properties = signed.properties("some-id");
        assert_eq!((properties[KEY].as_str(), properties[HASH].as_str()), (kind, hash.names().0), "{name}");
        let properties = serde_json::to_value(&properties).expect("JSON");
        let mut image = serde_json::json!({ "id": "1", "status": "active", "visibility": "private" });
        image.as_object_mut().expect("a map").extend(properties.as_object().expect("a map").clone());
        let image: Image = serde_json::from_value(image).expect("an image");
        assert_eq!(Signature::of(&image).expect("a signature"), (signed.clone(), "some-id".to_owned()));
        signed.verify(&gold, &digests, &certificate).expect("it is the signature");
        for (file, digests, certificate) in [(&silver, &others, &certificate), (&gold, &digests, &stranger)] {
            let result = signed.verify(file, digests, certificate);
            assert!(matches!(result, Err(SignatureError::Wrong { .. })), "{name}: {result:?}");
        }
        let result = Signature::sign(&gold, &digests, hash, &key, &stranger);
        assert!(matches!(result, Err(SignatureError::OtherKey { .. })), "{name}: {result:?}");
    }
}

#[test]
fn keys_and_certificates_that_do_not_do_are_told_apart() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let certificate = made(dir.path(), "rsa", &RSA).1.expect("a certificate");
    assert_eq!((certificate.subject(), certificate.fingerprint().len()), ("CN=rsa", 64));
    certificate.lasts().expect("it is new");
    let ended = Certificate::read(ENDED).and_then(|certificate| certificate.lasts()).expect_err("it has ended");
    assert_eq!(ended.to_string(), "the certificate `CN=ended` has ended on Jan  1 00:00:00 2021 GMT");
    assert!(matches!(Certificate::read("hello"), Err(SignatureError::Unreadable { what: "certificate", .. })));
    let belongs = |pem: String| Key::new(Secret::new(pem)).belongs_to(&certificate);
    assert!(matches!(belongs("hello".to_owned()), Err(SignatureError::Unreadable { what: "key", .. })));
    let locked = dir.path().join("locked.key").display().to_string();
    let mut openssl = Command::new("openssl");
    openssl.args(["genpkey", "-algorithm", "RSA", "-aes256", "-pass", "pass:geheim", "-out", &locked]);
    assert!(openssl.output().expect("openssl").status.success());
    let result = belongs(std::fs::read_to_string(&locked).expect("a key"));
    assert!(matches!(result, Err(SignatureError::Passphrase)), "{result:?}");
    // cursive has no name for the most common curve.
    let (_, common) = made(dir.path(), "p256", &curve("ec_paramgen_curve:prime256v1"));
    assert!(matches!(common, Err(SignatureError::Kind)), "{common:?}");
}

#[test]
fn half_a_signature_is_none() {
    for (properties, words) in [
        (serde_json::json!({}), "it lacks img_signature, img_signature_hash_method"),
        (serde_json::json!({ SIGNATURE: "a", HASH: "b", KEY: "c" }), "it lacks img_signature_certificate_uuid"),
        (serde_json::json!({ SIGNATURE: "?", HASH: "SHA-256", KEY: RSA_PSS, CERTIFICATE: "1" }), "is no base64"),
        (serde_json::json!({ SIGNATURE: "aaaa", HASH: "MD5", KEY: RSA_PSS, CERTIFICATE: "1" }), "says `MD5`"),
        (serde_json::json!({ SIGNATURE: "aaaa", HASH: "SHA-256", KEY: "DSA", CERTIFICATE: "1" }), "says `DSA`"),
    ] {
        let mut image = properties;
        for (name, value) in [("id", "1"), ("status", "active"), ("visibility", "private")] {
            image[name] = value.into();
        }
        let error = Signature::of(&serde_json::from_value(image).expect("an image")).expect_err(words);
        assert!(error.to_string().contains(words), "{error}");
    }
}
