//! The number of machines that run at the same time.

use crate::recipe::verify::Verify;

/// Memory that QEMU needs besides that of its machine.
const OVERHEAD: u64 = 512 << 20;

/// Returns the number of machines that run at the same time: as many as processors and memory allow.
pub(super) fn slots(verify: &Verify) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let by_processors = processors / verify.cpus.max(1) as usize;
    let by_memory = available_memory().map_or(1, |free| free / (verify.memory.get() + OVERHEAD));
    by_processors.min(usize::try_from(by_memory).unwrap_or(usize::MAX)).max(1)
}

/// Returns the bytes that programs may take without swapping: proc(5).
fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}
