//! The result of composing a recipe: its own steps and those of its elements, rendered for one system.

use std::collections::BTreeMap;
use std::time::Duration;

use super::publish::Target;
use crate::action::Action;
use crate::distro::Os;
use crate::element::order::Item;
use crate::element::schema::Check;
use crate::vocabulary::{Asset, Distro, Firmware, StepId};

/// The system on a base image, as far as elements need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// Distribution of the system.
    pub distro: Distro,
    /// Firmware for which the disk has a boot loader.
    pub firmware: Vec<Firmware>,
}

/// Everything that is done to an image, rendered: packages, steps, checks and targets.
#[derive(Debug, Clone)]
pub struct Composition {
    /// Distribution of the image.
    pub distro: Distro,
    /// Facts about the distribution, which templates see as `os`.
    pub os: Os,
    /// Firmware under which the image boots.
    pub firmware: Vec<Firmware>,
    /// Packages, and which elements ask for each.
    pub packages: BTreeMap<String, Vec<String>>,
    /// Steps in order. None is without actions.
    pub steps: Vec<ComposedStep>,
    /// Checks of the image, each with the name of the element that brings it.
    pub checks: Vec<(String, Check)>,
    /// Targets to which the image is published.
    pub publish: Vec<Target>,
    /// Elements of the image, also those that its base recipe has applied.
    pub elements: Vec<Item>,
    /// Steps of all elements in the last two phases. A recipe that starts from this one ends with them.
    pub closing: Vec<ComposedStep>,
    /// What the base recipe does before, if the image starts from a recipe.
    pub below: Option<Box<Composition>>,
}

impl Composition {
    /// Returns what is done, in order: what the lowest base recipe does first.
    pub fn levels(&self) -> Vec<&Self> {
        let mut levels = self.below.as_ref().map_or_else(Vec::new, |below| below.levels());
        levels.push(self);
        levels
    }

    /// Returns the number of steps of a build whose base is made of packages: those that install packages in the guest, and the
    /// first and the last step too.
    pub fn step_count(&self) -> usize {
        let levels = self.levels();
        let own: usize = levels.iter().map(|level| level.steps.len()).sum();
        // The packages of the lowest level are in the base.
        own + levels.iter().skip(1).filter(|level| !level.packages.is_empty()).count() + 2
    }
}

/// The actions of one element in one phase.
#[derive(Debug, Clone)]
pub struct ComposedStep {
    /// Name of the step.
    pub id: StepId,
    /// Actions of the step. Their sources are paths without `./` and `/` at the ends.
    pub actions: Vec<Action>,
    /// Files that the step brings, by the path that actions use. Paths of files in a directory begin with the directory's path.
    pub files: BTreeMap<String, Asset>,
    /// Longest duration of the step, if an action has a timeout; `None` for the build's deadline.
    pub timeout: Option<Duration>,
}
