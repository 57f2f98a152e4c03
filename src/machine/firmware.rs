//! Finds the firmware of a machine in QEMU's firmware descriptors.
//!
//! The descriptors follow QEMU's `docs/interop/firmware.json`. They are JSON files in `/etc/qemu/firmware` and
//! `/usr/share/qemu/firmware`, sorted by name. A file in `/etc` hides one of the same name in `/usr`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::recipe::Arch;
use crate::recipe::verify::{Board, BootKind};

/// Directories of descriptors; later ones hide earlier ones.
const DESCRIPTORS: [&str; 2] = ["/usr/share/qemu/firmware", "/etc/qemu/firmware"];

/// A firmware in flash memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flash {
    /// File with the firmware's program.
    pub(super) code: PathBuf,
    /// QEMU's name for the format of `code`.
    pub(super) code_format: String,
    /// File with the variables of a new machine.
    pub(super) vars: PathBuf,
    /// QEMU's name for the format of `vars`.
    pub(super) vars_format: String,
    /// Whether the processor's system management mode protects the variables.
    pub(super) smm: bool,
}

/// Paths of the firmware in distributions without descriptors: whether it has Secure Boot, program, variables.
const KNOWN: [(Arch, bool, &str, &str); 12] = [
    (Arch::X86_64, false, "/usr/share/OVMF/OVMF_CODE_4M.fd", "/usr/share/OVMF/OVMF_VARS_4M.fd"),
    (Arch::X86_64, false, "/usr/share/OVMF/OVMF_CODE.fd", "/usr/share/OVMF/OVMF_VARS.fd"),
    (Arch::X86_64, false, "/usr/share/edk2/ovmf/OVMF_CODE.fd", "/usr/share/edk2/ovmf/OVMF_VARS.fd"),
    (Arch::X86_64, false, "/usr/share/qemu/ovmf-x86_64-code.bin", "/usr/share/qemu/ovmf-x86_64-vars.bin"),
    (Arch::X86_64, false, "/usr/share/edk2/x64/OVMF_CODE.4m.fd", "/usr/share/edk2/x64/OVMF_VARS.4m.fd"),
    (Arch::X86_64, true, "/usr/share/OVMF/OVMF_CODE_4M.ms.fd", "/usr/share/OVMF/OVMF_VARS_4M.ms.fd"),
    (Arch::X86_64, true, "/usr/share/OVMF/OVMF_CODE.ms.fd", "/usr/share/OVMF/OVMF_VARS.ms.fd"),
    (Arch::X86_64, true, "/usr/share/edk2/ovmf/OVMF_CODE.secboot.fd", "/usr/share/edk2/ovmf/OVMF_VARS.secboot.fd"),
    (Arch::X86_64, true, "/usr/share/qemu/ovmf-x86_64-smm-ms-code.bin", "/usr/share/qemu/ovmf-x86_64-smm-ms-vars.bin"),
    (Arch::Aarch64, false, "/usr/share/AAVMF/AAVMF_CODE.fd", "/usr/share/AAVMF/AAVMF_VARS.fd"),
    (
        Arch::Aarch64,
        false,
        "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
        "/usr/share/edk2/aarch64/vars-template-pflash.raw",
    ),
    (Arch::Aarch64, false, "/usr/share/qemu/aavmf-aarch64-code.bin", "/usr/share/qemu/aavmf-aarch64-vars.bin"),
];

/// The parts of a descriptor that Goldsmith uses.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Descriptor {
    interface_types: Vec<String>,
    mapping: Mapping,
    targets: Vec<Target>,
    features: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Mapping {
    device: String,
    /// Mode of the mapping; without one it is `split`.
    mode: Option<String>,
    executable: Option<FlashFile>,
    nvram_template: Option<FlashFile>,
}

#[derive(Debug, Deserialize)]
struct FlashFile {
    filename: PathBuf,
    format: String,
}

#[derive(Debug, Deserialize)]
struct Target {
    architecture: String,
    machines: Vec<String>,
}

/// Returns the name of a board, with a version that matches the patterns of descriptors: boards have versions.
pub(super) fn board(arch: Arch, board: Board) -> &'static str {
    match (arch, board) {
        (Arch::Aarch64, _) => "virt-9.0",
        (Arch::X86_64, Board::Q35) => "pc-q35-9.0",
        (Arch::X86_64, Board::Pc) => "pc-i440fx-9.0",
    }
}

/// Returns the program of a UEFI firmware on this host, without Secure Boot; `None` if there is none for the architecture.
pub fn uefi(arch: Arch) -> Option<PathBuf> {
    find(BootKind::Uefi, arch, board(arch, Board::Q35)).map(|flash| flash.code)
}

/// Finds a firmware of this host for a machine. `machine` is a versioned name as in descriptors: `pc-q35-9.0`. `kind` is not
/// BIOS, because QEMU contains that firmware.
pub(super) fn find(kind: BootKind, arch: Arch, machine: &str) -> Option<Flash> {
    find_in(&DESCRIPTORS.map(Path::new), kind, arch, machine).or_else(|| known(kind, arch))
}

