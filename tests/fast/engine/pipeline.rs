//! The whole job, as a program that embeds the crate does it.

use std::path::PathBuf;

use goldsmith::build::actions::ActionError;
use goldsmith::build::{AfterFailure, OnFailure};
use goldsmith::export::Exported;
use goldsmith::guest::Guest;
use goldsmith::pipeline::{Made, StopAtFailure, Watch};
use goldsmith::plan::StepId;

#[path = "../../../examples/embed.rs"]
mod embed;

/// Notes what it is told, and which files are there then.
#[derive(Default)]
struct Notes(Vec<(&'static str, PathBuf, bool)>);

impl Notes {
    fn note(&mut self, what: &'static str, exported: &Exported) {
        let file = exported.dir.join(&exported.artifacts[0].file);
        let there = file.is_file();
        self.0.push((what, file, there && exported.dir.join("report.json").is_file()));
    }
}

impl OnFailure for Notes {
    fn failed(&mut self, _: &StepId, _: &ActionError, _: &mut dyn Guest) -> AfterFailure {
        AfterFailure::Clean
    }
}

impl Watch for Notes {
    fn verifying(&mut self, exported: &Exported) {
        self.note("verifying", exported);
    }

    fn made(&mut self, made: &Made) {
        self.note("made", &made.exported);
    }
}

#[test]
fn the_image_is_told_of_before_it_is_verified() {
    let work = tempfile::tempdir().expect("a directory");
    let recipe = embed::recipe(work.path()).expect("a recipe");
    let text = std::fs::read_to_string(&recipe).expect("readable") + "verify: {}\n";
    std::fs::write(&recipe, text).expect("writable");
    let host = embed::MemoryHost::new();
    let mut notes = Notes::default();
    embed::build(&recipe, work.path(), &host, &mut notes).expect("it builds");
    let file = work.path().join("out/hello.qcow2");
    assert_eq!(notes.0, [("verifying", file.clone(), false), ("made", file, true)]);
}

#[test]
fn a_program_that_embeds_the_crate_gets_its_artifacts() {
    let work = tempfile::tempdir().expect("a directory");
    let recipe = embed::recipe(work.path()).expect("a recipe");
    let host = embed::MemoryHost::new();
    let outcome = embed::build(&recipe, work.path(), &host, &mut StopAtFailure).expect("it builds");
    let exported = outcome.made.exported;
    let files: Vec<_> = exported.artifacts.iter().map(|artifact| artifact.file.as_str()).collect();
    assert_eq!(files, ["hello.qcow2"]);
    assert!(exported.dir.join("hello.qcow2").is_file() && exported.dir.join("manifest.json").is_file());
    assert!(outcome.made.verdict.is_none() && outcome.published.is_empty());
    assert_eq!(host.0.launches(), 1, "the base is inspected and the image made in one guest");
    embed::build(&recipe, work.path(), &host, &mut StopAtFailure).expect("it builds");
    assert_eq!(host.0.launches(), 1, "a second run changes nothing");
}
