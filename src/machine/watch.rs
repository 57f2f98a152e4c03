//! The outcome of a boot, as the machine's console and screen show it.
//!
//! A failed boot seldom reports itself except on its console, and then waits for ever. [`Watch`] knows the last messages of
//! firmware, boot loaders, kernels and init systems, so that a verdict comes at once and with its reason, not at the deadline.
//! The guest is not trusted: a verdict only proves that something was printed.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;

use super::end::End;
use super::serial::SerialView;
use crate::text::printable;
use crate::units::ByteSize;

/// Longest line: a console that prints more without a line end shows no text.
const LINE: usize = 16 << 10;

/// Number of times that the same first line must appear to count as a loop.
const LOOP: u32 = 4;

/// Most different first lines that are counted.
const BANNERS: usize = 64;

/// The limits after which a boot counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest silence before there is a login prompt.
    pub silence: Duration,
    /// Most bytes that may be printed in all.
    pub output: u64,
}

impl Default for Limits {
    /// Two minutes, in which an emulated processor can decompress a kernel; and a hundred times the output of an ordinary boot.
    fn default() -> Self {
        Self { silence: Duration::from_secs(120), output: 8 << 20 }
    }
}

/// A sign of progress during a boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sign {
    /// UEFI firmware or SeaBIOS starts.
    Firmware,
    /// The boot loader starts.
    BootLoader,
    /// The kernel's first line.
    Kernel,
    /// The first process starts: systemd's greeting.
    Init,
    /// The kernel killed processes for lack of memory.
    OutOfMemory,
    /// A login prompt.
    LoginPrompt,
    /// cloud-init's last line.
    CloudInitEnd,
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Firmware => "firmware",
            Self::BootLoader => "boot loader",
            Self::Kernel => "kernel",
            Self::Init => "init",
            Self::OutOfMemory => "out of memory",
            Self::LoginPrompt => "login prompt",
            Self::CloudInitEnd => "cloud-init's end",
        })
    }
}

/// The reason why a boot stopped. Most contain the line that shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The kernel panicked; the line is empty if only QEMU reported it.
    Panic(String),
    /// The kernel found no root file system.
    NoRoot(String),
    /// The boot loader stopped.
    BootLoader(String),
    /// The firmware found nothing to start.
    NothingToBoot(String),
    /// Secure Boot refused to start a program.
    SecureBoot(String),
    /// A shell waits for a person.
    EmergencyShell(String),
    /// The guest asks for a passphrase of an encrypted disk.
    Passphrase(String),
    /// The boot begins again and again.
    Loop {
        /// The repeated line.
        line: String,
        /// Number of times.
        times: u32,
    },
    /// The guest shows nothing any more.
    Silence {
        /// Time without output.
        quiet: Duration,
        /// The last line on the serial console or the screen; empty if there is none.
        last: String,
    },
    /// The guest prints without end.
    Flood {
        /// Number of printed bytes.
        bytes: u64,
    },
    /// The machine ended.
    Ended(End),
}

impl Trouble {
    /// Hint for a guest that shows nothing.
    pub const SILENT: &'static str =
        "see what the screen shows; an image without `console=ttyS0` among its kernel's arguments boots in silence";

    /// Returns whether no kernel was started, so that the kernel is not the cause.
    pub fn is_before_kernel(&self) -> bool {
        matches!(self, Self::NothingToBoot(_) | Self::BootLoader(_) | Self::SecureBoot(_))
    }

