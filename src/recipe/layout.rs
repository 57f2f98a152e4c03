//! Which firmware a disk boots under.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::vocabulary::{Arch, Firmware};

/// Firmware a disk is laid out for. The root partition is always the last on the disk, so that it can grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Layout {
    /// GPT with a BIOS boot partition and an EFI system partition.
    #[serde(rename = "bios+uefi")]
    BiosUefi,
    /// GPT with a BIOS boot partition.
    #[serde(rename = "bios")]
    Bios,
    /// GPT with an EFI system partition.
    #[serde(rename = "uefi")]
    Uefi,
}

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
