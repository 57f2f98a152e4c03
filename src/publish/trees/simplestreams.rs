//! The index of images in the simplestreams format, which MAAS, Juju and the `simplestreams` tools read.
//!
//! The format is that of the simplestreams documentation ("Simple Streams" of Launchpad's project, `doc/README` and
//! `doc/SIMPLESTREAMS`): `index:1.0` names the lists of products; `products:1.0` has the products, their versions and the files
//! of the versions. The names of fields and file types are those of Ubuntu's released cloud images.

use serde_json::{Map, Value, json};

use super::image_version::made_at;
use crate::digest::Sha256;
use crate::export::Artifact;
use crate::export::manifest::{self, Summary};
use crate::image::Format;
use crate::recipe::Arch;

/// Name of the list of products, and prefix of the products' names.
const CONTENT_ID: &str = "goldsmith:download";

/// Path of the index, without its ending.
pub(super) const INDEX: &str = "streams/v1/index";

/// Path of the list of products, without its ending.
pub(super) const PRODUCTS: &str = "streams/v1/goldsmith:download";

/// Returns whether [`index`] has made this file, signed or not.
pub(super) fn is_ours(content: &[u8]) -> bool {
    content.windows(CONTENT_ID.len()).any(|part| part == CONTENT_ID.as_bytes())
}

/// A version for the index.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    /// Name of the image.
    pub(super) image: String,
    /// Name of the version.
    pub(super) version: String,
    /// Manifest of the version.
    pub(super) summary: Summary,
    /// Size of the manifest, in bytes.
    pub(super) size: u64,
    /// Digest of the manifest.
    pub(super) sha256: Sha256,
}

/// Makes the index and the list of products. `ending` is the ending of their names: `json`, or `sjson` if they are signed.
pub(super) fn index(versions: &[Listed], ending: &str) -> (Vec<u8>, Vec<u8>) {
    // The time is that of the newest version, so that the same versions give the same index.
    let updated = versions.iter().filter_map(|listed| made_at(&listed.version)).max().unwrap_or_default();
    let updated = updated.to_zoned(jiff::tz::TimeZone::UTC);
    let updated = jiff::fmt::rfc2822::to_string(&updated).expect("a version has a year of four digits");
    let mut products = Map::new();
    for listed in versions {
        let product = products.entry(product_id(listed)).or_insert_with(|| product(listed));
        product["versions"][&listed.version] = version(listed);
    }
    let names: Vec<_> = products.keys().cloned().collect();
    let index = json!({
        "format": "index:1.0",
        "updated": updated,
        "index": { CONTENT_ID: {
            "format": "products:1.0",
            "datatype": "image-downloads",
            "path": format!("{PRODUCTS}.{ending}"),
            "updated": updated,
            "products": names,
        } },
    });
    let products = json!({
        "format": "products:1.0",
        "content_id": CONTENT_ID,
        "datatype": "image-downloads",
        "updated": updated,
        "products": products,
    });
    (text(&index), text(&products))
}

fn text(value: &Value) -> Vec<u8> {
    format!("{value:#}\n").into_bytes()
}

/// Returns Debian's name of the architecture, which simplestreams uses.
fn arch(summary: &Summary) -> &'static str {
    match summary.arch {
        Arch::X86_64 => "amd64",
        Arch::Aarch64 => "arm64",
    }
}

fn product_id(listed: &Listed) -> String {
    format!("{}:{}:{}:{}", "goldsmith", listed.image, listed.summary.distro.version, arch(&listed.summary))
}

fn product(listed: &Listed) -> Value {
    let distro = &listed.summary.distro;
    json!({
        "aliases": listed.image,
        "arch": arch(&listed.summary),
        "os": distro.name,
        "release": distro.release,
        "release_title": format!("{} {}", distro.name, distro.version),
        "version": distro.version,
        "supported": true,
        "versions": {},
    })
}

