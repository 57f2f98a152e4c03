//! Options of the machines that boot an image.

use clap::Args;

use super::AccelOption;
use crate::cli::parse::parse_word;
use crate::recipe::verify::Board;
use crate::units::ByteSize;

/// The machine. What is not given is that of the manifest, or the default.
#[derive(Debug, Args)]
pub(in crate::cli) struct MachineOptions {
    /// QEMU machine type: q35 or pc [default: q35]
    #[arg(long, value_name = "BOARD", value_parser = parse_word::<Board>)]
    pub(in crate::cli) machine: Option<Board>,
    /// How the machine's processor runs
    #[arg(long, value_enum, default_value_t = AccelOption::Auto)]
    pub(in crate::cli) accel: AccelOption,
    /// Memory of the machine [default: 1GiB]
    #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
    pub(in crate::cli) memory: Option<ByteSize>,
    /// Number of processors of the machine [default: 2; `verify` without KVM: 1 if the host has too few for all machines at once]
    #[arg(long, value_name = "NUMBER")]
    pub(in crate::cli) cpus: Option<u32>,
    /// Size of the machine's disk [default: 2 GiB more than the image]
    #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
    pub(in crate::cli) disk: Option<ByteSize>,
}
