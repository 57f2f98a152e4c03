//! The facts that a cloud knows about an instance.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::random::{random, random_uuid};

/// Address of the instance in its metadata: the first one that QEMU's DHCP server gives.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 15);

/// The facts that a cloud knows about an instance. They can be saved, to start the same instance again later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// UUID of version 4, which is also in the machine's firmware tables.
    pub uuid: String,
    /// Host name.
    pub hostname: String,
    /// Name for people; Nova derives the host name from it.
    pub name: String,
    /// Public key of the user, as a line of `authorized_keys`.
    pub public_key: String,
    /// Name of the key.
    pub key_name: String,
    /// User data, usually a script or configuration for cloud-init; may be empty.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub user_data: Vec<u8>,
    /// Name servers, in addition to those from DHCP.
    pub dns: Vec<IpAddr>,
    /// MAC address of the network card: `fa:16:3e:01:02:03`.
    pub mac: String,
    /// Address of the instance in its network.
    pub address: Ipv4Addr,
    /// Random seed: 512 bytes in base64.
    pub random_seed: String,
    /// Availability zone.
    pub availability_zone: String,
    /// Id of the project: 32 hexadecimal digits.
    pub project_id: String,
    /// Id of the network card's port.
    pub port_id: String,
    /// Id of the network.
    pub network_id: String,
    /// Index among instances that were started together, from 0.
    pub launch_index: u32,
    /// Name of the flavor.
    pub instance_type: String,
}

impl Instance {
    /// Makes an instance with new random ids.
    pub fn new(hostname: &str, public_key: &str, user_data: Vec<u8>) -> Self {
        let [a, b, c] = random();
        Self {
            uuid: random_uuid().to_string(),
            hostname: hostname.to_owned(),
            name: hostname.to_owned(),
            public_key: public_key.trim().to_owned(),
            key_name: "goldsmith".to_owned(),
            user_data,
            dns: Vec::new(),
            // The prefix is Neutron's `base_mac`.
            mac: format!("fa:16:3e:{a:02x}:{b:02x}:{c:02x}"),
            address: ADDRESS,
            random_seed: STANDARD.encode(random::<512>()),
            availability_zone: "nova".to_owned(),
            project_id: random_uuid().simple().to_string(),
            port_id: random_uuid().to_string(),
            network_id: random_uuid().to_string(),
            launch_index: 0,
            instance_type: "goldsmith".to_owned(),
        }
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Returns an instance that is the same in every test.
    pub(in crate::metadata) fn instance() -> Instance {
        Instance {
            uuid: "6f1c5e2a-0d3b-4c7e-9a58-1b2c3d4e5f60".to_owned(),
            hostname: "gold-test".to_owned(),
            name: "gold-test".to_owned(),
            public_key: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample test".to_owned(),
            key_name: "goldsmith".to_owned(),
            user_data: b"#!/bin/sh\ntrue\n".to_vec(),
            dns: vec![IpAddr::from([172, 16, 0, 3])],
            mac: "fa:16:3e:01:02:03".to_owned(),
            address: ADDRESS,
            random_seed: STANDARD.encode([7; 6]),
            availability_zone: "nova".to_owned(),
            project_id: "0123456789abcdef0123456789abcdef".to_owned(),
            port_id: "aa1c5e2a-0d3b-4c7e-9a58-1b2c3d4e5f60".to_owned(),
            network_id: "bb1c5e2a-0d3b-4c7e-9a58-1b2c3d4e5f60".to_owned(),
            launch_index: 0,
            instance_type: "goldsmith".to_owned(),
        }
    }

    #[test]
    fn an_instance_that_was_written_down_is_the_same() {
        let instance = Instance { user_data: vec![0, 0xff, b'x'], ..instance() };
        let text = serde_json::to_string(&instance).expect("text");
        assert!(text.contains(r#""user_data":"AP94""#), "{text}");
        assert_eq!(serde_json::from_str::<Instance>(&text).expect("an instance"), instance);
    }

    #[test]
    fn every_instance_is_another_one() {
        let [first, second] = [(), ()].map(|()| Instance::new("gold", "ssh-ed25519 AAAA me\n", Vec::new()));
        assert_eq!((first.hostname.as_str(), first.public_key.as_str()), ("gold", "ssh-ed25519 AAAA me"));
        assert!(first.uuid != second.uuid && first.random_seed != second.random_seed);
        assert_eq!((first.uuid.len(), &first.uuid[14..15]), (36, "4"), "{}", first.uuid);
        assert_eq!(STANDARD.decode(&first.random_seed).expect("base64").len(), 512);
    }
}
