//! What is done to an image: a recipe and its elements, composed and rendered.

use std::collections::BTreeMap;
use std::time::Duration;

use super::publish::Target;
use crate::action::Action;
use crate::distro::Os;
use crate::element::schema::Check;
use crate::vocabulary::{Asset, Distro, Firmware, StepId};

/// The system on a base image, as far as elements need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// Its distribution.
    pub distro: Distro,
    /// Firmware that finds a boot loader on its disk.
    pub firmware: Vec<Firmware>,
}

/// What is done to an image, rendered.
#[derive(Debug, Clone)]
pub struct Composition {
    /// Its distribution.
    pub distro: Distro,
    /// What is known of that.
    pub os: Os,
    /// Firmware it boots under.
    pub firmware: Vec<Firmware>,
    /// Packages, and which elements ask for each.
    pub packages: BTreeMap<String, Vec<String>>,
    /// Steps in order. None is without actions.
    pub steps: Vec<ComposedStep>,
    /// What must be true of the image: the element that says so, and the check.
    pub checks: Vec<(String, Check)>,
    /// Where it is handed to.
    pub publish: Vec<Target>,
}

/// What one element does in one phase.
#[derive(Debug, Clone)]
pub struct ComposedStep {
    /// Its name.
    pub id: StepId,
    /// What it does. Sources are paths without `./` and `/` at their ends.
    pub actions: Vec<Action>,
    /// Files it brings, by the path that actions use; those of a directory begin with the directory's path.
    pub files: BTreeMap<String, Asset>,
    /// How long it may take, if an action says; `None` for the build's deadline.
    pub timeout: Option<Duration>,
}
