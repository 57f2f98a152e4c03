//! Which addresses are this host's own.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

/// How long an answer holds: a host may get another address at any time.
const HOLDS: Duration = Duration::from_secs(2);

/// Most answers that are remembered.
const MOST: usize = 1024;

/// The kernel's answers, for a moment.
#[derive(Debug, Default)]
pub(super) struct OwnAddresses(HashMap<IpAddr, (Instant, bool)>);

impl OwnAddresses {
    /// Whether packets to an address stay on this host, or can go nowhere.
    pub(super) fn has(&mut self, address: IpAddr) -> bool {
        if let Some((since, own)) = self.0.get(&address)
            && since.elapsed() < HOLDS
        {
            return *own;
        }
        // What cannot be found out is not remembered, and nobody gets there until it can.
        let Ok(own) = is_own(address) else { return true };
        if self.0.len() >= MOST {
            self.0.clear();
        }
        self.0.insert(address, (Instant::now(), own));
        own
    }
}

/// Asks the kernel which address this host would speak from. To itself it speaks from the same address, or from
/// loopback. Unlike a list of the interfaces' addresses this also knows local routes of whole networks.
fn is_own(address: IpAddr) -> io::Result<bool> {
    let any = match address {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    // Connecting a socket of datagrams looks up the route and sends nothing.
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
