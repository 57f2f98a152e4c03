//! Facts about an image for `goldsmith run`, which need no guest.

use std::path::Path;

use super::args::Run;
use super::manifest::Manifest;
use crate::cli::booting::fitting;
use crate::cli::failure::Failure;
use crate::cli::hints;
use crate::export::origin::Origin;
use crate::fsx::IoContext as _;
use crate::image::partitions;
use crate::image::read::{self, Options};
use crate::recipe::verify::{Board, BootKind, Known, NetworkAccess, Verify};
use crate::recipe::{Arch, Firmware};
use crate::units::ByteSize;

/// An image, as its headers, its partition table and the manifest in its directory describe it.
pub(super) struct Image {
    pub(super) size: u64,
    pub(super) firmware: Vec<Firmware>,
    pub(super) manifest: Manifest,
    /// Whether this cache built the image, or the user trusts its manifest.
    pub(super) known: bool,
    /// Whether the image has a manifest that is not trusted.
    pub(super) foreign: bool,
}

impl Image {
    pub(super) fn look(args: &Run, cache: &Path) -> Result<Self, Failure> {
        let opened = read::open(args.image(), &Options::default()).map_err(|error| hints::open(&error))?;
        let table = partitions::read(&*opened.source).at(args.image()).map_err(|error| hints::file(&error))?;
        let mut manifest = Manifest::of(args.image());
        let there = manifest != Manifest::default();
        let known = there && (args.trust_manifest || Origin::of(cache).has_built(args.image()));
        if !known {
            // The architecture chooses an emulator and nothing else.
            manifest.user = None;
        }
        let foreign = there && !known;
        Ok(Self { size: opened.source.size(), firmware: table.firmware(), manifest, known, foreign })
    }

    /// Refuses settings that cannot work for the image.
    pub(super) fn check(&self, args: &Run) -> Result<(), Failure> {
        let verify = Verify {
            boot: args.boot.map(|boot| vec![boot]),
            machine: args.machine.machine.unwrap_or(Board::Q35),
            memory: args.memory(),
            cpus: Some(args.cpus()),
            disk: args.machine.disk,
            ..Verify::default()
        };
        let known = Known { arch: Some(self.arch()), disk: Some(ByteSize::bytes(self.size)), firmware: None };
        fitting(&verify, &known)
    }

    /// Returns the default network access of the image.
    pub(super) fn network(&self) -> NetworkAccess {
        if self.known { NetworkAccess::User } else { NetworkAccess::Isolated }
    }

    /// Returns the architecture of the image, or the host's if the image's is unknown.
    pub(super) fn arch(&self) -> Arch {
        let host = Arch::host();
        self.manifest.arch.or(host).unwrap_or(Arch::X86_64)
    }

    /// Returns the firmware with which a cloud would boot the image: BIOS if possible.
    pub(super) fn boot(&self) -> BootKind {
        match self.arch() {
            Arch::Aarch64 => BootKind::Uefi,
            Arch::X86_64 if self.firmware.contains(&Firmware::Bios) => BootKind::Bios,
            Arch::X86_64 if self.firmware.contains(&Firmware::Uefi) => BootKind::Uefi,
            Arch::X86_64 => BootKind::Bios,
        }
    }
}
