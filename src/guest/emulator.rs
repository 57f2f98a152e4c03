//! Finds the program of this host that runs programs of another architecture, and makes the rule by which a kernel uses it.
//!
//! An image may have another architecture than the host. Its programs then run under QEMU's user mode emulation: natively in the
//! namespaces of a bootstrap, and in the guest, whose kernel and tools have the host's architecture. A rule of the kernel's
//! `binfmt_misc` starts the emulator. With the flag `F` the kernel opens the emulator once, when the rule is made. So the image
//! does not contain it, and a program finds it in every root directory.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use crate::vocabulary::Arch;

/// Where distributions put emulators.
const DIRECTORIES: [&str; 3] = ["/usr/local/bin", "/usr/bin", "/bin"];

/// The rules of this host, if it has some.
const REGISTERED: &str = "/proc/sys/fs/binfmt_misc";

/// A program of this host that runs programs of another architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Emulator {
    /// The architecture of the programs.
    pub arch: Arch,
    /// A program that needs no libraries.
    pub program: PathBuf,
}

/// This host lacks an emulator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "programs for {} cannot run on this machine: install a QEMU for user programs that needs no libraries, as the program \
     qemu-{}-static; `goldsmith doctor` names the package", .0.name(), .0.name()
)]
pub struct NoEmulator(pub Arch);

impl Emulator {
    /// Returns the emulator for an architecture; `None` if this host runs its programs without one.
    ///
    /// # Errors
    ///
    /// The host has none.
    pub fn of(arch: Arch) -> Result<Option<Self>, NoEmulator> {
        if Arch::host() == Some(arch) {
            return Ok(None);
        }
        find(arch, &DIRECTORIES.map(Path::new)).map(|program| Some(Self { arch, program })).ok_or(NoEmulator(arch))
    }

    /// Returns the rule for `binfmt_misc`, for a copy of the emulator at `program`.
    ///
    /// `O` and `F`: the kernel opens program and emulator. `C`: a program with a setuid bit gets its owner's rights. `P`: a program
    /// sees its name as it was called.
    pub fn rule(&self, program: &str) -> String {
        let machine = match self.arch {
            Arch::X86_64 => "3e",
            Arch::Aarch64 => "b7",
        };
        // The head of an ELF file, by elf(5): 64 bits, little endian, version 1, any ABI; type 2 (fixed) or 3 (anywhere); machine.
        let magic = format!(r"\x7fELF\x02\x01\x01{}\x02\x00\x{machine}\x00", r"\x00".repeat(9));
        let mask = format!(r"{}\x00{}\xfe\xff\xff\xff", r"\xff".repeat(7), r"\xff".repeat(8));
        format!(":goldsmith-{}:M::{magic}:{mask}:{program}:OCFP", self.arch.name())
    }

    /// Returns whether a rule of this host already starts an emulator for this architecture in every root directory.
    pub fn is_registered(&self) -> bool {
        is_registered(Path::new(REGISTERED), self.arch)
    }
}

fn find(arch: Arch, directories: &[&Path]) -> Option<PathBuf> {
    // Debian 13 and openSUSE leave out `-static` in the name of a static program.
    let names = [format!("qemu-{}-static", arch.name()), format!("qemu-{}", arch.name())];
    let mut paths = names.iter().flat_map(|name| directories.iter().map(move |directory| directory.join(name)));
    paths.find(|path| is_static(path))
}

/// Returns whether a file is a program for a 64-bit little-endian machine that names no loader, by elf(5).
fn is_static(path: &Path) -> bool {
    const LOADER: u32 = 3;
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(4096).read_to_end(&mut head));
    if read.is_err() {
        return false;
    }
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = head.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return false;
    }
    let (Some(table), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else { return false };
    (0..count).all(|index| {
        let at = usize::try_from(table.saturating_add(index * size)).unwrap_or(usize::MAX);
        number(at, 4).is_some_and(|kind| kind != u64::from(LOADER))
    })
}

fn is_registered(directory: &Path, arch: Arch) -> bool {
    let machine = match arch {
        Arch::X86_64 => "3e00",
        Arch::Aarch64 => "b700",
    };
    let rules = std::fs::read_dir(directory).into_iter().flatten().flatten();
    rules.filter_map(|rule| std::fs::read_to_string(rule.path()).ok()).any(|text| {
        let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start)).unwrap_or_default();
        let magic = line("magic ");
        text.starts_with("enabled")
            && line("flags: ").contains('F')
            && line("offset ") == "0"
            && magic.starts_with("7f454c460201")
            && magic.get(36..40) == Some(machine)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_as_the_kernel_reads_it() {
        let emulator = Emulator { arch: Arch::Aarch64, program: PathBuf::from("/q") };
        assert_eq!(
            emulator.rule("/tmp/q"),
            r":goldsmith-aarch64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/tmp/q:OCFP"
        );
    }

    #[test]
    fn an_emulator_needs_no_loader() {
        let (first, second) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        let directories = [first.path(), second.path()];
        let program = |loader: u8| {
            let mut file = b"\x7fELF\x02\x01".to_vec();
            file.resize(64 + 2 * 56, 0);
            (file[32], file[54], file[56]) = (64, 56, 2);
            (file[64], file[64 + 56]) = (1, loader);
            file
        };
        let find = || find(Arch::Aarch64, &directories);
        assert_eq!(find(), None);
        for (name, content) in [("qemu-aarch64-static", b"#!/bin/sh\n".to_vec()), ("qemu-aarch64", program(3))] {
            std::fs::write(first.path().join(name), content).expect("writable");
        }
        assert_eq!(find(), None);
        let path = second.path().join("qemu-aarch64");
        std::fs::write(&path, program(2)).expect("writable");
        assert_eq!(find(), Some(path));
        // A file that ends within its head names no loader that could be seen.
        std::fs::write(first.path().join("qemu-aarch64-static"), &program(2)[..70]).expect("writable");
        assert_ne!(find(), Some(first.path().join("qemu-aarch64-static")));
    }

    #[test]
    fn rules_of_the_host_count_if_they_work_in_every_root() {
        let rule = |state: &str, flags: &str, machine: &str| {
            let magic = format!("7f454c460201010000000000000000000200{machine}00");
            format!("{state}\ninterpreter /usr/bin/q\nflags: {flags}\noffset 0\nmagic {magic}\nmask ff\n")
        };
        for (text, registered) in [
            (rule("enabled", "OCF", "b7"), true),
            (rule("disabled", "OCF", "b7"), false),
            (rule("enabled", "OC", "b7"), false),
            (rule("enabled", "OCF", "3e"), false),
            ("enabled\ninterpreter /usr/bin/python3\nflags: F\noffset 0\nmagic 610d0d0a\n".to_owned(), false),
        ] {
            let directory = tempfile::tempdir().expect("a directory");
            std::fs::write(directory.path().join("qemu"), &text).expect("writable");
            assert_eq!(is_registered(directory.path(), Arch::Aarch64), registered, "{text}");
        }
        assert!(!is_registered(Path::new("/nonexistent"), Arch::Aarch64));
    }
}
