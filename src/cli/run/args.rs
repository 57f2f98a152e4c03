//! The command line of `goldsmith run`.

use std::path::PathBuf;

use clap::Args;

use crate::cli::options::AccelOption;
use crate::cli::parse::parse_word;
use crate::recipe::verify::{Board, BootKind, Datasource, NetworkAccess};
use crate::syntax;
use crate::units::ByteSize;

/// `goldsmith run`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Run {
    /// The image file, of any format
    #[arg(value_name = "IMAGE")]
    pub(super) image: PathBuf,
    /// Firmware: bios, uefi, secure-boot [default: from the image's partitions]
    #[arg(long, value_name = "KIND", value_parser = parse_word::<BootKind>)]
    pub(super) boot: Option<BootKind>,
    /// Source of metadata: config-drive (default), openstack, nocloud
    #[arg(long, value_name = "HOW", value_parser = parse_word::<Datasource>)]
    pub(super) metadata: Option<Datasource>,
    /// QEMU machine type: q35 (default), pc
    #[arg(long, value_name = "BOARD", value_parser = parse_word::<Board>)]
    pub(super) machine: Option<Board>,
    /// How the machine's processor runs
    #[arg(long, value_enum, default_value_t = AccelOption::Auto)]
    pub(super) accel: AccelOption,
    /// Memory of the machine
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = ByteSize::parse)]
    pub(super) memory: ByteSize,
    /// Number of processors
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    pub(super) cpus: u32,
    /// Size of the machine's disk [default: 2 GiB more than the image]
    #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
    pub(super) disk: Option<ByteSize>,
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

fn parse_user(text: &str) -> Result<String, String> {
    syntax::user(text).map(|()| text.to_owned())
}

fn parse_hostname(text: &str) -> Result<String, String> {
    syntax::host_name(text).map(|()| text.to_owned())
}
