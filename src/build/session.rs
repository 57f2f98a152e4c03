//! A session: one guest, launched when it is first needed, and the layers that it writes one after another.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::error::{BuildError, During as _};
use super::new_layer::{Found, new_layer};
use super::workshop::Workshop;
use crate::base::{InstallError, InstallRequest};
use crate::event::Event;
use crate::fsx::IoContext as _;
use crate::guest::{Guest, GuestError, Inspection, Mount, form, grow};
use crate::interrupt::Interrupt;
use crate::layer::{LayerKey, NewLayer, Parent, Slot, StoreError};
use crate::plan::{BasePlan, Plan, Step};
use crate::process;
use crate::remote::{Lease, Sharer};

/// Time for the current commits to end after an interrupt.
const TIMEOUT: Duration = Duration::from_secs(1);

/// Launches a guest.
pub type Launch<'a> = Box<dyn Fn(&Interrupt) -> Result<Box<dyn Guest>, GuestError> + 'a>;

/// Lets an installer make a disk.
pub type Install<'a> = Box<dyn Fn(&InstallRequest<'_>) -> Result<(), InstallError> + 'a>;

/// A guest that is launched when it is first needed, and the layers that it makes.
///
/// At most one layer is open. When the next step begins, the open layer is frozen and handed to a thread that commits it, and the
/// guest continues in the next layer.
pub struct Session<'a> {
    pub(super) workshop: &'a Workshop,
    launcher: Launch<'a>,
    installer: Option<Install<'a>>,
    guest: Option<Box<dyn Guest>>,
    open: Option<Open>,
    commits: Option<Commits>,
    /// Layers that this build has fetched from the remote cache.
    pub(super) fetched: BTreeSet<LayerKey>,
    /// Leases of layers that are not committed yet.
    pub(super) leases: BTreeMap<LayerKey, Lease>,
}

/// A thread that commits finished layers, in order: parents before their children.
struct Commits {
    queue: mpsc::Sender<(Slot, NewLayer, Option<Lease>)>,
    thread: JoinHandle<Result<(), StoreError>>,
}

/// The layer that the guest writes to.
struct Open {
    slot: Slot,
    /// The layer to commit when the next step begins; `None` while the step runs.
    finished: Option<NewLayer>,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("launched", &self.guest.is_some()).finish_non_exhaustive()
    }
}

impl<'a> Session<'a> {
    /// Creates a session without launching its guest.
    pub fn new(workshop: &'a Workshop, launcher: Launch<'a>) -> Self {
        let (guest, open, commits, fetched, leases) = (None, None, None, BTreeSet::new(), BTreeMap::new());
        Self { workshop, launcher, installer: None, guest, open, commits, fetched, leases }
    }

    /// Adds what runs installers.
    #[must_use]
    pub fn with_installer(mut self, install: Install<'a>) -> Self {
        self.installer = Some(install);
        self
    }

    /// Lets an installer make a disk.
    pub(super) fn install(&self, request: &InstallRequest<'_>) -> Result<(), InstallError> {
        self.installer.as_ref().ok_or(InstallError::NoHost)?(request)
    }

