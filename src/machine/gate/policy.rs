//! The rules for a guest's packets: the addresses to which they may go.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::frame::{Content, Frame, Packet};
use crate::recipe::verify::NetworkAccess;

/// QEMU's user network of a guest, and the addresses that the guest may reach there and beyond.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// Networks that the guest may reach.
    pub(crate) access: NetworkAccess,
    /// The network's address and the length of its prefix. QEMU maps every address in it that no other field names to this host's
    /// loopback address.
    pub(crate) network: (Ipv4Addr, u32),
    /// The gateway, which QEMU maps to this host's loopback address.
    pub(crate) gateway: Ipv4Addr,
    /// The address that QEMU maps to this host's resolver, at every port.
    pub(crate) resolver: Ipv4Addr,
    /// Whether the network has IPv6, with the prefix that QEMU gives it.
    pub(crate) ipv6: bool,
    /// Whether a program answers at the address of the metadata service.
    pub(crate) service: bool,
}

/// Address of the metadata service in most clouds. Here this program's own service has it.
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Addresses of other services in clouds: Alibaba Cloud, Azure, Oracle Cloud; and AWS by IPv6.
const CLOUDS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(192, 0, 0, 192)];
const CLOUD_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// The host and the resolver in the prefix that QEMU gives its user network.
const HOST_V6: Ipv6Addr = Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 2);
const RESOLVER_V6: Ipv6Addr = Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 3);

/// All DHCPv6 servers and relays.
const DHCP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 2);

impl Policy {
    /// Returns whether a frame of the guest may pass. `is_own` returns whether an address is one of this host's own.
    pub(super) fn admits(&self, frame: &[u8], is_own: &mut dyn FnMut(IpAddr) -> bool) -> bool {
        match Frame::parse(frame) {
            None => false,
            Some(Frame::Arp) => true,
            Some(Frame::Packet(Packet { to: IpAddr::V4(to), content })) => {
                self.within_v4(to, content).unwrap_or_else(|| self.beyond(IpAddr::V4(to), is_own))
            }
            Some(Frame::Packet(Packet { to: IpAddr::V6(to), content })) => {
                self.ipv6 && self.within_v6(to, content).unwrap_or_else(|| self.beyond(IpAddr::V6(to), is_own))
            }
        }
    }

    /// Decides about a packet to an address of the user network itself; `None` if the address is beyond it.
    fn within_v4(&self, to: Ipv4Addr, content: Content) -> Option<bool> {
        let (network, prefix) = self.network;
        let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
        let dhcp = content == Content::Udp { from: 68, to: 67 };
        if to == Ipv4Addr::BROADCAST {
            Some(dhcp)
        } else if to == METADATA {
            Some(self.service && matches!(content, Content::Tcp { to: 80, .. }))
        } else if to == self.gateway {
            // This host's connections to the guest's SSH server come from there. Only a segment that opens a connection leads
            // to the host's loopback address.
            let answer = matches!(content, Content::Tcp { from: 22, opens: false, .. });
            Some(dhcp || answer || self.access == NetworkAccess::Host)
        } else if to == self.resolver {
            Some(self.access != NetworkAccess::Isolated && asks_resolver(content))
        } else {
            (to.to_bits() & mask == network.to_bits() & mask).then_some(false)
        }
    }

    /// Decides the same for IPv6.
    fn within_v6(&self, to: Ipv6Addr, content: Content) -> Option<bool> {
        // Link-local and site-local addresses; QEMU's user network has a site-local prefix.
        let near = matches!(to.segments()[0] & 0xffc0, 0xfe80 | 0xfec0);
        // From router solicitation to neighbour advertisement: RFC 4861.
        let neighbours = matches!(content, Content::Icmp(133..=136));
        if to == DHCP_V6 {
            Some(content == Content::Udp { from: 546, to: 547 })
        } else if to.segments()[0] == 0xff02 || near && neighbours {
            Some(neighbours)
        } else if to == RESOLVER_V6 {
            Some(self.access != NetworkAccess::Isolated && asks_resolver(content))
        } else if to == HOST_V6 {
            Some(self.access == NetworkAccess::Host)
        } else {
            near.then_some(false)
        }
    }

    /// Returns whether packets may go to an address beyond the user network.
    fn beyond(&self, to: IpAddr, is_own: &mut dyn FnMut(IpAddr) -> bool) -> bool {
        let mut open = |to: IpAddr| !is_special(to) && (self.access == NetworkAccess::Host || !is_own(to));
        self.access != NetworkAccess::Isolated && open(to) && embedded(to).is_none_or(|inner| open(IpAddr::V4(inner)))
    }
}

fn asks_resolver(content: Content) -> bool {
    matches!(content, Content::Tcp { to: 53, .. } | Content::Udp { to: 53, .. })
}

/// Returns whether an address is used neither on the Internet nor in a private network.
fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            matches!(address.octets()[0], 0 | 127 | 224..=255) || address.is_link_local() || CLOUDS.contains(&address)
        }
        IpAddr::V6(address) => {
            let [first, second, third, ..] = address.segments();
            address.is_multicast()
                // The unspecified address, loopback, and both forms of IPv4 addresses in IPv6.
                || address.segments()[..5] == [0; 5]
                // Translation within a network (RFC 8215), and Teredo: neither shows the real destination.
                || [first, second, third] == [0x64, 0xff9b, 1]
                || [first, second] == [0x2001, 0]
                || matches!(first & 0xffc0, 0xfe80 | 0xfec0)
                || address == CLOUD_V6
        }
    }
}

/// Returns the IPv4 address to which a packet to an IPv6 address leads: by NAT64 (RFC 6052) or 6to4 (RFC 3056).
fn embedded(address: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(address) = address else { return None };
    let bytes = address.octets();
    let at = match address.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => 12,
        [0x2002, ..] => 2,
        _ => return None,
    };
    Some(Ipv4Addr::new(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]))
}
