//! The questions to a running image, in one script over one connection, and the answers.
//!
//! The script needs only a POSIX shell and what every system has. If a tool is missing, it prints nothing. [`super::judge`]
//! judges the answers.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

/// Longest that a command of an element may run in the guest, in seconds.
const COMMAND_LIMIT: u32 = 120;

/// Files that the user data writes: the script the first, the cloud-config the second.
pub(super) const MARKS: [&str; 2] = ["/run/goldsmith-verify/script", "/run/goldsmith-verify/cloud-config"];

/// Returns the user data of an instance: a script and a cloud-config, which each write `mark` to a file.
pub(super) fn user_data(mark: &str) -> (String, String) {
    let [script, config] = MARKS;
    (
        format!("#!/bin/sh\nmkdir -p /run/goldsmith-verify\necho {mark} >{script}\n"),
        format!("#cloud-config\nwrite_files:\n  - path: {config}\n    content: \"{mark}\\n\"\n"),
    )
}

/// Returns the script with all questions. `limit` is the number of seconds left for the first boot, `commands` are those of
/// elements.
pub(super) fn script(nonce: &str, limit: u64, commands: &[&str]) -> String {
    let mut script = format!("{}limit={limit}\n{EVERY}{FIRST}{ROOT}{IDENTITY}", begin(nonce));
    for (number, command) in commands.iter().enumerate() {
        let command = quote(command);
        // Writing to a string cannot fail.
        let _ = writeln!(
            script,
            "s command-{number}; out=$(t {COMMAND_LIMIT} sh -c {command} 2>&1 </dev/null); echo \"status $?\"; \
             printf '%s\\n' \"$out\" | tail -n 20"
        );
    }
    script.push_str("s now; date +%s\ns end\n");
    script
}

/// Returns a script with the questions that a second boot is compared by.
pub(super) fn again(nonce: &str, limit: u64) -> String {
    format!("{}limit={limit}\n{EVERY}{IDENTITY}s end\n", begin(nonce))
}

/// Asks for nothing but where the root file system is.
#[cfg(feature = "testing")]
pub(super) fn root(nonce: &str) -> String {
    format!("{}{ROOT}s end\n", begin(nonce))
}

/// Returns a script with only the questions about identity, which have answers as soon as a login succeeds.
pub(super) fn identity(nonce: &str) -> String {
    format!("{}{IDENTITY}s end\n", begin(nonce))
}

