//! The signs that show how far a boot has come.

use std::fmt;

/// A sign of progress during a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sign {
    /// UEFI firmware or SeaBIOS starts.
    Firmware,
    /// The boot loader starts.
    BootLoader,
    /// The kernel's first line.
    Kernel,
    /// The first process starts: systemd's greeting.
    Init,
    /// The kernel killed processes for lack of memory.
    OutOfMemory,
    /// A login prompt.
    LoginPrompt,
    /// cloud-init's last line.
    CloudInitEnd,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Firmware => "firmware",
            Self::BootLoader => "boot loader",
            Self::Kernel => "kernel",
            Self::Init => "init",
            Self::OutOfMemory => "out of memory",
            Self::LoginPrompt => "login prompt",
            Self::CloudInitEnd => "cloud-init's end",
        })
    }
}
