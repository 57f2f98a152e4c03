//! The host's own addresses: finds out whether an address is one of them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

/// Time for which an answer is valid: a host may get another address at any time.
const HOLDS: Duration = Duration::from_secs(2);

/// Most answers that are kept.
const MOST: usize = 1024;

/// The kernel's answers, kept for a short time.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses(HashMap<IpAddr, (Instant, bool)>);

impl OwnAddresses {
    /// Returns whether packets to an address stay on this host, or have no route.
    pub(super) fn has(&mut self, address: IpAddr) -> bool {
        if let Some((since, own)) = self.0.get(&address)
            && since.elapsed() < HOLDS
        {
            return *own;
        }
        // A failed lookup is not kept. Until one succeeds, no packet may go to the address.
        let Ok(own) = is_own(address) else { return true };
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(address, (Instant::now(), own));
        own
    }
}

/// Asks the kernel for the source address that this host uses for a destination. For its own addresses that is the same address,
/// or loopback. Unlike a list of interface addresses, this also covers local routes of whole networks.
fn is_own(address: IpAddr) -> io::Result<bool> {
    let any = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    // Connecting a datagram socket looks up the route and sends nothing.
    let socket = UdpSocket::bind((any, 0))?;
    socket.connect((address, 9))?;
    let from = socket.local_addr()?.ip();
    Ok(from == address || from.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_and_the_addresses_of_interfaces_are_own() {
        let mut own = OwnAddresses::default();
        assert!(own.has(IpAddr::V4(Ipv4Addr::LOCALHOST)) && own.has(IpAddr::V4(Ipv4Addr::new(127, 3, 2, 1))));
        assert!(own.has(IpAddr::V6(Ipv6Addr::LOCALHOST)));
        // The address that leads outside, where this host has one.
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
        if socket.connect("192.0.2.1:9").is_ok() {
            let address = socket.local_addr().expect("an address").ip();
            assert!(own.has(address), "{address}");
            assert!(!own.has(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))), "an address of documentation is nobody's");
        }
    }
}
