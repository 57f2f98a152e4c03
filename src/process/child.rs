//! Makes child processes end with this process, and kills them with their own children.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use super::environment;

/// Kills a child and its process group.
pub(super) fn kill_group(child: &std::process::Child) {
    if let Some(group) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
        // If this fails, the group is gone already.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// Puts a child into its own process group, and makes the kernel kill it when the thread that starts it ends. The child leaves no
/// core dump, which could contain secrets of the image, and does not get the credentials in this process's environment.
pub fn die_with_parent(command: &mut Command) -> &mut Command {
    environment::without_credentials(command);
    command.process_group(0);
    let parent = rustix::process::getpid();
    // SAFETY: prctl, getppid and setrlimit are system calls without memory effects, allowed between fork and exec.
    unsafe { command.pre_exec(move || bind(parent)) }
}

/// Runs in the child, and makes it end with the parent.
pub(super) fn bind(parent: rustix::process::Pid) -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, Signal, getppid, set_parent_process_death_signal, setrlimit};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // If the parent has died already, another process is the parent now, and the child must not start.
    if getppid() != Some(parent) {
        return Err(io::Error::from(rustix::io::Errno::SRCH));
    }
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}
