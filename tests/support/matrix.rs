//! A matrix for engines, which several tests write files for.

use goldsmith::engines::{Cell, Needs, Remote, Stage, Workflow};

/// Words of a command.
pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// Four images: two stages, of which one rests on the other, and an image that shares nothing. Commands have `word` among their words.
pub(crate) fn workflow(word: &str) -> Workflow {
    let stage = |number, after, images: &[&str]| Stage {
        number,
        after,
        steps: number + 1,
        last: "configure web".to_owned(),
        images: words(images),
    };
    let cell = |number, name: &str, after| Cell { number, name: name.to_owned(), after };
    Workflow {
        name: "g-web-0a1b2c".to_owned(),
        recipes: words(&["web.yaml"]),
        build: words(&["goldsmith", "build", "web.yaml", word, "--out=out"]),
        collect: words(&["goldsmith", "matrix", "collect", "web.yaml", word, "--out=out"]),
        publish: vec![words(&["goldsmith", "publish", "web.yaml", word, "--out=out"])],
        out: "out".to_owned(),
        remote: Remote {
            address: "s3://layers/team?endpoint=https://s3.example.org&region=x".to_owned(),
            trusted: words(&["RWQone", "RWQtwo"]),
            key: Some("layers.key".to_owned()),
        },
        image: "registry.example.org/goldsmith:0.1.0".to_owned(),
        needs: Needs { memory: 1536, disk: 24576, mounts: true },
        at_once: Some(2),
        stages: vec![stage(0, None, &["a", "b", "c"]), stage(1, Some(0), &["a", "b"])],
        cells: vec![cell(0, "a", Some(1)), cell(1, "b", Some(1)), cell(2, "c", Some(0)), cell(3, "d", None)],
    }
}
