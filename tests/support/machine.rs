//! A virtual machine that boots a disk image under QEMU, seen from its serial console and by ssh.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use goldsmith::process::die_with_parent;
use goldsmith::recipe::Firmware;

use super::seed::Seed;

/// Where distributions put OVMF: code, variables.
const OVMF: [(&str, &str); 5] = [
    ("/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    ("/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    ("/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    ("/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
    ("/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
];

/// Time between two looks at the guest.
const POLL: Duration = Duration::from_millis(500);

/// Prints what the test wants to know of the guest, one `name=value` a line.
const FACTS: &str = r#"
timeout 240 cloud-init status --wait >/dev/null 2>&1
timeout 60 systemctl is-system-running --wait >/dev/null 2>&1
echo "hostname=$(hostname)"
echo "firmware=$([ -d /sys/firmware/efi ] && echo uefi || echo bios)"
echo "root-bytes=$(df -B1 --output=size / | tail -n 1 | tr -d ' ')"
echo "user-data=$(cat /var/tmp/user-data)"
echo "failed-units=$(systemctl --failed --plain --no-legend | awk '{ printf "%s ", $1 }')"
echo "cloud-init=$(cloud-init status | head -n 1)"
echo "mac=$(cat /sys/class/net/e*/address)"
echo "machine-id=$(cat /etc/machine-id)"
echo "host-key=$(cat /etc/ssh/ssh_host_ed25519_key.pub)"
echo "errors=$( (sudo journalctl -b -p err -o cat --no-pager; sudo grep -hE "WARNING|ERROR|Error:" /var/log/cloud-init.log) | tail -n 20 | tr '\n' '|')"
"#;

/// What to boot, and on what.
pub(crate) struct MachineConfig<'a> {
    /// The disk, written to.
    pub(crate) disk: &'a Path,
    /// Seed disk and key.
    pub(crate) seed: &'a Seed,
    /// Firmware to start with.
    pub(crate) firmware: Firmware,
    /// Address of the network card.
    pub(crate) mac: &'a str,
    /// Directory for the serial log and the firmware's variables.
    pub(crate) work: &'a Path,
}

/// A running machine; it ends with this value, and with the test however that ends.
pub(crate) struct Machine {
    qemu: Child,
    serial: PathBuf,
    key: PathBuf,
    port: u16,
    started: Instant,
}

/// What the guest says of itself.
pub(crate) struct Facts(BTreeMap<String, String>);

impl Facts {
    /// A fact by its name.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("(not told)", |value| value.trim())
    }
}

impl Machine {
    /// Starts QEMU.
    pub(crate) fn start(config: &MachineConfig<'_>) -> Self {
        // Another program may take the port before QEMU does; QEMU then says so and the test fails.
        let port = TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
        let serial = config.work.join("serial.log");
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-M", "q35", "-accel", "tcg,tb-size=512", "-cpu", "max", "-smp", "2", "-m", "1024"])
            // With a graphics card, as clouds give one.
            .args(["-nodefaults", "-display", "none", "-device", "VGA", "-device", "virtio-rng-pci"])
            .arg("-serial")
            .arg(format!("file:{}", serial.display()))
            .arg("-drive")
            .arg(format!("if=virtio,format=qcow2,cache=unsafe,file={}", config.disk.display()))
            .arg("-drive")
            .arg(format!("if=virtio,format=raw,readonly=on,file={}", config.seed.disk.display()))
            .arg("-nic")
            .arg(format!("user,model=virtio-net-pci,mac={},hostfwd=tcp:127.0.0.1:{port}-:22", config.mac));
        if config.firmware == Firmware::Uefi {
            let (code, vars) = OVMF
                .into_iter()
                .find(|(code, vars)| Path::new(code).exists() && Path::new(vars).exists())
                .expect("OVMF is installed");
            let own = config.work.join("vars.fd");
            // Variables last from one boot to the next, as on a real machine.
            if !own.exists() {
                std::fs::copy(vars, &own).expect("OVMF's variables are copied");
            }
            command
                .arg("-drive")
                .arg(format!("if=pflash,format=raw,readonly=on,file={code}"))
                .arg("-drive")
                .arg(format!("if=pflash,format=raw,file={}", own.display()));
        }
        let qemu = die_with_parent(&mut command).stdin(Stdio::null()).spawn().expect("QEMU starts");
        Self { qemu, serial, key: config.seed.key.clone(), port, started: Instant::now() }
    }

    /// Waits until the serial console has shown a text.
    pub(crate) fn wait_for_serial(&mut self, text: &str, deadline: Duration) {
        self.wait(&format!("`{text}` on the serial console"), deadline, |machine| {
            machine.serial_log().contains(text).then_some(())
        });
    }

    /// Logs in by ssh once the guest is up, and asks it about itself.
    pub(crate) fn facts(&mut self, deadline: Duration) -> Facts {
        let text = self.wait("a login by ssh", deadline, |machine| machine.ssh(FACTS));
        let facts = text.lines().filter_map(|line| line.split_once('='));
        Facts(facts.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Has the guest shut down and waits for its end.
    pub(crate) fn power_off(mut self, deadline: Duration) {
        // The connection may break before the command's end is told.
        let _ = self.ssh("sudo systemctl poweroff");
        let started = Instant::now();
        while self.qemu.try_wait().expect("QEMU can be waited for").is_none() {
            assert!(started.elapsed() < deadline, "the guest does not shut down");
            std::thread::sleep(POLL);
        }
    }

    /// Runs a script in the guest; its standard output, or nothing if that did not work.
    fn ssh(&self, script: &str) -> Option<String> {
        let mut command = Command::new("ssh");
        command
            .args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"])
            .args([
                "-o",
                "BatchMode=yes",
                "-o",
                "ConnectTimeout=20",
                "-o",
                "ServerAliveInterval=20",
                "-F",
                "none",
                "-i",
            ])
            .arg(&self.key)
            .args(["-p", &self.port.to_string(), "debian@127.0.0.1", "sh -s"]);
        let mut ssh = die_with_parent(&mut command)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("ssh starts");
        // Writing fails when ssh has given up; its exit status says so too.
        let _ = ssh.stdin.take().expect("ssh has a standard input").write_all(script.as_bytes());
        let output = ssh.wait_with_output().expect("ssh ends");
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn wait<T>(&mut self, what: &str, deadline: Duration, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let started = Instant::now();
        loop {
            if let Some(found) = look(self) {
                eprintln!("{what} {:.0} s after the start", self.started.elapsed().as_secs_f64());
                return found;
            }
            if let Some(status) = self.qemu.try_wait().expect("QEMU can be waited for") {
                panic!("QEMU ended ({status}) before {what}");
            }
            assert!(started.elapsed() < deadline, "no {what} within {} s", deadline.as_secs());
            std::thread::sleep(POLL);
        }
    }

    fn serial_log(&self) -> String {
        // QEMU makes the file when it starts.
        std::fs::read(&self.serial).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    fn serial_tail(&self) -> String {
        let log = self.serial_log();
        let lines: Vec<_> = log.lines().map(|line| goldsmith::text::printable(line.as_bytes())).collect();
        format!("the serial console's last lines:\n{}", lines[lines.len().saturating_sub(100)..].join("\n"))
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.serial_tail());
        }
        // It may have ended already.
        let _ = self.qemu.kill();
        let _ = self.qemu.wait();
    }
}
