use std::time::Duration;

use super::super::end::End;
use super::super::serial::SerialView;
use super::*;

const JUST_NOW: Duration = Duration::from_secs(1);

/// Returns the verdict on a console that printed a text, and then nothing for this time.
fn verdict(text: &str, quiet: Duration) -> Verdict {
    let mut watch = Watch::new(Limits::default());
    watch.look(&SerialView::of(text.as_bytes(), quiet), None, Duration::from_secs(9)).clone()
}

#[test]
fn last_words_are_known() {
    type InterfaceReply = fn(&Trouble) -> bool;
    let cases: &[(&str, InterfaceReply)] = &[
        ("[    2.5] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n", |trouble| {
            matches!(trouble, Trouble::NoRoot(_))
        }),
        (
            "[    1.8] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000100\r\n",
            |trouble| matches!(trouble, Trouble::Panic(line) if line.contains("exitcode")),
        ),
        ("[    1.8][    T1] Kernel panic - not syncing: System is deadlocked on memory\r\n", |trouble| {
            matches!(trouble, Trouble::Panic(_))
        }),
        (
            "error: no such partition.\r\nEntering rescue mode...\r\ngrub rescue> ",
            |trouble| matches!(trouble, Trouble::BootLoader(line) if line == "error: no such partition."),
        ),
        ("error: ../../grub-core/kern/disk.c:236:disk `hd1,1': no such partition.\r\n", |trouble| {
            matches!(trouble, Trouble::BootLoader(_))
        }),
        (
            "Minimal BASH-like line editing is supported.\r\n\r\n\r\n\x1b[1;1Hgrub> ",
            |trouble| matches!(trouble, Trouble::BootLoader(line) if line == "grub>"),
        ),
        ("BdsDxe: No bootable option or device was found.\r\n", |trouble| matches!(trouble, Trouble::NothingToBoot(_))),
        ("BdsDxe: failed to load Boot0001 \"UEFI Misc Device\" from PciRoot(0x0): Access Denied\r\n", |trouble| {
            matches!(trouble, Trouble::SecureBoot(_))
        }),
        ("error: bad shim signature.\r\nerror: you need to load the kernel first.\r\n", |trouble| {
            matches!(trouble, Trouble::SecureBoot(_))
        }),
        ("You are in emergency mode. After logging in, type \"journalctl -xb\"\r\n", |trouble| {
            matches!(trouble, Trouble::EmergencyShell(_))
        }),
        (
            "ALERT!  UUID=1234 does not exist.  Dropping to a shell!\r\n\r\n(initramfs) ",
            |trouble| matches!(trouble, Trouble::EmergencyShell(line) if line.starts_with("ALERT!")),
        ),
        ("\r\nGenerating \"/run/initramfs/rdsosreport.txt\"\r\ndracut:/# ", |trouble| {
            matches!(trouble, Trouble::EmergencyShell(_))
        }),
        ("Please enter passphrase for disk QEMU HARDDISK (luks-1234):: (press TAB for no echo) ", |trouble| {
            matches!(trouble, Trouble::Passphrase(_))
        }),
        ("Please unlock disk sda3_crypt: ", |trouble| matches!(trouble, Trouble::Passphrase(_))),
    ];
    for (text, told) in cases {
        let verdict = verdict(text, JUST_NOW);
        assert!(verdict.trouble.as_ref().is_some_and(told), "{text:?}: {verdict:?}");
    }
}

#[test]
fn a_boot_that_goes_well_has_signs_and_no_trouble() {
    let boot = "\x1b[2J\x1b[01;01HBdsDxe: loading Boot0001 \"UEFI Misc Device\" from PciRoot(0x0)/Pci(0x2,0x0)\r\n\
        BdsDxe: starting Boot0001 \"UEFI Misc Device\" from PciRoot(0x0)/Pci(0x2,0x0)\r\nWelcome to GRUB!\r\n\r\n\
        error: no suitable video mode found.\r\nerror: file `/boot/grub/fonts/unicode.pf2' not found.\r\n\
        [    0.000000] Linux version 6.1.0-27-cloud-amd64 (debian-kernel@lists.debian.org)\r\n\
        [    0.3] Kernel command line: BOOT_IMAGE=/boot/vmlinuz root=UUID=1 panic=10\r\n\
        [    4.2] Run /init as init process\r\n\r\n\
        Welcome to \x1b[1mDebian GNU/Linux 12 (bookworm)\x1b[0m!\r\n\
        [  OK  ] Reached target \x1b[0;1;39memergency.target\x1b[0m - not really.\r\n\
        \r\nDebian GNU/Linux 12 try ttyS0\r\n\r\ntry login: ";
    let end = "\r\n[   45.3] cloud-init[512]: Cloud-init v. 22.4.2 finished at Sat, 21 Nov 2026 12:00:45 +0000. Datasource \
        DataSourceConfigDrive [net,ver=2][source=/dev/vdb].  Up 45.23 seconds\r\n";
    let mut watch = Watch::new(Limits::default());
    // It arrives in pieces that end anywhere.
    let whole = [boot, end].concat();
    for at in 0..=whole.len() {
        if at % 7 == 0 || at == whole.len() {
            watch.look(&SerialView::of(&whole.as_bytes()[..at], JUST_NOW), None, Duration::from_secs(at as u64));
        }
    }
    let signs: Vec<_> = watch.verdict().signs.iter().map(|(sign, _)| *sign).collect();
    let expected = [Sign::Firmware, Sign::BootLoader, Sign::Kernel, Sign::Init, Sign::LoginPrompt, Sign::CloudInitEnd];
    assert_eq!(signs, expected);
    assert!(watch.verdict().signs.is_sorted_by_key(|(_, when)| *when));
    let datasource = "DataSourceConfigDrive [net,ver=2][source=/dev/vdb]".to_owned();
    assert_eq!(watch.verdict().cloud_init, Some(CloudInitEnd { datasource, up: 45.23 }));
    // Others print behind the prompt.
    let prompt = verdict("try login: [   38.1] random: crng init done\r\n", JUST_NOW);
    assert_eq!(prompt.seen(Sign::LoginPrompt), Some(Duration::from_secs(9)));
    // A system that is up may be silent.
    let silent = SerialView::of(whole.as_bytes(), Duration::from_secs(3600));
    assert_eq!(watch.look(&silent, None, Duration::from_secs(3600)).trouble, None);
}