    /// Returns a hint for the user.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Panic(_) => "the lines before it on the serial console say more",
            Self::NoRoot(_) => {
                "compare `root=` of the kernel's arguments with the disk, and see that the initramfs has the driver of virtio disks"
            }
            Self::BootLoader(_) => "compare the boot loader's configuration with the disk: partitions and UUIDs",
            Self::NothingToBoot(_) => {
                "install a boot loader for this firmware, under UEFI as \\EFI\\BOOT\\BOOTX64.EFI on an EFI system partition"
            }
            Self::SecureBoot(_) => "install the distribution's signed shim, boot loader and kernel",
            Self::EmergencyShell(_) => {
                "the lines before it say which unit or file system failed; look at /etc/fstab first"
            }
            Self::Passphrase(_) => "an image for a cloud cannot ask for a passphrase: make it without encryption",
            Self::Loop { .. } => "see what the lines between say",
            Self::Silence { .. } => Self::SILENT,
            Self::Flood { .. } => "see what it prints; it takes time and, in a cloud, space",
            Self::Ended(End::Reset) => "the lines before it may say why it wanted to start again",
            Self::Ended(End::QemuFailed(_)) => "QEMU's words say why; boot it again",
            Self::Ended(_) => "see what the serial console shows last",
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, line) = match self {
            Self::Panic(line) => ("the kernel panicked", line.as_str()),
            Self::NoRoot(line) => ("the kernel found no root file system", line.as_str()),
            Self::BootLoader(line) => ("the boot loader stopped", line.as_str()),
            Self::NothingToBoot(line) => ("the firmware found nothing to boot", line.as_str()),
            Self::SecureBoot(line) => ("Secure Boot refused to start it", line.as_str()),
            Self::EmergencyShell(line) => ("it stopped at a shell", line.as_str()),
            Self::Passphrase(line) => ("it asks for a passphrase", line.as_str()),
            Self::Loop { line, times } => return write!(f, "it began {times} times: {line}"),
            Self::Silence { quiet, last } if last.is_empty() => {
                return write!(f, "it showed nothing for {} s", quiet.as_secs());
            }
            Self::Silence { quiet, last } => {
                return write!(f, "it showed nothing for {} s after: {last}", quiet.as_secs());
            }
            Self::Flood { bytes } => {
                return write!(f, "it printed {} without coming to an end", ByteSize::bytes(*bytes));
            }
            Self::Ended(end) => return write!(f, "{}", ended(end)),
        };
        if line.is_empty() { f.write_str(what) } else { write!(f, "{what}: {line}") }
    }
}

fn ended(end: &End) -> String {
    match end {
        End::PoweredOff => "it shut down by itself".to_owned(),
        End::Reset => "it wanted to start again".to_owned(),
        End::Panicked => "the kernel panicked".to_owned(),
        End::Killed => "it was ended".to_owned(),
        End::QemuFailed(words) => format!("QEMU failed: {words}"),
    }
}

/// cloud-init's last line: `Cloud-init v. 22.4.2 finished at ... Datasource DataSourceNoCloud [...].  Up 45.23 seconds`.
#[derive(Debug, Clone, PartialEq)]
pub struct CloudInitEnd {
    /// Source of its metadata: `DataSourceConfigDrive [net,ver=2][source=/dev/vdb]`.
    pub datasource: String,
    /// Seconds since the kernel started.
    pub up: f64,
}

/// The state of a boot.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Verdict {
    /// Signs in order, each with the time since power-on when it first appeared.
    pub signs: Vec<(Sign, Duration)>,
    /// cloud-init's last line.
    pub cloud_init: Option<CloudInitEnd>,
    /// Reason why the boot stopped, if it did.
    pub trouble: Option<Trouble>,
}

impl Verdict {
    /// Returns when a sign first appeared, since power-on.
    pub fn seen(&self, sign: Sign) -> Option<Duration> {
        self.signs.iter().find(|(seen, _)| *seen == sign).map(|(_, when)| *when)
    }
}

/// An observer of a machine, which looks at it from time to time and comes to a verdict.
#[derive(Debug)]
pub struct Watch {
    limits: Limits,
    verdict: Verdict,
    /// Number of bytes that were read.
    offset: u64,
    /// An incomplete line.
    partial: Vec<u8>,
    /// The last line that is not blank.
    last: String,
    banners: HashMap<String, u32>,
}

