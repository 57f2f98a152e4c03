//! The kernel command line.

use super::files::with_line;
use super::{ActionError, Executor, ForAction as _};
use crate::action::KernelArgs;
use crate::distro::mechanism::Bootloader;

/// The settings of GRUB.
const GRUB: &str = "/etc/default/grub";

/// Where Debian's `update-grub` reads settings beside `/etc/default/grub`; a file of our own there keeps
/// the package's file as the package made it.
const GRUB_DROP_IN: &str = "/etc/default/grub.d/90-goldsmith.cfg";

/// The setting of GRUB that holds the kernel command line.
const GRUB_CMDLINE: &str = "GRUB_CMDLINE_LINUX";

impl Executor<'_> {
    pub(super) fn kernel_args(&mut self, args: &KernelArgs) -> Result<(), ActionError> {
        let label = "kernel-args".to_owned();
        if !self.exists(&label, GRUB)? {
            let message = format!("the image has no {GRUB}: add the element `bootloader`");
            return Err(ActionError::Unfit { action: label, message });
        }
        let mut settings = vec![GRUB.to_owned()];
        settings.extend(self.guest.glob("/etc/default/grub.d/*.cfg").for_action(&label)?);
        let mut present = Vec::new();
        for path in &settings {
            let text = self.text(&label, path)?;
            let edited = without_args(&text, &args.remove);
            present.extend(args_of(&edited));
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
                (GRUB, with_args(&self.text(&label, GRUB)?, &missing))
            };
            self.rewrite(&label, path, text.as_bytes())?;
        }
        if bootloader != Bootloader::GrubBls {
            return Ok(());
        }
        // Boot entries are files of their own (Boot Loader Specification), and hold the arguments too.
        let lines = r#"command -v grubby >/dev/null || exit 0
[ -z "$1" ] || grubby --update-kernel=ALL --args="$1"
[ -z "$2" ] || grubby --update-kernel=ALL --remove-args="$2""#;
        // A name without a value stands for all values there.
        let removed: Vec<_> = args.remove.iter().map(|arg| arg.trim_end_matches('=')).collect();
        self.shell(&label, lines, &[args.add.join(" "), removed.join(" ")], false)
    }
}

/// A line that sets the kernel command line, for all boots or the usual one.
struct Cmdline<'a> {
    /// Everything before the arguments, with the quote if there is one.
    head: &'a str,
    args: &'a str,
    /// The closing quote, and a comment.
    tail: &'a str,
}

impl<'a> Cmdline<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (setting, value) = line.split_once('=')?;
        let known = [GRUB_CMDLINE, "GRUB_CMDLINE_LINUX_DEFAULT"].contains(&setting.trim_start());
        let value_at = line.len() - value.len();
        let (start, end) = match value.chars().next().filter(|first| ['"', '\''].contains(first)) {
            Some(quote) => (value_at + 1, value[1..].find(quote).map_or(line.len(), |at| value_at + 1 + at)),
            None => (value_at, value.find(char::is_whitespace).map_or(line.len(), |at| value_at + at)),
        };
        known.then(|| Self { head: &line[..start], args: &line[start..end], tail: &line[end..] })
    }

    /// The line with other arguments, in quotes.
    fn with(&self, args: &[&str]) -> String {
        let quote = if self.head.ends_with('=') { "\"" } else { "" };
        format!("{}{quote}{}{quote}{}", self.head, args.join(" "), self.tail)
    }
}

/// Arguments that a file of settings gives the kernel.
fn args_of(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(Cmdline::parse);
    lines.flat_map(|line| line.args.split_whitespace()).map(str::to_owned).collect()
}

/// A file of settings without some arguments: `quiet` exactly, `console=` with any value.
fn without_args(text: &str, remove: &[String]) -> String {
    let unwanted = |arg: &str| {
        remove
            .iter()
            .any(|pattern| if pattern.ends_with('=') { arg.starts_with(pattern.as_str()) } else { arg == pattern })
    };
    changed_lines(text, |line| {
        let kept: Vec<_> = line.args.split_whitespace().filter(|arg| !unwanted(arg)).collect();
        (kept.len() < line.args.split_whitespace().count()).then(|| line.with(&kept))
    })
}

/// A file of settings with more arguments.
fn with_args(text: &str, add: &[String]) -> String {
    let mut found = false;
    let edited = changed_lines(text, |line| {
        if std::mem::replace(&mut found, true) {
            return None;
        }
        let args: Vec<_> = line.args.split_whitespace().chain(add.iter().map(String::as_str)).collect();
        Some(line.with(&args))
    });
    if found { edited } else { with_line(edited, &format!("{GRUB_CMDLINE}=\"{}\"", add.join(" "))) }
}

/// A file in which lines that set the command line are replaced by what is made of them, if anything is.
fn changed_lines(text: &str, mut change: impl FnMut(&Cmdline<'_>) -> Option<String>) -> String {
    text.split_inclusive('\n')
        .map(|whole| {
            let line = whole.trim_end_matches('\n');
            match Cmdline::parse(line).and_then(|cmdline| change(&cmdline)) {
                Some(changed) => changed + &whole[line.len()..],
                None => whole.to_owned(),
            }
        })
        .collect()
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
        assert_eq!(args_of(SETTINGS), ["quiet", "splash", "console=tty1", "net=1"]);
        let removed = without_args(SETTINGS, &words(&["quiet", "console="]));
        assert_eq!(args_of(&removed), ["splash", "net=1"]);
        assert!(removed.starts_with("GRUB_TIMEOUT=5\n"));
        assert_eq!(without_args(SETTINGS, &[]), SETTINGS);
        assert_eq!(with_args("", &words(&["b"])), "GRUB_CMDLINE_LINUX=\"b\"\n");
    }

    #[test]
    fn quotes_and_comments_stay_as_they_are() {
        for (line, with_b, without_a) in [
            ("GRUB_CMDLINE_LINUX=\"a\"", "GRUB_CMDLINE_LINUX=\"a b\"", "GRUB_CMDLINE_LINUX=\"\""),
            ("GRUB_CMDLINE_LINUX='a'", "GRUB_CMDLINE_LINUX='a b'", "GRUB_CMDLINE_LINUX=''"),
            ("GRUB_CMDLINE_LINUX=a # why", "GRUB_CMDLINE_LINUX=\"a b\" # why", "GRUB_CMDLINE_LINUX=\"\" # why"),
            (
                "GRUB_CMDLINE_LINUX=\"a\" # \"x\"",
                "GRUB_CMDLINE_LINUX=\"a b\" # \"x\"",
                "GRUB_CMDLINE_LINUX=\"\" # \"x\"",
            ),
            ("GRUB_CMDLINE_LINUX=", "GRUB_CMDLINE_LINUX=\"b\"", "GRUB_CMDLINE_LINUX="),
        ] {
            assert_eq!(with_args(line, &words(&["b"])), with_b);
            assert_eq!(without_args(line, &words(&["a"])), without_a);
        }
        for other in ["# GRUB_CMDLINE_LINUX=\"a\"\n", "GRUB_CMDLINE_XEN=a\n", "no setting\n"] {
            assert_eq!(without_args(other, &words(&["a"])), other);
        }
    }
}
