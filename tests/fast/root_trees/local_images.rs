//! Container images in files: archives of `docker save` and OCI layouts, good ones and others.

use goldsmith::digest::Sha256;
use goldsmith::fetch::Network;
use serde_json::json;

use super::entries::{archive, file, symlink};
use super::registries::{Image, MANIFEST, descriptor, fetched};

#[test]
fn archives_of_docker_are_read() {
    let image = Image::new();
    let dir = tempfile::tempdir().expect("a directory");
    let cache = dir.path().join("cache");
    std::fs::create_dir(&cache).expect("a directory");
    let name = format!("{}.json", Sha256::of(&image.config));
    let saved =
        |config: &str, layers: &[&str]| json!([{ "Config": config, "RepoTags": null, "Layers": layers }]).to_string();
    let read = |entries: &[Vec<u8>]| {
        archive(&dir.path().join("saved.tar"), entries);
        fetched("docker-archive:../saved.tar", &cache, &Network::default(), false)
    };
    let id = Sha256::of(&image.layer);
    // The list comes last, and a layer may be a link to another one.
    let good = [
        file(&name, &image.config),
        file("one/layer.tar", &image.layer),
        symlink("two/layer.tar", "../one/layer.tar"),
        file("manifest.json", saved(&name, &["two/layer.tar"]).as_bytes()),
    ];
    let found = read(&good).expect("it is read");
    assert_eq!(
        (found.sha256, std::fs::read(&found.layers[0]).expect("a layer")),
        (Sha256::of(&image.config), image.layer.clone())
    );
    std::fs::remove_file(&found.layers[0]).expect("removed");
    let mut wrong = image.layer.clone();
    wrong[700] ^= 1;
    let list = |text: String| file("manifest.json", text.as_bytes());
    let config = file(&name, &image.config);
    for (entries, words) in [
        (vec![file("x", b"x")], "has no file `manifest.json`"),
        (vec![list("{".to_owned())], "the file manifest.json of"),
        (
            vec![list(json!([{ "Config": name, "Layers": [] }, { "Config": name, "Layers": [] }]).to_string())],
            "lists 2 images",
        ),
        (vec![list(saved(&name, &["l"])), file(&name, b"{}")], "the configuration of"),
        (vec![list(saved(&name, &[])), config.clone()], "names 1 layers, and the archive has 0"),
        (vec![list(saved(&name, &["l"])), config.clone()], "has no file `l`"),
        (vec![list(saved(&name, &["l"])), config.clone(), symlink("l", "m"), symlink("m", "l")], "has no file `l`"),
        (vec![list(saved(&name, &["l"])), config, file("l", &wrong)], "the layer l of"),
    ] {
        let error = read(&entries).expect_err(words);
        assert!(error.contains(words), "{words}: {error}");
        assert!(!cache.join("images").join(id.to_string()).exists(), "{words}");
    }
}

#[test]
fn layouts_are_read() {
    let image = Image::new();
    let dir = tempfile::tempdir().expect("a directory");
    let cache = dir.path().join("cache");
    let blobs = dir.path().join("layout/blobs/sha256");
    std::fs::create_dir_all(&blobs).expect("a directory");
    std::fs::create_dir(&cache).expect("a directory");
    let write =
        |name: &str, content: &[u8]| std::fs::write(dir.path().join("layout").join(name), content).expect("a file");
    for content in [&image.manifest, &image.config, &image.layer] {
        std::fs::write(blobs.join(Sha256::of(content).to_string()), content).expect("a file");
    }
    write("oci-layout", br#"{ "imageLayoutVersion": "1.0.0" }"#);
    let mut one = descriptor(MANIFEST, &image.manifest);
    one["annotations"] = json!({ "org.opencontainers.image.ref.name": "12" });
    write("index.json", json!({ "schemaVersion": 2, "manifests": [one] }).to_string().as_bytes());
    let read = |tag: &str| fetched(&format!("oci:../layout{tag}"), &cache, &Network::default(), true);
    let found = read(":12").expect("it is read");
    assert_eq!(read(""), Ok(found.clone()), "there is one image only");
    assert_eq!(found.sha256, Sha256::of(&image.manifest));
    let error = read(":13").expect_err("another name");
    assert!(error.contains("oci:../layout:13 is not there; images there: 12"), "{error}");
    let mut two = one.clone();
    two["annotations"] = json!({ "org.opencontainers.image.ref.name": "13" });
    write("index.json", json!({ "schemaVersion": 2, "manifests": [one, two] }).to_string().as_bytes());
    let error = read("").expect_err("two images");
    assert!(error.contains("one image alone in oci:../layout is not there; images there: 12, 13"), "{error}");
    write("oci-layout", br#"{ "imageLayoutVersion": "9" }"#);
    assert!(read(":12").expect_err("a version").contains("names version `9`"));
    write("oci-layout", br#"{ "imageLayoutVersion": "1.0.0" }"#);
    std::fs::remove_dir_all(cache.join("images")).expect("removed");
    std::fs::write(blobs.join(Sha256::of(&image.layer).to_string()), "changed").expect("a file");
    let error = read(":12").expect_err("a changed layer");
    assert!(error.contains("layer 1 of 1 of oci:../layout:12 has 7 bytes"), "{error}");
}
