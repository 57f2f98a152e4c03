//! The parts of a frame that decide whether it may pass: Ethernet, IPv4 (RFC 791) and IPv6 (RFC 8200).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A frame of Ethernet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Frame {
    /// A request for the hardware address of a neighbour, or its answer.
    Arp,
    /// A packet of a protocol that QEMU's user network passes on.
    Packet(Packet),
}

/// A packet of IPv4 or IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Packet {
    /// Destination address.
    pub(super) to: IpAddr,
    /// Content of the packet.
    pub(super) content: Content,
}

/// The content of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// TCP, with the ports of both sides. `opens` unless the segment belongs to a connection that exists.
    Tcp { from: u16, to: u16, opens: bool },
    /// UDP, with the ports of both sides.
    Udp { from: u16, to: u16 },
    /// ICMP or ICMPv6 with this type.
    Icmp(u8),
    /// A part of a packet: its ports may be in another part.
    Fragment,
}

const ETHERNET: usize = 14;
const TCP: u8 = 6;
const UDP: u8 = 17;

impl Frame {
    /// Reads a frame; `None` for one that is malformed or of a kind that no guest needs: other protocols, VLAN tags,
    /// options of IPv4 and extension headers of IPv6.
    pub(super) fn parse(frame: &[u8]) -> Option<Self> {
        let rest = frame.get(ETHERNET..)?;
        match (frame[12], frame[13]) {
            (0x08, 0x06) if rest.len() >= 28 => Some(Self::Arp),
            (0x08, 0x00) => ipv4(rest).map(Self::Packet),
            (0x86, 0xdd) => ipv6(rest).map(Self::Packet),
            _ => None,
        }
    }
}

fn ipv4(packet: &[u8]) -> Option<Packet> {
    const HEADER: usize = 20;
    // Version 4 and a header of five words, which has no options.
    if packet.len() < HEADER || packet[0] != 0x45 {
        return None;
    }
    let length = usize::from(u16_at(packet, 2)?);
    let payload = packet.get(HEADER..length)?;
    let to = IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(&packet[16..20]).ok()?));
    // The offset in units of 8 bytes, and the flag for more fragments.
    let is_fragment = u16_at(packet, 6)? & 0x3fff != 0;
    let content = match packet[9] {
        1 | TCP | UDP if is_fragment => Content::Fragment,
        1 => Content::Icmp(*payload.first()?),
        TCP => tcp(payload)?,
        UDP => udp(payload)?,
        _ => return None,
    };
    Some(Packet { to, content })
}

fn ipv6(packet: &[u8]) -> Option<Packet> {
    const HEADER: usize = 40;
    if packet.len() < HEADER || packet[0] >> 4 != 6 {
        return None;
    }
    let length = usize::from(u16_at(packet, 4)?);
    let payload = packet.get(HEADER..HEADER + length)?;
    let to = IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(&packet[24..40]).ok()?));
    let content = match packet[6] {
        58 => Content::Icmp(*payload.first()?),
        TCP => tcp(payload)?,
        UDP => udp(payload)?,
        _ => return None,
    };
    Some(Packet { to, content })
}

fn tcp(segment: &[u8]) -> Option<Content> {
    const ACK: u8 = 0x10;
    const RST: u8 = 0x04;
    if segment.len() < 20 {
        return None;
    }
    let opens = segment[13] & (ACK | RST) == 0;
    Some(Content::Tcp { from: u16_at(segment, 0)?, to: u16_at(segment, 2)?, opens })
}

fn udp(datagram: &[u8]) -> Option<Content> {
    if datagram.len() < 8 {
        return None;
    }
    Some(Content::Udp { from: u16_at(datagram, 0)?, to: u16_at(datagram, 2)? })
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]))
}
