//! What an image says of itself, found out in the guest that builds it.

use serde_json::json;

use super::{Examination, Subject};
use crate::build::Examiner;
use crate::guest::Devices;
use crate::inspect::{self, Tree};
use crate::plan::Plan;
use crate::recipe::{Arch, Firmware};

/// Revision of what [`examiner`] finds.
const REVISION: &str = "subject 1";

/// Looks at the final disk of a plan, for an [`Examination`].
pub fn examiner(plan: &Plan) -> Examiner<'_> {
    Examiner {
        key: REVISION.to_owned(),
        examine: Box::new(|guest, _, packages| {
            let tree = Tree::load(guest, &[], &inspect::wanted())?;
            let system = inspect::of_tree(&tree, &Devices::default(), &plan.disk.firmware);
            let loader = if plan.arch == Arch::X86_64 { "shimx64.efi" } else { "shimaa64.efi" };
            let signed = !tree.glob(&format!("/boot/efi/EFI/*/{loader}")).is_empty();
            let subject = Subject {
                distro: Some(plan.distro.name.clone()),
                product: None,
                version: Some(plan.distro.version.clone()),
                arch: Some(plan.arch.name().to_owned()),
                firmware: plan.disk.firmware.clone(),
                secure_boot: signed && plan.disk.firmware.contains(&Firmware::Uefi),
                default_user: system.cloud_init.and_then(|cloud_init| cloud_init.default_user),
                guest_agent: packages.iter().any(|package| package.name == "qemu-guest-agent"),
            };
            Ok(json!(Examination { subject, packages: packages.to_vec(), ..Examination::default() }))
        }),
    }
}
