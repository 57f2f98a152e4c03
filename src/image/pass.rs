//! Reads a disk once and gives its data to any number of writers.
//!
//! The caller's thread reads. Each writer has its own thread and a short queue of chunks. So the slowest writer sets the pace,
//! and memory does not depend on the size of the disk. Compressing writers share one pool with a thread for each core.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use rayon::prelude::*;

use super::{CHUNK, Extents, Sink, Source, Written};
use crate::interrupt::Interrupt;

/// Chunks that may wait for a writer. With eight writers, 32 chunks of 2 MiB are in memory at most.
const QUEUE: usize = 3;

/// Bytes that one thread unpacks at a time from a compressed source.
const PIECE: usize = 64 << 10;

/// The reason why a pass ended early.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The disk could not be read.
    #[error("cannot read the disk")]
    Read(#[source] io::Error),
    /// A file could not be written.
    #[error("cannot write file {index}")]
    Write {
        /// The index of the sink.
        index: usize,
        /// The error.
        #[source]
        source: io::Error,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

/// A piece of the disk on its way to the writers.
struct Chunk {
    offset: u64,
    length: usize,
    buffer: Vec<u8>,
}

/// Reads the data of a disk once and gives it to every sink. `progress` receives the bytes of data done so far.
///
/// Nothing outside of the extents is read.
pub fn write(
    source: &dyn Source,
    extents: &Extents,
    sinks: Vec<Box<dyn Sink>>,
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(u64),
) -> Result<Vec<Written>, PassError> {
    std::thread::scope(|scope| {
        let (senders, threads): (Vec<_>, Vec<_>) = sinks
            .into_iter()
            .map(|sink| {
                let (sender, receiver) = sync_channel(QUEUE);
                (sender, scope.spawn(move || drain(sink, &receiver)))
            })
            .unzip();
        let read = read(source, extents, &senders, interrupt, progress);
        // When the senders are gone, the writers finish, or fail if reading failed.
        let ended_well = matches!(read, Ok(true));
        for sender in senders {
            if ended_well {
                // If the writer is gone, its thread reports the error.
                let _ = sender.send(None);
            }
        }
        let mut written = Vec::new();
        let mut failed = None;
        for (index, thread) in threads.into_iter().enumerate() {
            match thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)) {
                Ok(Some(one)) => written.push(one),
                Ok(None) => {}
                Err(source) => failed = failed.or(Some(PassError::Write { index, source })),
            }
        }
        match (read, failed) {
            (Err(error), _) | (Ok(_), Some(error)) => Err(error),
            (Ok(_), None) => Ok(written),
        }
    })
}

/// Gives each chunk that arrives to a sink. `None` marks the end of the disk. If the sender goes without it, something else
/// failed, and the file stays unfinished.
fn drain(mut sink: Box<dyn Sink>, chunks: &Receiver<Option<Arc<Chunk>>>) -> io::Result<Option<Written>> {
    while let Ok(chunk) = chunks.recv() {
        match chunk {
            Some(chunk) => sink.write(chunk.offset, &chunk.buffer[..chunk.length])?,
            None => return sink.finish().map(Some),
        }
    }
    Ok(None)
}

/// Reads chunk by chunk until the end; returns `false` if a writer failed.
fn read(
    source: &dyn Source,
    extents: &Extents,
    senders: &[SyncSender<Option<Arc<Chunk>>>],
    interrupt: &Interrupt,
    progress: &mut dyn FnMut(u64),
) -> Result<bool, PassError> {
    let mut used: Vec<Arc<Chunk>> = Vec::new();
    let mut done = 0;
    for block in extents.blocks(CHUNK as u64) {
        if interrupt.is_raised() {
            return Err(PassError::Interrupted);
        }
        let offset = block * CHUNK as u64;
        let end = (offset + CHUNK as u64).min(source.size());
        let mut chunk = recycled(&mut used);
        let filled = Arc::get_mut(&mut chunk).expect("a recycled chunk is nobody else's");
        filled.offset = offset;
        filled.length = usize::try_from(end - offset).expect("a chunk is small");
        done += fill(source, extents, offset..end, &mut filled.buffer[..filled.length]).map_err(PassError::Read)?;
        for sender in senders {
            if sender.send(Some(Arc::clone(&chunk))).is_err() {
                return Ok(false);
            }
        }
        used.push(chunk);
        progress(done);
    }
    if interrupt.is_raised() {
        return Err(PassError::Interrupted);
    }
    Ok(true)
}

/// Returns a chunk that all writers have finished with, or a new one.
fn recycled(used: &mut Vec<Arc<Chunk>>) -> Arc<Chunk> {
    match used.iter_mut().position(|chunk| Arc::get_mut(chunk).is_some()) {
        Some(free) => used.swap_remove(free),
        None => Arc::new(Chunk { offset: 0, length: 0, buffer: vec![0; CHUNK] }),
    }
}

