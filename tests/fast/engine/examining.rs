//! Looking at the final disk in the build's own guest.

use std::cell::Cell;

use goldsmith::build::{self, Examiner};
use serde_json::json;

use super::fixture::Fixture;

const RECIPE: &str = "steps: { configure: [{ hostname: web }] }";

#[test]
fn a_final_disk_is_looked_at_once_for_each_thing_looked_for() {
    let fixture = Fixture::new();
    let plan = fixture.plan(RECIPE);
    let looks = Cell::new(0);
    let examiner = |key: &str| Examiner {
        key: key.to_owned(),
        examine: Box::new(|guest, mounts, packages| {
            looks.set(looks.get() + 1);
            assert_eq!(mounts[0].path, "/");
            assert_eq!(packages[0].name, "base-files");
            let name = guest.read("/etc/hostname", 100)?;
            Ok(json!({ "hostname": String::from_utf8_lossy(&name).trim() }))
        }),
    };
    let disk = fixture.build_examined(&plan, &examiner("one"));
    assert_eq!(build::examination(&disk.layer, "one"), Some(json!({ "hostname": "web" })));
    assert_eq!(build::examination(&disk.layer, "two"), None, "it was not looked for");
    assert_eq!((looks.get(), fixture.world.launches()), (1, 1), "in the build's own guest");

    fixture.build_examined(&plan, &examiner("one"));
    assert_eq!((looks.get(), fixture.world.launches()), (1, 1), "it is known");
    let disk = fixture.build_examined(&plan, &examiner("two"));
    assert_eq!((looks.get(), fixture.world.launches()), (2, 2), "it was not known");
    assert!(build::examination(&disk.layer, "two").is_some());
    fixture.assert_store_is_sound();
}
