//! The command `goldsmith validate`: checks recipes and all that they use, without a network or a guest.

use clap::Args;
use serde_json::json;

use super::failure::Failure;
use super::lacking;
use super::options::{CacheOption, RecipeOptions};
use super::output::print;
use super::settings::Global;
use super::view::View;
use crate::pipeline::Source;

/// `goldsmith validate`.
#[derive(Debug, Args)]
pub(super) struct Validate {
    /// The recipes.
    #[command(flatten)]
    pub(super) source: RecipeOptions,
    /// The cache, whose indexes of mirrors know packages.
    #[command(flatten)]
    pub(super) cache: CacheOption,
}

/// Checks recipes and all that they use.
pub(super) fn validate(args: &Validate, global: &Global) -> Result<(), Failure> {
    let view = View::new(global);
    for source in &args.source.read(global)?.images {
        let Source { path, loaded, .. } = source;
        let lacking = lacking::of_recipe(source, &global.cache);
        view.line(&json!({
            "event": "validated", "recipe": loaded.recipe.name, "valid": true, "notes": loaded.notes, "warnings": lacking,
        }));
        if !view.is_screen() {
            continue;
        }
        let mut text = format!("{}: recipe `{}` is valid", path.display(), loaded.recipe.name);
        if let Some(composition) = &loaded.composition {
            let steps = composition.step_count();
            text.push_str(&format!(" ({steps} steps, {} packages)", composition.packages.len()));
        }
        text.push('\n');
        loaded.notes.iter().for_each(|note| text.push_str(&format!("note: {note}\n")));
        lacking.iter().for_each(|warning| text.push_str(&format!("warning: {warning}\n")));
        print(&text);
    }
    Ok(())
}
