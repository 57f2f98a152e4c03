//! Room for machines on this host.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::guest::Accel;
use crate::interrupt::Interrupt;
use crate::process::{at_once, available_memory};
use crate::recipe::verify::{DEFAULT_CPUS, Verify};

/// Time between two looks at an interrupt.
const POLL: Duration = Duration::from_millis(200);

/// Memory that QEMU needs besides that of its machine.
const OVERHEAD: u64 = 512 << 20;

/// Room for machines: as many run at the same time as processors and memory allow. Images that are verified at the same time share it.
#[derive(Debug, Clone, Default)]
pub struct Room(Arc<(Mutex<Taken>, Condvar)>);

/// What the running machines take.
#[derive(Debug, Default)]
struct Taken {
    machines: usize,
    processors: usize,
    /// Bytes of memory.
    memory: u64,
    /// Bytes of memory that were available when no machine ran.
    available: u64,
}

/// The place of a machine. Other machines can have it when it is dropped.
pub(super) struct Place<'r> {
    room: &'r Room,
    processors: usize,
    memory: u64,
}

/// Returns the number of processors of a machine with these settings.
pub(super) fn cpus(verify: &Verify) -> u32 {
    verify.cpus.unwrap_or(DEFAULT_CPUS)
}

/// Returns the number of processors for each of several machines that a recipe sets no number for.
///
/// Without KVM a boot keeps little more than one processor busy, so two machines with one processor each, side by side, are faster than
/// two machines with two processors each, one after the other.
pub fn fair_cpus(accel: Accel, machines: usize) -> u32 {
    let each = processors() / machines.max(1);
    if accel == Accel::Kvm { DEFAULT_CPUS } else { u32::try_from(each).unwrap_or(DEFAULT_CPUS).clamp(1, DEFAULT_CPUS) }
}

/// Returns how many machines with these settings run at the same time if there are no others, at least one.
pub(super) fn most(verify: &Verify) -> usize {
    at_once(cpus(verify) as usize, verify.memory.get() + OVERHEAD)
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

impl Room {
    /// Waits until there is room for a machine with the processors and memory of these settings. A machine that is alone always has
    /// room. Returns `None` when the user interrupts it.
    pub(super) fn enter(&self, verify: &Verify, interrupt: &Interrupt) -> Option<Place<'_>> {
        let all = processors();
        let processors = cpus(verify).max(1) as usize;
        let memory = verify.memory.get() + OVERHEAD;
        let mut taken = self.taken();
        loop {
            if interrupt.is_raised() {
                return None;
            }
            if taken.machines == 0 {
                taken.available = available_memory().unwrap_or_default();
            }
            let fits = taken.processors + processors <= all && taken.memory + memory <= taken.available;
            if fits || taken.machines == 0 {
                taken.machines += 1;
                taken.processors += processors;
                taken.memory += memory;
                return Some(Place { room: self, processors, memory });
            }
            // An interrupt wakes nobody.
            taken = self.0.1.wait_timeout(taken, POLL).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.room.taken();
        taken.machines -= 1;
        taken.processors -= self.processors;
        taken.memory -= self.memory;
        self.room.0.1.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::ByteSize;

    #[test]
    fn machines_share_the_processors_only_without_kvm() {
        let all = processors();
        assert_eq!(fair_cpus(Accel::Tcg, all), 1, "one for each");
        assert_eq!(fair_cpus(Accel::Tcg, 2 * all), 1, "never none");
        assert_eq!(fair_cpus(Accel::Tcg, 1) as usize, all.min(2));
        assert_eq!(fair_cpus(Accel::Kvm, 2 * all), 2);
    }

    #[test]
    fn machines_wait_for_the_processors_and_the_memory_of_others() {
        let all = u32::try_from(processors()).expect("a number");
        let half = Verify { cpus: Some(all.div_ceil(2)), memory: ByteSize::mebibytes(1), ..Verify::default() };
        let whole = Verify { cpus: Some(all + 1), memory: ByteSize::mebibytes(1), ..Verify::default() };
        let huge = Verify { cpus: Some(1), memory: ByteSize::mebibytes(1 << 30), ..Verify::default() };
        let (room, never) = (Room::default(), Interrupt::new());
        for alone in [&whole, &huge] {
            assert!(room.enter(alone, &never).is_some(), "it is alone");
        }
        for (first, second) in [(&half, &whole), (&half, &huge), (&whole, &half)] {
            let place = room.enter(first, &never);
            let entered = std::sync::atomic::AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    let _place = room.enter(second, &never);
                    entered.store(true, std::sync::atomic::Ordering::SeqCst);
                });
                std::thread::sleep(POLL / 2);
                assert!(!entered.load(std::sync::atomic::Ordering::SeqCst), "{first:?} {second:?}");
                drop(place);
            });
            assert!(entered.into_inner());
        }
    }

    #[test]
    fn an_interrupt_ends_the_wait() {
        let whole = Verify { cpus: Some(u32::MAX), ..Verify::default() };
        let (room, interrupt) = (Room::default(), Interrupt::new());
        let _place = room.enter(&whole, &interrupt);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| room.enter(&whole, &interrupt).is_none());
            interrupt.raise();
            assert!(waiting.join().expect("it does not panic"));
        });
    }
}
