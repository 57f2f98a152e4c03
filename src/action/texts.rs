//! Types that the files of actions share: rules for the texts in an action.

use crate::syntax::Rule;

/// Rules for texts by their places in an action, `*` for every entry of a list. The place of an action that is a text is empty.
pub(crate) type Texts = &'static [(&'static str, Rule)];

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(super) fn is_false(value: &bool) -> bool {
    !value
}
