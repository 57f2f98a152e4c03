//! The image, booted as a cloud would.
//!
//! Every profile is an instance of its own, on an overlay that is thrown away. The first one is rebooted too, with
//! another network card; where there is only one profile, a second instance is booted to compare it with. If that is wanted,
//! more instances are booted with less memory and disk, until one does not come up.

mod down;
mod guest;
mod judge;
mod login;
mod measure;
mod probe;
mod rules;
mod run;

pub use rules::RULES;

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Boot, Finding, ImageFacts, Outcome, Profile, Subject};
use crate::digest::Sha256;
use crate::disk::qemu_img::QemuImgError;
use crate::element::schema::Check;
use crate::event::{Event, Reporter};
use crate::fsx::PathError;
use crate::guest::Accel;
use crate::image::local::Local;
use crate::interrupt::Interrupt;
use crate::machine::{KeyError, MachineError, SshError};
use crate::metadata::MetadataError;
use crate::recipe::verify::{BootKind, Verify};
use crate::recipe::{Arch, Firmware};
use crate::units::ByteSize;
use probe::Answers;

/// How long one boot may take if nobody says: under emulation on a busy machine, three times what was seen.
const DEADLINE: Duration = Duration::from_secs(10 * 60);

/// How much larger than the image the disk is if nobody says, in bytes.
pub const GROWTH: u64 = 2 << 30;

/// Time between two looks at a machine.
const POLL: Duration = Duration::from_millis(200);

/// Memory that QEMU takes beside that of its machine.
const OVERHEAD: u64 = 512 << 20;

/// Bytes of a GiB, in which a flavor counts its disk.
const GIB: u64 = 1 << 30;

/// What to boot, and how.
pub struct Settings<'a> {
    /// The image file as it was given: its bytes must not change.
    pub image: &'a Path,
    /// The same disk in a form that QEMU may open.
    pub local: &'a Local,
    /// What is wanted.
    pub verify: &'a Verify,
    /// Ways to boot it, at least one.
    pub profiles: &'a [Profile],
    /// Checks of elements; those that are not about a running image are passed over.
    pub checks: &'a [(String, Check)],
    /// What the image says of itself.
    pub subject: &'a Subject,
    /// Architecture of the machine.
    pub arch: Arch,
    /// How its processor is provided.
    pub accel: Accel,
    /// Program that joins its standard input and output to a Unix socket, whose path is its last argument.
    pub relay: &'a [String],
    /// A private directory with room for what instances write.
    pub work: &'a Path,
    /// A private directory with a short name, for sockets.
    pub sockets: &'a Path,
    /// Receives events.
    pub reporter: &'a Arc<dyn Reporter>,
    /// Ends all of it when it is raised.
    pub interrupt: &'a Interrupt,
}

impl std::fmt::Debug for Settings<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings").field("image", &self.image).field("profiles", &self.profiles).finish_non_exhaustive()
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Booted {
    /// Every profile, in the order asked for.
    pub boots: Vec<Boot>,
    /// Findings about the image that no single profile has.
    pub findings: Vec<Finding>,
    /// What was found out.
    pub facts: ImageFacts,
    /// Digest of the image file.
    pub sha256: Sha256,
}

