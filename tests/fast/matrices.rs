//! Recipes with a matrix: which images they describe, and which layers the images share.

use goldsmith::plan::{Graph, Plan};
use goldsmith::recipe::Loaded;

use crate::includes::{DEBIAN, Folder};

const RECIPE: &str = r#"
params:
  release: { type: string, default: bookworm }
  flavour: { type: string }
  big: { type: boolean, default: false }
name: "web-{{ release }}-{{ flavour }}{{ '-big' if big else '' }}"
base: { bootstrap: { distro: debian, release: "{{ release }}" } }
packages: [nginx]
steps:
  configure:
    - write: { path: /etc/motd, content: "{{ flavour }}" }
"#;

fn with(matrix: &str) -> Folder {
    Folder::new(&[("recipe.yaml", &format!("{RECIPE}matrix: {matrix}\n"))])
}

fn names(images: &[Loaded]) -> Vec<&str> {
    images.iter().map(|image| image.recipe.name.as_str()).collect()
}

#[test]
fn each_combination_of_values_is_an_image() {
    for (matrix, expected) in [
        ("{ flavour: [a] }", &["web-bookworm-a"][..]),
        (
            "{ release: [bookworm, trixie], flavour: [a, b] }",
            &["web-bookworm-a", "web-bookworm-b", "web-trixie-a", "web-trixie-b"],
        ),
        (
            "{ flavour: [a, b], release: [bookworm, trixie], exclude: [{ flavour: b, release: bookworm }] }",
            &["web-bookworm-a", "web-trixie-a", "web-trixie-b"],
        ),
        (
            "{ flavour: [a, b], big: [false, true], exclude: [{ big: true, flavour: a }, { flavour: b }] }",
            &["web-bookworm-a"],
        ),
        (
            "{ flavour: [a], include: [{ flavour: a, big: true }, { flavour: c }] }",
            &["web-bookworm-a", "web-bookworm-a-big", "web-bookworm-c"],
        ),
        ("{ include: [{ flavour: c, release: trixie }] }", &["web-trixie-c"]),
    ] {
        let images = with(matrix).load_all("recipe.yaml").unwrap_or_else(|errors| panic!("{matrix}: {errors}"));
        assert_eq!(names(&images), expected, "{matrix}");
    }
}

#[test]
fn a_recipe_without_a_matrix_is_one_image() {
    let folder = Folder::new(&[("recipe.yaml", DEBIAN)]);
    let images = folder.load_all("recipe.yaml").expect("a recipe");
    assert_eq!((names(&images), images[0].cell.is_none()), (vec!["x"], true));
}

#[test]
fn errors_in_a_matrix_have_their_place() {
    let hundred = (0..100).map(|number| format!("'{number}'")).collect::<Vec<_>>().join(", ");
    let big = format!("{{ release: [{hundred}], flavour: [{hundred}] }}");
    for (matrix, column, words) in [
        ("[a]", 9, "expected a map of parameters, found a list"),
        ("{}", 1, "the matrix has no images"),
        ("{ flavuor: [a] }", 11, "did you mean `flavour`?"),
        ("{ colour: [a] }", 11, "declare it: `params: { colour: { type: string } }`"),
        ("{ flavour: a }", 20, "expected a list of values for `flavour`, found string `a`"),
        ("{ flavour: [] }", 20, "found an empty list"),
        ("{ flavour: [1] }", 21, "parameter `flavour`: expected a string, found integer `1`"),
        ("{ flavour: [a, a] }", 24, "`flavour` has this value twice"),
        ("{ flavour: ['{{ release }}'] }", 21, "the values of a matrix have no templates"),
        ("{ flavour: [a], exclude: [{ flavour: b }] }", 46, "does not list this value for `flavour`"),
        ("{ flavour: [a], exclude: [{ release: trixie }] }", 37, "the matrix lists no values for `release`"),
        ("{ flavour: [a], exclude: [{}] }", 35, "this entry names no parameter"),
        ("{ flavour: [a], exclude: { flavour: a } }", 34, "expected a list of maps, found a map"),
        ("{ flavour: [a], exclude: [{ flavour: a }] }", 1, "the matrix has no images"),
        ("{ flavour: [a], include: [{ flavour: a }] }", 35, "the matrix has this image already"),
        ("{ flavour: [a], include: [{ release: trixie }] }", 35, "no value for parameter `flavour`"),
        ("{ flavour: [a], include: [{ flavour: b, size: 1 }] }", 49, "the recipe has no parameter `size`"),
        (&big, 1, "the matrix has 10000 images, and at most 256 are allowed"),
    ] {
        let errors = with(matrix).load_all("recipe.yaml").expect_err(matrix);
        let first = errors.iter().next().expect("an error");
        let position = first.position().expect("a place");
        assert_eq!((position.line, position.column), (12, column), "{matrix}: {errors}");
        assert!(first.render(false).contains(words), "{matrix}: {errors}");
    }
}

