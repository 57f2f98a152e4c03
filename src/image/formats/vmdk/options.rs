//! The options of VMDK files, which OVA files have too.

use crate::image::options::{Adapter, FormatOptions};

/// The properties that a VMDK descriptor states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VmdkOptions {
    /// Disk adapter.
    pub adapter: Adapter,
    /// `ddb.toolsVersion`.
    pub tools_version: u32,
}

impl VmdkOptions {
    /// Returns the properties that options ask for.
    pub(in crate::image) fn new(options: &FormatOptions) -> Self {
        Self {
            adapter: options.adapter.unwrap_or_default(),
            tools_version: options.tools_version.unwrap_or(i32::MAX.unsigned_abs()),
        }
    }
}
