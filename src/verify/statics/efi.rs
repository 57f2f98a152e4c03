//! Programs of UEFI on the disk: what firmware starts, shims, and the GRUB behind them.

use super::view::View;

/// What firmware starts if it has no entries, by architecture: UEFI Specification, 3.5.1.1.
pub(super) fn fallback_name(view: &View) -> &'static str {
    match view.arch.as_str() {
        "aarch64" => "BOOTAA64.EFI",
        "i386" | "i686" => "BOOTIA32.EFI",
        "riscv64" => "BOOTRISCV64.EFI",
        _ => "BOOTX64.EFI",
    }
}

/// The file that has its name.
pub(super) fn fallback(view: &View) -> Option<String> {
    let name = fallback_name(view);
    let found = view.tree.glob("/{boot/efi,efi,boot}/[Ee][Ff][Ii]/[Bb][Oo][Oo][Tt]/*");
    found.into_iter().find(|path| path.to_ascii_uppercase().ends_with(name))
}

/// Whether the fallback is a shim with the GRUB that it starts beside it.
pub(super) fn has_shim(view: &View) -> bool {
    let Some(path) = fallback(view) else { return false };
    let size = |path: &str| view.tree.follow(path).map(|entry| entry.size);
    // Nothing but its content tells what the fallback is: it is a copy of the shim of the distribution's directory.
    !grubs(view, &path).is_empty() && shims(view).iter().any(|shim| size(shim) == size(&path))
}

/// Shims of distributions.
pub(super) fn shims(view: &View) -> Vec<String> {
    view.tree.glob("/{boot/efi,efi,boot}/[Ee][Ff][Ii]/*/[Ss][Hh][Ii][Mm]*.[Ee][Ff][Ii]")
}

/// What a shim at the fallback would start: GRUB beside it. Where shim's own program for it lies there, it first makes a
/// boot entry for the shim of the distribution's directory, with GRUB beside that: README.fallback of shim.
pub(super) fn grubs(view: &View, fallback: &str) -> Vec<String> {
    let siblings =
        |path: &str, name: &str| view.tree.glob(&format!("{}/{name}", &path[..path.rfind('/').unwrap_or(0)]));
    const GRUB: &str = "[Gg][Rr][Uu][Bb]*.[Ee][Ff][Ii]";
    if siblings(fallback, "[Ff][Bb]*.[Ee][Ff][Ii]").is_empty() {
        return siblings(fallback, GRUB);
    }
    shims(view).iter().flat_map(|shim| siblings(shim, GRUB)).collect()
}
