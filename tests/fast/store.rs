//! The layer store on a real file system with the real `qemu-img`.

use std::error::Error;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use goldsmith::interrupt::Interrupt;
use goldsmith::layer::{Layer, LayerKey, Lookup, NewLayer, Parent, Slot, Store, canonical};
use goldsmith::units::ByteSize;
use serde_json::{Value, json};
use tempfile::TempDir;

mod making;
mod upkeep;

pub(crate) type TestResult = Result<(), Box<dyn Error>>;

const SIZE: ByteSize = ByteSize::mebibytes(4);

fn scratch() -> Result<(TempDir, Store), Box<dyn Error>> {
    let scratch = tempfile::tempdir()?;
    let store = Store::open(&scratch.path().join("store"))?;
    Ok((scratch, store))
}

fn ingredients(name: &str) -> Value {
    json!({ "format": 1, "actions": [{ "hostname": name }] })
}

pub(crate) fn key(name: &str) -> LayerKey {
    LayerKey::of(&canonical(&ingredients(name)))
}

fn about(name: &str) -> NewLayer {
    NewLayer {
        seconds: 1.5,
        step: format!("configure {name}"),
        image_name: "test".into(),
        ingredients: ingredients(name),
        facts: serde_json::Value::Null,
        extras: Vec::new(),
    }
}

pub(crate) fn directory(store: &Store, name: &str) -> PathBuf {
    store.root().join("layers").join(key(name).to_string())
}

fn miss(store: &Store, name: &str) -> Result<Slot, Box<dyn Error>> {
    match store.claim(&key(name), &Interrupt::new(), &mut || {})? {
        Lookup::Miss(slot) => Ok(slot),
        Lookup::Hit(_) => Err(format!("{name} is there").into()),
    }
}

fn hit(store: &Store, name: &str) -> Result<Layer, Box<dyn Error>> {
    match store.claim(&key(name), &Interrupt::new(), &mut || {})? {
        Lookup::Hit(layer) => Ok(*layer),
        Lookup::Miss(_) => Err(format!("{name} is not there").into()),
    }
}

/// A layer that differs from every other one in its first cluster.
pub(crate) fn make(store: &Store, name: &str, parent: &Parent) -> Result<Layer, Box<dyn Error>> {
    let mut slot = miss(store, name)?;
    slot.create_overlay(parent, SIZE)?;
    write_pattern(slot.disk_path(), u8::try_from(name.len())?)?;
    Ok(slot.commit(about(name))?)
}

pub(crate) fn on(name: &str) -> Parent {
    Parent::Layer(key(name))
}

fn write_pattern(disk: &Path, pattern: u8) -> TestResult {
    tool("qemu-io", &["-f", "qcow2", "-c", &format!("write -P {pattern} 0 64k")], disk)
}

fn tool(program: &str, args: &[&str], path: &Path) -> TestResult {
    let output = Command::new(program).args(args).arg(path).output()?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into()) }
}

fn flip_byte(path: &Path, offset: u64) -> TestResult {
    let file = File::options().read(true).write(true).open(path)?;
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset)?;
    file.write_all_at(&[!byte[0]], offset)?;
    Ok(())
}

pub(crate) fn last_used(store: &Store, name: &str, days_ago: u64) -> TestResult {
    let time = SystemTime::now() - Duration::from_secs(days_ago * 24 * 3600);
    File::create(directory(store, name).join("used"))?.set_modified(time)?;
    Ok(())
}
