//! Two names that files of this module share: a key among the facts of the final layer, and an activity in events.

/// Key of the list of packages among the facts of the final layer.
pub(super) const PACKAGES: &str = "packages";

/// The name of the activity of extracting and examining.
pub(super) const LOOK: &str = "look at the final disk";
