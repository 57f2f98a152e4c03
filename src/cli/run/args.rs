//! The command line of `goldsmith run`.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failure::Failure;
use crate::cli::history;
use crate::cli::options::{CacheOption, MachineOptions};
use crate::cli::parse::parse_word;
use crate::recipe::Verify;
use crate::recipe::verify::{BootKind, DEFAULT_CPUS, Datasource, NetworkAccess};
use crate::syntax;
use crate::units::ByteSize;

/// `goldsmith run`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Run {
    /// The image file, of any format, or the directory with the artifacts of a build
    #[arg(value_name = "IMAGE|DIR", required_unless_present = "last")]
    pub(in crate::cli) image: Option<PathBuf>,
    /// Boot the disk image that was built last with this cache
    #[arg(long, conflicts_with = "image")]
    last: bool,
    /// Firmware: bios, uefi, secure-boot [default: from the image's partitions]
    #[arg(long, value_name = "KIND", value_parser = parse_word::<BootKind>)]
    pub(super) boot: Option<BootKind>,
    /// Source of metadata: config-drive (default), openstack, nocloud
    #[arg(long, value_name = "HOW", value_parser = parse_word::<Datasource>)]
    pub(super) metadata: Option<Datasource>,
    /// The cache.
    #[command(flatten)]
    pub(in crate::cli) cache: CacheOption,
    /// The machine.
    #[command(flatten)]
    pub(super) machine: MachineOptions,
    /// What the machine reaches: user (what this host reaches), host (this host too), isolated (nothing) [default: user if
    /// this cache built the image, else isolated]
    #[arg(long, value_name = "ACCESS", value_parser = parse_word::<NetworkAccess>)]
    pub(super) network: Option<NetworkAccess>,
    /// Trust manifest.json beside the image although this cache did not write it
    #[arg(long)]
    pub(super) trust_manifest: bool,
    /// Account in the printed SSH command
    #[arg(long, value_name = "NAME", value_parser = parse_user)]
    pub(super) user: Option<String>,
    /// Host name of the instance [default: goldsmith]
    #[arg(long, value_name = "NAME", value_parser = parse_hostname)]
    pub(super) hostname: Option<String>,
    /// File with user data for cloud-init
    #[arg(long, value_name = "FILE")]
    pub(super) user_data: Option<PathBuf>,
    /// Keep the machine's disk, key and identity in this directory; the same directory starts the same machine again
    #[arg(long, value_name = "DIR")]
    pub(super) keep: Option<PathBuf>,
}

impl Run {
    /// Finds the image if it is not named.
    pub(super) fn found(mut self, cache: &Path) -> Result<Self, Failure> {
        if self.last {
            self.image = Some(history::last_image(cache)?);
        }
        Ok(self)
    }

    /// The image file.
    pub(super) fn image(&self) -> &Path {
        self.image.as_deref().unwrap_or(Path::new(""))
    }

    /// Memory of the machine.
    pub(super) fn memory(&self) -> ByteSize {
        self.machine.memory.unwrap_or(Verify::default().memory)
    }

    /// Number of its processors.
    pub(super) fn cpus(&self) -> u32 {
        self.machine.cpus.unwrap_or(DEFAULT_CPUS)
    }
}

fn parse_user(text: &str) -> Result<String, String> {
    syntax::user(text).map(|()| text.to_owned())
}

fn parse_hostname(text: &str) -> Result<String, String> {
    syntax::host_name(text).map(|()| text.to_owned())
}
