//! Finds troubles and signs by the words that firmware, boot loaders, kernels and init systems print.

use std::sync::LazyLock;

use regex::Regex;

use super::sign::Sign;
use super::trouble::Trouble;

/// Compiles a pattern of this file; a test compiles them all.
pub(super) fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a test compiles them all")
}

/// Lines that are signs. If a line matches two patterns, the earlier one counts.
pub(super) static SIGNS: LazyLock<[(Sign, Regex); 7]> = LazyLock::new(|| {
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

pub(super) static CLOUD_INIT: LazyLock<Regex> =
    LazyLock::new(|| pattern(r"Cloud-init v\. .*finished at .*Datasource (.*?)\. +Up ([0-9]+(?:\.[0-9]+)?) seconds"));

/// First lines of programs that a boot starts once. Firmware tries several programs, each in a line of its own.
pub(super) static BANNER: LazyLock<Regex> = LazyLock::new(|| {
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

pub(super) fn trouble(line: &str) -> Option<Trouble> {
    TROUBLES.iter().find(|(_, pattern)| pattern.is_match(line)).map(|(kind, _)| kind(line.trim().to_owned()))
}
