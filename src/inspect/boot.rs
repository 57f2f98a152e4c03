//! Finds boot loaders by firmware, kernels, and the arguments of the default kernel.

use std::collections::BTreeMap;

use super::image::Image;
use super::paths::file_name;
use super::{Boot, Booted, Entry, Kernel, Loader, Tree, grub};
use crate::recipe::Firmware;

/// Mount points of the EFI system partition in images.
const EFI_MOUNTS: [&str; 3] = ["/boot/efi", "/efi", "/boot"];

/// Places of GRUB's configuration in distributions.
const GRUB_CONFIGS: [&str; 2] = ["/boot/grub/grub.cfg", "/boot/grub2/grub.cfg"];

const EFI_GRUB_CONFIG: &str = "/boot/efi/EFI/*/grub.cfg";

/// Files with GRUB's variables, beside its configuration or on the EFI system partition.
const GRUB_ENVIRONMENTS: [&str; 3] = ["/boot/grub/grubenv", "/boot/grub2/grubenv", "/boot/efi/EFI/*/grubenv"];

/// Directories with entries of the Boot Loader Specification.
const ENTRY_DIRECTORIES: [&str; 3] = ["/boot/loader/entries", "/efi/loader/entries", "/boot/efi/loader/entries"];

/// Configuration files of syslinux and extlinux.
const EXTLINUX: [&str; 3] = ["/boot/extlinux.conf", "/boot/extlinux/extlinux.conf", "/boot/syslinux/syslinux.cfg"];

/// Files in which Arch Linux notes the name of a kernel, beside its modules: `linux` of `/boot/vmlinuz-linux`.
const PKGBASE: &str = "/usr/lib/modules/*/pkgbase";

/// Largest number of entries that are read.
const ENTRIES_LIMIT: usize = 100;

/// Files that are read to find out what boots.
pub(super) const WANTED: &[&str] = &[
    GRUB_CONFIGS[0],
    GRUB_CONFIGS[1],
    EFI_GRUB_CONFIG,
    GRUB_ENVIRONMENTS[0],
    GRUB_ENVIRONMENTS[1],
    GRUB_ENVIRONMENTS[2],
    "/boot/loader/entries/*.conf",
    "/efi/loader/entries/*.conf",
    "/boot/efi/loader/entries/*.conf",
    EXTLINUX[0],
    EXTLINUX[1],
    EXTLINUX[2],
    PKGBASE,
];

/// Finds boot loaders, kernels and the default entry.
pub(super) fn boot(image: &mut Image<'_>, firmware: &[Firmware], first_sector: &[u8]) -> Boot {
    Boot {
        firmware: firmware.to_vec(),
        loaders: loaders(image.tree, firmware, first_sector),
        kernels: kernels(image.tree),
        default: default(image),
    }
}

/// Returns the kernel that boots by default, or else the newest, and its arguments.
pub(super) fn booted(image: &mut Image<'_>) -> Booted {
    let mut kernels = kernels(image.tree);
    let Some(entry) = default(image) else {
        return Booted { kernel: kernels.into_iter().next(), args: Vec::new() };
    };
    // The boot loader's paths are relative to a file system of its choice, or lead through a link to the newest kernel.
    let chosen = kernels.iter().position(|kernel| file_name(&kernel.path) == file_name(&entry.kernel)).unwrap_or(0);
    let kernel = (chosen < kernels.len()).then(|| kernels.swap_remove(chosen));
    Booted { kernel, args: entry.args }
}

fn loaders(tree: &Tree, firmware: &[Firmware], first_sector: &[u8]) -> Vec<Loader> {
    let mut loaders = Vec::new();
    if firmware.contains(&Firmware::Bios) {
        loaders.push(Loader { firmware: Firmware::Bios, name: code_name(first_sector).to_owned(), path: None });
    }
    for mount in EFI_MOUNTS {
        // FAT ignores case, but the guest does not.
        for path in tree.glob(&format!("{mount}/[Ee][Ff][Ii]/*/*.[Ee][Ff][Ii]")) {
            loaders.push(Loader { firmware: Firmware::Uefi, name: efi_name(&path).to_owned(), path: Some(path) });
        }
    }
    loaders
}

