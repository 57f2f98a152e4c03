//! The answers of a running image to the questions of the script.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The answers of a running image, by the name of the question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answers(BTreeMap<String, String>);

/// The place of the root file system, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Root {
    /// The device.
    pub(super) device: String,
    /// The end of the partition.
    pub(super) end: u64,
    /// Size of the partition.
    pub(super) partition: u64,
    /// Size of its device, which is the partition or a volume on it.
    pub(super) size: u64,
    /// What volumes take of each device below them, and its size.
    pub(super) held: Vec<[u64; 2]>,
    /// Size of the disk.
    pub(super) disk: u64,
    /// Size of the file system.
    pub(super) file_system: u64,
    /// Driver of the disk.
    pub(super) driver: String,
}

/// A network card.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Card {
    pub(super) name: String,
    pub(super) mac: String,
    pub(super) driver: String,
}

/// A socket that something listens on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Listening {
    /// `tcp/22`.
    pub(super) service: String,
    pub(super) address: IpAddr,
}

/// The result of a command of an element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ran {
    pub(super) status: i32,
    pub(super) output: Vec<String>,
}

impl Answers {
    /// Reads the output of the script; `None` if it is incomplete.
    pub(super) fn parse(nonce: &str, printed: &str) -> Option<Self> {
        let mut answers: BTreeMap<String, String> = BTreeMap::new();
        let mut current = None;
        for line in printed.lines() {
            if let Some(name) = line.strip_prefix(nonce) {
                current = Some(name.trim().to_owned());
                answers.entry(name.trim().to_owned()).or_default();
            } else if let Some(text) = current.as_ref().and_then(|name| answers.get_mut(name)) {
                text.push_str(line);
                text.push('\n');
            }
        }
        answers.contains_key("end").then_some(Self(answers))
    }

    /// Returns the names of all questions that were asked.
    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }

    /// Returns the whole answer, without white space around it.
    pub(super) fn text(&self, name: &str) -> &str {
        self.0.get(name).map_or("", |text| text.trim())
    }

    /// Returns the lines of an answer that are not empty.
    pub(super) fn lines(&self, name: &str) -> Vec<&str> {
        self.text(name).lines().map(str::trim).filter(|line| !line.is_empty()).collect()
    }

    pub(super) fn root(&self) -> Option<Root> {
        let mut root = Root::default();
        for line in self.lines("root") {
            let words: Vec<&str> = line.split_whitespace().collect();
            let number = |index: usize| words.get(index).and_then(|word| word.parse::<u64>().ok());
            match words[0] {
                // The kernel counts sectors of 512 bytes for every disk: Documentation/ABI.
                "part" => {
                    root.partition = number(2)? * 512;
                    root.end = number(1)? * 512 + root.partition;
                }
                "device" => root.size = number(1)? * 512,
                "held" => root.held.push([number(1)? * 512, number(2)? * 512]),
                "disk" => root.disk = number(1)? * 512,
                "fs" => root.file_system = number(1)? * 1024,
                "driver" => root.driver = words.get(1).copied().unwrap_or_default().to_owned(),
                device => root.device = device.to_owned(),
            }
        }
        (root.disk > 0 && root.file_system > 0).then_some(root)
    }

    pub(super) fn cards(&self) -> Vec<Card> {
        let cards = self.lines("cards").into_iter().filter_map(|line| {
            let mut words = line.split_whitespace().map(str::to_owned);
            Some(Card { name: words.next()?, mac: words.next()?, driver: words.next().unwrap_or_default() })
        });
        cards.collect()
    }

    /// Returns the sockets that listen, sorted, each once.
    pub(super) fn listening(&self) -> Vec<Listening> {
        let mut found: Vec<_> = self.lines("sockets").into_iter().filter_map(socket).collect();
        found.sort();
        found.dedup();
        found
    }

    /// Returns the result of the element's command with this number.
    pub(super) fn ran(&self, number: usize) -> Option<Ran> {
        let mut lines = self.0.get(&format!("command-{number}"))?.lines();
        let status = lines.next()?.strip_prefix("status ")?.trim().parse().ok()?;
        Some(Ran { status, output: lines.filter(|line| !line.trim().is_empty()).map(str::to_owned).collect() })
    }
}

/// Reads a line of `/proc/net/{tcp,udp}{,6}` after the file's name; `None` if it is no listening socket: proc(5).
fn socket(line: &str) -> Option<Listening> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [file, _, local, remote, state, ..] = words[..] else { return None };
    let protocol = file.trim_end_matches('6');
    // 0A is TCP_LISTEN, 07 is TCP_CLOSE, which is the state of a UDP socket that is not connected.
    let listens = if protocol == "tcp" { state == "0A" } else { state == "07" && remote.ends_with(":0000") };
    let (address, port) = local.split_once(':').filter(|_| listens)?;
    let port = u16::from_str_radix(port, 16).ok().filter(|port| *port > 0)?;
    Some(Listening { service: format!("{protocol}/{port}"), address: proc_address(address)? })
}

/// Reads an address as the kernel prints it: words of 32 bits in the byte order of the machine, here little-endian.
fn proc_address(hex: &str) -> Option<IpAddr> {
    let bytes = hex::decode(hex).ok()?;
    let turned: Vec<u8> = bytes.chunks(4).flat_map(|word| word.iter().rev().copied()).collect();
    match turned.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(turned).ok()?)),
        16 => Some(IpAddr::from(<[u8; 16]>::try_from(turned).ok()?).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_that_break_off_are_none() {
        assert_eq!(Answers::parse("@@", "@@ user\ndebian\n"), None);
        let answers = Answers::parse("@@", "noise\n@@ user\ndebian\n\n@@ end\n").expect("an end");
        assert_eq!(answers.text("user"), "debian");
    }

    #[test]
    fn sockets_that_listen_are_told_from_those_that_do_not() {
        let text = "@@ sockets\n\
            tcp   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 1 1\n\
            tcp   1: 0F0010AC:0016 020010AC:D2F0 01 00000000:00000000 00:00000000 00000000 0 0 1 1\n\
            tcp6  0: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 0:0 0 0 0 1 1\n\
            udp   0: 3500007F:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000 0 0 1 2\n\
            tcp  sl  local_address rem_address st\nudp6 x\n@@ end\n";
        let found = Answers::parse("@@", text).expect("an end").listening();
        let told: Vec<_> = found.iter().map(|socket| format!("{} {}", socket.service, socket.address)).collect();
        assert_eq!(told, ["tcp/22 0.0.0.0", "tcp/80 ::", "udp/53 127.0.0.53"]);
    }

    #[test]
    fn the_root_file_system_is_measured_in_bytes() {
        let text = "@@ root\n/dev/vda3\ndevice 10278912\npart 206848 10278912\ndisk 10485760 vda\nfs 5000000 4000000\n\
            driver virtio_blk\n@@ end";
        let root = Answers::parse("@@", text).and_then(|answers| answers.root()).expect("a root");
        assert_eq!((root.end, root.disk), (10_485_760 * 512, 5 << 30));
        assert_eq!(root.file_system, 5_000_000 * 1024);
        assert_eq!(Answers::parse("@@", "@@ root\n/dev/x\n@@ end").and_then(|answers| answers.root()), None);
    }
}
