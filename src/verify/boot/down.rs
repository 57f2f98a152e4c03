//! Findings about an instance that did not let anyone log in: how far it came, and its last output.

use super::login::Failed;
use super::rules::{BOOTS, CONSOLE_KERNEL, CONSOLE_LOGIN, KEY, SECURE_BOOT};
use crate::machine::watch::Trouble;
use crate::verify::{Finding, Rule};

/// Lines of the serial log, and of the screen, that are evidence of a failure.
const LAST_LINES: usize = 15;

/// Returns the findings about such an instance. `serial` and `screen` are the lines of its serial console and screen. Rules that
/// depend on a failed one do not fail too.
pub(super) fn findings(failed: &Failed, serial: &[String], screen: &[String]) -> Vec<Finding> {
    let mut findings = match failed {
        Failed::Boot(_) | Failed::Late(_) => vec![boots(failed, serial, screen)],
        Failed::Login(text) => vec![BOOTS.passed(["login prompt"]), KEY.failed([text])],
        Failed::Answers(said) => {
            let first = "the login was not completed".to_owned();
            vec![BOOTS.passed(["login prompt"]), KEY.failed(std::iter::once(&first).chain(said))]
        }
    };
    let [mut kernel, mut login] = console(serial);
    if let Failed::Boot(trouble) = failed {
        if matches!(**trouble, Trouble::SecureBoot(_)) {
            findings.push(SECURE_BOOT.failed([trouble.to_string()]));
        }
        if trouble.is_before_kernel() {
            kernel = CONSOLE_KERNEL.skipped("no kernel was started");
        }
    }
    if matches!(failed, Failed::Boot(_) | Failed::Late(_)) {
        login = CONSOLE_LOGIN.skipped("it did not come up");
    }
    findings.extend([kernel, login]);
    findings
}

/// Returns the finding that it did not come up, with its last output: the screen's if the serial console is silent.
fn boots(failed: &Failed, serial: &[String], screen: &[String]) -> Finding {
    let silent = is_silent(serial);
    let shown: Vec<_> = screen.iter().filter(|line| !line.trim().is_empty()).collect();
    let last = if silent {
        let shown = shown[shown.len().saturating_sub(LAST_LINES)..].iter();
        let shown: Vec<_> = shown.map(|line| format!("the screen shows: {}", line.trim_end())).collect();
        std::iter::once("nothing was printed on the serial console".to_owned()).chain(shown).collect()
    } else {
        serial[serial.len().saturating_sub(LAST_LINES)..].to_vec()
    };
    let finding = BOOTS.failed(std::iter::once(failed.to_string()).chain(last));
    let mend = match failed {
        Failed::Boot(trouble) => trouble.advice(),
        _ if silent => Trouble::SILENT,
        _ => BOOTS.mend,
    };
    Finding { mend: mend.to_owned(), ..finding }
}

fn is_silent(serial: &[String]) -> bool {
    serial.iter().all(|line| line.trim().is_empty())
}

/// Judges the output of the serial console.
pub(super) fn console(serial: &[String]) -> [Finding; 2] {
    let line = |wanted: &[&str]| serial.iter().find(|line| wanted.iter().any(|text| line.contains(text)));
    let found = |rule: &Rule, wanted: &[&str]| match line(wanted) {
        Some(line) => rule.passed([line]),
        None if is_silent(serial) => rule.failed(["nothing was printed there"]),
        None => rule.failed([format!("no line has `{}`", wanted[0])]),
    };
    [found(&CONSOLE_KERNEL, &["] Linux version ", "Linux version "]), found(&CONSOLE_LOGIN, &[" login:"])]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::verify::Outcome;

    fn told(failed: &Failed, serial: &[&str], screen: &[&str]) -> Vec<(String, Outcome, String)> {
        let lines = |lines: &[&str]| -> Vec<String> { lines.iter().map(|line| (*line).to_owned()).collect() };
        let found = findings(failed, &lines(serial), &lines(screen));
        found.into_iter().map(|finding| (finding.id, finding.outcome, finding.evidence.join("; "))).collect()
    }

    fn boot(trouble: Trouble) -> Failed {
        Failed::Boot(Box::new(trouble))
    }

    #[test]
    fn what_follows_from_not_coming_up_is_no_failure_of_its_own() {
        use Outcome::{Failed as Not, Passed, Skipped};
        let outcomes = |failed: &Failed, serial: &[&str]| -> Vec<Outcome> {
            told(failed, serial, &[]).into_iter().map(|(_, outcome, _)| outcome).collect()
        };
        let kernel = "[    0.000000] Linux version 6.1";
        let nothing = boot(Trouble::NothingToBoot("No bootable device.".to_owned()));
        assert_eq!(outcomes(&nothing, &[]), [Not, Skipped, Skipped]);
        assert_eq!(outcomes(&boot(Trouble::Panic("Kernel panic".to_owned())), &[kernel]), [Not, Passed, Skipped]);
        // The kernel may have run without any output.
        assert_eq!(outcomes(&Failed::Late(Duration::from_secs(9)), &[]), [Not, Not, Skipped]);
        assert_eq!(outcomes(&Failed::Login("no".to_owned()), &[kernel, "gold login:"]), [Passed, Not, Passed, Passed]);
        let refused = boot(Trouble::SecureBoot("Access Denied".to_owned()));
        assert_eq!(outcomes(&refused, &["BdsDxe"]), [Not, Not, Skipped, Skipped]);
    }

    #[test]
    fn the_screen_speaks_for_a_silent_console() {
        let late = Failed::Late(Duration::from_secs(20));
        let screen = ["SeaBIOS", "", "Booting from Hard Disk...", ""];
        let (_, _, evidence) = told(&late, &["", " "], &screen).swap_remove(0);
        assert_eq!(
            evidence,
            "it has not come up within 20 s; nothing was printed on the serial console; the screen shows: SeaBIOS; \
             the screen shows: Booting from Hard Disk..."
        );
        let (_, _, evidence) = told(&late, &["GRUB loading"], &screen).swap_remove(0);
        assert_eq!(evidence, "it has not come up within 20 s; GRUB loading");
        let mend = |serial: &[String]| boots(&late, serial, &[]).mend;
        assert!(mend(&[]).contains("console=ttyS0") && mend(&["GRUB".to_owned()]).contains("serial log"));
    }
}
