//! Boots an image in all requested ways, several instances at once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::super::{ImageFacts, Outcome, Profile};
use super::answers::Answers;
use super::error::BootError;
use super::job::{Job, job};
use super::settings::{Booted, GIB, Settings};
use super::{measure, rules, run};
use crate::digest::Sha256;
use crate::event::Event;
use crate::units::ByteSize;

/// Returns the number of machines for these profiles, of which the second instance is one.
pub fn machines(profiles: &[Profile]) -> usize {
    profiles.len().max(2)
}

/// Boots an image in all requested ways.
///
/// # Errors
///
/// This host cannot boot it. Faults of the image are findings.
pub fn boot(settings: &Settings<'_>) -> Result<Booted, BootError> {
    let before = Sha256::of_file(settings.image)?;
    let mut jobs: VecDeque<Job> =
        settings.profiles.iter().enumerate().map(|(place, profile)| job(settings, place, *profile)).collect();
    if let [only] = settings.profiles {
        let twin = Job { place: None, name: "gold-twin".to_owned(), reboots: false, ..job(settings, 0, *only) };
        jobs.push_back(twin);
    }
    let number = jobs.len();
    let jobs = Mutex::new(jobs);
    let done = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..number {
            scope.spawn(|| {
                // Without a place, the user has interrupted it, and the first job says so.
                loop {
                    let _place = settings.room.enter(settings.verify, settings.interrupt);
                    // In the condition of a loop, the lock would be held during its body.
                    let next = lock(&jobs).pop_front();
                    let Some(job) = next else { break };
                    // If an instance does not come up, the one for comparison is not needed.
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
    // The instance for comparison is last.
    ran.sort_by_key(|(job, _)| job.place.unwrap_or(usize::MAX));
    let mut facts = facts(settings, &ran);
    if settings.verify.measure {
        // Of the boots that came up, measure the one whose firmware needs most.
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
    let mut findings = vec![rules::instances(&answers), unchanged];
    let twins = ran.iter().filter(|(job, _)| job.place.is_none());
    findings
        .extend(twins.flat_map(|(_, ran)| ran.boot.findings.clone()).filter(|found| found.outcome == Outcome::Failed));
    let boots = ran.into_iter().filter(|(job, _)| job.place.is_some()).map(|(_, ran)| ran.boot).collect();
    Ok(Booted { boots, findings, facts, sha256: before })
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

pub(super) fn facts(settings: &Settings<'_>, ran: &[(Job, run::Ran)]) -> ImageFacts {
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
