//! Finds the least memory and the smallest disk that an image boots with, by booting it with less.
//!
//! A failure with less is no finding: it bounds the search.

use std::time::{Duration, Instant};

use super::answers::Answers;
use super::guest::Guest;
use super::job::Job;
use super::room::most;
use super::settings::GIB;
use super::{BootError, Settings, probe, rules};
use crate::event::Event;
use crate::machine::watch::Sign;
use crate::units::ByteSize;

/// Least memory to try, in MiB. Kernels of distributions cannot unpack their initial RAM disk in half of it.
const LEAST_MEMORY: u64 = 128;

/// Factor between the time of a boot with full memory and the limit. A machine without room for its programs reads them from the
/// disk again and again. It counts as failed, even if it would come up in the end.
const SLOWER: u32 = 3;

/// Time added to the limit of any boot.
const ALLOWANCE: Duration = Duration::from_secs(30);

/// The needs of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Needs {
    /// Memory, in MiB.
    pub(super) ram_mib: u64,
    /// Disk of a flavor, in whole GiB.
    pub(super) disk_gib: u64,
}

/// Boots an image with less memory and disk than `job` had. With those, it came up in `took` and answered `full`.
pub(super) fn measure(settings: &Settings<'_>, job: &Job, full: &Answers, took: Duration) -> Result<Needs, BootError> {
    let deadline = (took * SLOWER + ALLOWANCE).min(job.deadline);
    let less = |name: String| Job { place: None, name, reboots: false, deadline, ..job.clone() };
    let mut disk = job.disk;
    for size in disks(settings.local.size, job.disk) {
        let what = format!("a disk of {}", ByteSize::bytes(size));
        let job = Job { disk: size, ..less(format!("gold-disk-{}", size / GIB)) };
        if comes_up(settings, &job, &what, full)? {
            disk = size;
            break;
        }
    }
    let steps = steps(job.memory.get() / ByteSize::MIB);
    let place = least(steps.len(), most(settings.verify), |places| {
        std::thread::scope(|scope| {
            let tries = places.iter().map(|place| {
                let memory = ByteSize::mebibytes(steps[*place]);
                let job = Job { memory, ..less(format!("gold-ram-{}", steps[*place])) };
                scope.spawn(move || comes_up(settings, &job, &format!("{memory} of memory"), full))
            });
            let tries: Vec<_> = tries.collect();
            tries.into_iter().map(|run| run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    })?;
    let ram_mib = steps.get(place).copied().unwrap_or(job.memory.get() / ByteSize::MIB);
    Ok(Needs { ram_mib, disk_gib: disk.div_ceil(GIB) })
}

/// Returns the amounts of memory to try, in MiB, ascending, all less than `enough`.
fn steps(enough: u64) -> Vec<u64> {
    let powers = std::iter::successors(Some(LEAST_MEMORY), |step| step.checked_mul(2));
    powers.flat_map(|step| [step, step / 2 * 3]).take_while(|step| *step < enough).collect()
}

/// Returns the sizes of disks to try, in bytes, ascending, all less than `enough`: the size of the image, so that nothing can
/// grow, and that of a flavor with one GiB more.
fn disks(image: u64, enough: u64) -> Vec<u64> {
    [image, (image.div_ceil(GIB) + 1) * GIB].into_iter().filter(|size| *size < enough).collect()
}

/// Returns the first of `count` places, in ascending order, that works together with all tried places above it. Returns `count`,
/// which is known to work, if none does. `works` tries up to `width` places at once.
fn least<E>(count: usize, width: usize, mut works: impl FnMut(&[usize]) -> Result<Vec<bool>, E>) -> Result<usize, E> {
    // Places below `low` fail; `high` works.
    let (mut low, mut high) = (0, count);
    while low < high {
        let open = high - low;
        let width = width.clamp(1, open);
        let places: Vec<usize> = (1..=width).map(|part| low + open * part / (width + 1)).collect();
        // If a place works and a greater one fails, the first was luck.
        match works(&places)?.iter().rposition(|works| !works) {
            Some(last) => {
                low = places[last] + 1;
                high = places.get(last + 1).copied().unwrap_or(high);
            }
            None => high = places[0],
        }
    }
    Ok(high)
}

/// Returns whether an instance comes up as well as with more.
fn comes_up(settings: &Settings<'_>, job: &Job, what: &str, full: &Answers) -> Result<bool, BootError> {
    let _place = settings.room.enter(settings.verify, settings.interrupt);
    let (activity, started) = (format!("measure {what}"), Instant::now());
    settings.reporter.report(&Event::ActivityStarted { activity: activity.clone() });
    let guest = Guest::new(settings, job)?;
    let mut machine = guest.start(&guest.macs[0])?;
    let ssh = guest.ssh(&machine);
    let mut starved = false;
    let answers = guest.log_in(&mut machine, &ssh, &|nonce, limit| probe::script(nonce, limit, &[]), &mut |watch| {
        starved |= watch.verdict().seen(Sign::OutOfMemory).is_some();
    })?;
    let took = machine.started().elapsed();
    machine.kill();
    // The instance is done, and its disk may be large.
    let _ = std::fs::remove_dir_all(&guest.work);
    let against = match answers {
        Ok(answers) => against(full, &answers, starved),
        Err(_) if starved => Some(NO_MEMORY.to_owned()),
        Err(failed) => Some(failed.to_string()),
    };
    let message = match &against {
        None => format!("{what}: it comes up in {:.0} s", took.as_secs_f64()),
        Some(reason) => format!("{what}: not enough after {:.0} s: {reason}", took.as_secs_f64()),
    };
    settings.reporter.report(&Event::Detail { message });
    settings.reporter.report(&Event::ActivityFinished { activity, elapsed: started.elapsed() });
    Ok(against.is_none())
}

/// The message if the kernel reported it.
const NO_MEMORY: &str = "the kernel ended processes for lack of memory";

/// Returns the first difference to the answers of the instance with more, or signs of too little memory.
fn against(full: &Answers, less: &Answers, starved: bool) -> Option<String> {
    if starved || !less.lines("starved").is_empty() {
        return Some(NO_MEMORY.to_owned());
    }
    let finished = |answers: &Answers| answers.lines("finished").first() == Some(&"yes");
    if finished(full) && !finished(less) {
        return Some("its first boot was not completed in time".to_owned());
    }
    let known: Vec<&str> = full.lines("failed").into_iter().map(rules::unit).collect();
    let failed: Vec<&str> =
        less.lines("failed").into_iter().map(rules::unit).filter(|unit| !known.contains(unit)).collect();
    (!failed.is_empty()).then(|| format!("a unit failed: {}", failed.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    /// Searches as many places as there are; returns the result, the number of tries and the number of rounds.
    fn search(working: &[bool], width: usize) -> (usize, usize, usize) {
        let (mut tried, mut rounds) = (Vec::new(), 0);
        let found = least(working.len(), width, |places| {
            rounds += 1;
            assert!(!places.is_empty() && places.len() <= width && places.is_sorted(), "{places:?}");
            tried.extend_from_slice(places);
            Ok::<_, Infallible>(places.iter().map(|place| working[*place]).collect())
        });
        let Ok(found) = found;
        // The result was tried, or is known to work; and no place is tried twice.
        assert!(found == working.len() || tried.contains(&found) && working[found], "{found} of {working:?}");
        assert!(
            (0..working.len()).all(|place| tried.iter().filter(|tried| **tried == place).count() <= 1),
            "{tried:?}"
        );
        // All tried places above the result work. A tried place below it fails, or one above that does.
        assert!(tried.iter().all(|place| *place < found || working[*place]), "{found}: {tried:?}");
        (found, tried.len(), rounds)
    }

    #[test]
    fn where_more_is_never_worse_the_least_is_found() {
        for count in 0..12 {
            for enough in 0..=count {
                let working: Vec<bool> = (0..count).map(|place| place >= enough).collect();
                for width in 1..5 {
                    let (found, tried, _) = search(&working, width);
                    assert_eq!(found, enough, "{working:?} by {width}");
                    assert!(tried <= count);
                }
            }
        }
    }

    #[test]
    fn a_search_takes_few_boots_and_fewer_rounds_side_by_side() {
        for (working, width, expected) in [
            (&[][..], 1, (0, 0, 0)),
            (&[true], 1, (0, 1, 1)),
            (&[false], 2, (1, 1, 1)),
            (&[true; 7], 1, (0, 3, 3)),
            (&[false; 7], 1, (7, 3, 3)),
            (&[false, true, true, true, true, true], 1, (1, 3, 3)),
            (&[true; 8], 2, (0, 4, 2)),
            (&[false; 8], 2, (8, 4, 2)),
            (&[false, false, true, true], 4, (2, 4, 1)),
        ] {
            assert_eq!(search(working, width), expected, "{working:?} by {width}");
        }
    }

    #[test]
    fn luck_with_less_does_not_count() {
        assert_eq!(search(&[true, false, true], 3).0, 2);
        assert_eq!(search(&[true, true, true, false], 4).0, 4);
        let unseen = [true, true, false, true, true, true, true];
        assert_eq!(search(&unseen, 1).0, 0, "what is not tried is not known");
        for width in 1..5 {
            for number in 0..1u32 << 9 {
                let working: Vec<bool> = (0..9).map(|bit| number >> bit & 1 == 1).collect();
                search(&working, width);
            }
        }
        assert_eq!(least(3, 1, |_| Err::<Vec<bool>, _>("interrupted")), Err("interrupted"));
    }

    #[test]
    fn less_is_tried_than_is_known_to_be_enough() {
        assert_eq!(steps(1024), [128, 192, 256, 384, 512, 768]);
        assert_eq!(steps(1025).last(), Some(&1024));
        assert_eq!(steps(128), [0; 0]);
        assert_eq!(disks(3 * GIB, 5 * GIB), [3 * GIB, 4 * GIB]);
        assert_eq!(disks(3 * GIB - 512, 5 * GIB), [3 * GIB - 512, 4 * GIB]);
        assert_eq!(disks(3 * GIB, 4 * GIB), [3 * GIB]);
        assert_eq!(disks(3 * GIB, 3 * GIB), [0; 0]);
    }

    #[test]
    fn an_instance_with_less_lacks_nothing_of_the_one_with_more() {
        let of = |text: &str| Answers::parse("@", &format!("{text}\n@ end\n")).expect("an end");
        let full = of("@ finished\nyes\n@ failed\nold.service: it never worked");
        for (text, starved, expected) in [
            ("@ finished\nyes\n@ failed\nold.service: for another reason", false, None),
            (
                "@ finished\nno\ncloud-final.service start running",
                false,
                Some("its first boot was not completed in time"),
            ),
            (
                "@ finished\nyes\n@ failed\nnew.service: no memory\nold.service: x",
                false,
                Some("a unit failed: new.service"),
            ),
            ("@ finished\nyes\n@ starved\nOut of memory: Killed process 9 (python3)", false, Some(NO_MEMORY)),
            ("@ finished\nyes", true, Some(NO_MEMORY)),
        ] {
            assert_eq!(against(&full, &of(text), starved).as_deref(), expected, "{text}");
        }
        assert_eq!(against(&of(""), &of("@ finished"), false), None, "an image without cloud-init");
    }
}
