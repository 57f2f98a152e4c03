//! Frames and where they may go, and the way of frames through the gate.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use super::relay::*;
use super::*;
use crate::recipe::verify::NetworkAccess::{self, Host, Isolated, User};

const TCP: u8 = 6;
const UDP: u8 = 17;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// This host's own addresses in these tests.
const OWN: [&str; 3] = ["192.0.2.7", "10.1.2.3", "2001:db8::7"];

fn policy(access: NetworkAccess) -> Policy {
    Policy {
        access,
        network: (Ipv4Addr::new(168, 0, 0, 0), 5),
        gateway: Ipv4Addr::new(172, 16, 0, 2),
        resolver: Ipv4Addr::new(172, 16, 0, 3),
        ipv6: true,
        service: false,
    }
}

fn admits(policy: Policy, frame: &[u8]) -> bool {
    policy.admits(frame, &mut |address| OWN.iter().any(|own| own.parse() == Ok(address)))
}

/// Ports, and for TCP the rest of a header with these flags.
fn segment(protocol: u8, from: u16, to: u16, flags: u8) -> Vec<u8> {
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
    bytes.resize(if protocol == TCP { 20 } else { 8 }, 0);
    if protocol == TCP {
        (bytes[12], bytes[13]) = (0x50, flags);
    }
    bytes
}

fn packet(to: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = |bytes: usize| u16::try_from(bytes).expect("it is short").to_be_bytes();
    let mut frame = vec![0x52; 12];
    match to.parse().expect("an address") {
        IpAddr::V4(to) => {
            frame.extend([0x08, 0x00, 0x45, 0]);
            frame.extend(length(20 + payload.len()));
            frame.extend([0, 1, 0, 0, 64, protocol, 0, 0, 172, 16, 0, 15]);
            frame.extend(to.octets());
        }
        IpAddr::V6(to) => {
            frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
            frame.extend(length(payload.len()));
            frame.extend([protocol, 255]);
            frame.extend(Ipv6Addr::LOCALHOST.octets());
            frame.extend(to.octets());
        }
    }
    frame.extend(payload);
    frame
}

fn to(address: &str, protocol: u8, port: u16) -> Vec<u8> {
    packet(address, protocol, &segment(protocol, 40_000, port, SYN))
}

/// What passes with `user`, and with `host`.
fn told(frame: &[u8]) -> (bool, bool) {
    (admits(policy(User), frame), admits(policy(Host), frame))
}

#[test]
fn a_guest_reaches_the_outside_and_this_host_only_where_that_is_named() {
    const BOTH: (bool, bool) = (true, true);
    const HOST_ONLY: (bool, bool) = (false, true);
    const NONE: (bool, bool) = (false, false);
    for (address, expected) in [
        ("198.51.100.1", BOTH),
        ("10.9.9.9", BOTH),
        ("192.168.1.1", BOTH),
        // The host by its aliases: QEMU takes all that is left of its network for loopback.
        ("172.16.0.2", HOST_ONLY),
        ("172.16.0.3", NONE),
        ("172.16.0.99", NONE),
        ("168.0.0.1", NONE),
        ("175.255.255.255", NONE),
        ("169.254.169.254", NONE),
        ("127.0.0.1", NONE),
        ("127.255.0.9", NONE),
        ("0.0.0.0", NONE),
        ("0.1.2.3", NONE),
        ("224.0.0.1", NONE),
        ("240.0.0.1", NONE),
        ("255.255.255.255", NONE),
        ("100.100.100.200", NONE),
        ("192.0.0.192", NONE),
        // The host by its own addresses.
        ("192.0.2.7", HOST_ONLY),
        ("10.1.2.3", HOST_ONLY),
        ("2001:db8::7", HOST_ONLY),
        ("2001:db8::8", BOTH),
        ("fd12::1", BOTH),
        ("fec0::2", HOST_ONLY),
        ("fec0::3", NONE),
        ("fec0::99", NONE),
        ("fe80::2", NONE),
        ("::", NONE),
        ("::1", NONE),
        ("::127.0.0.1", NONE),
        ("::ffff:127.0.0.1", NONE),
        ("::ffff:198.51.100.1", NONE),
        ("64:ff9b::198.51.100.1", BOTH),
        ("64:ff9b::127.0.0.1", NONE),
        ("64:ff9b::169.254.169.254", NONE),
        ("64:ff9b::10.1.2.3", HOST_ONLY),
        ("64:ff9b:1::1", NONE),
        ("2002:c633:6401::1", BOTH),
        ("2002:7f00:1::1", NONE),
        ("2002:c000:207::1", HOST_ONLY),
        ("2001::1", NONE),
        ("fd00:ec2::254", NONE),
        ("ff02::1", NONE),
        ("ff05::1", NONE),
    ] {
        for protocol in [TCP, UDP] {
            assert_eq!(told(&to(address, protocol, 8080)), expected, "{address}, protocol {protocol}");
            assert!(!admits(policy(Isolated), &to(address, protocol, 8080)), "{address}, isolated");
        }
    }
    assert!(!admits(Policy { ipv6: false, ..policy(Host) }, &to("2001:db8::8", TCP, 80)), "there is no IPv6");
}

