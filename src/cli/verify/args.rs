//! The command line of `goldsmith verify`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::options::{CacheOption, MachineOptions};
use crate::cli::parse::parse_word;
use crate::recipe::verify::{Accept, BootKind, Datasource, NetworkAccess};
use crate::units::parse_duration;

/// `goldsmith verify`. `manifest.json` beside the image supplies what the options leave out, if this cache built the image.
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// The image file, of any format, or the directory with the artifacts of a build; if this cache built it, verify also runs its
    /// elements' checks
    #[arg(value_name = "IMAGE|DIR", required_unless_present = "list")]
    pub(in crate::cli) image: Option<PathBuf>,
    /// List all checks with what each requires
    #[arg(long, conflicts_with = "image")]
    pub(super) list: bool,
    /// Check the disk only, and boot nothing
    #[arg(long = "static", conflicts_with_all = ["boot", "measure"])]
    pub(super) statics: bool,
    /// Firmware to boot under: bios, uefi, secure-boot, separated by commas [default: all that the disk can boot under]
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = parse_word::<BootKind>)]
    pub(super) boot: Option<Vec<BootKind>>,
    /// Sources of metadata: config-drive, openstack, nocloud, separated by commas [default: config-drive]
    #[arg(long, value_name = "WAY", value_delimiter = ',', value_parser = parse_word::<Datasource>)]
    pub(super) metadata: Option<Vec<Datasource>>,
    /// The cache.
    #[command(flatten)]
    pub(in crate::cli) cache: CacheOption,
    /// The machine.
    #[command(flatten)]
    pub(super) machine: MachineOptions,
    /// What the machine reaches: user (what this host reaches), host (this host too), isolated (nothing) [default: as in the
    /// recipe if this cache built the image, else isolated]
    #[arg(long, value_name = "ACCESS", value_parser = parse_word::<NetworkAccess>)]
    pub(super) network: Option<NetworkAccess>,
    /// Trust manifest.json beside the image although this cache did not write it; it can ask for a network and accept failures
    #[arg(long)]
    pub(super) trust_manifest: bool,
    /// Account for the login by SSH key [default: the account of the instance's owner in the image]
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// Service that may listen on all addresses, such as tcp/80; repeat the option for several
    #[arg(long, value_name = "PROTOCOL/PORT")]
    pub(super) listen: Vec<String>,
    /// Measure the least memory and the smallest disk with which the image boots
    #[arg(long)]
    pub(super) measure: bool,
    /// How long one boot may take [default: 10min]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) deadline: Option<Duration>,
    /// Accept the failure of a check, with a reason; repeat the option for several
    #[arg(long, value_name = "CHECK=REASON", value_parser = parse_accept)]
    pub(super) accept: Vec<Accept>,
    /// Write report.html, report.json and junit.xml into this directory
    #[arg(long, value_name = "DIR")]
    pub(super) report: Option<PathBuf>,
    /// Show all checks, not only the failed ones
    #[arg(long)]
    pub(super) all: bool,
}

fn parse_accept(text: &str) -> Result<Accept, String> {
    match text.split_once('=') {
        Some((check, because)) if !check.is_empty() => {
            Ok(Accept { check: check.to_owned(), because: because.to_owned() })
        }
        _ => Err("write it like boot-time=reason".to_owned()),
    }
}