    /// Returns the tools and settings of the build.
    pub fn workshop(&self) -> &'a Workshop {
        self.workshop
    }

    /// Launches the guest unless it runs.
    pub fn launch(&mut self, interrupt: &Interrupt) -> Result<(), BuildError> {
        if self.guest.is_none() {
            let activity = "start the guest".to_owned();
            let started = Instant::now();
            self.workshop.reporter.report(&Event::ActivityStarted { activity: activity.clone() });
            self.guest = Some((self.launcher)(interrupt).during(&activity)?);
            let elapsed = started.elapsed();
            self.workshop.reporter.report(&Event::ActivityFinished { activity, elapsed });
        }
        Ok(())
    }

    /// Returns the guest, and launches it if necessary.
    pub fn guest(&mut self) -> Result<&mut dyn Guest, BuildError> {
        self.launch(&self.workshop.interrupt.clone())?;
        match &mut self.guest {
            Some(guest) => Ok(guest.as_mut()),
            None => unreachable!("launch sets the guest or fails"),
        }
    }

    /// Inspects a disk image, on a temporary overlay.
    pub fn inspect(&mut self, overlay: &Path) -> Result<Inspection, BuildError> {
        let reporter = &self.workshop.reporter;
        let guest = self.guest()?;
        let activity = "inspect the base image".to_owned();
        let started = Instant::now();
        reporter.report(&Event::ActivityStarted { activity: activity.clone() });
        guest.attach(overlay).during("attach the base image")?;
        let found = guest.inspect().during(&activity)?;
        reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
        Ok(found)
    }

    /// Makes what only the guest can make on the disk of a slot, and removes the archives that it came from.
    pub(super) fn form(&mut self, slot: &Slot, steps: &[form::Step]) -> Result<(), BuildError> {
        let activity = "fill the file systems".to_owned();
        let started = Instant::now();
        self.workshop.reporter.report(&Event::ActivityStarted { activity: activity.clone() });
        let secrets = &self.workshop.secrets;
        let guest = self.guest()?;
        guest.attach(slot.disk_path()).during("attach the disk")?;
        guest.form(steps, secrets).during(&activity)?;
        guest.unmount().during("unmount the disk")?;
        for files in steps.iter().filter_map(form::Step::archive) {
            std::fs::remove_file(files).at(files).map_err(StoreError::from)?;
        }
        self.workshop.reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
        Ok(())
    }

    /// Opens a slot as the layer that the guest writes to, on top of the step before.
    pub(super) fn enter(&mut self, mut slot: Slot, plan: &Plan, mounts: &[Mount]) -> Result<(), BuildError> {
        slot.create_overlay(&parent_of(&slot, plan), plan.disk.size)?;
        let next = slot.disk_path().to_owned();
        match self.open.take() {
            Some(Open { slot: before, finished: Some(layer), .. }) => {
                let started = Instant::now();
                self.guest()?.freeze(&next).during("freeze the layer")?;
                let message = format!("`{}` frozen in {} ms", layer.step, started.elapsed().as_millis());
                self.workshop.reporter.report(&Event::Detail { message });
                self.commit(before, layer)?;
            }
            _ => {
                let guest = self.guest()?;
                guest.attach(&next).during("attach the disk")?;
                guest.mount(mounts).during("mount the image")?;
            }
        }
        self.open = Some(Open { slot, finished: None });
        Ok(())
    }

    /// Opens a slot as the layer that the guest writes to, directly on a base image.
    pub(super) fn open(
        &mut self,
        mut slot: Slot,
        image: &str,
        plan: &Plan,
        grow: &[grow::Step],
        mounts: &[Mount],
    ) -> Result<(), BuildError> {
        let BasePlan::Image { sha256, .. } = &plan.base else { return Ok(()) };
        slot.create_overlay(&Parent::Image(*sha256, image.to_owned()), plan.disk.size)?;
        let guest = self.guest()?;
        guest.attach(slot.disk_path()).during("attach the base image")?;
        if !grow.is_empty() {
            guest.grow(grow).during("grow the root file system")?;
        }
        guest.mount(mounts).during("mount the base image")?;
        self.open = Some(Open { slot, finished: None });
        Ok(())
    }

    /// Records that the open layer's step is complete; the layer is frozen when the next one begins.
    pub(super) fn finish_step(&mut self, plan: &Plan, step: &Step, started: Instant, found: Found) {
        let elapsed = started.elapsed();
        if let Some(open) = &mut self.open {
            open.finished = Some(new_layer(plan, step, elapsed, found));
        }
        self.workshop.reporter.report(&Event::StepFinished { step: step.id.clone(), elapsed });
    }

    /// Commits a complete layer on a separate thread: its digest is computed during the next step. Fails if an earlier commit has
    /// failed.
    pub(super) fn commit(&mut self, slot: Slot, layer: NewLayer) -> Result<(), BuildError> {
        let workshop = self.workshop;
        let lease = self.leases.remove(slot.key());
        lease.iter().for_each(|lease| lease.made(layer.seconds));
        let commits = self.commits.get_or_insert_with(|| Commits::start(workshop.sharer()));
        match commits.queue.send((slot, layer, lease)) {
            Ok(()) => Ok(()),
            Err(_) => self.settle(),
        }
    }

    /// Waits until every finished layer is committed.
    fn settle(&mut self) -> Result<(), BuildError> {
        self.commits.take().map_or(Ok(()), Commits::wait).map_err(BuildError::from)
    }

    /// Closes the open layer, and waits until all layers are complete.
    pub(super) fn pause(&mut self) -> Result<(), BuildError> {
        self.rest()?;
        self.settle()
    }

    /// Closes the open layer, because another build has made the next one.
    pub(super) fn rest(&mut self) -> Result<(), BuildError> {
        if let Some(Open { slot, finished: Some(layer), .. }) = self.open.take() {
            self.guest()?.unmount().during("unmount the image")?;
            self.commit(slot, layer)?;
        }
        Ok(())
    }

    /// Discards the changes of the running step, and mounts the image as it was before.
    pub(super) fn start_again(&mut self, plan: &Plan, mounts: &[Mount]) -> Result<(), BuildError> {
        let Some(Open { mut slot, .. }) = self.open.take() else { return Ok(()) };
        self.guest()?.unmount().during("unmount the image")?;
        // The guest keeps the old file open until the new one with the same name is attached.
        slot.create_overlay(&parent_of(&slot, plan), plan.disk.size)?;
        let guest = self.guest()?;
        guest.attach(slot.disk_path()).during("attach the disk")?;
        guest.mount(mounts).during("mount the image")?;
        self.open = Some(Open { slot, finished: None });
        Ok(())
    }

    /// Keeps the open layer's disk as a file on top of the layer before it.
    pub(super) fn keep(&mut self, plan: &Plan, target: &Path) -> Result<(), BuildError> {
        let Some(Open { slot, .. }) = self.open.take() else { return Ok(()) };
        if let Some(mut guest) = self.guest.take() {
            guest.unmount().during("unmount the image")?;
            guest.shutdown().during("stop the guest")?;
        }
        // The layer below may not be committed yet.
        self.settle()?;
        if let Parent::Layer(key) = parent_of(&slot, plan) {
            let parent = self.workshop.store.find(&key)?.ok_or(BuildError::Vanished(key))?;
            // In another directory, the relative path to the store would be wrong.
            let mut rebase = Command::new("qemu-img");
            rebase.args(["rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b"]).arg(parent.disk).arg(slot.disk_path());
            process::capture(&mut rebase)?;
        }
        // Unlike a rename, `mv` also works across file systems, and keeps holes.
        let mut mv = Command::new("mv");
        mv.args(["-f", "--"]).arg(slot.disk_path()).arg(target);
        process::capture(&mut mv)?;
        Ok(())
    }

    /// Stops the guest and waits until every finished layer is committed.
    pub(super) fn close(&mut self) -> Result<(), BuildError> {
        let open = self.open.take();
        if let Some(mut guest) = self.guest.take() {
            if open.is_some() {
                guest.unmount().during("unmount the image")?;
            }
            guest.shutdown().during("stop the guest")?;
        }
        if let Some(Open { slot, finished: Some(layer), .. }) = open {
            self.commit(slot, layer)?;
        }
        self.settle()
    }
}

