//! The sockets between QEMU and the gate, and the thread that serves them.

use std::io;
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rustix::event::{PollFd, PollFlags, poll};

use super::policy::Policy;
use super::relay::{pass, pass_until};

/// Names of the sockets: QEMU sends frames over the first, and takes them back over the second.
const NAMES: [&str; 2] = ["out", "back"];

/// A gate in use. When this value is dropped, nothing passes any more.
#[derive(Debug)]
pub(crate) struct Gate {
    /// Connections that end the thread when they are shut down.
    ends: Vec<UnixStream>,
    /// Paths of sockets to which QEMU connects.
    names: Vec<PathBuf>,
    thread: Option<JoinHandle<()>>,
}

impl Gate {
    /// Makes a gate over connected sockets. Returns the ends that QEMU inherits: those of [`Gate::options`], in order.
    pub(crate) fn inherited(policy: Policy) -> io::Result<(Self, [UnixStream; 2])> {
        let ((out, their_out), (back, their_back)) = (UnixStream::pair()?, UnixStream::pair()?);
        let ends = vec![out.try_clone()?, back.try_clone()?];
        let thread = spawn(move || pass(policy, out, back))?;
        Ok((Self { ends, names: Vec::new(), thread: Some(thread) }, [their_out, their_back]))
    }

    /// Makes a gate over sockets in a private directory, for a QEMU that another program starts. Returns its character devices:
    /// those of [`Gate::options`], in order. QEMU connects once; a second connection is not possible.
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
                // The directory may be gone already.
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

    /// Returns QEMU's options that put the gate before a network back end. `devices` are character devices without their ids.
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
            // The connection may have ended already.
            let _ = end.shutdown(Shutdown::Both);
        }
        if let Some(thread) = self.thread.take() {
            // If the thread panicked, QEMU has dropped all later frames.
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

/// Waits until QEMU connects; `None` if the gate ends before.
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
