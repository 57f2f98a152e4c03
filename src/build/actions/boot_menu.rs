//! Checks the boot loader's menu against the `kernel-args` actions of all steps, and makes the menu again if an entry differs.

use std::collections::BTreeMap;

use super::error::ForAction as _;
use super::kernel_args::split;
use super::{ActionError, Executor};
use crate::distro::mechanism::Bootloader;
use crate::plan::Arguments;

/// What the element `bootloader` makes the menu with, so that it is the same one without the element.
const MAKE: &[u8] = include_bytes!("../../../elements/bootloader/scripts/configure.sh");

/// The entries of extlinux, for images without GRUB, and what the element `extlinux` makes them with.
const EXTLINUX: &str = "/boot/extlinux.conf";
const MAKE_EXTLINUX: &[u8] = include_bytes!("../../../elements/extlinux/scripts/configure.sh");

impl Executor<'_> {
    /// Makes every menu entry have the arguments that it must have, and fails if one does not.
    pub(super) fn boot_menu(&mut self, wanted: &Arguments) -> Result<(), ActionError> {
        let label = "kernel-args".to_owned();
        if self.menu_fault(&label, wanted)?.is_none() {
            return Ok(());
        }
        let env = BTreeMap::from([("GRUB".to_owned(), wanted.grub.clone())]);
        let (make, place) = if self.by_extlinux(&label, wanted)? {
            (MAKE_EXTLINUX, "default_kernel_opts in /etc/update-extlinux.conf")
        } else {
            (MAKE, "GRUB_CMDLINE_LINUX in /etc/default/grub.d")
        };
        self.program("kernel-args: make the boot menu again", make, &[], env, false, None)?;
        match self.menu_fault(&label, wanted)? {
            None => Ok(()),
            Some(fault) => {
                let message = format!("{fault}: look for another setting of {place}");
                Err(ActionError::Undone { action: label, message, tail: Vec::new() })
            }
        }
    }

    /// Returns whether extlinux boots the image.
    fn by_extlinux(&mut self, label: &str, wanted: &Arguments) -> Result<bool, ActionError> {
        Ok(!self.exists(label, &format!("{}/grub.cfg", wanted.grub))? && self.exists(label, EXTLINUX)?)
    }

    /// What is wrong with the menu, if anything is.
    fn menu_fault(&mut self, label: &str, wanted: &Arguments) -> Result<Option<String>, ActionError> {
        let by_extlinux = self.by_extlinux(label, wanted)?;
        let config = if by_extlinux { EXTLINUX.to_owned() } else { format!("{}/grub.cfg", wanted.grub) };
        let text = self.text(label, &config)?;
        let found = if by_extlinux { of_extlinux(&text) } else { in_menu(&text) };
        let mut entries: Vec<_> = found.into_iter().map(|args| (config.clone(), args)).collect();
        if let Some(dir) = wanted.entries.as_ref().filter(|_| self.mechanisms.bootloader == Bootloader::GrubBls) {
            let environment = self.text(label, &format!("{}/grubenv", wanted.grub))?;
            for path in self.guest.glob(&format!("{dir}/*.conf")).for_action(label)? {
                let args = in_entry(&self.text(label, &path)?, &environment);
                entries.push((path, args));
            }
        }
        if entries.is_empty() {
            return Ok(Some(format!("{config} has no entry that starts Linux")));
        }
        Ok(entries.iter().find_map(|(path, args)| Some(format!("an entry of {path} {}", wanted.fault(args)?))))
    }
}

/// Arguments of each entry of a grub.cfg that starts Linux. A memory test, which GRUB starts in the same way, has no root.
fn in_menu(config: &str) -> Vec<Vec<String>> {
    let config = config.replace("\\\n", " ");
    let entries = config.lines().filter_map(|line| {
        let (command, rest) = line.trim_start().split_once(char::is_whitespace)?;
        let args = split(rest);
        let boots =
            ["linux", "linuxefi", "linux16"].contains(&command) && args.iter().any(|arg| arg.starts_with("root="));
        boots.then(|| args.into_iter().skip(1).collect())
    });
    entries.collect()
}

/// Arguments of each entry of extlinux that has a root.
fn of_extlinux(config: &str) -> Vec<Vec<String>> {
    let appended = config.lines().filter_map(|line| {
        let (keyword, args) = line.trim().split_once(char::is_whitespace)?;
        let args = split(args);
        let boots = keyword.eq_ignore_ascii_case("append") && args.iter().any(|arg| arg.starts_with("root="));
        boots.then_some(args)
    });
    appended.collect()
}

/// Arguments of an entry by the Boot Loader Specification, with `$kernelopts` of grubenv, as RHEL 8 has it.
fn in_entry(entry: &str, environment: &str) -> Vec<String> {
    let options = entry.lines().filter_map(|line| line.trim().strip_prefix("options")).collect::<Vec<_>>().join(" ");
    let shared = environment.lines().find_map(|line| line.strip_prefix("kernelopts=")).unwrap_or_default();
    split(&options.replace("$kernelopts", shared))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_that_start_linux_have_arguments() {
        let config =
            "menuentry 'a' {\n\tlinux\t/vmlinuz root=UUID=1 ro  quiet\n}\nlinux16 /boot/memtest\n# linux x root=1\n";
        assert_eq!(in_menu(config), [["root=UUID=1", "ro", "quiet"]]);
        let config = "DEFAULT a\nLABEL a\n  LINUX k\n  append root=UUID=1  b\nLABEL m\n  APPEND memtest=memtest\n";
        assert_eq!(of_extlinux(config), [["root=UUID=1", "b"]]);
        let entry = "title a\nlinux /vmlinuz\noptions $kernelopts b\n";
        assert_eq!(in_entry(entry, "# GRUB\nkernelopts=root=1 a\n"), ["root=1", "a", "b"]);
    }
}
