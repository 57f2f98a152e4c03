//! Nova's metadata documents about an instance.
//!
//! Names, versions and the content of each version are those of `nova/api/metadata/base.py`. The network document is that of
//! `get_network_metadata` in `nova/virt/netutils.py`, for a network with a DHCP server.

use serde_json::{Map, Value, json};

use super::Instance;

/// Versions of the EC2 documents, oldest first (`VERSIONS`).
pub(super) const EC2_VERSIONS: [&str; 9] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
];

/// Versions of OpenStack's own documents, oldest first (`OPENSTACK_VERSIONS`).
pub(super) const OPENSTACK_VERSIONS: [&str; 10] = [
    "2012-08-10",
    "2013-04-04",
    "2013-10-17",
    "2015-10-15",
    "2016-06-30",
    "2016-10-06",
    "2017-02-22",
    "2018-08-27",
    "2020-10-14",
    "2025-04-04",
];

/// File to which an instance posts its administrator's password.
pub(super) const PASSWORD: &str = "password";

const META_DATA: &str = "meta_data.json";
const USER_DATA: &str = "user_data";
const VENDOR_DATA: &str = "vendor_data.json";
const VENDOR_DATA_2: &str = "vendor_data2.json";
const NETWORK_DATA: &str = "network_data.json";

/// Files that Nova serves as JSON. It serves the network document as text.
pub(super) const JSON_FILES: [&str; 3] = [META_DATA, VENDOR_DATA, VENDOR_DATA_2];

/// Returns the version with a name, if there is one.
fn version<'a>(versions: &[&'a str], name: &str) -> Option<&'a str> {
    if name == "latest" { versions.last().copied() } else { versions.iter().copied().find(|known| *known == name) }
}

/// Returns the names of the files in a version of OpenStack's documents, in Nova's order (`_handle_version`).
pub(super) fn openstack_files(instance: &Instance, name: &str) -> Option<Vec<&'static str>> {
    let version = version(&OPENSTACK_VERSIONS, name)?;
    // Versions are dates, so they sort as text.
    let since = |first: &str| version >= first;
    let files = [
        (META_DATA, true),
        (USER_DATA, !instance.user_data.is_empty()),
        (PASSWORD, since("2013-04-04")),
        (VENDOR_DATA, since("2013-10-17")),
        (NETWORK_DATA, since("2015-10-15")),
        (VENDOR_DATA_2, since("2016-10-06")),
    ];
    Some(files.into_iter().filter(|(_, there)| *there).map(|(file, _)| file).collect())
}

/// Returns a file in a version of OpenStack's documents, except [`PASSWORD`].
pub(super) fn openstack_file(instance: &Instance, name: &str, file: &str) -> Option<Vec<u8>> {
    let version = version(&OPENSTACK_VERSIONS, name)?;
    // Nova serves the network document in all versions, listed or not.
    if file != NETWORK_DATA && !openstack_files(instance, version)?.contains(&file) {
        return None;
    }
    let document = match file {
        META_DATA => meta_data(instance, version),
        USER_DATA => return Some(instance.user_data.clone()),
        NETWORK_DATA => network_data(instance),
        // Answers of a cloud without vendor data.
        VENDOR_DATA => json!({}),
        VENDOR_DATA_2 => json!({ "static": {} }),
        _ => return None,
    };
    Some(document.to_string().into_bytes())
}

/// Makes `meta_data.json` (`_metadata_as_json`).
fn meta_data(instance: &Instance, version: &str) -> Value {
    let mut document = json!({
        "uuid": instance.uuid,
        "public_keys": { &instance.key_name: instance.public_key },
        "keys": [{ "name": instance.key_name, "type": "ssh", "data": instance.public_key }],
        "hostname": instance.hostname,
        "name": instance.name,
        "launch_index": instance.launch_index,
        "availability_zone": instance.availability_zone,
    });
    for (since, key, value) in [
        ("2013-04-04", "random_seed", json!(instance.random_seed)),
        ("2015-10-15", "project_id", json!(instance.project_id)),
        ("2016-06-30", "devices", json!([])),
        ("2020-10-14", "dedicated_cpus", json!([])),
    ] {
        if version >= since {
            document[key] = value;
        }
    }
    document
}

/// Makes the network document: one card, configured by DHCP.
fn network_data(instance: &Instance) -> Value {
    // Neutron names the device on the host after the port, cut to the length that Linux allows.
    let device: String = format!("tap{}", instance.port_id).chars().take(14).collect();
    let services: Vec<_> =
        instance.dns.iter().map(|address| json!({ "type": "dns", "address": address.to_string() })).collect();
    json!({
        "links": [{
            "id": device,
            "vif_id": instance.port_id,
            "type": "ovs",
            // DHCP provides it.
            "mtu": null,
            "ethernet_mac_address": instance.mac,
        }],
        "networks": [{ "id": "network0", "type": "ipv4_dhcp", "link": device, "network_id": instance.network_id }],
        "services": services,
    })
}

/// Makes a version of the EC2 metadata tree (`get_ec2_metadata`), sorted like its listing.
///
/// As in Nova, the key's directory has its name among its entries, also on config drives.
pub(super) fn ec2(instance: &Instance, name: &str) -> Option<Value> {
    let version = version(&EC2_VERSIONS, name)?;
    // Nova counts instances and reservations. It is enough that these ids differ.
    let digits: String = instance.uuid.chars().filter(char::is_ascii_hexdigit).collect();
    let digits = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default().to_owned();
    let mut entries = vec![
        ("1.0", "ami-id", json!("ami-00000001")),
        ("1.0", "ami-launch-index", json!(instance.launch_index)),
        // Nova answers exactly this.
        ("1.0", "ami-manifest-path", json!("FIXME")),
        ("1.0", "hostname", json!(instance.hostname)),
        ("1.0", "instance-id", json!(format!("i-{}", digits(0..8)))),
        ("1.0", "local-ipv4", json!(instance.address.to_string())),
        (
            "1.0",
            "public-keys",
            json!({ "0": { "_name": format!("0={}", instance.key_name), "openssh-key": instance.public_key } }),
        ),
        ("1.0", "reservation-id", json!(format!("r-{}", digits(8..16)))),
        ("1.0", "security-groups", json!(["default"])),
        ("2007-01-19", "local-hostname", json!(instance.hostname)),
        ("2007-01-19", "public-hostname", json!(instance.hostname)),
        ("2007-01-19", "public-ipv4", json!("")),
        ("2007-08-29", "instance-type", json!(instance.instance_type)),
        ("2007-12-15", "block-device-mapping", json!({ "ami": "vda", "root": "/dev/vda" })),
        ("2008-02-01", "placement", json!({ "availability-zone": instance.availability_zone })),
        ("2008-09-01", "instance-action", json!("none")),
    ];
    // As text, `1.0` is less than every date.
    entries.retain(|(since, ..)| version >= *since);
    entries.sort_unstable_by_key(|(_, key, _)| *key);
    Some(Value::Object(entries.into_iter().map(|(_, key, value)| (key.to_owned(), value)).collect::<Map<_, _>>()))
}
