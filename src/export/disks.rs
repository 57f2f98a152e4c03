//! The outputs that contain the whole disk. All of them are written in one pass over the layer chain.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::artifact::{Artifact, Finished, Part};
use super::earlier::{Earlier, Model};
use super::error::ExportError;
use crate::build::FinalDisk;
use crate::event::{Event, Reporter};
use crate::fsx::IoContext as _;
use crate::image::digests::Kinds;
use crate::image::pass::{self, PassError};
use crate::image::read::{self, Backing};
use crate::image::write::{Disk, Machine};
use crate::image::{Encoding, Extents, Format, Output, Source, Written};
use crate::interrupt::Interrupt;
use crate::plan::Plan;
use crate::units::ByteSize;

/// The final disk, opened for reading.
pub(super) struct Opened {
    source: Box<dyn Source>,
    extents: Extents,
    seed: [u8; 32],
}

impl Opened {
    /// Opens the last layer and its chain. All files of the chain must be within the directory of the store.
    pub(super) fn new(disk: &FinalDisk) -> Result<Self, ExportError> {
        // <cache>/layers/<key>/disk.qcow2
        let cache = disk.layer.disk.ancestors().nth(3).unwrap_or(Path::new("/"));
        let options = read::Options { format: Some(Format::Qcow2), backing: Backing::Within(cache) };
        let source = read::open(&disk.layer.disk, &options).map_err(ExportError::Open)?.source;
        Self::of(source, disk)
    }

    /// Makes a source that is only a part of the disk, or a file from it.
    pub(super) fn of(source: Box<dyn Source>, disk: &FinalDisk) -> Result<Self, ExportError> {
        let extents = source.extents().map_err(ExportError::Read)?;
        // The seed is the layer's key, so that the same disk gets the same identifiers in every export.
        Ok(Self { source, extents, seed: *disk.layer.key.digest().bytes() })
    }

    /// Returns the disk itself.
    pub(super) fn into_source(self) -> Box<dyn Source> {
        self.source
    }

    /// Returns the size of the data on the disk, in bytes.
    pub(super) fn data(&self) -> u64 {
        self.extents.total()
    }

    /// Returns the virtual size of the disk, in bytes.
    pub(super) fn size(&self) -> u64 {
        self.source.size()
    }

    /// Writes all outputs in one pass. Takes over what an earlier export has in common with this one.
    pub(super) fn write(
        &self,
        plan: &Plan,
        outputs: Vec<(&Output, Encoding, Part)>,
        kinds: Kinds,
        earlier: Option<&Earlier>,
        reporter: &Arc<dyn Reporter>,
        interrupt: &Interrupt,
    ) -> Result<Vec<Finished>, ExportError> {
        if outputs.is_empty() {
            return Ok(Vec::new());
        }
        let models: Vec<_> = outputs.iter().map(|(output, _, part)| earlier?.model(&part.file, output)).collect();
        if let Some(model) = models.iter().flatten().next() {
            let same = self.extents.iter().flat_map(|extent| model.file.same.within(extent.clone()));
            let same = ByteSize::bytes(same.map(|range| range.end - range.start).sum());
            let message = format!("{same} of the disk are as in the export before, and are not compressed again");
            reporter.report(&Event::Detail { message });
        }
        let write = |models: &[Option<Model>]| self.pass(plan, &outputs, kinds, models, reporter, interrupt);
        let (written, sound) = std::thread::scope(|scope| {
            let sound = scope.spawn(|| models.iter().flatten().all(Model::is_sound));
            (write(&models), sound.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        });
        let written = match written {
            Err(ExportError::Interrupted) => return Err(ExportError::Interrupted),
            written if sound => written?,
            _ => {
                let message = "an image of the export before was changed since, so nothing of it is used";
                reporter.report(&Event::Warning { message: message.to_owned() });
                for (.., part) in &outputs {
                    part.new.file().set_len(0).at(Path::new(&part.file))?;
                }
                write(&[])?
            }
        };
        let finished = outputs.into_iter().zip(written).map(|((output, _, part), written)| {
            let artifact = Artifact::new(&part.file, output, written);
            Finished { artifact, part }
        });
        Ok(finished.collect())
    }

    fn pass(
        &self,
        plan: &Plan,
        outputs: &[(&Output, Encoding, Part)],
        kinds: Kinds,
        models: &[Option<Model>],
        reporter: &Arc<dyn Reporter>,
        interrupt: &Interrupt,
    ) -> Result<Vec<Written>, ExportError> {
        let machine = machine(plan);
        let names: Vec<_> = outputs.iter().map(|(.., part)| part.file.as_str()).collect();
        let activity = match names.as_slice() {
            few if few.len() <= 3 => format!("export {}", few.join(", ")),
            many => format!("export {} files", many.len()),
        };
        let failed = |index: usize, source: io::Error| ExportError::Write { file: names[index].to_owned(), source };
        let started = Instant::now();
        reporter.report(&Event::ActivityStarted { activity: activity.clone() });
        let mut sinks = Vec::new();
        for (index, (_, encoding, part)) in outputs.iter().enumerate() {
            let file = part.new.file().try_clone().map_err(|source| failed(index, source))?;
            let earlier = models.get(index).and_then(Option::as_ref).map(|model| &model.file);
            let described = Disk { size: self.size(), extents: &self.extents, seed: &self.seed, machine, earlier };
            sinks.push(encoding.sink(&described, file, kinds).map_err(|source| failed(index, source))?);
        }
        let total = Some(self.data());
        let written = pass::write(&*self.source, &self.extents, sinks, interrupt, &mut |done| {
            reporter.report(&Event::Progress { activity: activity.clone(), done, total });
        })
        .map_err(|error| match error {
            PassError::Interrupted => ExportError::Interrupted,
            PassError::Read(source) => ExportError::Read(source),
            PassError::Write { index, source } => failed(index, source),
        })?;
        reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
        Ok(written)
    }
}

/// Returns the machine of the image, for formats that describe one.
fn machine(plan: &Plan) -> Machine<'_> {
    let firmware = match plan.disk.firmware.as_slice() {
        [only] => Some(*only),
        _ => None,
    };
    Machine { name: &plan.name, arch: plan.arch.name(), firmware }
}
