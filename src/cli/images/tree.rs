//! The commands `goldsmith images list`, `promote` and `delete` for images in a directory or a bucket.

use serde_json::json;

use super::args::{Delete, ImagesVerb, List, Promote};
use super::place::{failure, only_cloud};
use super::render;
use crate::cli::failure::Failure;
use crate::cli::output::{print, would_remove};
use crate::cli::settings::Global;
use crate::publish::trees::{Allowed, Promoted, Tree};

/// Runs `goldsmith images` for a directory or a bucket.
pub(super) fn images(verb: &ImagesVerb, tree: &Tree, global: &Global) -> Result<(), Failure> {
    match verb {
        ImagesVerb::List(wanted) => list(wanted, tree, global),
        ImagesVerb::Promote(wanted) => promote(wanted, tree, global),
        ImagesVerb::Delete(wanted) => delete(wanted, tree, global),
        _ => Err(only_cloud("this command")),
    }
}

fn list(wanted: &List, tree: &Tree, global: &Global) -> Result<(), Failure> {
    let foreign = [
        (wanted.status.is_some(), "--status"),
        (wanted.visibility.is_some(), "--visibility"),
        (wanted.owner.is_some(), "--owner"),
        (!wanted.tag.is_empty(), "--tag"),
        (!wanted.property.is_empty(), "--property"),
        (wanted.hidden, "--hidden"),
        (wanted.sort.is_some(), "--sort"),
    ];
    if let Some((_, option)) = foreign.iter().find(|(given, _)| *given) {
        return Err(only_cloud(option));
    }
    let mut images = tree.list(wanted.name.as_deref()).map_err(|error| failure(&error))?;
    images.truncate(wanted.limit.unwrap_or(usize::MAX));
    print(&if global.json { format!("{}\n", json!(images)) } else { render::tree(&images) });
    Ok(())
}

fn promote(wanted: &Promote, tree: &Tree, global: &Global) -> Result<(), Failure> {
    let Promote { image, allow_older, allow_rolled_back, allow_unverified, .. } = wanted;
    let allowed = Allowed { older: *allow_older, rolled_back: *allow_rolled_back, unverified: *allow_unverified };
    let done = tree.promote(image, allowed).map_err(|error| failure(&error))?;
    if global.json {
        print(&format!("{}\n", json!(done)));
        return Ok(());
    }
    let Promoted { id, retired, before } = done;
    print(&format!("{id} {}\n", if before { "was promoted already" } else { "is promoted" }));
    if let Some(retired) = retired {
        print(&format!("{retired} is retired\n"));
    }
    Ok(())
}

fn delete(wanted: &Delete, tree: &Tree, global: &Global) -> Result<(), Failure> {
    if wanted.store.is_some() {
        return Err(only_cloud("--store"));
    }
    let gone = tree.delete(&wanted.images, wanted.promoted, wanted.dry_run).map_err(|error| failure(&error))?;
    if global.json {
        let word = if wanted.dry_run { "would_remove" } else { "removed" };
        print(&format!("{}\n", json!({ word: gone })));
        return Ok(());
    }
    for image in gone {
        match wanted.dry_run {
            true => would_remove(&image.id, &render::tree_facts(&image)),
            false => print(&format!("{} is deleted\n", image.id)),
        }
    }
    Ok(())
}
