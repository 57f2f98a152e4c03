//! Which firmware a disk boots under.

use super::schema::Layout;
use crate::vocabulary::{Arch, Firmware};

impl Layout {
    /// Returns the layout of a new disk whose recipe names none: for all firmware of the architecture.
    pub fn default_of(arch: Arch) -> Self {
        if arch.has_bios() { Self::BiosUefi } else { Self::Uefi }
    }

    /// Firmware that a disk with this layout boots under.
    pub fn firmware(self) -> Vec<Firmware> {
        match self {
            Self::BiosUefi => vec![Firmware::Bios, Firmware::Uefi],
            Self::Bios => vec![Firmware::Bios],
            Self::Uefi => vec![Firmware::Uefi],
        }
    }

    /// Returns the layout of a disk that boots under this firmware. If none is known, the disk may boot under any.
    pub fn of(firmware: &[Firmware]) -> Self {
        match firmware {
            [Firmware::Bios] => Self::Bios,
            [Firmware::Uefi] => Self::Uefi,
            _ => Self::BiosUefi,
        }
    }
}
