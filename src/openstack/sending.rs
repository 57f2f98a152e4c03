//! Reads a file that is sent to a service, and computes its digests meanwhile.

use std::fs::File;
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, SyncSender};
use std::thread::JoinHandle;

use crate::image::Written;
use crate::image::digests::{Hasher, Kinds};
use crate::interrupt::Interrupt;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 20;

/// Number of chunks that may wait for hashing.
const WAITING: usize = 8;

/// A thread that computes digests while the data is sent.
pub(super) struct Hashing {
    chunks: SyncSender<Vec<u8>>,
    worker: JoinHandle<Written>,
}

impl Hashing {
    pub(super) fn start(kinds: Kinds) -> Self {
        let (chunks, received) = mpsc::sync_channel::<Vec<u8>>(WAITING);
        let worker = std::thread::spawn(move || {
            let mut hasher = Hasher::new(kinds);
            let mut size = 0;
            for chunk in received {
                size += chunk.len() as u64;
                hasher.update(&chunk);
            }
            Written { size, digests: hasher.finish() }
        });
        Self { chunks, worker }
    }

    pub(super) fn finish(self) -> Written {
        drop(self.chunks);
        self.worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A file that is being sent, as a reader.
pub(super) struct Sending<'a> {
    pub(super) file: File,
    pub(super) hashing: Hashing,
    /// The error that prevents reading the file to its end.
    pub(super) failed: Option<io::Error>,
    pub(super) done: &'a AtomicU64,
    pub(super) progress: &'a (dyn Fn(u64) + Sync),
    pub(super) interrupt: &'a Interrupt,
}

impl Read for Sending<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.interrupt.is_raised() {
            return Err(io::Error::other("interrupted"));
        }
        let length = buffer.len().min(CHUNK);
        let count = match self.file.read(&mut buffer[..length]) {
            // The client asks for no more than the size at the start, so the file has become shorter.
            Ok(0) if length > 0 => Err(io::ErrorKind::UnexpectedEof.into()),
            result => result,
        };
        let count = match count {
            Ok(count) => count,
            Err(error) => {
                let told = io::Error::new(error.kind(), error.to_string());
                self.failed = Some(error);
                return Err(told);
            }
        };
        if self.hashing.chunks.send(buffer[..count].to_vec()).is_err() {
            return Err(io::Error::other("the digests cannot be computed"));
        }
        (self.progress)(self.done.fetch_add(count as u64, Ordering::Relaxed) + count as u64);
        Ok(count)
    }
}
