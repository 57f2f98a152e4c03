//! A program that builds an image by the library: `cargo run --features testing --example embed`.
//!
//! [`build`] is all that such a program needs; with a [`goldsmith::pipeline::QemuHost`] it makes real images. Here the
//! guest lives in memory, so that the example runs in a second, on a base without an operating system.

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use goldsmith::build::Workshop;
use goldsmith::event::{Reporter, Silent};
use goldsmith::fetch::PinPolicy;
use goldsmith::guest::fake::{self, Content, FakeWorld, Node, Tree};
use goldsmith::guest::{Guest, GuestError, Inspection, Mount};
use goldsmith::interrupt::Interrupt;
use goldsmith::pipeline::{BootRequest, Host, HostError, Options, Outcome, Pipeline, Source, StopAtFailure, Watch};
use goldsmith::recipe::{Arch, Firmware, LoadOptions};
use goldsmith::verify::boot::Booted;

/// Builds the image of a recipe. `work` is a private directory with a short name.
pub(crate) fn build(
    recipe: &Path,
    work: &Path,
    host: &dyn Host,
    watch: &mut dyn Watch,
) -> Result<Outcome, Box<dyn Error>> {
    let reading = LoadOptions::new(Arch::X86_64);
    let source = Source::read(recipe, reading)?;
    let workshop = Workshop::new(&work.join("cache"), work, Arc::new(Silent), Interrupt::new())?;
    let pins = PinPolicy { max_age: Duration::from_secs(3600), newer_than: None, offline: false };
    let options = Options { out: work.join("out"), verify: true, publish: None };
    Ok(Pipeline::new(source, pins, workshop, host).run(&options, watch)?)
}

/// A host whose guests live in memory.
pub(crate) struct MemoryHost(pub(crate) FakeWorld);

impl MemoryHost {
    /// A host that finds Debian on every disk.
    pub(crate) fn new() -> Self {
        let world = FakeWorld::new();
        world.set_inspection(Inspection {
            distro: "debian".to_owned(),
            ids: vec!["debian".to_owned()],
            product: "Debian GNU/Linux 12".to_owned(),
            version: "12".to_owned(),
            codename: Some("bookworm".to_owned()),
            arch: "x86_64".to_owned(),
            mounts: vec![Mount::partition(1, "/")],
            root_filesystem: "ext4".to_owned(),
            firmware: vec![Firmware::Bios],
            storage: Default::default(),
        });
        Self(world)
    }
}

impl Host for MemoryHost {
    fn launch(
        &self,
        _: Option<Arch>,
        _: bool,
        _: &Arc<dyn Reporter>,
        _: &Interrupt,
    ) -> Result<Box<dyn Guest>, GuestError> {
        Ok(Box::new(self.0.launch()))
    }

    fn boot(&self, _: &BootRequest<'_>) -> Result<Option<Booted>, HostError> {
        Ok(None)
    }
}

/// Writes a base image that a guest in memory can read, and a recipe for it.
pub(crate) fn recipe(dir: &Path) -> Result<std::path::PathBuf, Box<dyn Error>> {
    let base = dir.join("base.qcow2");
    let made = Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&base).arg("256M").status()?;
    assert!(made.success(), "qemu-img makes the base");
    let node = |content| Node { content, mode: 0o755, owner: (0, 0) };
    let directories = ["/etc", "/usr", "/var", "/var/lib", "/var/lib/dpkg"];
    let mut tree: Tree = directories.map(|path| (path.to_owned(), node(Content::Directory))).into();
    tree.insert("/var/lib/dpkg/status".to_owned(), node(Content::File(Vec::new())));
    fake::set_files(&base, &tree)?;
    let sha256 = goldsmith::digest::Sha256::of_file(&base)?;
    let recipe = dir.join("hello.yaml");
    let text = format!(
        "name: hello\nbase: {{ image: {{ source: base.qcow2, sha256: {sha256} }} }}\ndisk: {{ size: 256MiB }}\n\
         steps: {{ configure: [{{ write: {{ path: /etc/motd, content: hello }} }}] }}\n"
    );
    std::fs::write(&recipe, text)?;
    Ok(recipe)
}

#[allow(
    dead_code,
    clippy::print_stdout,
    reason = "a test uses the functions above; the program tells what it has made"
)]
fn main() -> Result<(), Box<dyn Error>> {
    let work = tempfile::tempdir()?;
    let outcome = build(&recipe(work.path())?, work.path(), &MemoryHost::new(), &mut StopAtFailure)?;
    for artifact in &outcome.made.exported.artifacts {
        println!("{} has {} bytes, sha256 {}", artifact.file, artifact.size, artifact.digests.sha256);
    }
    Ok(())
}
