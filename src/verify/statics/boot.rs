//! Rules about boot loaders, kernels and the console.

use std::collections::BTreeSet;

use super::disk::is_unstable;
use super::efi::{fallback, fallback_name};
use super::guide::guide;
use super::signed;
use super::texts::{boot_file, lines_of};
use super::unit::{Unit, unit};
use super::view::{Judged, View};
use crate::recipe::Firmware;
use crate::verify::{Finding, Group, Outcome, Rule, Severity, Stage};

/// The rules of this file, each with its judge, in the order of reports.
pub(super) const RULES: Judged = &[
    (&KERNEL, kernel),
    (&BOOT_FILES, boot_files),
    (&BOOT_NAMES, boot_names),
    (&BOOT_UUIDS, boot_uuids),
    (&BIOS_LOADER, bios_loader),
    (&EFI_FALLBACK, efi_fallback),
    (&SERIAL_CONSOLE, serial_console),
    (&SERIAL_LOGIN, serial_login),
];

/// Configuration files of boot loaders.
const CONFIGS: &[&str] = &[
    "/boot/grub{,2}/grub.cfg",
    "/boot/efi/EFI/*/grub.cfg",
    "/{boot,efi,boot/efi}/loader/entries/*.conf",
    "/boot/{extlinux.conf,extlinux/extlinux.conf,syslinux/syslinux.cfg}",
];

/// Files with GRUB's names for disks, from the machine where it was installed.
const DEVICE_MAP: &[&str] = &["/boot/grub{,2}/device.map"];

pub(super) const WANTED: &[&str] = &[CONFIGS[0], CONFIGS[1], CONFIGS[2], CONFIGS[3], DEVICE_MAP[0], INITTAB];

/// What busybox' init and sysvinit start: inittab(5). systemd does not read it.
const INITTAB: &str = "/etc/inittab";

pub(super) const KERNEL: Rule = Rule {
    id: "kernel",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The image has a kernel and the kernel's modules",
    reason: "A cloud boots the kernel on the disk.",
    page: None,
    mend: "add the element `kernel`",
};

pub(super) const BOOT_FILES: Rule = Rule {
    id: "boot-files",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The kernel and the initial RAM disk in the boot loader's configuration exist",
    reason: "The boot loader stops if it does not find them.",
    page: None,
    mend: "add the element `bootloader`, which writes the configuration at the end of the build, and install or remove \
           kernels before that",
};

pub(super) const BOOT_NAMES: Rule = Rule {
    id: "boot-names",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The boot loader's configuration names the root file system by UUID or label",
    reason: "A device name such as /dev/sda or /dev/loop0 is that of the machine that built the image.",
    page: None,
    mend: "add the element `bootloader`, and do not set GRUB_DISABLE_LINUX_UUID",
};

pub(super) const BOOT_UUIDS: Rule = Rule {
    id: "boot-uuids",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The file systems in the boot loader's configuration are on the disk",
    reason: "The boot loader or the initial RAM disk would wait for them without end.",
    page: None,
    mend: "write the configuration after the file systems are made, as the element `bootloader` does",
};

pub(super) const BIOS_LOADER: Rule = Rule {
    id: "bios-loader",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "A disk for BIOS has a boot loader in its first sector",
    reason: "A BIOS starts only the code in the first sector.",
    page: None,
    mend: "add the element `bootloader`",
};

pub(super) const EFI_FALLBACK: Rule = Rule {
    id: "efi-fallback",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "A disk for UEFI has a boot loader at \\EFI\\BOOT",
    reason: "A new instance has no boot entries, and without them firmware looks only there.",
    page: None,
    mend: "add the element `uefi`",
};

pub(super) const SERIAL_CONSOLE: Rule = Rule {
    id: "serial-console",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "The kernel writes its log to the first serial port",
    reason: "A cloud shows this log as console log. For an instance that does not boot it is often the only information.",
    page: guide!("ensure-image-writes-boot-log-to-console"),
    mend: "add the element `serial-console`",
};

pub(super) const SERIAL_LOGIN: Rule = Rule {
    id: "serial-login",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Warning,
    sentence: "The first serial port has a login prompt",
    reason: "Without it nobody can log in on the cloud's serial console.",
    page: None,
    mend: "add the element `serial-console`",
};

pub(super) fn kernel(view: &View) -> Finding {
    let kernels = &view.system.boot.kernels;
    let modules = |release: &str| {
        ["/lib/modules", "/usr/lib/modules"]
            .iter()
            .any(|path| view.tree.is_file(&format!("{path}/{release}/modules.dep")))
    };
    if kernels.is_empty() {
        return KERNEL.failed(["/boot has no kernel"]);
    }
    let without: Vec<_> = kernels.iter().filter(|kernel| !modules(&kernel.release)).collect();
    if without.is_empty() {
        KERNEL.passed(kernels.iter().map(|kernel| &kernel.path))
    } else {
        KERNEL.failed(
            without.iter().map(|kernel| format!("{}: /lib/modules/{} has no modules.dep", kernel.path, kernel.release)),
        )
    }
}