/// What keeps an image from being booted that is not the image's fault.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// The machine cannot be started.
    #[error(transparent)]
    Machine(#[from] MachineError),
    /// No key pair can be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The program that logs in is missing.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// The metadata cannot be made.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// No overlay can be made.
    #[error(transparent)]
    Overlay(#[from] QemuImgError),
    /// A file cannot be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// The profiles that are meant where a recipe or a command says nothing else.
pub fn profiles(verify: &Verify, subject: &Subject) -> Vec<Profile> {
    let default = || {
        let kinds = subject.firmware.iter().map(|firmware| match firmware {
            Firmware::Bios => BootKind::Bios,
            Firmware::Uefi if subject.secure_boot => BootKind::SecureBoot,
            Firmware::Uefi => BootKind::Uefi,
        });
        let kinds: Vec<_> = kinds.collect();
        // Where nothing was recognised, the firmware most machines have tells what it makes of it.
        if kinds.is_empty() { vec![BootKind::Bios] } else { kinds }
    };
    let kinds = verify.boot.clone().unwrap_or_else(default);
    let profiles = kinds
        .into_iter()
        .flat_map(|boot| verify.metadata.iter().map(move |metadata| Profile { boot, metadata: *metadata }));
    profiles.collect()
}

/// One instance to boot.
#[derive(Debug, Clone)]
struct Job {
    /// Its place among the profiles; none for one that is only there to be compared with.
    place: Option<usize>,
    profile: Profile,
    /// Short and unique; also its host name.
    name: String,
    /// Whether it is rebooted.
    reboots: bool,
    /// Memory of its machine.
    memory: ByteSize,
    /// Size of its disk, in bytes.
    disk: u64,
    /// How long its first boot may take.
    deadline: Duration,
}

/// Boots an image in every way that is asked for.
///
/// # Errors
///
/// What keeps this host from it. What is wrong with the image is a finding.
pub fn boot(settings: &Settings<'_>) -> Result<Booted, BootError> {
    let before = Sha256::of_file(settings.image)?;
    let mut jobs: VecDeque<Job> =
        settings.profiles.iter().enumerate().map(|(place, profile)| job(settings, place, *profile)).collect();
    if let [only] = settings.profiles {
        let twin = Job { place: None, name: "gold-twin".to_owned(), reboots: false, ..job(settings, 0, *only) };
        jobs.push_back(twin);
    }
    let slots = slots(settings.verify).min(jobs.len());
    let jobs = Mutex::new(jobs);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..slots {
            scope.spawn(|| {
                loop {
                    // A lock that is taken in a loop's condition is held while its body runs.
                    let next = lock(&jobs).pop_front();
                    let Some(job) = next else { break };
                    // What does not come up alone is not compared with another one.
                    if job.place.is_none() && lock(&done).iter().any(|(_, ran)| is_down(ran)) {
                        break;
                    }
                    let result = timed(settings, &job);
                    if result.is_err() {
                        lock(&jobs).clear();
                    }
                    lock(&done).push((job, result));
                }
            });
        }
    });
    let mut ran = Vec::new();
    for (job, result) in done.into_inner().unwrap_or_else(PoisonError::into_inner) {
        ran.push((job, result?));
    }
    // The twin is last.
    ran.sort_by_key(|(job, _)| job.place.unwrap_or(usize::MAX));
    let mut facts = facts(settings, &ran);
    if settings.verify.measure {
        // The firmware that needs the most of those it came up under.
        let up = ran.iter().filter_map(|(job, ran)| Some((job, ran.answers.as_ref()?, ran.up?)));
        if let Some((job, answers, took)) = up.max_by_key(|(job, ..)| (job.profile.boot, job.place.is_some())) {
            let needs = measure::measure(settings, job, answers, took)?;
            facts.min_ram_mib = Some(needs.ram_mib);
            facts.min_disk_gib = Some(needs.disk_gib);
            facts.measured = true;
        }
    }
    let after = Sha256::of_file(settings.image)?;
    let unchanged = if before == after {
        rules::UNCHANGED.passed([format!("sha256 {after}")])
    } else {
        rules::UNCHANGED.failed([format!("sha256 {before} before, {after} after")])
    };
    let answers: Vec<(String, Answers)> =
        ran.iter().filter_map(|(job, ran)| Some((job.name.clone(), ran.answers.clone()?))).collect();
    let mut findings = vec![judge::instances(&answers), unchanged];
    let twins = ran.iter().filter(|(job, _)| job.place.is_none());
    findings
        .extend(twins.flat_map(|(_, ran)| ran.boot.findings.clone()).filter(|found| found.outcome == Outcome::Failed));
    let boots = ran.into_iter().filter(|(job, _)| job.place.is_some()).map(|(_, ran)| ran.boot).collect();
    Ok(Booted { boots, findings, facts, sha256: before })
}