#[test]
fn what_a_network_needs_passes_and_nothing_else_of_it() {
    let all = |frame: &[u8]| [Isolated, User, Host].map(|access| admits(policy(access), frame));
    let dhcp = |address| packet(address, UDP, &segment(UDP, 68, 67, 0));
    assert_eq!(all(&dhcp("255.255.255.255")), [true; 3]);
    assert_eq!(all(&dhcp("172.16.0.2")), [true; 3]);
    assert_eq!(all(&packet("172.16.0.2", UDP, &segment(UDP, 69, 67, 0))), [false, false, true]);
    let mut arp = vec![0xff; 12];
    arp.extend([0x08, 0x06]);
    arp.resize(42, 0);
    assert_eq!(all(&arp), [true; 3]);
    assert_eq!(all(&arp[..41]), [false; 3]);
    // The SSH server answers whoever came from the host; it opens nothing.
    let ssh = |flags| packet("172.16.0.2", TCP, &segment(TCP, 22, 631, flags));
    assert_eq!(all(&ssh(SYN | ACK)), [true; 3]);
    assert_eq!(all(&ssh(ACK)), [true; 3]);
    assert_eq!(all(&ssh(4)), [true; 3]);
    assert_eq!(all(&ssh(SYN)), [false, false, true]);
    assert_eq!(all(&packet("172.16.0.2", TCP, &segment(TCP, 23, 631, ACK))), [false, false, true]);
    for protocol in [TCP, UDP] {
        for resolver in ["172.16.0.3", "fec0::3"] {
            assert_eq!(all(&to(resolver, protocol, 53)), [false, true, true], "{resolver}");
            assert_eq!(all(&to(resolver, protocol, 22)), [false; 3], "{resolver}");
        }
    }
    let service = |access, frame: &[u8]| admits(Policy { service: true, ..policy(access) }, frame);
    assert!(
        service(Isolated, &to("169.254.169.254", TCP, 80)) && !admits(policy(Host), &to("169.254.169.254", TCP, 80))
    );
    assert!(!service(Host, &to("169.254.169.254", TCP, 22)) && !service(Host, &to("169.254.169.254", UDP, 80)));
    // Neighbours and routers of IPv6.
    for address in ["ff02::2", "ff02::1:ff00:2", "fe80::2", "fec0::2"] {
        assert_eq!(all(&packet(address, 58, &[135, 0, 0, 0])), [true; 3], "{address}");
    }
    assert_eq!(all(&packet("ff02::1", 58, &[128, 0, 0, 0])), [false; 3]);
    assert_eq!(all(&packet("2001:db8::8", 58, &[128, 0, 0, 0])), [false, true, true]);
    assert_eq!(all(&packet("ff02::1:2", UDP, &segment(UDP, 546, 547, 0))), [true; 3]);
}

#[test]
fn what_cannot_be_judged_does_not_pass() {
    let good = to("198.51.100.1", TCP, 80);
    assert!(admits(policy(User), &good));
    for length in 0..good.len() {
        assert!(!admits(policy(Host), &good[..length]), "cut after {length} bytes");
    }
    let changed = |at: usize, value: u8| {
        let mut frame = good.clone();
        frame[at] = value;
        admits(policy(Host), &frame)
    };
    assert!(!changed(12, 0x81), "a VLAN tag");
    assert!(!changed(14, 0x46), "options");
    assert!(!changed(14, 0x65), "another version");
    assert!(!changed(23, 4), "IP in IP");
    let mut vlan = good[..12].to_vec();
    vlan.extend([0x81, 0x00, 0, 1]);
    vlan.extend(&good[12..]);
    assert!(!admits(policy(Host), &vlan));
    let six = to("2001:db8::8", TCP, 80);
    for length in 0..six.len() {
        assert!(!admits(policy(Host), &six[..length]), "IPv6, cut after {length} bytes");
    }
    // A fragment header of IPv6.
    assert!(!admits(policy(Host), &packet("2001:db8::8", 44, &[0; 40])));
}

