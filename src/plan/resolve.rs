//! Makes a plan from a recipe and its pins.

use std::collections::BTreeMap;

use super::{Arguments, BasePlan, Derived, DiskPlan, Phase, Plan, Step, StepId, key};
use crate::action::{Action, Packages};
use crate::recipe::{ComposedStep, Composition, Layout, Recipe};

/// Name of the step that installs packages on a base image.
const PACKAGES: &str = "packages";

/// Makes the plan. The function is pure: all changing inputs are pinned in `base`.
pub fn resolve(recipe: &Recipe, composition: Composition, base: BasePlan, notes: Vec<String>) -> Plan {
    let levels = composition.levels();
    let Composition { os, firmware, .. } = &composition;
    // Packages of further levels are installed in the guest.
    let mut packages = levels[0].packages.clone();
    if let (BasePlan::Tree { .. }, Some(how)) = (&base, &os.bootstrap) {
        for package in &how.packages {
            packages.entry(package.clone()).or_insert_with(|| vec![format!("the data of {}", os.name)]);
        }
    }
    let layout = match base {
        BasePlan::Bootstrap { .. } | BasePlan::Tree { .. } => recipe.disk.layout,
        BasePlan::Image { .. } | BasePlan::Installer(_) => Layout::of(firmware),
    };
    let (table, partitions) = (recipe.disk.table, recipe.disk.partitions.clone());
    let disk = DiskPlan { size: recipe.disk.size, layout, firmware: firmware.clone(), table, partitions };
    let base_id = match &base {
        BasePlan::Bootstrap { source, .. } => format!("{} {}", composition.distro.name, source.release),
        BasePlan::Installer(plan) => format!("{} {} installer", plan.base.source.distro, plan.base.source.release),
        BasePlan::Image { source, .. } | BasePlan::Tree { source, .. } => {
            let source = source.trim_end_matches('/');
            source.rsplit('/').next().unwrap_or(source).to_owned()
        }
    };
    let ingredients = key::base(recipe.arch, os, &disk, &base, &packages);
    let mut planned = vec![Step {
        id: StepId { phase: Phase::Base, element: base_id },
        actions: Vec::new(),
        files: BTreeMap::new(),
        arguments: None,
        derived: None,
        key: key::of(&ingredients),
        ingredients,
        timeout: None,
    }];
    let refreshed = base.refreshed();
    let mut push = |step: ComposedStep, arguments: Option<Arguments>, derived: Option<Derived>| {
        let ComposedStep { id, actions, files, timeout } = step;
        let parent = planned.last().expect("the base is there").key;
        let ingredients = key::step(parent, &actions, &files, refreshed, arguments.as_ref(), derived.as_ref());
        planned.push(Step { id, actions, files, arguments, derived, key: key::of(&ingredients), ingredients, timeout });
    };
    for (number, level) in levels.iter().enumerate() {
        let mut steps = level.steps.clone();
        let wanted = if number == 0 { &packages } else { &level.packages };
        if (number > 0 || base.installs_in_guest()) && !wanted.is_empty() {
            let install = wanted.keys().cloned().collect();
            let actions = vec![Action::Packages(Packages { install, ..Packages::default() })];
            let id = StepId { phase: Phase::Install, element: PACKAGES.to_owned() };
            steps.insert(0, ComposedStep { id, actions, files: BTreeMap::new(), timeout: None });
        }
        // The menu entries have what this level and those below ask for.
        let asked = levels[..=number].iter().flat_map(|level| &level.steps).flat_map(|step| &step.actions);
        let mut arguments = Arguments::of(asked, &os.paths);
        // The menu is generated after everything that may change it: at the end of `finish`, or in the last step with such an action.
        let about = |action: &Action| matches!(action, Action::KernelArgs(_));
        let last = steps.iter().rposition(|step| step.id.phase <= Phase::Finish || step.actions.iter().any(about));
        // Before `clean` takes away what programs need, and once more for what `clean` itself changes.
        let ends = [steps.iter().rposition(|step| step.id.phase <= Phase::Finish), steps.len().checked_sub(1)];
        for (number, step) in steps.into_iter().enumerate() {
            let arguments = if Some(number) == last { arguments.take() } else { None };
            let derived = ends.contains(&Some(number)).then(|| Derived { grub: os.paths.get("grub").cloned() });
            push(step, arguments, derived);
        }
    }
    let id = StepId { phase: Phase::Finalize, element: recipe.name.clone() };
    push(ComposedStep { id, actions: Vec::new(), files: BTreeMap::new(), timeout: None }, None, None);
    Plan {
        name: recipe.name.clone(),
        description: recipe.description.clone(),
        arch: recipe.arch,
        distro: composition.distro,
        os: composition.os,
        params: recipe.params.clone(),
        disk,
        base,
        elements: composition.elements.into_iter().map(|element| element.name).collect(),
        packages,
        steps: planned,
        outputs: recipe.outputs.clone(),
        checksums: recipe.checksums.clone(),
        checks: composition.checks,
        verify: recipe.verify.clone(),
        publish: composition.publish,
        secrets: recipe.secrets.clone(),
        notes,
    }
}
