//! Rules about that the image boots, shows it on the console, reboots and powers off.

use super::super::answers::Answers;
use super::check::{Check, Expected, GUIDE, Judge, Subject, equal, unit};
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, in the order of reports.
pub(super) const SUBJECT: Subject = Subject {
    checks: &[
        Check { rule: &BOOTS, judge: Judge::Machine },
        Check { rule: &CONSOLE_KERNEL, judge: Judge::Machine },
        Check { rule: &CONSOLE_LOGIN, judge: Judge::Machine },
        Check { rule: &BOOT_TIME, judge: Judge::Machine },
        Check { rule: &SECURE_BOOT, judge: Judge::UnderSecureBoot(secure_boot) },
        Check { rule: &POWER_OFF, judge: Judge::Machine },
        Check { rule: &REBOOT, judge: Judge::Second(reboot) },
    ],
    every: r#"s boot-id; cat /proc/sys/kernel/random/boot_id
"#,
    first: r#"s secure-boot; od -An -t u1 -j 4 -N 1 /sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c 2>/dev/null
"#,
    identity: "",
    #[cfg(test)]
    samples: &samples::SAMPLES,
};

pub(in crate::verify::boot) const BOOTS: Rule = Rule {
    id: "boots",
    group: Group::Boot,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The image boots to the end of its first boot",
    reason: "An instance that does not boot has no use.",
    page: None,
    mend: "look at the end of the serial log in the evidence",
};

pub(in crate::verify::boot) const CONSOLE_KERNEL: Rule = Rule {
    id: "console-kernel-log",
    group: Group::Boot,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The kernel's log is on the serial console",
    reason: "A cloud shows this log as console log. If nobody can log in, it is the only log.",
    page: Some(GUIDE),
    mend: "add the element serial-console; without it, remove `quiet` from the kernel's arguments",
};

pub(in crate::verify::boot) const CONSOLE_LOGIN: Rule = Rule {
    id: "console-login",
    group: Group::Boot,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The serial console has a login prompt",
    reason: "On the console an administrator can log in when the network does not work.",
    page: Some(GUIDE),
    mend: "add the element serial-console",
};

pub(in crate::verify::boot) const BOOT_TIME: Rule = Rule {
    id: "boot-time",
    group: Group::Boot,
    stage: Stage::Booted,
    severity: Severity::Info,
    sentence: "The time to the end of first boot is known",
    reason: "Users wait for this time when they create an instance.",
    page: None,
    mend: "find out why the first boot did not end",
};

pub(in crate::verify::boot) const SECURE_BOOT: Rule = Rule {
    id: "secure-boot-on",
    group: Group::Boot,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The image boots with Secure Boot enforced",
    reason: "Published properties say that the image supports Secure Boot, so it must boot with it.",
    page: None,
    mend: "install the distribution's signed boot loader and kernel: add the element uefi",
};

pub(in crate::verify::boot) const POWER_OFF: Rule = Rule {
    id: "powers-off",
    group: Group::Services,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The power button shuts the instance down",
    reason: "A cloud stops instances by the power button, and cuts the power if the instance does not react.",
    page: None,
    mend: "install systemd-logind or acpid",
};

pub(in crate::verify::boot) const REBOOT: Rule = Rule {
    id: "reboots",
    group: Group::Services,
    stage: Stage::Booted,
    severity: Severity::Error,
    sentence: "The instance boots again after a reboot",
    reason: "Instances reboot after updates.",
    page: None,
    mend: "look at the end of the serial log in the evidence",
};

fn secure_boot(answers: &Answers, _: &Expected<'_>) -> Finding {
    equal(&SECURE_BOOT, answers.text("secure-boot"), "1")
}

fn reboot(first: &Answers, second: &Answers, _: [&str; 2]) -> Finding {
    if first.text("boot-id") == second.text("boot-id") {
        return REBOOT.failed(["it is the same boot"]);
    }
    // Failures of the first boot have a rule of their own.
    let known = first.lines("failed");
    REBOOT.unless(second.lines("failed").into_iter().filter(|line| !known.iter().any(|old| unit(old) == unit(line))))
}

#[cfg(test)]
mod samples {
    use super::super::check::Samples;

    pub(super) const SAMPLES: Samples =
        Samples { good: &[("boot-id", "one"), ("secure-boot", "1")], bad: &[("secure-boot", "0", "secure-boot-on")] };
}