pub(super) fn boot_files(view: &View) -> Finding {
    let Some(entry) = &view.system.boot.default else {
        return BOOT_FILES.failed(["no configuration of a boot loader was found"]);
    };
    let there = |path: &str| {
        let found = boot_file(&view.tree, path);
        found.is_some_and(|path| view.tree.follow(&path).is_some_and(|entry| entry.size > 0))
    };
    let named = std::iter::once(&entry.kernel).chain(&entry.initrd).map(|path| path.trim());
    let missing = named.filter(|path| !path.is_empty() && !there(path));
    let missing: Vec<_> = missing.map(|path| format!("{}: {path} is not there, or empty", entry.source)).collect();
    if missing.is_empty() {
        BOOT_FILES.passed([&entry.kernel].into_iter().chain(&entry.initrd))
    } else {
        BOOT_FILES.failed(missing)
    }
}

pub(super) fn boot_names(view: &View) -> Finding {
    let Some(entry) = &view.system.boot.default else {
        return BOOT_NAMES.skipped("no configuration of a boot loader was found");
    };
    let mut against = BTreeSet::new();
    against.extend(entry.args.iter().filter(|arg| arg.strip_prefix("root=").is_some_and(is_unstable)).cloned());
    for (path, line) in lines_of(&view.tree, CONFIGS) {
        let bad = line.split([' ', '\t', '\'', '"']).find(|word| {
            let device = word.split_once('=').map_or(*word, |(_, device)| device);
            is_unstable(device)
        });
        against.extend(bad.map(|word| format!("{path}: {word}")));
    }
    // Installers leave the map of their machine, which is harmless. With the devices of a build, `grub-install` fails.
    let of_builds = ["/dev/loop", "/dev/nbd", "/dev/mapper/loop", "/dev/mapper/nbd"];
    let mapped = lines_of(&view.tree, DEVICE_MAP);
    let mapped =
        mapped.filter(|(_, line)| line.split_whitespace().any(|it| of_builds.iter().any(|of| it.starts_with(of))));
    against.extend(mapped.map(|(path, line)| format!("{path}: {line}")));
    match entry.args.iter().find(|arg| arg.starts_with("root=")) {
        Some(root) if against.is_empty() => BOOT_NAMES.passed([root]),
        _ => BOOT_NAMES.unless(against),
    }
}

pub(super) fn boot_uuids(view: &View) -> Finding {
    let held = view.devices.file_systems.iter().filter_map(|held| held.uuid.as_deref());
    let table = view.devices.partition_table.iter().flat_map(|table| &table.partitions);
    let known: BTreeSet<_> =
        held.chain(table.filter_map(|partition| partition.uuid.as_deref())).map(str::to_ascii_lowercase).collect();
    let mut missing = BTreeSet::new();
    for (path, line) in lines_of(&view.tree, CONFIGS) {
        let words: Vec<_> = line.split_whitespace().map(|word| word.trim_matches(['\'', '"', ';'])).collect();
        let searched = words.contains(&"--fs-uuid") && words.first().is_some_and(|word| word.starts_with("search"));
        for (at, word) in words.iter().enumerate() {
            let named = word
                .strip_prefix("root=")
                .and_then(|device| device.strip_prefix("UUID=").or(device.strip_prefix("PARTUUID=")));
            // grub-install writes `search.fs_uuid UUID`, grub-mkconfig `search --fs-uuid --set=root UUID`.
            let uuid = named.or_else(|| {
                (words[0] == "search.fs_uuid" && at == 1 || searched && at > 0 && is_uuid(word)).then_some(*word)
            });
            if let Some(uuid) = uuid.filter(|uuid| is_uuid(uuid) && !known.contains(&uuid.to_ascii_lowercase())) {
                missing.insert(format!("{path}: {uuid}"));
            }
        }
    }
    BOOT_UUIDS.unless(missing)
}

