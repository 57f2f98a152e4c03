//! Connects the user's terminal with one of the guest.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};

/// The byte of Ctrl-D: the end of input.
const END_OF_INPUT: &[u8] = b"\x04";

/// Time between repetitions of the end of input. A program that reads the terminal takes the first, and the shell the next.
const END_AGAIN: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };

/// A terminal for a shell of the guest. The caller must open it: the library opens none.
#[derive(Debug)]
pub struct Terminal {
    /// The source of keys; the caller has put it into raw mode, see [`RawMode`].
    pub input: OwnedFd,
    /// The destination of the shell's output.
    pub output: OwnedFd,
    /// Width in characters.
    pub columns: u16,
    /// Height in lines.
    pub rows: u16,
    /// Value of `TERM` for the shell.
    pub kind: String,
}

impl Terminal {
    /// Creates a terminal from two file descriptors of the caller, which are duplicated, with its current size. If the size is
    /// unknown, such as for a pipe, it is 80 by 24.
    pub fn of(input: BorrowedFd<'_>, output: BorrowedFd<'_>, kind: &str) -> io::Result<Self> {
        let (columns, rows) = match tcgetwinsize(output) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => (80, 24),
        };
        Ok(Self {
            input: input.try_clone_to_owned()?,
            output: output.try_clone_to_owned()?,
            columns,
            rows,
            kind: kind.to_owned(),
        })
    }
}

/// Keeps a terminal in raw mode, where every key goes to the shell, and restores it when dropped.
#[derive(Debug)]
pub struct RawMode {
    terminal: OwnedFd,
    before: Termios,
}

impl RawMode {
    /// Puts a terminal into raw mode. Fails if it is no terminal.
    pub fn enter(terminal: BorrowedFd<'_>) -> io::Result<Self> {
        let before = tcgetattr(terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        let terminal = terminal.try_clone_to_owned()?;
        tcsetattr(&terminal, OptionalActions::Flush, &raw)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // If the terminal is gone, there is nothing to restore.
        let _ = tcsetattr(&self.terminal, OptionalActions::Flush, &self.before);
    }
}

/// Copies keys to the guest and output back, until the other end of `stop` is closed and all output until then is shown.
pub(super) fn relay(terminal: &Terminal, guest: &mut UnixStream, stop: &UnixStream) -> io::Result<()> {
    let mut output = std::fs::File::from(terminal.output.try_clone()?);
    let mut buffer = vec![0; 16 * 1024];
    let mut input_open = true;
    loop {
        let (from_guest, from_person, stopped) = wait(guest.as_fd(), terminal.input.as_fd(), stop.as_fd(), input_open)?;
        if from_guest {
            match rustix::io::read(&*guest, &mut buffer)? {
                0 => return Ok(()), // QEMU is gone
                read => output.write_all(&buffer[..read])?,
            }
        } else if stopped {
            return Ok(());
        }
        if from_person {
            match rustix::io::read(&terminal.input, &mut buffer) {
                Ok(read) if read > 0 => guest.write_all(&buffer[..read])?,
                _ => input_open = false, // the terminal was closed
            }
        }
        if !input_open && !from_guest {
            guest.write_all(END_OF_INPUT)?;
        }
    }
}

/// Waits until one of the three can be read, and returns which.
fn wait(
    guest: BorrowedFd<'_>,
    input: BorrowedFd<'_>,
    stop: BorrowedFd<'_>,
    all: bool,
) -> io::Result<(bool, bool, bool)> {
    let mut polled = [
        PollFd::from_borrowed_fd(guest, PollFlags::IN),
        PollFd::from_borrowed_fd(stop, PollFlags::IN),
        PollFd::from_borrowed_fd(input, PollFlags::IN),
    ];
    // If the input has ended, repeat this after a time.
    let (count, timeout) = if all { (3, None) } else { (2, Some(&END_AGAIN)) };
    loop {
        match poll(&mut polled[..count], timeout) {
            Err(rustix::io::Errno::INTR) => {}
            result => {
                result?;
                let [guest, stop, input] = &polled;
                return Ok((
                    !guest.revents().is_empty(),
                    all && !input.revents().is_empty(),
                    !stop.revents().is_empty(),
                ));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn keys_go_in_output_comes_out_and_nothing_is_lost_at_the_end() {
        let (mut keys, input) = UnixStream::pair().expect("a socket pair");
        let (mut screen, output) = UnixStream::pair().expect("a socket pair");
        let (mut guest, mut shell) = UnixStream::pair().expect("a socket pair");
        let (stop, stopper) = UnixStream::pair().expect("a socket pair");
        let terminal = Terminal::of(input.as_fd(), output.as_fd(), "dumb").expect("descriptors");
        assert_eq!((terminal.columns, terminal.rows), (80, 24));
        drop((input, output));
        let relaying = std::thread::spawn(move || relay(&terminal, &mut guest, &stop));
        keys.write_all(b"ls\r").expect("open");
        let mut typed = [0; 3];
        shell.read_exact(&mut typed).expect("what was typed");
        assert_eq!(&typed, b"ls\r");
        drop(keys);
        let mut end = [0; 1];
        shell.read_exact(&mut end).expect("the end of input");
        assert_eq!(end, *b"\x04");
        shell.write_all(b"logout").expect("open");
        drop(stopper);
        relaying.join().expect("no panic").expect("no error");
        let mut shown = String::new();
        screen.read_to_string(&mut shown).expect("closed by the relay");
        assert_eq!(shown, "logout");
    }
}
