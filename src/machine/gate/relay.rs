//! The relay of the gate: takes frames from QEMU and returns those that may pass.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, poll};

use super::own::OwnAddresses;
use super::policy::Policy;

/// Longest frame of QEMU's network: `NET_BUFSIZE`.
const LONGEST: usize = 4096 + 65536;

/// Bytes of frames that wait until QEMU takes them back. Further frames are lost, as on any network.
pub(super) const WAITING: usize = 1 << 20;

pub(super) fn pass(policy: Policy, out: UnixStream, back: UnixStream) {
    pass_until(policy, out, back, None);
}

/// Passes frames until QEMU or the gate ends. Afterwards nothing passes, whatever the reason of the end.
pub(super) fn pass_until(policy: Policy, out: UnixStream, back: UnixStream, end: Option<&UnixStream>) {
    let mut own = OwnAddresses::default();
    let admits = |frame: &[u8]| policy.admits(frame, &mut |address| own.has(address));
    // The reason has no use: QEMU is gone, or its stream of frames is broken.
    let _ = relay(&out, &back, end, admits);
    let _ = out.shutdown(Shutdown::Both);
    let _ = back.shutdown(Shutdown::Both);
}

/// Takes frames and returns those that may pass. It never blocks QEMU, which reads no frame while it writes one.
fn relay(
    mut out: &UnixStream,
    mut back: &UnixStream,
    end: Option<&UnixStream>,
    mut admits: impl FnMut(&[u8]) -> bool,
) -> io::Result<()> {
    out.set_nonblocking(true)?;
    back.set_nonblocking(true)?;
    let mut frames = Frames::default();
    let mut waiting: VecDeque<u8> = VecDeque::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        let wanted = if waiting.is_empty() { PollFlags::empty() } else { PollFlags::OUT };
        let mut waited = vec![PollFd::new(out, PollFlags::IN), PollFd::new(back, wanted)];
        waited.extend(end.map(|end| PollFd::new(end, PollFlags::IN)));
        match poll(&mut waited, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let seen: Vec<_> = waited.iter().map(PollFd::revents).collect();
        if seen.get(2).is_some_and(|seen| !seen.is_empty()) || seen[1].intersects(PollFlags::HUP | PollFlags::ERR) {
            return Ok(());
        }
        if !seen[0].is_empty() {
            match out.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => frames.add(&buffer[..count]),
                Err(error) if is_passing(&error) => {}
                Err(error) => return Err(error),
            }
            while let Some(frame) = frames.next()? {
                if waiting.len() + 4 + frame.len() <= WAITING && admits(&frame) {
                    waiting.extend(u32::try_from(frame.len()).map_err(io::Error::other)?.to_be_bytes());
                    waiting.extend(frame);
                }
            }
        }
        while !waiting.is_empty() {
            match back.write(waiting.as_slices().0) {
                Ok(count) => drop(waiting.drain(..count)),
                Err(error) if is_passing(&error) => break,
                Err(error) => return Err(error),
            }
        }
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

/// A stream of frames, each preceded by its length, as QEMU's filters write them.
#[derive(Debug, Default)]
pub(super) struct Frames(VecDeque<u8>);

impl Frames {
    fn add(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    /// Returns the next complete frame. After an invalid length it fails, because the start of the next frame is unknown.
    fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let Some(head) = self.0.iter().take(4).copied().collect::<Vec<_>>().try_into().ok() else { return Ok(None) };
        let length = u32::from_be_bytes(head) as usize;
        if length > LONGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a frame is longer than any"));
        }
        if self.0.len() < 4 + length {
            return Ok(None);
        }
        Ok(Some(self.0.drain(..4 + length).skip(4).collect()))
    }
}
