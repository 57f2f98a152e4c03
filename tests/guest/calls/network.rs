//! What a program of a build reaches: the outside, and nothing that listens on this host unless that is named.

use std::io::Write as _;
use std::net::{IpAddr, Ipv6Addr, TcpListener, UdpSocket};

use goldsmith::guest::Guest as _;
use goldsmith::recipe::verify::NetworkAccess;

use super::small_guest::*;

/// What a listener of this host says to whoever connects.
const SECRET: &str = "a service of this host";

/// Something that listens on all addresses of this host, and its port.
fn listener() -> u16 {
    let listener =
        TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).or_else(|_| TcpListener::bind(("0.0.0.0", 0))).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            // Whoever has left does not want to know.
            let _ = writeln!(stream, "{SECRET}");
        }
    });
    port
}

/// The address that this host speaks from to the outside; `None` if it has no way there.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().unwrap().ip())
}

/// Of these addresses, those at which the guest hears the listener.
fn heard(access: NetworkAccess, addresses: &[String], port: u16) -> Vec<String> {
    let small_guest = SmallGuest::new();
    small_guest.disk();
    let mut guest = small_guest.launch_with(access).unwrap();
    guest.attach(&small_guest.path("1.qcow2")).unwrap();
    guest.mount(&mounts()).unwrap();
    // All at once, because each is given the same time to answer.
    let script = format!(
        r#"ask() {{ exec 5<>"/dev/tcp/$1/{port}" && read -t 15 -u 5 line && echo "$1: $line"; }}
        for address in {}; do ask $address & asked="$asked $!"; done
        ( sleep 20; kill $asked ) & end=$!
        wait $asked; kill $end"#,
        addresses.join(" ")
    );
    let ended = sh(&mut guest, &script, true).unwrap();
    let says = |address: &&String| ended.tail.contains(&format!("{address}: {SECRET}"));
    let found = addresses.iter().filter(says).cloned().collect();
    // Whatever was refused, the resolver still answers: the network as such is there.
    let resolver = "exec 5<>/dev/tcp/169.254.2.3/53 && echo open; echo \"$(</etc/resolv.conf)\"";
    let open = sh(&mut guest, resolver, true).unwrap();
    assert_eq!(open.tail, ["open", "nameserver 169.254.2.3"], "{access}");
    found
}

#[test]
#[ignore = "needs libguestfs"]
fn a_program_reaches_this_host_only_where_that_is_named() {
    let port = listener();
    // The gateway and another address of QEMU's network, both of which QEMU takes for loopback, and the host's own.
    let mut addresses = vec!["169.254.2.2".to_owned(), "169.254.77.1".to_owned(), "fec0::2".to_owned()];
    addresses.extend(own_address().map(|own| own.to_string()));
    assert_eq!(heard(NetworkAccess::User, &addresses, port), Vec::<String>::new());
    let heard = heard(NetworkAccess::Host, &addresses, port);
    assert!(heard.contains(&addresses[0]), "the test can fail: {heard:?}");
    assert!(own_address().is_none_or(|own| heard.contains(&own.to_string())), "{heard:?}");
}
