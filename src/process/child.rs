//! How every child process is started and ended.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::environment;

/// Ends a child and all of its group.
pub(super) fn kill_group(child: &std::process::Child) {
    if let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
        // The group may be gone already, which is what is wanted.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// Puts a child into a process group of its own and has the kernel kill it when the thread that starts it ends, however
/// it ends. The child leaves no core dump, in which secrets of the image would be, and does not see the credentials in
/// this process's environment.
pub fn die_with_parent(command: &mut Command) -> &mut Command {
    environment::without_credentials(command);
    command.process_group(0);
    let parent = rustix::process::getpid();
    // SAFETY: prctl, getppid and setrlimit are system calls without memory effects, allowed between fork and exec.
    unsafe { command.pre_exec(move || bind(parent)) }
}

/// In the child: ends with the parent.
pub(super) fn bind(parent: rustix::process::Pid) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // If the parent has died before, nothing will come of it: another process is the parent now.
    if getppid() != Some(parent) {
        return Err(io::Error::from(rustix::io::Errno::SRCH));
    }
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}