#[test]
fn similar_words_are_no_trouble() {
    for text in [
        "debian@try:~$ echo '# Kernel panic - not syncing'\r\n",
        "Last login: Sat Nov 21 12:00:00 2026 from 172.16.0.2\r\n",
        "login: \r\n",
        "[    0.1] Kernel command line: panic=10\r\n",
        "grub-install: error: x\r\n",
        "BdsDxe: failed to load Boot0001 \"UEFI Misc Device\" from PciRoot(0x0)/Pci(0x2,0x0): Not Found\r\n",
        "[  OK  ] Finished Rescue Shell.\r\n",
        "Welcome to the jungle\r\n",
    ] {
        assert_eq!(verdict(text, JUST_NOW), Verdict::default().with_firmware(text), "{text}");
    }
}

impl Verdict {
    /// The one text above that is a sign of the firmware.
    fn with_firmware(mut self, text: &str) -> Self {
        if text.starts_with("BdsDxe") {
            self.signs.push((Sign::Firmware, Duration::from_secs(9)));
        }
        self
    }
}

#[test]
fn silence_ends_the_wait_and_the_screen_says_why() {
    let long = Duration::from_secs(121);
    assert_eq!(verdict("Booting", JUST_NOW).trouble, None);
    let trouble = verdict("Loading Linux\r\n", long).trouble.expect("silent");
    assert_eq!(trouble.to_string(), "it showed nothing for 121 s after: Loading Linux");

    let mut watch = Watch::new(Limits::default());
    watch.look(&SerialView::of(b"", long), None, long);
    let screen = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let looping = screen("SeaBIOS (version 1.16.2)\n\nBooting from Hard Disk...\n");
    let trouble = watch.look_at_screen(&looping).trouble.clone().expect("silent");
    assert_eq!(trouble.to_string(), "it showed nothing for 121 s after: Booting from Hard Disk...");
    let empty = screen("Booting from Hard Disk...\nBoot failed: not a bootable disk\n\nNo bootable device.");
    let trouble = watch.look_at_screen(&empty).trouble.clone().expect("silent");
    assert_eq!(trouble, Trouble::NothingToBoot("No bootable device.".to_owned()));
}

#[test]
fn the_first_cause_counts_but_an_end_is_none() {
    let mut watch = Watch::new(Limits::default());
    let panic = SerialView::of(b"[    1.0] Kernel panic - not syncing: x\n", JUST_NOW);
    assert_eq!(
        watch.look(&panic, Some(&End::Reset), JUST_NOW).trouble.as_ref().map(Trouble::to_string).as_deref(),
        Some("the kernel panicked: [    1.0] Kernel panic - not syncing: x")
    );
    let mut watch = Watch::new(Limits::default());
    let nothing = SerialView::of(b"", JUST_NOW);
    assert_eq!(watch.look(&nothing, Some(&End::PoweredOff), JUST_NOW).trouble, Some(Trouble::Ended(End::PoweredOff)));
    assert_eq!(
        watch.look(&panic, None, JUST_NOW).trouble.as_ref().map(|trouble| trouble.advice().is_empty()),
        Some(false)
    );
    assert!(matches!(watch.verdict().trouble, Some(Trouble::Panic(_))));
    let mut watch = Watch::new(Limits::default());
    watch.look(&nothing, Some(&End::Panicked), JUST_NOW);
    assert_eq!(watch.verdict().trouble.as_ref().map(Trouble::to_string).as_deref(), Some("the kernel panicked"));
}

#[test]
fn what_never_ends_is_told() {
    let banner = "[    0.000000] Linux version 6.1.0\r\n[    0.1] Restarting\r\n";
    assert_eq!(verdict(&banner.repeat(3), JUST_NOW).trouble, None);
    let trouble = verdict(&banner.repeat(4), JUST_NOW).trouble.expect("a loop");
    assert_eq!(trouble.to_string(), "it began 4 times: [    0.000000] Linux version 6.1.0");

    let trouble = verdict(&"A".repeat(17 << 10), JUST_NOW).trouble.expect("a flood");
    assert_eq!(trouble, Trouble::Flood { bytes: 17 << 10 });
    assert_eq!(verdict(&"10 %\r".repeat(10_000), JUST_NOW).trouble, None);
    let trouble = verdict(&"a line\n".repeat(2 << 20), JUST_NOW).trouble.expect("a flood");
    assert_eq!(trouble.to_string(), "it printed 14 MiB without coming to an end");
}

#[test]
fn any_bytes_can_be_looked_at() {
    let mut bytes = vec![0; 200_000];
    fastrand::Rng::with_seed(1).fill(&mut bytes);
    let mut watch = Watch::new(Limits::default());
    for at in (0..bytes.len()).step_by(4999) {
        watch.look(&SerialView::of(&bytes[..at], JUST_NOW), None, JUST_NOW);
    }
    assert_eq!(watch.verdict().signs, []);
}