fn job(settings: &Settings<'_>, place: usize, profile: Profile) -> Job {
    Job {
        place: Some(place),
        profile,
        name: format!("gold-{}", place + 1),
        reboots: place == 0,
        memory: settings.verify.memory,
        disk: disk_size(settings),
        deadline: settings.verify.deadline.unwrap_or(DEADLINE),
    }
}

fn is_down(ran: &Result<run::Ran, BootError>) -> bool {
    matches!(ran, Ok(run::Ran { answers: None, .. }))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn timed(settings: &Settings<'_>, job: &Job) -> Result<run::Ran, BootError> {
    let what = if job.place.is_some() { job.profile.to_string() } else { "a second instance".to_owned() };
    let (activity, started) = (format!("boot {what}"), Instant::now());
    settings.reporter.report(&Event::ActivityStarted { activity: activity.clone() });
    let ran = if job.place.is_some() { run::run(settings, job) } else { run::identity(settings, job) }?;
    settings.reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
    Ok(ran)
}

/// How many machines run side by side: as many as there are processors and memory for.
fn slots(verify: &Verify) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let by_processors = processors / verify.cpus.max(1) as usize;
    let by_memory = available_memory().map_or(1, |free| free / (verify.memory.get() + OVERHEAD));
    by_processors.min(usize::try_from(by_memory).unwrap_or(usize::MAX)).max(1)
}

/// Bytes that programs may take without swapping: proc(5).
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

fn facts(settings: &Settings<'_>, ran: &[(Job, run::Ran)]) -> ImageFacts {
    let up = || ran.iter().filter(|(_, ran)| ran.answers.is_some());
    let mut boots: Vec<_> = up().map(|(job, _)| job.profile.boot).collect();
    boots.sort();
    boots.dedup();
    let came_up = !boots.is_empty();
    let agents: Vec<bool> = ran.iter().filter_map(|(_, ran)| ran.agent).collect();
    ImageFacts {
        subject: settings.subject.clone(),
        boots,
        boot_seconds: up().filter_map(|(_, ran)| ran.seconds).min_by(f64::total_cmp),
        min_disk_gib: came_up.then(|| settings.local.size.div_ceil(GIB)),
        min_ram_mib: came_up.then(|| settings.verify.memory.get() / ByteSize::MIB),
        measured: false,
        agent_answers: (!agents.is_empty()).then(|| agents.iter().all(|answers| *answers)),
        accel: Some(settings.accel.to_string().to_lowercase()),
    }
}

/// Size of the disk that instances get.
fn disk_size(settings: &Settings<'_>) -> u64 {
    settings.verify.disk.map_or(settings.local.size + GROWTH, |size| size.get().max(settings.local.size))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::verify::Datasource;

    #[test]
    fn profiles_are_what_the_image_says_unless_the_recipe_says_more() {
        let told = |verify: &Verify, subject: &Subject| -> Vec<String> {
            profiles(verify, subject).iter().map(Profile::to_string).collect()
        };
        let both = Subject { firmware: vec![Firmware::Bios, Firmware::Uefi], ..Subject::default() };
        let signed = Subject { secure_boot: true, ..both.clone() };
        let default = Verify::default();
        assert_eq!(told(&default, &both), ["bios/config-drive", "uefi/config-drive"]);
        assert_eq!(told(&default, &signed), ["bios/config-drive", "secure-boot/config-drive"]);
        assert_eq!(told(&default, &Subject::default()), ["bios/config-drive"]);
        let verify = Verify {
            boot: Some(vec![BootKind::Uefi]),
            metadata: vec![Datasource::NoCloud, Datasource::OpenStack],
            ..default.clone()
        };
        assert_eq!(told(&verify, &both), ["uefi/nocloud", "uefi/openstack"]);
        assert_eq!(told(&Verify { boot: Some(Vec::new()), ..default }, &both), Vec::<String>::new());
    }
}
