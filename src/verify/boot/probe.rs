//! The script that asks a running image all questions over one connection.
//!
//! The script needs only a POSIX shell and what every system has. If a tool is missing, it prints nothing. The questions are
//! those of the rules ([`super::rules`]), which judge the answers.

use std::fmt::Write as _;

use super::rules::{Questions, questions};

/// Longest that a command of an element may run in the guest, in seconds.
const COMMAND_LIMIT: u32 = 120;

/// Files that the user data writes: the script the first, the cloud-config the second.
pub(super) const MARKS: [&str; 2] = ["/run/goldsmith-verify/script", "/run/goldsmith-verify/cloud-config"];

/// Returns the user data of an instance: a script and a cloud-config, which each write `mark` to a file.
pub(super) fn user_data(mark: &str) -> (String, String) {
    let [script, config] = MARKS;
    (
        format!("#!/bin/sh\nmkdir -p /run/goldsmith-verify\necho {mark} >{script}\n"),
        format!("#cloud-config\nwrite_files:\n  - path: {config}\n    content: \"{mark}\\n\"\n"),
    )
}

/// Returns the script with all questions. `limit` is the number of seconds left for the first boot, `commands` are those of
/// elements.
pub(super) fn script(nonce: &str, limit: u64, commands: &[&str]) -> String {
    let (first, identity) = (questions(Questions::First), questions(Questions::Identity));
    let mut script = format!("{}{first}{identity}", every(nonce, limit));
    for (number, command) in commands.iter().enumerate() {
        let command = quote(command);
        // Writing to a string cannot fail.
        let _ = writeln!(
            script,
            "s command-{number}; out=$(t {COMMAND_LIMIT} sh -c {command} 2>&1 </dev/null); echo \"status $?\"; \
             printf '%s\\n' \"$out\" | tail -n 20"
        );
    }
    script.push_str("s now; date +%s\ns end\n");
    script
}

/// Returns a script with the questions that a second boot is compared by.
pub(super) fn again(nonce: &str, limit: u64) -> String {
    format!("{}{}s end\n", every(nonce, limit), questions(Questions::Identity))
}

/// Asks for nothing but where the root file system is.
#[cfg(feature = "testing")]
pub(super) fn root(nonce: &str) -> String {
    format!("{}{}s end\n", begin(nonce), super::rules::ROOT)
}

/// Returns a script with only the questions about identity, which have answers as soon as a login succeeds.
pub(super) fn identity(nonce: &str) -> String {
    format!("{}{}s end\n", begin(nonce), questions(Questions::Identity))
}

fn begin(nonce: &str) -> String {
    format!(
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; LC_ALL=C; export PATH LC_ALL\n\
         s() {{ printf '\\n{nonce} %s\\n' \"$1\"; }}\n"
    )
}

/// Returns the questions for every boot, after the first boot has ended.
fn every(nonce: &str, limit: u64) -> String {
    format!("{}limit={limit}\n{FIRST_BOOT_ENDS}{}", begin(nonce), questions(Questions::Every))
}

/// The beginning of the script for every boot, which waits for the end of the first one: of cloud-init, and of services. systemd
/// has a command for it. OpenRC has a directory while it starts the services of a runlevel (openrc, `src/openrc/rc.c`).
const FIRST_BOOT_ENDS: &str = r#"t() { if command -v timeout >/dev/null; then timeout "$@"; else shift; "$@"; fi; }
s user; echo "${SUDO_USER:-root}"; id -u
i=0
while [ $i -lt $((limit * 2)) ] && [ -d /run/cloud-init ] && [ ! -e /run/cloud-init/disabled ] \
  && [ ! -e /var/lib/cloud/instance/boot-finished ]; do i=$((i+1)); sleep 0.5; done
s finished; if [ -e /var/lib/cloud/instance/boot-finished ]; then echo yes
  elif [ -d /run/cloud-init ] && [ ! -e /run/cloud-init/disabled ]; then
    echo no; systemctl list-jobs --plain --no-legend --no-pager 2>/dev/null | head -n 5; fi
while [ $i -lt $((limit * 2)) ] && { [ -d /run/openrc/rc.starting ] || grep -qxE 'sysinit|boot' /run/openrc/softlevel; } 2>/dev/null
do i=$((i+1)); sleep 0.5; done
s state; t 60 systemctl is-system-running --wait 2>&1
"#;

/// Quotes text for a shell.
pub(super) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::boot::answers::{Answers, Ran};

    #[test]
    fn the_script_is_shell_and_answers_on_this_very_machine() {
        // Here it asks the host, which is a Linux system too: it must reach its end.
        let script = script("@@", 0, &["echo \"it's here\"; exit 3"]);
        let printed = crate::process::capture(std::process::Command::new("sh").args(["-c", &script])).expect("sh");
        let answers = Answers::parse("@@", &printed).expect("an end");
        assert_eq!(answers.ran(0), Some(Ran { status: 3, output: vec!["it's here".to_owned()] }));
        assert!(!answers.text("hostname").is_empty() && !answers.text("now").is_empty(), "{answers:?}");
    }

    #[test]
    fn who_is_only_compared_is_asked_no_more_than_that() {
        let printed =
            crate::process::capture(std::process::Command::new("sh").args(["-c", &identity("@@")])).expect("sh");
        let answers = Answers::parse("@@", &printed).expect("an end");
        assert_eq!(answers.names(), ["end", "host-keys", "machine-id", "seeds"]);
        let printed =
            crate::process::capture(std::process::Command::new("sh").args(["-c", &again("@@", 0)])).expect("sh");
        let answers = Answers::parse("@@", &printed).expect("an end");
        for name in ["boot-id", "failed", "cards", "addresses", "machine-id", "host-keys", "hostname"] {
            assert!(answers.names().contains(&name), "{name}");
        }
    }
}