impl Watch {
    /// Makes a watch over a machine that was just started.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            verdict: Verdict::default(),
            offset: 0,
            partial: Vec::new(),
            last: String::new(),
            banners: HashMap::new(),
        }
    }

    /// Returns the verdict so far.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Looks at what the machine has printed, at its end if it has ended, and at the time since power-on.
    pub fn look(&mut self, serial: &SerialView, end: Option<&End>, elapsed: Duration) -> &Verdict {
        let (lost, bytes) = serial.since(self.offset);
        self.offset = serial.total;
        if lost > 0 {
            self.partial.clear();
        }
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            // A prompt has no line end.
            self.line(&printable(&self.partial), elapsed);
            if piece.ends_with(b"\n") {
                self.partial.clear();
            }
        }
        // A carriage return begins the line again, as in progress displays.
        let unbroken = self.partial.rsplit(|byte| *byte == b'\r').next().map_or(0, <[u8]>::len);
        if serial.total > self.limits.output || unbroken > LINE {
            self.stop(Trouble::Flood { bytes: serial.total });
        }
        match end {
            Some(End::Panicked) => self.stop(Trouble::Panic(String::new())),
            Some(end) => self.stop(Trouble::Ended(end.clone())),
            None => {}
        }
        // A system that is up may be silent.
        if self.verdict.seen(Sign::LoginPrompt).is_none() && serial.quiet > self.limits.silence {
            self.stop(Trouble::Silence { quiet: serial.quiet, last: self.last.clone() });
        }
        &self.verdict
    }

    /// Looks at the text on the screen: under BIOS, firmware and boot loaders print some messages only there.
    pub fn look_at_screen(&mut self, lines: &[String]) -> &Verdict {
        for line in lines {
            if let Some(trouble) = trouble(line) {
                self.stop(trouble);
            }
        }
        if let Some(Trouble::Silence { last, .. }) = &mut self.verdict.trouble
            && last.is_empty()
        {
            *last = lines.iter().rfind(|line| !line.is_empty()).cloned().unwrap_or_default();
        }
        &self.verdict
    }

    /// Records a trouble. The first one is the cause of later ones, except silence and an end, which have causes themselves.
    fn stop(&mut self, trouble: Trouble) {
        let vague = matches!(&self.verdict.trouble, None | Some(Trouble::Silence { .. } | Trouble::Ended(_)));
        let new_is_vague = matches!(trouble, Trouble::Silence { .. } | Trouble::Ended(_));
        if self.verdict.trouble.is_none() || vague && !new_is_vague {
            self.verdict.trouble = Some(trouble);
        }
    }

    fn line(&mut self, line: &str, elapsed: Duration) {
        if line.trim().is_empty() {
            return;
        }
        self.last = line.to_owned();
        if let Some((sign, _)) = SIGNS.iter().find(|(_, pattern)| pattern.is_match(line))
            && !line.starts_with("Last login: ")
            && self.verdict.seen(*sign).is_none()
        {
            self.verdict.signs.push((*sign, elapsed));
        }
        if let Some(found) = CLOUD_INIT.captures(line)
            && let Ok(up) = found[2].parse()
        {
            self.verdict.cloud_init = Some(CloudInitEnd { datasource: found[1].to_owned(), up });
        }
        if let Some(trouble) = trouble(line) {
            self.stop(trouble);
        }
        self.count(line);
    }

    /// Counts the first lines of boots, each when it is complete.
    fn count(&mut self, line: &str) {
        if !self.partial.ends_with(b"\n") || !BANNER.is_match(line) {
            return;
        }
        if self.banners.len() >= BANNERS && !self.banners.contains_key(line) {
            return;
        }
        let times = self.banners.entry(line.to_owned()).or_default();
        *times += 1;
        if *times >= LOOP {
            let times = *times;
            self.stop(Trouble::Loop { line: line.to_owned(), times });
        }
    }
}

/// Compiles a pattern of this file; a test compiles them all.
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a test compiles them all")
}