fn find_in(dirs: &[&Path], kind: BootKind, arch: Arch, machine: &str) -> Option<Flash> {
    let mut files = BTreeMap::new();
    for dir in dirs {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.path().extension().is_some_and(|extension| extension == "json") {
                files.insert(entry.file_name(), entry.path());
            }
        }
    }
    let mut found: Vec<Flash> = files
        .values()
        // An empty file hides one of the same name; an unreadable file is skipped.
        .filter_map(|path| serde_json::from_slice::<Descriptor>(&std::fs::read(path).ok()?).ok())
        .filter_map(|descriptor| descriptor.fits(kind, arch, machine))
        .collect();
    // Without Secure Boot the simplest firmware is enough: the system management mode is slow to emulate.
    if kind == BootKind::Uefi {
        found.sort_by_key(|flash| flash.smm);
    }
    found.into_iter().next()
}

impl Descriptor {
    fn fits(self, kind: BootKind, arch: Arch, machine: &str) -> Option<Flash> {
        let has = |feature: &str| self.features.iter().any(|other| other == feature);
        let secure = has("secure-boot") && has("enrolled-keys");
        let matches =
            |pattern: &String| globset::Glob::new(pattern).is_ok_and(|glob| glob.compile_matcher().is_match(machine));
        let fits = self.interface_types.iter().any(|kind| kind == "uefi")
            && self.mapping.device == "flash"
            && self.mapping.mode.as_deref().unwrap_or("split") == "split"
            && self
                .targets
                .iter()
                .any(|target| target.architecture == arch.name() && target.machines.iter().any(matches))
            && match kind {
                BootKind::Bios => false,
                BootKind::Uefi => !has("enrolled-keys"),
                BootKind::SecureBoot => secure,
            };
        let (code, vars) = (self.mapping.executable?, self.mapping.nvram_template?);
        let smm = self.features.iter().any(|feature| feature == "requires-smm");
        (fits && code.filename.exists() && vars.filename.exists()).then_some(Flash {
            code: code.filename,
            code_format: code.format,
            vars: vars.filename,
            vars_format: vars.format,
            smm,
        })
    }
}

fn known(kind: BootKind, arch: Arch) -> Option<Flash> {
    let secure = kind == BootKind::SecureBoot;
    let mut known = KNOWN.into_iter().filter(|known| known.0 == arch && known.1 == secure && kind != BootKind::Bios);
    let (.., code, vars) = known.find(|(.., code, vars)| Path::new(code).exists() && Path::new(vars).exists())?;
    let raw = || "raw".to_owned();
    Some(Flash { code: code.into(), code_format: raw(), vars: vars.into(), vars_format: raw(), smm: secure })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(dir: &Path, file: &str, name: &str, features: &str, machine: &str) {
        let (code, vars) = (dir.join(format!("{name}.code")), dir.join(format!("{name}.vars")));
        std::fs::write(&code, "code").expect("writable");
        std::fs::write(&vars, "vars").expect("writable");
        let text = format!(
            r#"{{"description": "x", "interface-types": ["uefi"], "tags": [], "features": [{features}],
                "mapping": {{"device": "flash", "executable": {{"filename": {code:?}, "format": "raw"}},
                             "nvram-template": {{"filename": {vars:?}, "format": "qcow2"}}}},
                "targets": [{{"architecture": "x86_64", "machines": [{machine:?}]}}]}}"#
        );
        std::fs::write(dir.join(file), text).expect("writable");
    }

    #[test]
    fn the_firmware_is_what_the_descriptors_say() {
        let (usr, etc) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let find = |kind, machine| {
            let found = find_in(&[usr.path(), etc.path()], kind, Arch::X86_64, machine)?;
            Some((found.code.file_stem().expect("a name").to_string_lossy().into_owned(), found.smm))
        };
        let named = |name: &str, smm| Some((name.to_owned(), smm));
        descriptor(usr.path(), "40.json", "keys", r#""enrolled-keys", "secure-boot", "requires-smm""#, "pc-q35-*");
        descriptor(usr.path(), "50.json", "empty", r#""secure-boot", "requires-smm""#, "pc-q35-*");
        assert_eq!(find(BootKind::Uefi, "pc-q35-9.0"), named("empty", true));
        descriptor(usr.path(), "60.json", "plain", "", "pc-*");
        assert_eq!(find(BootKind::Uefi, "pc-q35-9.0"), named("plain", false));
        assert_eq!(find(BootKind::Uefi, "pc-i440fx-9.0"), named("plain", false));
        assert_eq!(find(BootKind::SecureBoot, "pc-q35-9.0"), named("keys", true));
        assert_eq!(find(BootKind::SecureBoot, "pc-i440fx-9.0"), None);
        assert_eq!(find(BootKind::Bios, "pc-q35-9.0"), None);
        // The administrator hides one and adds another.
        std::fs::write(etc.path().join("60.json"), "").expect("writable");
        assert_eq!(find(BootKind::Uefi, "pc-q35-9.0"), named("empty", true));
        descriptor(etc.path(), "00.json", "own", r#""enrolled-keys", "secure-boot""#, "pc-q35-*");
        assert_eq!(find(BootKind::SecureBoot, "pc-q35-9.0"), named("own", false));
        // What it names must be there.
        std::fs::remove_file(etc.path().join("own.vars")).expect("there");
        assert_eq!(find(BootKind::SecureBoot, "pc-q35-9.0"), named("keys", true));
        assert_eq!(find_in(&[usr.path()], BootKind::Uefi, Arch::Aarch64, "virt-9.0"), None);
    }
}