fn version(listed: &Listed) -> Value {
    let path = |file: &str| format!("{}/{}/{file}", listed.image, listed.version);
    let mut items = Map::new();
    for artifact in &listed.summary.artifacts {
        let kind = file_type(&listed.image, artifact);
        // If two files have the same type, the file name is the key.
        let key = if items.contains_key(&kind) { artifact.file.clone() } else { kind.clone() };
        let mut item = Map::new();
        item.insert("ftype".to_owned(), json!(kind));
        item.insert("path".to_owned(), json!(path(&artifact.file)));
        item.insert("size".to_owned(), json!(artifact.size));
        item.insert("sha256".to_owned(), json!(artifact.digests.sha256));
        for (name, digest) in [("sha512", &artifact.digests.sha512), ("md5", &artifact.digests.md5)] {
            item.extend(digest.as_ref().map(|digest| (name.to_owned(), json!(digest))));
        }
        items.insert(key, Value::Object(item));
    }
    let manifest = json!({
        "ftype": manifest::FILE, "path": path(manifest::FILE), "size": listed.size, "sha256": listed.sha256,
    });
    items.insert(manifest::FILE.to_owned(), manifest);
    json!({
        "label": "release",
        "pubname": format!("{}-{}-{}", listed.image, arch(&listed.summary), listed.version),
        "items": items,
    })
}

/// Returns the type of a file. `disk1.img` is the disk that a cloud boots, and that mirroring tools look for. Other types are
/// file endings, as Ubuntu has `vmdk`, `ova` and `squashfs`.
fn file_type(image: &str, artifact: &Artifact) -> String {
    if artifact.output.format == Format::Qcow2 {
        return "disk1.img".to_owned();
    }
    let ending = artifact.file.strip_prefix(image).and_then(|rest| rest.strip_prefix('.'));
    ending.unwrap_or(&artifact.file).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::image_version::tests::built;
    use super::*;

    fn listed(image: &str, version: &str) -> Listed {
        let dir = tempfile::tempdir().expect("a directory");
        built(dir.path(), image, "2026-11-21T19:15:00Z", b"disk");
        let summary = Summary::read(dir.path()).expect("a manifest");
        Listed { image: image.to_owned(), version: version.to_owned(), summary, size: 3, sha256: Sha256::of(b"m") }
    }

    #[test]
    fn an_index_has_all_versions() {
        let versions = [
            listed("gold", "20261121T191500Z"),
            listed("gold", "20261122T191500Z"),
            listed("silver", "20261120T000000Z"),
        ];
        let (index, products) = super::index(&versions, "json");
        let [index, products] =
            [index, products].map(|text| serde_json::from_slice::<Value>(&text).expect("it is JSON"));
        assert_eq!(index["updated"], "Sun, 22 Nov 2026 19:15:00 +0000");
        let list = &index["index"]["goldsmith:download"];
        assert_eq!(list["path"], "streams/v1/goldsmith:download.json");
        assert_eq!(list["products"], json!(["goldsmith:gold:12:amd64", "goldsmith:silver:12:amd64"]));
        let gold = &products["products"]["goldsmith:gold:12:amd64"];
        assert_eq!(
            (&gold["os"], &gold["release"], &gold["arch"]),
            (&json!("debian"), &json!("bookworm"), &json!("amd64"))
        );
        let versions: Vec<_> = gold["versions"].as_object().expect("versions").keys().collect();
        assert_eq!(versions, ["20261121T191500Z", "20261122T191500Z"]);
        let version = &gold["versions"]["20261122T191500Z"];
        assert_eq!(version["pubname"], "gold-amd64-20261122T191500Z");
        let disk = json!({
            "ftype": "disk1.img", "path": "gold/20261122T191500Z/gold.qcow2", "size": 4, "sha256": Sha256::of(b"disk"),
        });
        assert_eq!(version["items"]["disk1.img"], disk);
        assert_eq!(version["items"]["tar"]["path"], "gold/20261122T191500Z/gold.tar");
        assert_eq!(version["items"]["manifest.json"]["size"], 3);
    }

    #[test]
    fn nothing_makes_an_empty_index() {
        let (index, products) = super::index(&[], "sjson");
        let [index, products] =
            [index, products].map(|text| serde_json::from_slice::<Value>(&text).expect("it is JSON"));
        assert_eq!(index["index"]["goldsmith:download"]["path"], "streams/v1/goldsmith:download.sjson");
        assert_eq!(products["products"], json!({}));
    }
}