/// Lines that are signs. If a line matches two patterns, the earlier one counts.
static SIGNS: LazyLock<[(Sign, Regex); 7]> = LazyLock::new(|| {
    [
        (Sign::Firmware, pattern(r"^BdsDxe: |^SeaBIOS \(version")),
        (
            Sign::BootLoader,
            pattern(r"^(Welcome to GRUB!|GRUB loading|\s*GNU GRUB +version|\s*Booting `)|^systemd-boot|^SYSLINUX "),
        ),
        (Sign::Kernel, pattern(r"^(\[ *[0-9.]+\] )?(Linux version |Booting Linux on physical CPU)")),
        (Sign::Init, pattern(r"^(\[ *[0-9.]+\] )?(systemd\[1\]: )?Welcome to .*!$|^\s*OpenRC [0-9]|^INIT: version")),
        (Sign::OutOfMemory, pattern(r"^(\[ *[0-9.]+\] )?(Out of memory: Kill|.* invoked oom-killer)")),
        (Sign::CloudInitEnd, CLOUD_INIT.clone()),
        // Other programs may print behind the prompt.
        (Sign::LoginPrompt, pattern(r"^[A-Za-z0-9][A-Za-z0-9._-]* login:( |$)")),
    ]
});

static CLOUD_INIT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"Cloud-init v\. .*finished at .*Datasource (.*?)\. +Up ([0-9]+(?:\.[0-9]+)?) seconds"));

/// First lines of programs that a boot starts once. Firmware tries several programs, each in a line of its own.
static BANNER: LazyLock<Regex> = LazyLock::new(|| {
    pattern(r"^(SeaBIOS \(version|iPXE|BdsDxe: starting |Welcome to GRUB!|\s*GNU GRUB|(\[ *0\.0+\] )?Linux version )")
});

type Kind = fn(String) -> Trouble;

/// Lines that show why a boot stopped. If a line matches two patterns, the earlier one counts.
static TROUBLES: LazyLock<[(Kind, Regex); 7]> = LazyLock::new(|| {
    [
        (Trouble::NoRoot as Kind, pattern(r"VFS: (Unable to mount root fs|Cannot open root device)")),
        (Trouble::Panic, pattern(r"^(\[ *[0-9.]+\](\[[^\]]*\])? )?Kernel panic - not syncing")),
        (
            Trouble::SecureBoot,
            pattern(
                r"^BdsDxe: failed to (load|start) .*: (Access Denied|Security Violation)|Verification failed: .*Security Violation|^error: .*bad shim signature|^error: .*verification requested but nobody cares",
            ),
        ),
        (
            Trouble::BootLoader,
            pattern(
                r"^grub rescue>|^grub>|^Entering rescue mode\.\.\.|^error: (.*: )?(no such partition|unknown filesystem|you need to load the kernel first|symbol .* not found)|^Failed to load ldlinux\.c32",
            ),
        ),
        (
            Trouble::NothingToBoot,
            pattern(
                r"No bootable (device|medium|option or device)|^(Missing|Invalid) (operating system|partition table)|Operating System not found|BOOTMGR is missing|^Boot Failed\. EFI|^UEFI Interactive Shell v",
            ),
        ),
        (
            Trouble::EmergencyShell,
            pattern(
                r"You are in (emergency|rescue) mode|Entering emergency mode|^dracut:/#|^(switch_root|rdsosreport|emergency):/|^\(initramfs\)|Dropping to a shell!|Give root password for maintenance|Press Enter for maintenance|Cannot open access to console, the root account is locked|^sh: can't access tty; job control turned off",
            ),
        ),
        (
            Trouble::Passphrase,
            pattern(
                r"(Please )?[Ee]nter (the )?passphrase for |Please unlock disk|A password is required to access the ",
            ),
        ),
    ]
});

fn trouble(line: &str) -> Option<Trouble> {
    TROUBLES.iter().find(|(_, pattern)| pattern.is_match(line)).map(|(kind, _)| kind(line.trim().to_owned()))
}

#[cfg(test)]
mod tests;
