//! The gate: every frame that a guest sends passes through this program, which lets through what the guest may reach.
//!
//! QEMU's user network takes what a guest sends to the gateway for this host's loopback address, and opens connections
//! to all other addresses from this host, its own among them. It cannot be told otherwise. So a filter of QEMU hands
//! every frame over before the user network sees it, and takes back those that may go on.
//!
//! It fails closed: where this program or its thread has ended, QEMU throws the guest's frames away.

mod frame;
mod own;
mod policy;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};

use own::OwnAddresses;
pub(crate) use policy::Policy;

/// Longest frame that QEMU's network has: `NET_BUFSIZE`.
const LONGEST: usize = 4096 + 65536;

/// Bytes of frames that wait for QEMU to take them back. What comes on top is lost, as on any network.
const WAITING: usize = 1 << 20;

/// The sockets over which QEMU hands frames over, and takes them back.
const NAMES: [&str; 2] = ["out", "back"];

/// A gate in use. When this value goes nothing passes any more.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Connections whose end ends the thread.
    ends: Vec<UnixStream>,
    /// Sockets with a name, which QEMU connects to.
    names: Vec<PathBuf>,
    thread: Option<JoinHandle<()>>,
}

impl Gate {
    /// A gate over connected sockets, and the ends that QEMU inherits: those of [`Gate::options`], in order.
    pub(crate) fn inherited(policy: Policy) -> io::Result<(Self, [UnixStream; 2])> {
        let ((out, their_out), (back, their_back)) = (UnixStream::pair()?, UnixStream::pair()?);
        let ends = vec![out.try_clone()?, back.try_clone()?];
        let thread = spawn(move || pass(policy, out, back))?;
        Ok((Self { ends, names: Vec::new(), thread: Some(thread) }, [their_out, their_back]))
    }

    /// A gate over sockets in a private directory, for a QEMU that somebody else starts, and what its character devices
    /// are: those of [`Gate::options`], in order. It connects once; nobody can do so a second time.
    pub(crate) fn listening(policy: Policy, dir: &Path) -> io::Result<(Self, [String; 2])> {
        let paths = NAMES.map(|name| dir.join(name));
        let (ours, theirs) = UnixStream::pair()?;
        let mut gate = Self { ends: vec![ours], names: Vec::new(), thread: None };
        let mut listeners = Vec::new();
        for path in &paths {
            listeners.push(UnixListener::bind(path)?);
            gate.names.push(path.clone());
        }
        let names = paths.clone();
        gate.thread = Some(spawn(move || {
            let mut streams = Vec::new();
            for (listener, path) in listeners.iter().zip(&names) {
                let Ok(Some(stream)) = accept(listener, &theirs) else { return };
                // Its directory may be gone already.
                let _ = std::fs::remove_file(path);
                streams.push(stream);
            }
            drop(listeners);
            if let (Some(back), Some(out)) = (streams.pop(), streams.pop()) {
                pass_until(policy, out, back, Some(&theirs));
            }
        })?);
        let devices = paths.map(|path| format!("socket,path={}", path.display()));
        Ok((gate, devices))
    }

    /// QEMU's options that put the gate before a network back end. `devices` are character devices without their ids.
    pub(crate) fn options(netdev: &str, devices: &[String; 2]) -> Vec<(&'static str, String)> {
        let mut options: Vec<_> = NAMES
            .iter()
            .zip(devices)
            .map(|(name, device)| {
                let (kind, rest) = device.split_once(',').unwrap_or((device, ""));
                ("-chardev", format!("{kind},id=gate-{name},{rest}"))
            })
            .collect();
        // `rx` are the frames that the back end receives: those that the guest sends.
        let filter = format!("filter-redirector,id=gate,netdev={netdev},queue=rx,indev=gate-back,outdev=gate-out");
        options.push(("-object", filter));
        options
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        for end in &self.ends {
            // It may have ended already.
            let _ = end.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            // If it panicked, QEMU has thrown away what came afterwards.
            let _ = thread.join();
        }
        for name in &self.names {
            // QEMU has connected, or the directory is gone.
            let _ = std::fs::remove_file(name);
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("network gate".to_owned()).spawn(work)
}

/// Waits for QEMU to connect; `None` if the gate goes before.
fn accept(listener: &UnixListener, end: &UnixStream) -> io::Result<Option<UnixStream>> {
    loop {
        let mut waited = [PollFd::new(listener, PollFlags::IN), PollFd::new(end, PollFlags::IN)];
        match poll(&mut waited, None) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        if !waited[1].revents().is_empty() {
            return Ok(None);
        }
        if !waited[0].revents().is_empty() {
            return Ok(Some(listener.accept()?.0));
        }
    }
}

fn pass(policy: Policy, out: UnixStream, back: UnixStream) {
    pass_until(policy, out, back, None);
}

/// Passes frames until QEMU or the gate ends. Whatever ends it, nothing passes afterwards.
fn pass_until(policy: Policy, out: UnixStream, back: UnixStream, end: Option<&UnixStream>) {
    let mut own = OwnAddresses::default();
    let admits = |frame: &[u8]| policy.admits(frame, &mut |address| own.has(address));
    // Why it ended is of no use to anybody: QEMU is gone, or its frames are.
    let _ = relay(&out, &back, end, admits);
    let _ = out.shutdown(Shutdown::Both);
    let _ = back.shutdown(Shutdown::Both);
}

/// Takes frames and gives back those that are admitted, without ever making QEMU wait: it writes a frame, and reads none
/// meanwhile.
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

/// Frames of a stream in which each has its length before it, as QEMU's filters write them.
#[derive(Debug, Default)]
struct Frames(VecDeque<u8>);

impl Frames {
    fn add(&mut self, bytes: &[u8]) {
        self.0.extend(bytes);
    }

    /// The next frame that is there as a whole. An error if what comes is none: where the next begins is not known then.
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
