//! The troubles that a boot may have, with advice about each.

use std::fmt;
use std::time::Duration;

use super::super::end::End;
use crate::units::ByteSize;

/// The reason why a boot stopped. Most contain the line that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The kernel panicked; the line is empty if only QEMU reported it.
    Panic(String),
    /// The kernel found no root file system.
    NoRoot(String),
    /// The boot loader stopped.
    BootLoader(String),
    /// The firmware found nothing to start.
    NothingToBoot(String),
    /// Secure Boot refused to start a program.
    SecureBoot(String),
    /// A shell waits for a person.
    EmergencyShell(String),
    /// The guest asks for a passphrase of an encrypted disk.
    Passphrase(String),
    /// The boot begins again and again.
    Loop {
        /// The repeated line.
        line: String,
        /// Number of times.
        times: u32,
    },
    /// The guest shows nothing any more.
    Silence {
        /// Time without output.
        quiet: Duration,
        /// The last line on the serial console or the screen; empty if there is none.
        last: String,
    },
    /// The guest prints without end.
    Flood {
        /// Number of printed bytes.
        bytes: u64,
    },
    /// The machine ended.
    Ended(End),
}

impl Trouble {
    /// Hint for a guest that shows nothing.
    pub const SILENT: &'static str =
        "see what the screen shows; an image without `console=ttyS0` among its kernel's arguments boots in silence";

    /// Returns whether no kernel was started, so that the kernel is not the cause.
    pub fn is_before_kernel(&self) -> bool {
        matches!(self, Self::NothingToBoot(_) | Self::BootLoader(_) | Self::SecureBoot(_))
    }

    /// Returns a hint for the user.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Panic(_) => "the lines before it on the serial console say more",
            Self::NoRoot(_) => {
                "compare `root=` of the kernel's arguments with the disk, and see that the initramfs has the driver of virtio disks"
            }
            Self::BootLoader(_) => "compare the boot loader's configuration with the disk: partitions and UUIDs",
            Self::NothingToBoot(_) => {
                "install a boot loader for this firmware, under UEFI as \\EFI\\BOOT\\BOOTX64.EFI on an EFI system partition"
            }
            Self::SecureBoot(_) => "install the distribution's signed shim, boot loader and kernel",
            Self::EmergencyShell(_) => {
                "the lines before it say which unit or file system failed; look at /etc/fstab first"
            }
            Self::Passphrase(_) => "an image for a cloud cannot ask for a passphrase: make it without encryption",
            Self::Loop { .. } => "see what the lines between say",
            Self::Silence { .. } => Self::SILENT,
            Self::Flood { .. } => "see what it prints; it takes time and, in a cloud, space",
            Self::Ended(End::Reset) => "the lines before it may say why it wanted to start again",
            Self::Ended(End::QemuFailed(_)) => "QEMU's words say why; boot it again",
            Self::Ended(_) => "see what the serial console shows last",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, line) = match self {
            Self::Panic(line) => ("the kernel panicked", line.as_str()),
            Self::NoRoot(line) => ("the kernel found no root file system", line.as_str()),
            Self::BootLoader(line) => ("the boot loader stopped", line.as_str()),
            Self::NothingToBoot(line) => ("the firmware found nothing to boot", line.as_str()),
            Self::SecureBoot(line) => ("Secure Boot refused to start it", line.as_str()),
            Self::EmergencyShell(line) => ("it stopped at a shell", line.as_str()),
            Self::Passphrase(line) => ("it asks for a passphrase", line.as_str()),
            Self::Loop { line, times } => return write!(f, "it began {times} times: {line}"),
            Self::Silence { quiet, last } if last.is_empty() => {
                return write!(f, "it showed nothing for {} s", quiet.as_secs());
            }
            Self::Silence { quiet, last } => {
                return write!(f, "it showed nothing for {} s after: {last}", quiet.as_secs());
            }
            Self::Flood { bytes } => {
                return write!(f, "it printed {} without coming to an end", ByteSize::bytes(*bytes));
            }
            Self::Ended(end) => return write!(f, "{}", ended(end)),
        };
        if line.is_empty() { f.write_str(what) } else { write!(f, "{what}: {line}") }
    }
}

pub(super) fn ended(end: &End) -> String {
    match end {
        End::PoweredOff => "it shut down by itself".to_owned(),
        End::Reset => "it wanted to start again".to_owned(),
        End::Panicked => "the kernel panicked".to_owned(),
        End::Killed => "it was ended".to_owned(),
        End::QemuFailed(words) => format!("QEMU failed: {words}"),
    }
}
