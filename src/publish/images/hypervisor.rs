//! Finds hardware that an image asks for and its kind of hypervisor does not offer: Nova refuses to start a server from such an
//! image.

use super::record::Record;
use crate::publish::problem::Problem;

/// Properties that name the kind of hypervisor; the second one is the older name.
const KIND: [&str; 2] = ["img_hv_type", "hypervisor_type"];

/// A kind of hypervisor, its disk buses and its models of network cards; `None` if its driver checks nothing.
struct Kind {
    names: &'static [&'static str],
    hw_disk_bus: Option<&'static [&'static str]>,
    hw_vif_model: Option<&'static [&'static str]>,
}

/// From Nova's drivers: `is_disk_bus_valid_for_virt` in virt/libvirt/blockinfo.py and `SUPPORTED_VIF_MODELS` in
/// virt/libvirt/vif.py; for VMware, from Glance's catalog of metadata definitions.
const KINDS: [Kind; 5] = [
    Kind {
        names: &["kvm", "qemu"],
        hw_disk_bus: Some(&["virtio", "scsi", "ide", "sata", "usb", "fdc"]),
        hw_vif_model: Some(&[
            "virtio",
            "e1000",
            "e1000e",
            "igb",
            "ne2k_pci",
            "pcnet",
            "rtl8139",
            "vmxnet3",
            "lan9118",
            "spapr-vlan",
        ]),
    },
    Kind {
        names: &["xen"],
        hw_disk_bus: Some(&["xen", "ide"]),
        hw_vif_model: Some(&["netfront", "e1000", "ne2k_pci", "pcnet", "rtl8139"]),
    },
    Kind {
        names: &["parallels"],
        hw_disk_bus: Some(&["ide", "scsi", "sata"]),
        hw_vif_model: Some(&["virtio", "e1000", "rtl8139"]),
    },
    Kind { names: &["lxc"], hw_disk_bus: Some(&["lxc"]), hw_vif_model: Some(&[]) },
    Kind {
        names: &["vmware"],
        hw_disk_bus: None,
        hw_vif_model: Some(&[
            "e1000",
            "e1000e",
            "VirtualE1000",
            "VirtualE1000e",
            "VirtualPCNet32",
            "VirtualSriovEthernetCard",
            "VirtualVmxnet",
            "VirtualVmxnet3",
        ]),
    },
];

/// Returns properties that ask for hardware that the image's kind of hypervisor lacks. An image without a kind has none.
pub(super) fn problems(wanted: &Record) -> Vec<Problem> {
    let properties = &wanted.properties.values;
    let said = KIND.iter().find_map(|name| properties.get(*name));
    let known = said.and_then(|said| KINDS.iter().find(|kind| kind.names.contains(&said.to_lowercase().as_str())));
    let (Some(said), Some(kind)) = (said, known) else { return Vec::new() };
    let limited = [("hw_disk_bus", kind.hw_disk_bus), ("hw_vif_model", kind.hw_vif_model)];
    let wrong = limited.into_iter().filter_map(|(name, allowed)| {
        let (value, allowed) = (properties.get(name)?, allowed?);
        (!allowed.contains(&value.as_str())).then(|| Problem {
            message: format!("a machine of {said} has no `{name}` of `{value}`"),
            help: match allowed {
                [] => "it has none at all: an empty value leaves the property out".to_owned(),
                allowed => format!("it has {}", allowed.join(", ")),
            },
        })
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::images::properties::Properties;
    use crate::recipe::publish::Visibility;

    #[test]
    fn kinds_of_hypervisors_have_hardware_of_their_own() {
        for (properties, messages) in [
            (&[("hw_disk_bus", "xen")][..], &[][..]),
            (&[("img_hv_type", "kvm"), ("hw_disk_bus", "virtio"), ("hw_vif_model", "virtio")], &[]),
            (&[("img_hv_type", "QEMU"), ("hw_disk_bus", "xen")], &["a machine of QEMU has no `hw_disk_bus` of `xen`"]),
            (
                &[("hypervisor_type", "vmware"), ("hw_disk_bus", "scsi"), ("hw_vif_model", "virtio")],
                &["a machine of vmware has no `hw_vif_model` of `virtio`"],
            ),
            (
                &[("img_hv_type", "lxc"), ("hw_vif_model", "e1000")],
                &["a machine of lxc has no `hw_vif_model` of `e1000`"],
            ),
            (&[("img_hv_type", "ironic"), ("hw_disk_bus", "floppy")], &[]),
        ] {
            let values = properties.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let wanted = Record {
                name: "gold".to_owned(),
                visibility: Visibility::Private,
                tags: Vec::new(),
                protected: false,
                hidden: false,
                properties: Properties { values, ..Properties::default() },
            };
            let told: Vec<_> = problems(&wanted).into_iter().map(|problem| problem.message).collect();
            assert_eq!(told, messages, "{properties:?}");
        }
    }
}
