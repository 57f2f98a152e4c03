//! Finds UEFI programs on the disk: the one that firmware starts, shims, and their GRUB.

use super::view::View;

/// Returns the name of the program that firmware starts if it has no entries, by architecture: UEFI Specification, 3.5.1.1.
pub(super) fn fallback_name(view: &View) -> &'static str {
    match view.arch.as_str() {
        "aarch64" => "BOOTAA64.EFI",
        "i386" | "i686" => "BOOTIA32.EFI",
        "riscv64" => "BOOTRISCV64.EFI",
        _ => "BOOTX64.EFI",
    }
}

/// Returns the file with the fallback name.
pub(super) fn fallback(view: &View) -> Option<String> {
    let name = fallback_name(view);
    let found = view.tree.glob("/{boot/efi,efi,boot}/[Ee][Ff][Ii]/[Bb][Oo][Oo][Tt]/*");
    found.into_iter().find(|path| path.to_ascii_uppercase().ends_with(name))
}

/// Returns whether the fallback is a shim with a GRUB that it can start.
pub(super) fn has_shim(view: &View) -> bool {
    let Some(path) = fallback(view) else { return false };
    let size = |path: &str| view.tree.follow(path).map(|entry| entry.size);
    // The fallback is a copy of the shim in the distribution's directory. Its name does not show this.
    !grubs(view, &path).is_empty() && shims(view).iter().any(|shim| size(shim) == size(&path))
}

/// Returns the shims of distributions.
pub(super) fn shims(view: &View) -> Vec<String> {
    view.tree.glob("/{boot/efi,efi,boot}/[Ee][Ff][Ii]/*/[Ss][Hh][Ii][Mm]*.[Ee][Ff][Ii]")
}

/// Returns the GRUB that a shim at the fallback would start: the one beside it. If shim's own fallback program is there, that
/// program first makes a boot entry for the shim and the GRUB in the distribution's directory: README.fallback of shim.
pub(super) fn grubs(view: &View, fallback: &str) -> Vec<String> {
    let siblings =
        |path: &str, name: &str| view.tree.glob(&format!("{}/{name}", &path[..path.rfind('/').unwrap_or(0)]));
    const GRUB: &str = "[Gg][Rr][Uu][Bb]*.[Ee][Ff][Ii]";
    if siblings(fallback, "[Ff][Bb]*.[Ee][Ff][Ii]").is_empty() {
        return siblings(fallback, GRUB);
    }
    shims(view).iter().flat_map(|shim| siblings(shim, GRUB)).collect()
}