#[test]
fn fragments_are_judged_by_their_address() {
    // The first part of a packet, and one from within.
    for (flags, offset) in [(0x20, 0), (0, 9)] {
        let fragment = |address: &str, protocol, port| {
            let mut frame = to(address, protocol, port);
            (frame[20], frame[21]) = (flags, offset);
            admits(policy(User), &frame)
        };
        assert!(fragment("198.51.100.1", UDP, 80));
        assert!(!fragment("192.0.2.7", UDP, 80));
        assert!(!fragment("172.16.0.3", UDP, 53), "another part may have another port");
        assert!(!fragment("172.16.0.2", TCP, 53));
        assert!(!fragment("255.255.255.255", UDP, 67));
    }
}

fn framed(frame: &[u8]) -> Vec<u8> {
    [&u32::try_from(frame.len()).expect("it is short").to_be_bytes(), frame].concat()
}

fn patient(stream: &UnixStream) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a deadline");
}

#[test]
fn frames_come_back_whole_and_in_order_also_in_pieces() {
    let (gate, [mut out, mut back]) = Gate::inherited(policy(User)).expect("sockets");
    patient(&back);
    // Addresses of documentation need a route, which a host may not have: the resolver needs none.
    let (first, last) = (to("172.16.0.3", UDP, 53), to("172.16.0.3", TCP, 53));
    let bytes = [framed(&first), framed(&to("172.16.0.2", TCP, 80)), framed(&[]), framed(&last)].concat();
    for byte in bytes {
        out.write_all(&[byte]).expect("it is taken");
    }
    let expected = [framed(&first), framed(&last)].concat();
    let mut came = vec![0; expected.len()];
    back.read_exact(&mut came).expect("frames");
    assert_eq!(came, expected);
    drop(gate);
    assert_eq!(back.read(&mut came).expect("closed"), 0, "nothing more");
}

#[test]
fn a_qemu_that_takes_nothing_back_is_not_kept_waiting() {
    let (_gate, [mut out, back]) = Gate::inherited(policy(User)).expect("sockets");
    out.set_write_timeout(Some(Duration::from_secs(20))).expect("a deadline");
    let frame = framed(&to("172.16.0.3", UDP, 53));
    for _ in 0..(4 * WAITING / frame.len()) {
        out.write_all(&frame).expect("it is taken");
    }
    drop(back);
}

#[test]
fn what_is_no_stream_of_frames_ends_the_gate() {
    let (_gate, [mut out, mut back]) = Gate::inherited(policy(User)).expect("sockets");
    patient(&back);
    out.write_all(&[0xff; 4]).expect("it is taken");
    assert_eq!(back.read(&mut [0]).expect("closed"), 0);
}

#[test]
fn sockets_with_names_are_taken_once_and_go_with_the_gate() {
    let dir = tempfile::tempdir().expect("a directory");
    let count = || std::fs::read_dir(dir.path()).expect("a directory").count();
    // Nobody has come.
    let (gate, _) = Gate::listening(policy(User), dir.path()).expect("sockets");
    assert_eq!(count(), 2);
    drop(gate);
    assert_eq!(count(), 0);
    let (gate, _) = Gate::listening(policy(User), dir.path()).expect("sockets");
    let connect = |name: &str| UnixStream::connect(dir.path().join(name)).expect("it listens");
    let (mut out, mut back) = (connect("out"), connect("back"));
    patient(&back);
    let frame = framed(&to("172.16.0.3", UDP, 53));
    out.write_all(&frame).expect("it is taken");
    let mut came = vec![0; frame.len()];
    back.read_exact(&mut came).expect("a frame");
    assert_eq!((came, count()), (frame, 0));
    drop(gate);
    assert_eq!(back.read(&mut [0]).expect("closed"), 0);
}