/// Returns the boot loader of the code in the first sector, by the text in it.
fn code_name(sector: &[u8]) -> &'static str {
    let code = &sector[..sector.len().min(440)];
    let has = |text: &[u8]| code.windows(text.len()).any(|window| window == text);
    if has(b"GRUB") {
        "grub"
    } else if has(b"SYSLINUX") || has(b"EXTLINUX") || has(b"Missing operating system") {
        // The last text is in the code of syslinux' mbr.bin, for the case that no partition is active.
        "syslinux"
    } else {
        "unknown"
    }
}

/// Returns which boot loader an EFI program is, by its name. In `EFI/BOOT`, any of them may have the firmware's own name.
fn efi_name(path: &str) -> &'static str {
    let name = file_name(path).to_ascii_lowercase();
    match name.as_str() {
        _ if name.starts_with("grub") => "grub",
        _ if name.starts_with("shim") => "shim",
        _ if name.starts_with("systemd-boot") => "systemd-boot",
        _ if name.starts_with("boot") => "default",
        _ if name.starts_with("mm") || name.starts_with("fb") || name.starts_with("fwup") => "shim",
        _ => "unknown",
    }
}

fn kernels(tree: &Tree) -> Vec<Kernel> {
    let mut kernels = Vec::new();
    let noted: BTreeMap<_, _> =
        tree.glob(PKGBASE).into_iter().map(|path| (tree.text(&path).trim().to_owned(), path)).collect();
    for prefix in ["vmlinuz-", "vmlinux-", "Image-"] {
        for path in tree.glob(&format!("/boot/{prefix}*")) {
            let name = file_name(&path).trim_start_matches(prefix);
            let noted = noted.get(name).and_then(|path| path.rsplit('/').nth(1)).map(str::to_owned);
            let release = noted.or_else(|| release_of_flavour(tree, name)).unwrap_or_else(|| name.to_owned());
            kernels.push(Kernel { release, path, initrd: None });
        }
    }
    let initrds = tree.glob("/boot/initr*");
    let initrds: BTreeMap<_, _> = initrds.iter().map(|path| (file_name(path), path)).collect();
    for kernel in &mut kernels {
        // If there are several, the first by name.
        let name = file_name(&kernel.path).split_once('-').map_or("", |(_, name)| name);
        let of_flavour = (name != kernel.release).then(|| initrd_names(name));
        let names = initrd_names(&kernel.release).into_iter().chain(of_flavour.into_iter().flatten());
        let found = names.filter_map(|name| initrds.get(name.as_str())).min().copied();
        kernel.initrd = found.cloned();
    }
    kernels.sort_by(|a, b| grub::by_version(&b.release, &a.release));
    kernels
}

/// Returns the names that distributions use for the initial RAM disk of a kernel.
fn initrd_names(release: &str) -> [String; 4] {
    [
        format!("initrd.img-{release}"),
        format!("initramfs-{release}.img"),
        format!("initrd-{release}"),
        format!("initramfs-{release}"),
    ]
}

