//! The command line of `goldsmith verify`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::cli::options::AccelOption;
use crate::cli::parse::parse_word;
use crate::recipe::verify::{Accept, Board, BootKind, Datasource, NetworkAccess};
use crate::units::{ByteSize, parse_duration};

/// `goldsmith verify`. What is not said is as `manifest.json` beside the image says, if the image was built with this cache.
#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// The image file, of any format; if it was built with this cache, its elements' checks are known too
    #[arg(value_name = "IMAGE", required_unless_present = "list")]
    pub(super) image: Option<PathBuf>,
    /// List the checks, and what is true where each is kept
    #[arg(long, conflicts_with = "image")]
    pub(super) list: bool,
    /// Look at the disk only: boot nothing
    #[arg(long = "static", conflicts_with_all = ["boot", "measure"])]
    pub(super) statics: bool,
    /// Firmware to boot under: bios, uefi, secure-boot, or several with commas [default: what the disk can boot under]
    #[arg(long, value_name = "KIND", value_delimiter = ',', value_parser = parse_word::<BootKind>)]
    pub(super) boot: Option<Vec<BootKind>>,
    /// Ways to offer metadata: config-drive, openstack, nocloud, or several with commas [default: config-drive]
    #[arg(long, value_name = "WAY", value_delimiter = ',', value_parser = parse_word::<Datasource>)]
    pub(super) metadata: Option<Vec<Datasource>>,
    /// Board of the machine: q35 or pc [default: q35]
    #[arg(long, value_name = "BOARD", value_parser = parse_word::<Board>)]
    pub(super) machine: Option<Board>,
    /// Memory of the machine [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
    pub(super) memory: Option<ByteSize>,
    /// Number of processors of the machine [default: 2]
    #[arg(long, value_name = "NUMBER")]
    pub(super) cpus: Option<u32>,
    /// Size of the disk, as a flavor gives it [default: 2 GiB more than the image has]
    #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
    pub(super) disk: Option<ByteSize>,
    /// What the image may reach while it runs: user (what this host reaches), host (this host too), isolated (nothing)
    /// [default: isolated, or as the recipe says if the image was built with this cache]
    #[arg(long, value_name = "ACCESS", value_parser = parse_word::<NetworkAccess>)]
    pub(super) network: Option<NetworkAccess>,
    /// Take what manifest.json beside the image says, although this cache did not make it: it may ask for a network, and
    /// name failures that are accepted
    #[arg(long)]
    pub(super) trust_manifest: bool,
    /// Account that the key must log in as [default: cloud-init's default user in the image]
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<String>,
    /// A service that may listen on all addresses: tcp/80; may be given several times
    #[arg(long, value_name = "PROTOCOL/PORT")]
    pub(super) listen: Vec<String>,
    /// Find out the least memory and disk the image boots with
    #[arg(long)]
    pub(super) measure: bool,
    /// How long one boot may take [default: 10min]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub(super) deadline: Option<Duration>,
    /// A check whose failure is known, and why it is no failure; may be given several times
    #[arg(long, value_name = "CHECK=REASON", value_parser = parse_accept)]
    pub(super) accept: Vec<Accept>,
    /// Write report.html, report.json and junit.xml into this directory
    #[arg(long, value_name = "DIR")]
    pub(super) report: Option<PathBuf>,
    /// Show every check, not only what failed
    #[arg(long)]
    pub(super) all: bool,
    /// How processors are provided
    #[arg(long, value_enum, default_value_t = AccelOption::Auto)]
    pub(super) accel: AccelOption,
}

fn parse_accept(text: &str) -> Result<Accept, String> {
    match text.split_once('=') {
        Some((check, because)) if !check.is_empty() => {
            Ok(Accept { check: check.to_owned(), because: because.to_owned() })
        }
        _ => Err("write it like boot-time=reason".to_owned()),
    }
}