fn begin(nonce: &str) -> String {
    format!(
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; LC_ALL=C; export PATH LC_ALL\n\
         s() {{ printf '\\n{nonce} %s\\n' \"$1\"; }}\n"
    )
}

/// The questions for every boot. The script first waits for its end.
const EVERY: &str = r#"t() { if command -v timeout >/dev/null; then timeout "$@"; else shift; "$@"; fi; }
s user; echo "${SUDO_USER:-root}"; id -u
i=0
while [ $i -lt $((limit * 2)) ] && [ -d /run/cloud-init ] && [ ! -e /run/cloud-init/disabled ] \
  && [ ! -e /var/lib/cloud/instance/boot-finished ]; do i=$((i+1)); sleep 0.5; done
s finished; if [ -e /var/lib/cloud/instance/boot-finished ]; then echo yes
  elif [ -d /run/cloud-init ] && [ ! -e /run/cloud-init/disabled ]; then
    echo no; systemctl list-jobs --plain --no-legend --no-pager 2>/dev/null | head -n 5; fi
s state; t 60 systemctl is-system-running --wait 2>&1
s failed; for u in $(systemctl --failed --plain --no-legend --no-pager 2>/dev/null | awk '{ print $1 }'); do
  echo "$u: $(journalctl -b -u "$u" -p warning -n 1 -o cat --no-pager 2>/dev/null)"; done
s hostname; uname -n
s boot-id; cat /proc/sys/kernel/random/boot_id
s cards; for c in /sys/class/net/*; do [ -e "$c/device" ] || continue
  echo "${c##*/} $(cat "$c/address") $(readlink -f "$c/device/driver" | sed 's,.*/,,') $(cat "$c/operstate")"; done
s addresses; ip -4 -o addr show scope global 2>/dev/null
"#;

/// The questions for a first boot only.
const FIRST: &str = r#"s secure-boot; od -An -t u1 -j 4 -N 1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c 2>/dev/null
s datasource; cat /run/cloud-init/result.json 2>/dev/null
s warnings; grep -hE 'WARNING|ERROR|CRITICAL' /var/log/cloud-init.log 2>/dev/null | tail -n 20
s script; cat /run/goldsmith-verify/script 2>/dev/null
s cloud-config; cat /run/goldsmith-verify/cloud-config 2>/dev/null
s resolver; grep -E '^(nameserver|options)' /etc/resolv.conf 2>/dev/null; t 5 resolvectl dns 2>/dev/null
s dns; n=$(awk '$1 == "nameserver" { print $2; exit }' /etc/resolv.conf 2>/dev/null)
[ -n "$n" ] && command -v bash >/dev/null && t 20 bash -c 'exec 3<>"/dev/udp/$0/53"
printf "\x67\x6f\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01" >&3
dd bs=600 count=1 <&3 2>/dev/null | od -An -t x1 -N 4' "$n" 2>&1
s sockets; for f in tcp tcp6 udp udp6; do sed "s/^/$f /" /proc/net/$f 2>/dev/null; done
s programs; ss -Hltunp 2>/dev/null
s firewall; nft list ruleset 2>/dev/null
for f in ip_tables_names ip6_tables_names; do for n in $(cat /proc/net/$f 2>/dev/null); do
  if command -v iptables-legacy-save >/dev/null; then
    iptables-legacy-save -t "$n" 2>/dev/null | grep -E '^-A|^:.* (DROP|REJECT)'
  else echo "table $n of iptables is loaded, and no iptables-legacy-save is there to tell its rules"; fi; done; done
s time-sync; systemctl list-units --plain --no-legend --no-pager --state=active systemd-timesyncd.service chrony.service \
  chronyd.service ntp.service ntpd.service ntpsec.service openntpd.service 2>/dev/null | awk '{ print $1 }'
s starved; dmesg 2>/dev/null | grep 'Out of memory: Kill' | tail -n 3
"#;

/// Where the root file system is. A volume is followed down to the partition that it is on; on the way, each device tells how
/// much of it those above it take. mountinfo names the device where it is not known by its name: a kernel that has found the
/// root file system without an initial RAM disk calls it `/dev/root`; the subvolumes of a btrfs have no number of their own.
const ROOT: &str = r#"s root; m=$(awk '$5 == "/" { for (i = 7; i < NF - 1; i++) if ($i == "-") d = $3 " " $(i + 2) } END { print d }' /proc/self/mountinfo)
d=$(readlink -f "${m#* }"); b=${d##*/}
[ -e "/sys/class/block/$b" ] || { b=$(readlink -f "/sys/dev/block/${m%% *}"); b=${b##*/}; }; echo "/dev/$b"
p=$(readlink -f "/sys/class/block/$b"); echo "device $(cat "$p/size" 2>/dev/null)"
while l=$(ls "$p/slaves" 2>/dev/null | tail -n 1); [ -n "$l" ]; do p=$(readlink -f "/sys/class/block/$l"); u=0
  for h in "$p"/holders/*; do u=$((u + $(cat "$h/size"))); done; echo "held $u $(cat "$p/size")"; done
[ -e "$p/partition" ] && q=${p%/*} || q=$p
echo "part $(cat "$p/start" 2>/dev/null || echo 0) $(cat "$p/size" 2>/dev/null)"
echo "disk $(cat "$q/size" 2>/dev/null) ${q##*/}"; df -kP / | awk 'NR == 2 { print "fs", $2, $4 }'
readlink -f "$q/device/driver" 2>/dev/null | sed 's,.*/,driver ,'
"#;

/// The values that an instance must not share with others, and must keep.
const IDENTITY: &str = r#"s machine-id; cat /etc/machine-id
s host-keys; cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null | cut -d ' ' -f 1,2
s seeds; for f in /var/lib/systemd/random-seed /var/lib/random-seed /var/lib/urandom/random-seed /var/lib/systemd/credential.secret; do
  [ -s $f ] && sha256sum $f; done
"#;

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

/// Quotes text for a shell.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_shell_and_answers_on_this_very_machine() {
        // Here it asks the host, which is a Linux system too: it must reach its end.
        let script = script("@@", 0, &["echo \"it's here\"; exit 3"]);
        let printed = crate::process::capture(std::process::Command::new("sh").args(["-c", &script])).expect("sh");
        let answers = Answers::parse("@@", &printed).expect("an end");
        assert_eq!(answers.ran(0), Some(Ran { status: 3, output: vec!["it's here".to_owned()] }));
        assert!(!answers.text("hostname").is_empty() && !answers.text("now").is_empty(), "{answers:?}");
    }

    #[test]
    fn who_is_only_compared_is_asked_no_more_than_that() {
        let printed =
            crate::process::capture(std::process::Command::new("sh").args(["-c", &identity("@@")])).expect("sh");
        let answers = Answers::parse("@@", &printed).expect("an end");
        assert_eq!(
            answers.0.keys().map(String::as_str).collect::<Vec<_>>(),
            ["end", "host-keys", "machine-id", "seeds"]
        );
        let printed =
            crate::process::capture(std::process::Command::new("sh").args(["-c", &again("@@", 0)])).expect("sh");
        let answers = Answers::parse("@@", &printed).expect("an end");
        for name in ["boot-id", "failed", "cards", "addresses", "machine-id", "host-keys", "hostname"] {
            assert!(answers.0.contains_key(name), "{name}");
        }
    }

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
