//! Carries out `kernel-args`: changes the kernel command line in the boot loader's settings.

use super::error::ForAction as _;
use super::files::with_line;
use super::{ActionError, Executor};
use crate::action::KernelArgs;
use crate::distro::mechanism::Bootloader;
use crate::text::shell::{Assignment, assignments, quoted};

/// The settings of GRUB.
const GRUB: &str = "/etc/default/grub";

/// The settings of extlinux, as Alpine's `update-extlinux` reads them.
const EXTLINUX: &str = "/etc/update-extlinux.conf";

/// Where Debian's `update-grub` reads settings beside `/etc/default/grub`; a file of our own there keeps
/// the package's file as the package made it.
const GRUB_DROP_IN: &str = "/etc/default/grub.d/90-goldsmith.cfg";

/// The setting of GRUB that holds the kernel command line.
const GRUB_CMDLINE: &str = "GRUB_CMDLINE_LINUX";

/// The setting of extlinux that holds the kernel command line.
const EXTLINUX_CMDLINE: &str = "default_kernel_opts";

impl Executor<'_> {
    pub(super) fn kernel_args(&mut self, args: &KernelArgs) -> Result<(), ActionError> {
        let label = "kernel-args".to_owned();
        if !self.exists(&label, GRUB)? {
            return self.extlinux_args(&label, args);
        }
        let mut settings = vec![GRUB.to_owned()];
        settings.extend(self.guest.glob("/etc/default/grub.d/*.cfg").for_action(&label)?);
        let mut present = Vec::new();
        for path in &settings {
            let text = self.text(&label, path)?;
            let unfit = |message| ActionError::Unfit { action: label.clone(), message: format!("{path}: {message}") };
            let edited = without_args(&text, &args.remove).map_err(unfit)?;
            present.extend(args_of(&edited).map_err(unfit)?);
            if edited != text {
                self.rewrite(&label, path, edited.as_bytes())?;
            }
        }
        let missing: Vec<_> = args.add.iter().filter(|arg| !present.contains(arg)).cloned().collect();
        let bootloader = self.mechanisms.bootloader;
        if !missing.is_empty() {
            let (path, text) = if bootloader == Bootloader::GrubDropIns {
                self.directory(&label, "/etc/default/grub.d")?;
                let line = format!("{GRUB_CMDLINE}=\"${GRUB_CMDLINE} {}\"", missing.join(" "));
                (GRUB_DROP_IN, with_line(self.text(&label, GRUB_DROP_IN)?, &line))
            } else {
                let edited = with_args(&self.text(&label, GRUB)?, GRUB_CMDLINE, &missing);
                (GRUB, edited.map_err(|message| ActionError::Unfit { action: label.clone(), message })?)
            };
            self.rewrite(&label, path, text.as_bytes())?;
        }
        if bootloader != Bootloader::GrubBls {
            return Ok(());
        }
        // Boot entries are files of their own (Boot Loader Specification), and hold the arguments too.
        // What is added may have a name that is removed: `console=` with every value, and then another one.
        let lines = r#"command -v grubby >/dev/null || exit 0
[ -z "$2" ] || grubby --update-kernel=ALL --remove-args="$2"
[ -z "$1" ] || grubby --update-kernel=ALL --args="$1""#;
        // A name without a value stands for all values there.
        let removed: Vec<_> = args.remove.iter().map(|arg| arg.trim_end_matches('=')).collect();
        self.shell(&label, lines, &[args.add.join(" "), removed.join(" ")], false)
    }

    /// Changes the arguments of an image without GRUB.
    fn extlinux_args(&mut self, label: &str, args: &KernelArgs) -> Result<(), ActionError> {
        let unfit = |message| ActionError::Unfit { action: label.to_owned(), message };
        if !self.exists(label, EXTLINUX)? {
            let message = format!(
                "the image has neither {GRUB} nor {EXTLINUX}: add the element `bootloader`, or on a disk without partitions \
                 `extlinux`"
            );
            return Err(unfit(message));
        }
        let text = self.text(label, EXTLINUX)?;
        let told = |message: String| unfit(format!("{EXTLINUX}: {message}"));
        let removed = without_args(&text, &args.remove).map_err(told)?;
        let present = args_of(&removed).map_err(told)?;
        let missing: Vec<_> = args.add.iter().filter(|arg| !present.contains(arg)).cloned().collect();
        let edited =
            if missing.is_empty() { removed } else { with_args(&removed, EXTLINUX_CMDLINE, &missing).map_err(told)? };
        if edited == text { Ok(()) } else { self.rewrite(label, EXTLINUX, edited.as_bytes()) }
    }
}

