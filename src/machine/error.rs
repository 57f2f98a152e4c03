//! Errors of machines: the reasons why one cannot be started or used.

use std::io;
use std::process::ExitStatus;

use super::config::MachineConfig;
use crate::fsx::PathError;
use crate::recipe::Arch;
use crate::recipe::verify::BootKind;
use crate::units::ByteSize;

/// An error of a machine.
#[derive(Debug, thiserror::Error)]
pub enum MachineError {
    /// QEMU cannot be run.
    #[error("cannot run {program}")]
    NoQemu {
        /// Name of the program.
        program: String,
        /// Architecture of the machine.
        arch: Arch,
        /// Error of the system.
        #[source]
        source: io::Error,
    },
    /// The host has no firmware of this kind.
    #[error("this host has no firmware for a machine of {} that boots by {boot}", arch.name())]
    NoFirmware {
        /// Kind of boot.
        boot: BootKind,
        /// Architecture of the machine.
        arch: Arch,
    },
    /// Such a machine does not exist.
    #[error("{0}")]
    Unsupported(String),
    /// Another program uses the disk, or an image below it.
    #[error("the disk {} is in use by another machine", disk.display())]
    DiskInUse {
        /// Path of the disk or image.
        disk: std::path::PathBuf,
    },
    /// The host does not have the memory.
    #[error("this host does not have the {0} of memory of the machine")]
    NoMemory(ByteSize),
    /// No port of the host was free for SSH.
    #[error("no port of this host is free for the machine's SSH")]
    Port {
        /// Error of the system.
        #[source]
        source: io::Error,
    },
    /// QEMU ended at once, with these last messages.
    #[error("QEMU ended at once: {0}")]
    AtOnce(String),
    /// QEMU does not answer or refuses a command, with these last messages.
    #[error("the machine's QEMU does not obey: {0}")]
    Gone(String),
    /// The sockets could not be made.
    #[error("cannot make a connection to QEMU")]
    Sockets(#[source] io::Error),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] PathError),
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl MachineError {
    /// Returns a hint for the user.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoQemu { arch, source, .. } if source.kind() == io::ErrorKind::NotFound => {
                let package = match arch {
                    Arch::X86_64 => "qemu-system-x86",
                    Arch::Aarch64 => "qemu-system-arm",
                };
                format!("install QEMU for {}: Debian's package {package}", arch.name())
            }
            Self::NoFirmware { boot: BootKind::SecureBoot, arch: Arch::Aarch64 } => {
                "boot it by `uefi`: hardly any distribution has firmware with keys for aarch64".to_owned()
            }
            Self::NoFirmware { arch, .. } => {
                let (debian, fedora) = match arch {
                    Arch::X86_64 => ("ovmf", "edk2-ovmf"),
                    Arch::Aarch64 => ("qemu-efi-aarch64", "edk2-aarch64"),
                };
                format!("install it: Debian's package {debian}, Fedora's {fedora}")
            }
            Self::DiskInUse { .. } => "end the other machine, or boot a copy".to_owned(),
            Self::NoMemory(_) => "give the machine less by `memory`, or end something else".to_owned(),
            _ => return None,
        })
    }
}

/// Returns QEMU's last messages, or its exit status if it printed nothing.
pub(super) fn words(last_lines: &[String], status: ExitStatus) -> String {
    // QEMU begins each line with its own name.
    let last_lines: Vec<_> =
        last_lines.iter().map(|line| line.split_once(": ").map_or(line.as_str(), |(_, rest)| rest)).collect();
    if last_lines.is_empty() { status.to_string() } else { last_lines.join("\n") }
}

/// Finds the error in what QEMU printed before it ended.
pub(super) fn at_once(config: &MachineConfig, last_lines: &[String], status: ExitStatus) -> MachineError {
    let words = words(last_lines, status);
    if words.contains("Could not set up host forwarding rule") {
        MachineError::Port { source: io::ErrorKind::AddrInUse.into() }
    } else if words.contains("cannot set up guest memory") || words.contains("Cannot allocate memory") {
        MachineError::NoMemory(config.memory)
    } else if words.contains("Failed to get \"write\" lock") || words.contains("Failed to get shared \"write\" lock") {
        MachineError::DiskInUse { disk: locked(&words).unwrap_or_else(|| config.disk.clone()) }
    } else {
        MachineError::AtOnce(words)
    }
}

/// Returns the file that another program uses, as QEMU names it. It may be an image below the disk.
fn locked(words: &str) -> Option<std::path::PathBuf> {
    let (_, rest) = words.split_once("Is another process using the image [")?;
    rest.rsplit_once("]?").map(|(path, _)| path.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt as _;

    #[test]
    fn last_words_of_qemu_are_without_its_name() {
        let failed = ExitStatus::from_raw(1 << 8);
        let last_lines = ["qemu-system-x86_64: -blockdev {}: Could not open 'x': No such file".to_owned()];
        assert_eq!(words(&last_lines, failed), "-blockdev {}: Could not open 'x': No such file");
        assert_eq!(words(&[], failed), "exit status: 1");
        let last_lines =
            "-blockdev {}: Failed to get shared \"write\" lock\nIs another process using the image [/a/b [1].raw]?";
        assert_eq!(locked(last_lines), Some("/a/b [1].raw".into()));
        assert_eq!(locked("Failed to get \"write\" lock"), None);
    }
}