/// Returns the release of a kernel whose file is named by its flavour: Alpine's `vmlinuz-virt` has the release `6.18.56-0-virt`,
/// with which the directory of its modules is named. `None` if the file is named by its release.
fn release_of_flavour(tree: &Tree, flavour: &str) -> Option<String> {
    if flavour.is_empty()
        || flavour.contains(['*', '?', '[', '{', '\\'])
        || flavour.starts_with(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    let directories = tree.glob(&format!("{{,/usr}}/lib/modules/*-{flavour}/modules.dep"));
    let releases = directories.iter().filter_map(|path| path.rsplit('/').nth(1));
    releases.min_by(|a, b| grub::by_version(b, a)).map(str::to_owned)
}

/// Returns the entry that boots by default.
fn default(image: &mut Image<'_>) -> Option<Entry> {
    let mut environment = BTreeMap::new();
    for (_, text) in image.texts(&GRUB_ENVIRONMENTS) {
        environment.extend(grub::environment(&text));
    }
    let mut uses_entries = false;
    for (path, config) in image.texts(&[GRUB_CONFIGS[0], GRUB_CONFIGS[1], EFI_GRUB_CONFIG]) {
        // If GRUB reads entries of the specification, its own configuration has only special entries.
        uses_entries |= config.lines().any(|line| line.trim() == "blscfg");
        if !uses_entries && let Some(entry) = grub::default_entry(&config, &environment, &path) {
            return Some(entry);
        }
    }
    for directory in ENTRY_DIRECTORIES {
        let mut files = image.texts(&[&format!("{directory}/*.conf")]);
        files.truncate(ENTRIES_LIMIT);
        let files: Vec<_> = files
            .into_iter()
            .map(|(path, text)| (file_name(&path).trim_end_matches(".conf").to_owned(), text))
            .collect();
        if let Some(entry) = grub::default_of_entries(&files, &environment, directory) {
            return Some(entry);
        }
    }
    image.texts(&EXTLINUX).into_iter().find_map(|(path, config)| extlinux(&config, &path))
}

/// Returns the default entry of a configuration of syslinux: <https://wiki.syslinux.org/wiki/index.php?title=Config>. Nobody presses
/// a key, so `ontimeout` outweighs the menu's default, which outweighs `default`.
fn extlinux(config: &str, source: &str) -> Option<Entry> {
    let (mut plain, mut of_menu, mut at_end) = (None, None, None);
    let mut entries: Vec<Entry> = Vec::new();
    for line in config.lines() {
        let line = line.trim();
        let (keyword, value) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let value = value.trim();
        match (keyword.to_ascii_lowercase().as_str(), entries.last_mut()) {
            ("default", _) => plain = Some(value.to_owned()),
            ("ontimeout", _) => at_end = Some(value.to_owned()),
            ("menu", Some(entry)) if value.eq_ignore_ascii_case("default") => of_menu = Some(entry.title.clone()),
            ("label", _) => entries.push(Entry {
                title: value.to_owned(),
                kernel: String::new(),
                initrd: None,
                args: Vec::new(),
                source: source.to_owned(),
            }),
            ("linux" | "kernel", Some(entry)) => entry.kernel = value.to_owned(),
            ("initrd", Some(entry)) => entry.initrd = Some(value.to_owned()),
            ("append", Some(entry)) => {
                let initrd = value.split_whitespace().find_map(|arg| arg.strip_prefix("initrd="));
                entry.initrd = initrd.map(str::to_owned).or_else(|| entry.initrd.take());
                let args = value.split_whitespace().filter(|arg| !arg.starts_with("initrd="));
                entry.args = args.map(str::to_owned).collect();
            }
            _ => {}
        }
    }
    entries.retain(|entry| !entry.kernel.is_empty());
    let default = at_end.or(of_menu).or(plain);
    let chosen = entries.iter().position(|entry| Some(&entry.title) == default.as_ref()).unwrap_or(0);
    (chosen < entries.len()).then(|| entries.swap_remove(chosen))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each kernel was compared with each initial RAM disk: an image with very many took minutes.
    #[test]
    fn very_many_kernels_take_no_time() {
        let entry = |path: String| crate::guest::Entry {
            path: path.into(),
            kind: crate::guest::FileKind::File,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 0,
            stored: 0,
            target: None,
        };
        let names = (0..20_000).flat_map(|n| [format!("/boot/vmlinuz-{n}"), format!("/boot/initrd.img-{n}")]);
        let tree = Tree::new(names.map(entry).collect(), []);
        let begun = std::time::Instant::now();
        let found = kernels(&tree);
        assert_eq!((found.len(), found[0].initrd.as_deref()), (20_000, Some("/boot/initrd.img-19999")));
        assert!(begun.elapsed() < std::time::Duration::from_secs(10), "{:?}", begun.elapsed());
    }

    #[test]
    fn a_kernel_of_a_flavour_has_the_release_of_its_modules() {
        let found = kernels(&super::super::tree::tests::tree(&[
            ("/boot/vmlinuz-virt", "kernel"),
            ("/boot/initramfs-virt", "archive"),
            ("/boot/initramfs-lts", "archive"),
            ("/boot/vmlinuz-5.10-virt", "kernel"),
            ("/lib/modules/6.9.1-0-virt/modules.dep", ""),
            ("/lib/modules/6.18.56-0-virt/modules.dep", ""),
            ("/lib/modules/6.99-0-lts/modules.dep", ""),
        ]));
        let told: Vec<_> = found.iter().map(|kernel| (kernel.release.as_str(), kernel.initrd.as_deref())).collect();
        assert_eq!(told, [("6.18.56-0-virt", Some("/boot/initramfs-virt")), ("5.10-virt", None)]);
    }

    #[test]
    fn a_kernel_of_arch_linux_has_the_release_of_its_modules() {
        let found = kernels(&super::super::tree::tests::tree(&[
            ("/boot/vmlinuz-linux", "kernel"),
            ("/boot/vmlinuz-linux-lts", "kernel"),
            ("/boot/initramfs-linux.img", "archive"),
            ("/usr/lib/modules/6.17.8-arch1-1/pkgbase", "linux\n"),
            ("/usr/lib/modules/6.12.58-1-lts/pkgbase", "linux-lts\n"),
        ]));
        let told: Vec<_> = found.iter().map(|kernel| (kernel.release.as_str(), kernel.initrd.as_deref())).collect();
        assert_eq!(told, [("6.17.8-arch1-1", Some("/boot/initramfs-linux.img")), ("6.12.58-1-lts", None)]);
    }

    #[test]
    fn extlinux_has_labels() {
        let config = "DEFAULT virt\nPROMPT 0\nLABEL first\n  LINUX a\nLABEL virt\n  MENU LABEL Linux virt\n  LINUX vmlinuz-virt\n  INITRD initramfs-virt\n  APPEND root=UUID=1 quiet\n";
        let entry = extlinux(config, "x").expect("an entry");
        assert_eq!((entry.kernel.as_str(), entry.initrd.as_deref()), ("vmlinuz-virt", Some("initramfs-virt")));
        assert_eq!(entry.args, ["root=UUID=1", "quiet"]);
        assert_eq!(
            extlinux(&config.replace("virt\nP", "none\nP"), "x").map(|entry| entry.kernel).as_deref(),
            Some("a")
        );
        for (config, kernel, initrd) in [
            ("label a\nlinux a\nlabel b\nkernel b\nappend initrd=i ro\ndefault b\n", "b", Some("i")),
            ("default a\nlabel a\nlinux a\nlabel b\nmenu default\nlinux b\n", "b", None),
            ("default a\nontimeout a\nlabel a\nlinux a\nlabel b\nMENU DEFAULT\nlinux b\n", "a", None),
        ] {
            let entry = extlinux(config, "x").expect("an entry");
            assert_eq!((entry.kernel.as_str(), entry.initrd.as_deref()), (kernel, initrd), "{config}");
            assert!(entry.args.iter().all(|arg| arg == "ro"), "{config}");
        }
        assert_eq!(extlinux("", "x"), None);
        assert_eq!(extlinux("label x\n", "x"), None);
    }

    #[test]
    fn boot_code_is_told_by_its_text() {
        let mut sector = vec![0; 512];
        assert_eq!(code_name(&sector), "unknown");
        sector[0x180..0x184].copy_from_slice(b"GRUB");
        assert_eq!(code_name(&sector), "grub");
        assert_eq!(code_name(&[]), "unknown");
    }

    #[test]
    fn programs_of_efi_are_told_by_their_names() {
        for (path, name) in [
            ("/boot/efi/EFI/debian/shimx64.efi", "shim"),
            ("/boot/efi/EFI/debian/grubx64.efi", "grub"),
            ("/boot/efi/EFI/BOOT/BOOTX64.EFI", "default"),
            ("/efi/EFI/systemd/systemd-bootx64.efi", "systemd-boot"),
            ("/efi/EFI/Linux/linux.efi", "unknown"),
        ] {
            assert_eq!(efi_name(path), name, "{path}");
        }
    }
}