/// Reads the data of a range into a buffer, with zeros elsewhere. Returns the number of bytes of data.
fn fill(source: &dyn Source, extents: &Extents, range: Range<u64>, buffer: &mut [u8]) -> io::Result<u64> {
    let at = |offset: u64| usize::try_from(offset - range.start).expect("within a chunk");
    let (mut data, mut filled) = (0, 0);
    for extent in extents.within(range.clone()) {
        buffer[filled..at(extent.start)].fill(0);
        let part = &mut buffer[at(extent.start)..at(extent.end)];
        if source.is_compressed() {
            part.par_chunks_mut(PIECE)
                .enumerate()
                .try_for_each(|(number, piece)| source.read_at(extent.start + (number * PIECE) as u64, piece))?;
        } else {
            source.read_at(extent.start, part)?;
        }
        filled = at(extent.end);
        data += extent.end - extent.start;
    }
    buffer[filled..].fill(0);
    Ok(data)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A disk in memory that records each read.
    struct Disk {
        data: Vec<u8>,
        extents: Extents,
        read: Mutex<u64>,
        bad: Option<u64>,
    }

    impl Source for Disk {
        fn size(&self) -> u64 {
            self.data.len() as u64
        }

        fn extents(&self) -> io::Result<Extents> {
            Ok(self.extents.clone())
        }

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
            if self.bad.is_some_and(|bad| offset >= bad) {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "rotten"));
            }
            *self.read.lock().expect("no panic elsewhere") += buffer.len() as u64;
            buffer.copy_from_slice(&self.data[offset as usize..][..buffer.len()]);
            Ok(())
        }
    }

    /// A file in memory with a limited size.
    struct Memory {
        bytes: Arc<Mutex<Vec<u8>>>,
        room: usize,
    }

    impl Sink for Memory {
        fn write(&mut self, offset: u64, data: &[u8]) -> io::Result<()> {
            let mut bytes = self.bytes.lock().expect("no panic elsewhere");
            bytes.resize(offset as usize, 0);
            bytes.extend_from_slice(data);
            if bytes.len() > self.room { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
        }

        fn finish(self: Box<Self>) -> io::Result<Written> {
            let hasher = crate::image::digests::Hasher::new(Default::default());
            Ok(Written { size: self.bytes.lock().expect("no panic elsewhere").len() as u64, digests: hasher.finish() })
        }
    }

    fn disk() -> Disk {
        let mut data = vec![0; 5 * CHUNK + 512];
        let extents: Extents = [100..200, 7000..CHUNK as u64 + 5, 4 * CHUNK as u64 + 9..data.len() as u64]
            .into_iter()
            .inspect(|range| data[range.start as usize..range.end as usize].fill(range.start as u8 | 1))
            .collect();
        Disk { data, extents, read: Mutex::new(0), bad: None }
    }

    fn pass(disk: &Disk, rooms: &[usize], interrupt: &Interrupt) -> (Result<Vec<Written>, PassError>, Vec<Vec<u8>>) {
        let files: Vec<_> = rooms.iter().map(|_| Arc::new(Mutex::new(Vec::new()))).collect();
        let sinks = files
            .iter()
            .zip(rooms)
            .map(|(bytes, room)| Box::new(Memory { bytes: Arc::clone(bytes), room: *room }) as Box<dyn Sink>);
        let result = write(disk, &disk.extents, sinks.collect(), interrupt, &mut |_| {});
        (result, files.iter().map(|file| file.lock().expect("no panic elsewhere").clone()).collect())
    }

    #[test]
    fn every_sink_gets_the_disk_and_it_is_read_once() {
        let disk = disk();
        let (written, files) = pass(&disk, &[usize::MAX; 3], &Interrupt::new());
        assert_eq!(written.expect("written").len(), 3);
        assert!(files.iter().all(|file| *file == disk.data));
        assert_eq!(*disk.read.lock().expect("no panic elsewhere"), disk.extents.total());
    }

    #[test]
    fn failures_are_told_by_whom_they_are() {
        let interrupted = Interrupt::new();
        interrupted.raise();
        let rotten = Disk { bad: Some(CHUNK as u64), ..disk() };
        let all = [usize::MAX; 2];
        assert!(matches!(pass(&disk(), &all, &interrupted).0, Err(PassError::Interrupted)));
        assert!(matches!(pass(&rotten, &all, &Interrupt::new()).0, Err(PassError::Read(_))));
        let (full, _) = pass(&disk(), &[usize::MAX, CHUNK], &Interrupt::new());
        assert!(matches!(full, Err(PassError::Write { index: 1, .. })));
    }
}
