//! The whole job, as a program that embeds the crate does it.

#[path = "../../../examples/embed.rs"]
mod embed;

#[test]
fn a_program_that_embeds_the_crate_gets_its_artifacts() {
    let work = tempfile::tempdir().expect("a directory");
    let recipe = embed::recipe(work.path()).expect("a recipe");
    let host = embed::MemoryHost::new();
    let outcome = embed::build(&recipe, work.path(), &host).expect("it builds");
    let exported = outcome.made.exported;
    let files: Vec<_> = exported.artifacts.iter().map(|artifact| artifact.file.as_str()).collect();
    assert_eq!(files, ["hello.qcow2"]);
    assert!(exported.dir.join("hello.qcow2").is_file() && exported.dir.join("manifest.json").is_file());
    assert!(outcome.made.verdict.is_none() && outcome.published.is_empty());
    assert_eq!(host.0.launches(), 1, "the base is inspected and the image made in one guest");
    embed::build(&recipe, work.path(), &host).expect("it builds");
    assert_eq!(host.0.launches(), 1, "a second run changes nothing");
}