/// Returns whether the text looks like the UUID of a file system: 128 bits, or the 32 of FAT as `1234-ABCD`.
fn is_uuid(text: &str) -> bool {
    [9, 36].contains(&text.len())
        && text.contains('-')
        && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

pub(super) fn bios_loader(view: &View) -> Finding {
    let firmware = &view.system.boot.firmware;
    if firmware.is_empty() {
        let failed = BIOS_LOADER.failed(["neither a BIOS nor UEFI finds anything to start on the disk"]);
        if view.devices.partition_table.is_none() {
            // No element makes a partition table, and an image that is a base keeps what it has.
            let mend = "the disk has no partition table: build it on `base: { bootstrap: ... }` with the elements \
                        `bootloader` and `uefi`, or choose an image of a whole disk"
                .to_owned();
            return Finding { mend, ..failed };
        }
        return failed;
    }
    if !firmware.contains(&Firmware::Bios) {
        return BIOS_LOADER.skipped("the disk is not for BIOS");
    }
    if view.devices.first_sectors.iter().take(440).all(|byte| *byte == 0) {
        return BIOS_LOADER.failed(["there is a partition for it, but no code in the first sector"]);
    }
    let loader = view.system.boot.loaders.iter().find(|loader| loader.firmware == Firmware::Bios);
    let core = view.tree.glob("/boot/grub{,2}/i386-pc/core.img");
    match loader.map_or("unknown", |loader| loader.name.as_str()) {
        "grub" if core.is_empty() => BIOS_LOADER.failed(["GRUB's core.img for BIOS is not there"]),
        name => BIOS_LOADER.passed([name]),
    }
}

pub(super) fn efi_fallback(view: &View) -> Finding {
    if !view.system.boot.firmware.contains(&Firmware::Uefi) {
        return EFI_FALLBACK.skipped("the disk is not for UEFI");
    }
    match fallback(view) {
        Some(path) => match view.tree.bytes(&path).map(|bytes| signed::is_signed(bytes.unwrap_or_default())) {
            Ok(None) => EFI_FALLBACK.failed([format!("{path} is no program for UEFI")]),
            Ok(Some(_)) | Err(_) => EFI_FALLBACK.passed([path]),
        },
        None => EFI_FALLBACK.failed([format!("there is no \\EFI\\BOOT\\{}", fallback_name(view))]),
    }
}

fn serial_port(view: &View) -> &'static str {
    if view.arch == "aarch64" { "ttyAMA0" } else { "ttyS0" }
}

pub(super) fn serial_console(view: &View) -> Finding {
    let port = serial_port(view);
    let Some(entry) = &view.system.boot.default else {
        return SERIAL_CONSOLE.failed(["no configuration of a boot loader was found"]);
    };
    let consoles: Vec<_> = entry.args.iter().filter(|arg| arg.starts_with("console=")).collect();
    let named = |arg: &&&String| arg["console=".len()..].split(',').next() == Some(port);
    let failed = SERIAL_CONSOLE.failed([format!("{}: {}", entry.source, entry.args.join(" "))]);
    if !consoles.iter().any(|arg| named(&arg)) {
        failed
    } else if let Some(silent) = silent(&entry.args) {
        let mend =
            format!("remove the argument: `kernel-args: {{ remove: [{silent}] }}` in a step of the phase `boot`");
        Finding { mend, ..failed }
    } else {
        SERIAL_CONSOLE.passed(consoles)
    }
}

/// The argument, as `kernel-args` removes it, that keeps the kernel's first lines off every console. They are notices,
/// which have the number 5, and what is on a console has a lower number than the level; `quiet` is level 4. The last
/// argument counts: the kernel's `admin-guide/kernel-parameters.txt`.
fn silent(args: &[String]) -> Option<&'static str> {
    args.iter().fold(None, |silent, arg| match arg.strip_prefix("loglevel=").map(str::parse::<u32>) {
        Some(Ok(level)) => (level <= 5).then_some("loglevel="),
        _ if arg == "quiet" => Some("quiet"),
        _ if arg == "debug" || arg == "ignore_loglevel" => None,
        _ => silent,
    })
}

/// Returns whether an init that reads inittab keeps a login prompt on the serial port.
fn respawned(view: &View) -> bool {
    let port = serial_port(view);
    let is_systemd = ["/usr/lib", "/lib"].iter().any(|lib| view.tree.exists(&format!("{lib}/systemd/systemd")));
    !is_systemd
        && view.tree.text(INITTAB).lines().any(|line| {
            let fields: Vec<_> = line.splitn(4, ':').collect();
            let [_, _, "respawn", process] = fields[..] else { return false };
            !line.starts_with('#') && process.contains("getty") && process.split_whitespace().any(|word| word == port)
        })
}

pub(super) fn serial_login(view: &View) -> Finding {
    let name = format!("serial-getty@{}.service", serial_port(view));
    // systemd-getty-generator(8) starts a login prompt on every console of the kernel.
    let generated = ["/usr/lib", "/lib"]
        .iter()
        .any(|lib| view.tree.exists(&format!("{lib}/systemd/system-generators/systemd-getty-generator")));
    let console = serial_console(view).outcome == Outcome::Passed;
    match unit(&view.tree, &name) {
        Unit::Enabled => SERIAL_LOGIN.passed([name]),
        Unit::Masked => SERIAL_LOGIN.failed([format!("{name} is masked")]),
        _ if respawned(view) => SERIAL_LOGIN.passed([format!("{INITTAB} starts getty on {}", serial_port(view))]),
        _ if generated && console => SERIAL_LOGIN.passed([format!("{name}, which systemd starts on a console")]),
        _ => SERIAL_LOGIN.failed([format!("{name} does not start at boot")]),
    }
}
