//! Memory of this machine.

/// Returns the bytes that programs may take without swapping: proc(5).
pub(crate) fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
}

/// Returns how many things run at the same time, each of which needs processors and bytes of memory: as many as this machine has
/// room for, at least one.
pub(crate) fn at_once(processors: usize, memory: u64) -> usize {
    let by_processors = std::thread::available_parallelism().map_or(1, usize::from) / processors.max(1);
    let by_memory = available_memory().map_or(1, |free| free / memory.max(1));
    by_processors.min(usize::try_from(by_memory).unwrap_or(usize::MAX)).max(1)
}