#[test]
fn images_of_a_matrix_have_different_names() {
    let recipe = RECIPE.replace("{{ flavour }}{{", "{{");
    let folder = Folder::new(&[("recipe.yaml", &format!("{recipe}matrix: {{ flavour: [a, b] }}\n"))]);
    let errors = folder.load_all("recipe.yaml").expect_err("they have one name").to_string();
    assert!(errors.contains("several images of the matrix have the name `web-bookworm-`"), "{errors}");
    assert!(errors.contains("-{{ flavour }}`"), "{errors}");
}

#[test]
fn an_error_of_every_image_is_there_once_and_one_of_a_single_image_too() {
    let recipe = RECIPE.replace("packages:", "elements: [{ nowhere: {}, when: flavour == 'b' }, somewhere]\npackages:");
    let folder = Folder::new(&[("recipe.yaml", &format!("{recipe}matrix: {{ flavour: [a, b] }}\n"))]);
    let errors = folder.load_all("recipe.yaml").expect_err("an element is missing");
    let messages: Vec<_> = errors.iter().map(|error| error.message().to_owned()).collect();
    assert_eq!(messages.len(), 2, "{messages:?}");
}

#[test]
fn values_from_outside_do_not_replace_those_of_the_matrix() {
    let folder = with("{ flavour: [a, b] }");
    let errors = folder.load_all_with("recipe.yaml", &[("flavour", "c")]).expect_err("the matrix has it").to_string();
    assert!(errors.contains("`--param flavour`: the matrix of the recipe gives `flavour` its values"), "{errors}");
    assert!(errors.contains("--only"), "{errors}");
    let images = folder.load_all_with("recipe.yaml", &[("release", "trixie")]).expect("it is no part of the matrix");
    assert_eq!(names(&images), ["web-trixie-a", "web-trixie-b"]);
}

#[test]
fn a_base_recipe_has_no_matrix_and_a_matrix_gives_values_to_one() {
    let upon = "name: \"upon-{{ r }}\"\nparams: { r: { type: string } }\nmatrix: { r: [bookworm, trixie] }\n\
        base: { recipe: { source: below.yaml, params: { release: '{{ r }}' } } }\n";
    let below = "name: below\nparams: { release: { type: string } }\n\
        base: { bootstrap: { distro: debian, release: '{{ release }}' } }\n";
    let folder = Folder::new(&[("upon.yaml", upon), ("below.yaml", below)]);
    assert_eq!(names(&folder.load_all("upon.yaml").expect("two images")), ["upon-bookworm", "upon-trixie"]);
    folder.write("below.yaml", &format!("{below}matrix: {{ release: [bookworm] }}\n"));
    let errors = folder.load_all("upon.yaml").expect_err("one image is wanted").to_string();
    assert!(errors.contains("below.yaml:4:1") && errors.contains("a base recipe describes one image"), "{errors}");
}

#[test]
fn images_share_the_layers_below_their_first_difference() {
    let plans: Vec<Plan> = with("{ flavour: [a, b, c] }").plans("recipe.yaml");
    let graph = Graph::of(&plans);
    let shared: Vec<_> =
        graph.layers.iter().filter(|layer| layer.images.len() == 3).map(|layer| layer.step.to_string()).collect();
    assert_eq!(shared, ["base debian bookworm"]);
    let roots = graph.layers.iter().filter(|layer| layer.parent.is_none()).count();
    let alone: usize = plans.iter().map(|plan| plan.steps.len()).sum();
    assert_eq!((roots, graph.layers.len()), (1, alone - 2), "the base is there once");
    assert_eq!(graph.children(&graph.layers[0].key), 3);
    for layer in &graph.layers[1..] {
        let parent = graph.layers.iter().position(|other| Some(other.key) == layer.parent).expect("it is there");
        let place = graph.layers.iter().position(|other| other.key == layer.key).expect("it is there");
        assert!(parent < place, "parents come first");
    }
}
