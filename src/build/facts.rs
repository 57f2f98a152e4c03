//! Words that what is found on the final disk goes by.

/// Key of the list of packages among the facts of the final layer.
pub(super) const PACKAGES: &str = "packages";

/// What is done when outputs and examiners get what they need.
pub(super) const LOOK: &str = "look at the final disk";
