//! Names of facts about the final disk.

/// Key of the list of packages among the facts of the final layer.
pub(super) const PACKAGES: &str = "packages";

/// The name of the activity of extracting and examining.
pub(super) const LOOK: &str = "look at the final disk";