impl Drop for Session<'_> {
    fn drop(&mut self) {
        // The build has failed. The guest ends first, so that nothing writes to the open layer any more. Layers that were
        // finished before are kept. An error in that matters less than the one being reported.
        self.guest = None;
        self.open = None;
        match self.commits.take() {
            Some(commits) if self.workshop.interrupt.is_raised() => commits.wait_briefly(),
            Some(commits) => drop(commits.wait()),
            None => {}
        }
    }
}

impl Commits {
    /// Starts the thread. What is committed is also shared with other machines.
    fn start(sharer: Option<Sharer>) -> Self {
        let (queue, finished) = mpsc::channel::<(Slot, NewLayer, Option<Lease>)>();
        let thread = std::thread::spawn(move || {
            finished.into_iter().try_for_each(|(slot, layer, lease)| {
                let layer = slot.commit(layer)?;
                if let Some(sharer) = &sharer {
                    sharer.share(layer, lease);
                }
                Ok(())
            })
        });
        Self { queue, thread }
    }

    /// Waits until all layers in the queue are committed.
    fn wait(self) -> Result<(), StoreError> {
        drop(self.queue);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Waits only as long as a user would after Ctrl-C. A layer that is not committed by then does not count, and the next build
    /// removes its files.
    fn wait_briefly(self) {
        drop(self.queue);
        let asked = Instant::now();
        while !self.thread.is_finished() && asked.elapsed() < TIMEOUT {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Returns the parent of a slot's layer: the step before.
fn parent_of(slot: &Slot, plan: &Plan) -> Parent {
    let mut steps = plan.steps.windows(2);
    steps.find(|pair| pair[1].key == *slot.key()).map_or(Parent::None, |pair| Parent::Layer(pair[0].key))
}
