//! Has the program built again when an element or a distribution is added or removed: files that are embedded are watched by
//! the compiler, folders are not. And says clearly if libguestfs is missing, which the linker would say in a hundred lines.

use std::process::{Command, Stdio};

/// How people install libguestfs for programs that are compiled.
const INSTALL: &str = "install it: `sudo apt-get install libguestfs-dev` (Debian, Ubuntu), `sudo dnf install libguestfs-devel` (Fedora), \
                       `sudo zypper install libguestfs-devel` (openSUSE), `sudo pacman -S libguestfs` (Arch)";

fn main() {
    println!("cargo:rerun-if-changed=elements");
    println!("cargo:rerun-if-changed=distros");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=CC");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    // Documentation is made without a linker, a linker for another machine has other libraries, and who names places of libraries
    // knows better.
    let own_places = variable("CARGO_ENCODED_RUSTFLAGS").contains("-L");
    if variable("DOCS_RS").is_empty() && variable("HOST") == variable("TARGET") && !own_places && lacks_libguestfs() {
        println!("cargo::error=goldsmith needs the library libguestfs, and the linker does not find it; {INSTALL}");
    }
}

/// Asks the linker for the library. Without a compiler for C, nothing is known.
fn lacks_libguestfs() -> bool {
    let compiler = std::env::var("CC").ok().filter(|name| !name.is_empty()).unwrap_or_else(|| "cc".to_owned());
    let probe = std::path::Path::new(&std::env::var_os("OUT_DIR").unwrap_or_default()).join("probe.so");
    let links = |library: &str| {
        let mut words = compiler.split_whitespace();
        let mut command = Command::new(words.next().unwrap_or("cc"));
        command.args(words).args(["-shared", "-x", "c", "/dev/null", library, "-o"]).arg(&probe);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    };
    // `-lc` shows that the compiler works at all.
    links("-lc") && !links("-lguestfs")
}
