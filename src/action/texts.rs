//! What the files of actions share, such as the type of the rules for an action's texts.

use crate::syntax::Rule;

/// Rules for the texts in an action, each with its place: `*` stands for every entry of a list. If the whole action is a text,
/// the place is empty.
pub(crate) type Texts = &'static [(&'static str, Rule)];

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}