/// Settings of the kernel command line in a file, for all boots and for the usual one.
fn cmdlines(text: &str) -> Result<Vec<Assignment>, String> {
    let found = assignments(text).map_err(|line| format!("line {line} has a quote or a command that does not end"))?;
    let names = [GRUB_CMDLINE, "GRUB_CMDLINE_LINUX_DEFAULT", EXTLINUX_CMDLINE];
    let of_kernel = |found: &Assignment| names.contains(&found.name.as_str());
    Ok(found.into_iter().filter(of_kernel).collect())
}

/// Arguments of a kernel command line. The kernel takes spaces within double quotes as part of an argument.
pub(super) fn split(cmdline: &str) -> Vec<String> {
    let mut args = vec![String::new()];
    let mut quoted = false;
    for c in cmdline.chars() {
        quoted ^= c == '"';
        if c.is_whitespace() && !quoted {
            args.push(String::new());
        } else if let Some(arg) = args.last_mut() {
            arg.push(c);
        }
    }
    args.retain(|arg| !arg.is_empty());
    args
}

/// Arguments that a file of settings gives the kernel.
fn args_of(text: &str) -> Result<Vec<String>, String> {
    Ok(cmdlines(text)?.iter().flat_map(|setting| split(&setting.value)).collect())
}

/// A file of settings without some arguments: `quiet` exactly, `console=` with any value.
fn without_args(text: &str, remove: &[String]) -> Result<String, String> {
    let unwanted = |arg: &str| {
        remove
            .iter()
            .any(|pattern| if pattern.ends_with('=') { arg.starts_with(pattern.as_str()) } else { arg == pattern })
    };
    let mut edited = text.to_owned();
    // From the end, so that places before a change stay where they are.
    for setting in cmdlines(text)?.iter().rev() {
        let args = split(&setting.value);
        let kept: Vec<_> = args.iter().filter(|arg| !unwanted(arg)).cloned().collect();
        if kept.len() == args.len() {
            // A command may print what is to be removed.
            if setting.opaque && !remove.is_empty() {
                return Err(not_understood(setting));
            }
            continue;
        }
        replace(&mut edited, setting, &kept)?;
    }
    Ok(edited)
}

/// A file of settings with more arguments in the setting `name`, which holds those for all boots.
fn with_args(text: &str, name: &str, add: &[String]) -> Result<String, String> {
    let settings = cmdlines(text)?;
    // The last one counts, where a file sets it twice.
    let Some(setting) = settings.iter().rfind(|setting| setting.name == name) else {
        return Ok(with_line(text.to_owned(), &format!("{name}={}", quoted(&add.join(" ")))));
    };
    let mut edited = text.to_owned();
    let args: Vec<_> = split(&setting.value).into_iter().chain(add.iter().cloned()).collect();
    replace(&mut edited, setting, &args)?;
    Ok(edited)
}

/// Puts other arguments where a setting has its own.
fn replace(text: &mut String, setting: &Assignment, args: &[String]) -> Result<(), String> {
    if setting.opaque {
        return Err(not_understood(setting));
    }
    text.replace_range(setting.range.clone(), &quoted(&args.join(" ")));
    Ok(())
}

