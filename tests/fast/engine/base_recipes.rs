//! Builds of recipes that start from other recipes.

use std::sync::atomic::Ordering;

use super::fixture::{Fixture, history};

/// The fixture writes the base of a recipe, so its recipe is the lowest; this one starts from it.
const UPON: &str = "steps: { configure: [{ run: { inline: upon } }] }\n";

#[test]
fn a_base_recipe_is_built_on_the_way_and_its_layers_are_used_again() {
    let fixture = Fixture::new();
    fixture.element("one", "steps:\n  install: [{ run: { inline: one } }]\n  finish: [{ run: { inline: finish } }]");
    let below = "elements: [one]\nsteps: { configure: [{ run: { inline: below } }] }\n";
    fixture.below("below.yaml", below);
    let disk = fixture.build(&fixture.plan_upon("below.yaml", UPON)).expect("it builds");
    assert_eq!(fixture.ran(), ["one", "below", "finish", "upon", "finish"]);
    assert_eq!((fixture.world.launches(), fixture.bootstraps.load(Ordering::SeqCst)), (1, 1));
    assert_eq!(history(&disk), ["one", "below", "finish", "upon", "finish"]);
    fixture.world.reset();
    fixture.build(&fixture.plan_upon("below.yaml", UPON)).expect("it builds");
    assert_eq!((fixture.ran().len(), fixture.world.launches()), (0, 0), "nothing has changed");
    // Only the end of the base recipe alone is missing.
    let disk = fixture.build(&fixture.plan(below)).expect("it builds");
    assert_eq!((fixture.ran().len(), history(&disk)), (0, vec!["one".to_owned(), "below".into(), "finish".into()]));
    fixture.world.reset();
    fixture.below("below.yaml", &below.replace("below }", "changed }"));
    fixture.build(&fixture.plan_upon("below.yaml", UPON)).expect("it builds");
    assert_eq!(fixture.ran(), ["changed", "finish", "upon", "finish"]);
    assert_eq!(fixture.bootstraps.load(Ordering::SeqCst), 1);
    fixture.assert_store_is_sound();
}
