//! What a cloud knows of an instance.

use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::random::{random, random_uuid};

/// The address that an instance is told as its own: the first one that the machine's DHCP server gives.
const ADDRESS: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 15);

/// What a cloud knows of an instance. It can be written down, for an instance that is started again another day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Identifier of version 4, also in the machine's firmware tables.
    pub uuid: String,
    /// Host name.
    pub hostname: String,
    /// Name for people; Nova makes the host name of it.
    pub name: String,
    /// The public key that may log in, as a line of `authorized_keys`.
    pub public_key: String,
    /// What the user calls the key.
    pub key_name: String,
    /// What the user has the instance do; empty if there is none.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub user_data: Vec<u8>,
    /// Name servers, beside those that DHCP tells.
    pub dns: Vec<IpAddr>,
    /// Address of its network card: `fa:16:3e:01:02:03`.
    pub mac: String,
    /// Address of the instance in its network.
    pub address: Ipv4Addr,
    /// 512 random bytes in base64.
    pub random_seed: String,
    /// Where in the cloud it runs.
    pub availability_zone: String,
    /// Whose it is: 32 hexadecimal digits.
    pub project_id: String,
    /// Identifier of the port of its network card.
    pub port_id: String,
    /// Identifier of its network.
    pub network_id: String,
    /// Which of several instances started at once, from 0.
    pub launch_index: u32,
    /// Name of its flavor.
    pub instance_type: String,
}

impl Instance {
    /// A new instance with an identity of its own.
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
            // Neutron's `base_mac`.
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

    /// An instance that is the same in every test.
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
