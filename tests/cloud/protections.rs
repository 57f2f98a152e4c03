//! What a cloud does not let everybody do: protected properties, visibility, quotas. A member of the project publishes.

use goldsmith::digest::Sha256;
use serde_json::{Value, json};

use crate::cloud::TestCloud;
use crate::cloud::members::LIMITS;
use crate::goldsmith;
use crate::publishing::{built, only, path};

/// Rules by roles: a property for administrators, one that members write but do not read, and one that never changes.
const PROTECTIONS: &str = "
[^licence$]
create = admin
read = admin,member
update = admin
delete = admin
[^cost_center$]
create = admin
read = admin,member
update = admin
delete = admin
[^internal_note$]
create = admin,member
read = admin
update = admin,member
delete = admin
[^origin$]
create = admin,member
read = admin,member
update = !
delete = !
[.*]
create = @
read = @
update = @
delete = @
";

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn what_a_cloud_protects_is_told_before_anything_is_sent() {
    let rules = tempfile::tempdir().expect("a temporary directory");
    let [protections, policy] = ["protections.conf", "policy.yaml"].map(|name| rules.path().join(name));
    std::fs::write(&protections, PROTECTIONS).expect("a file");
    std::fs::write(&policy, "communitize_image: role:admin\n").expect("a file");
    let cloud = TestCloud::start_with(&format!(
        "[DEFAULT]\nproperty_protection_file = {}\n[oslo_policy]\npolicy_file = {}\n",
        protections.display(),
        policy.display()
    ));
    let (admin, member) = (cloud.variables(), cloud.member());
    let dir = built(&cloud, "gold", 1, &Value::Null);
    let publish = |more: &[&str]| goldsmith(&cloud, &[&["publish", path(&dir)], more].concat(), &member);
    let images = || goldsmith(&cloud, &["images", "list"], &admin).stdout;
    // All of them at once, though the service tells one at a time.
    let ran = publish(&["--property", "licence=free", "--property", "cost_center=7", "--property", "team=x"]);
    assert_eq!(ran.code, Some(14), "{}", ran.stderr);
    for words in ["property `licence` to `free`; leave it out by an empty value (`licence=`)", "property `cost_center`"]
    {
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
    }
    assert!(!ran.stderr.contains("team") && !ran.stderr.contains("upload"), "{}", ran.stderr);
    for (arguments, words) in [
        (["--visibility=public", "--tag=a"], "only some users may show images to everybody"),
        (["--visibility=community", "--tag=a"], "no community images for this user"),
    ] {
        let ran = publish(&arguments);
        assert_eq!(ran.code, Some(14), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains(words) && !ran.stderr.contains("upload"), "{words}: {}", ran.stderr);
    }
    assert_eq!(images(), "no image\n");

    // What may be set is set, read or not.
    let ran = publish(&["--property", "internal_note=mine", "--property", "origin=here", "--property", "os_type="]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let image = only(&cloud);
    assert_eq!((&image["origin"], &image["os_type"]), (&json!("here"), &Value::Null));
    // Glance drops what a user may set and not read. That is no success.
    assert!(ran.stderr.contains("may not have set them: internal_note\n"), "{}", ran.stderr);
    // What must not change does not, and that is told.
    let ran = publish(&["--property", "origin=there"]);
    assert_eq!(ran.code, Some(14), "{}", ran.stderr);
    assert!(
        ran.stderr.contains("'origin' is reserved") && ran.stderr.contains("protects this property"),
        "{}",
        ran.stderr
    );
    assert_eq!(only(&cloud)["origin"], json!("here"));
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn a_promotion_that_is_not_allowed_is_told_before_anything_is_sent() {
    let cloud = TestCloud::start();
    let (admin, member) = (cloud.variables(), cloud.member());
    let dir = built(&cloud, "gold", 1, &Value::Null);
    let recipe = cloud.path("recipe.yaml");
    std::fs::write(
        &recipe,
        "name: gold\narch: x86_64\nbase: { bootstrap: { distro: debian, release: bookworm } }\noutputs: [{ format: qcow2 }]\n\
         publish:\n  - glance: { promote: { visibility: public } }\n",
    )
    .expect("a file");
    let manifest = std::fs::read_to_string(dir.join("manifest.json")).expect("a manifest");
    let mut manifest: Value = serde_json::from_str(&manifest).expect("JSON");
    manifest["verified"] = json!({ "key": Sha256::of(b"key"), "passed": true });
    std::fs::write(dir.join("manifest.json"), manifest.to_string()).expect("a file");
    let publish = ["publish", path(&recipe), "--out", path(&dir)];
    let ran = goldsmith(&cloud, &publish, &member);
    assert_eq!(ran.code, Some(14), "{}", ran.stderr);
    let words = "does not let this user promote an image to be `public`; only some users may show images to everybody";
    assert!(ran.stderr.contains(words) && !ran.stderr.contains("upload"), "{}", ran.stderr);
    assert_eq!(goldsmith(&cloud, &["images", "list"], &admin).stdout, "no image\n");
    assert_eq!(goldsmith(&cloud, &["images", "list", "--hidden"], &admin).stdout, "no image\n");
    let ran = goldsmith(&cloud, &publish, &admin);
    assert_eq!((ran.code, &only(&cloud)["visibility"]), (Some(0), &json!("public")), "{}", ran.stderr);
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn quotas_are_told_before_anything_is_sent_and_leave_nothing() {
    let cloud = TestCloud::start_with(&format!("{LIMITS}[DEFAULT]\nimage_size_cap = 5000000\n"));
    cloud.limit(&[
        ("image_size_total", 9),
        ("image_stage_total", 9),
        ("image_count_total", 2),
        ("image_count_uploading", 2),
    ]);
    let member = cloud.member();
    let publish = |name: &str, mebibytes: usize| {
        let dir = built(&cloud, name, mebibytes, &Value::Null);
        goldsmith(&cloud, &["publish", path(&dir)], &member)
    };
    let ran = publish("gold", 4);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    let gold = only(&cloud);
    // Known before: the project's quota. Not known before: how large an image the service takes at all.
    for (name, size, before, words) in [
        ("silver", 6, true, "the project has 4 of 9 MiB of images, and 6 more do not fit"),
        ("bronze", 5, false, "the service or the project's quota does not allow it"),
    ] {
        let ran = publish(name, size);
        assert_eq!(ran.code, Some(14), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("upload"), !before, "{}", ran.stderr);
        assert_eq!(only(&cloud)["id"], gold["id"]);
    }
    // A name is not taken by another image, but that is worth knowing.
    let copper = built(&cloud, "copper", 1, &Value::Null);
    let ran = goldsmith(&cloud, &["publish", path(&copper), "--name", "gold"], &member);
    assert!(ran.code == Some(0) && ran.stderr.contains("1 other image has the name `gold` already"), "{}", ran.stderr);
    let ran = publish("iron", 1);
    assert!(ran.code == Some(14) && ran.stderr.contains("has 2 of 2 images, and 1 more do not fit"), "{}", ran.stderr);
    // What is there needs no more.
    let ran = publish("gold", 4);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
}