fn not_understood(setting: &Assignment) -> String {
    format!("what {} is cannot be told without running it: write the arguments themselves there", setting.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &str =
        "GRUB_TIMEOUT=5\nGRUB_CMDLINE_LINUX_DEFAULT=\"quiet splash\"\nGRUB_CMDLINE_LINUX=\"console=tty1 net=1\"\n";

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn kernel_arguments_are_found_removed_and_added() {
        assert_eq!(args_of(SETTINGS).expect("read"), ["quiet", "splash", "console=tty1", "net=1"]);
        let removed = without_args(SETTINGS, &words(&["quiet", "console="])).expect("read");
        assert_eq!(args_of(&removed).expect("read"), ["splash", "net=1"]);
        assert!(removed.starts_with("GRUB_TIMEOUT=5\n"));
        assert_eq!(without_args(SETTINGS, &[]).expect("read"), SETTINGS);
        assert_eq!(with_args("", GRUB_CMDLINE, &words(&["b"])).expect("read"), "GRUB_CMDLINE_LINUX=\"b\"\n");
        // The argument counts for every boot, not for the usual one alone.
        let added = with_args(SETTINGS, GRUB_CMDLINE, &words(&["b"])).expect("read");
        assert!(added.ends_with("GRUB_CMDLINE_LINUX=\"console=tty1 net=1 b\"\n"), "{added}");
        // Those of extlinux.
        let settings = "# default_kernel_opts=\noverwrite=1\ndefault_kernel_opts=quiet\nmodules=ext4\n";
        let removed = without_args(settings, &words(&["quiet"])).expect("read");
        let added = with_args(&removed, EXTLINUX_CMDLINE, &words(&["b", "c=1"])).expect("read");
        assert_eq!(added, "# default_kernel_opts=\noverwrite=1\ndefault_kernel_opts=\"b c=1\"\nmodules=ext4\n");
    }

    #[test]
    fn settings_are_read_as_a_shell_reads_them() {
        let remove = words(&["quiet", "nosmt", "loglevel="]);
        for (text, left) in [
            (
                r#"GRUB_CMDLINE_LINUX="dyndbg=\"file a.c +p\" quiet nosmt""#,
                r#"GRUB_CMDLINE_LINUX="dyndbg=\"file a.c +p\"""#,
            ),
            ("GRUB_CMDLINE_LINUX=\"a \\\n  quiet \\\n  loglevel=3\"\nB=c\n", "GRUB_CMDLINE_LINUX=\"a\"\nB=c\n"),
            ("GRUB_CMDLINE_LINUX=a\\ quiet' nosmt'\n", "GRUB_CMDLINE_LINUX=\"a\"\n"),
            ("export GRUB_CMDLINE_LINUX='quiet' # \"x\"", "export GRUB_CMDLINE_LINUX=\"\" # \"x\""),
            ("GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX quiet\"", "GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX\""),
            (
                "D=`lsb_release -i || echo \"x`\nGRUB_CMDLINE_LINUX=quiet",
                "D=`lsb_release -i || echo \"x`\nGRUB_CMDLINE_LINUX=\"\"",
            ),
            ("# GRUB_CMDLINE_LINUX=\"quiet\"\n", "# GRUB_CMDLINE_LINUX=\"quiet\"\n"),
            ("GRUB_CMDLINE_XEN=quiet\n", "GRUB_CMDLINE_XEN=quiet\n"),
        ] {
            assert_eq!(without_args(text, &remove).expect("it is understood"), left, "{text}");
        }
        for text in [
            "GRUB_CMDLINE_LINUX=\"a\n",
            "GRUB_CMDLINE_LINUX=\"$(cat x) quiet\"",
            "GRUB_CMDLINE_LINUX=`cat x`",
            "GRUB_CMDLINE_LINUX='$a quiet'",
        ] {
            without_args(text, &remove).expect_err(text);
        }
    }
}
