//! The rule about labels of SELinux.

use super::view::{Judged, View};
use crate::inspect::selinux;
use crate::verify::{Finding, Group, Rule, Severity, Stage};

/// The rules of this file, each with its judge, in the order of reports.
pub(super) const RULES: Judged = &[(&LABELS, labels)];

pub(super) const WANTED: &[&str] = &[selinux::CONFIG, selinux::CONTEXTS];

pub(super) const LABELS: Rule = Rule {
    id: "selinux-labels",
    group: Group::Boot,
    stage: Stage::Static,
    severity: Severity::Error,
    sentence: "If SELinux is on, every file has a label",
    reason: "SELinux keeps most programs from files without a label, and an instance may not boot or let nobody log in.",
    page: None,
    mend: "use the image as a base: a build labels all files by the image's own `setfiles`; or set SELINUX=disabled in \
           /etc/selinux/config",
};

/// Returns whether files need labels: the configuration turns SELinux on, and the kernel's arguments do not turn it off.
pub(super) fn is_on(view: &View) -> bool {
    let off = view.system.boot.default.as_ref().is_some_and(|entry| entry.args.iter().any(|arg| arg == "selinux=0"));
    !off && selinux::policy(&view.tree.text(selinux::CONFIG)).is_some()
}

fn labels(view: &View) -> Finding {
    let Some(policy) = selinux::policy(&view.tree.text(selinux::CONFIG)).filter(|_| is_on(view)) else {
        return LABELS.passed(["SELinux is off"]);
    };
    let contexts = selinux::contexts(&policy);
    if !view.tree.is_file(&contexts) {
        return LABELS.failed([format!("{} names the policy {policy}, and {contexts} is not there", selinux::CONFIG)]);
    }
    let Some(unlabelled) = &view.unlabelled else {
        return LABELS.skipped("the guest's `find` cannot read labels");
    };
    let files = ["", ".homedirs", ".local"].map(|end| view.tree.text(&format!("{contexts}{end}")));
    let none: Vec<_> = files.iter().flat_map(|text| selinux::without_label(text)).collect();
    LABELS.unless(unlabelled.iter().filter(|path| !none.iter().any(|pattern| pattern.is_match(path))))
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use super::super::view::view;
    use super::*;
    use crate::guest::Devices;
    use crate::inspect::tree::tests::tree;
    use crate::verify::Outcome::{self, Failed, Passed, Skipped};

    const POLICY: &str = "/etc/selinux/own/contexts/files/file_contexts";

    #[test]
    fn labels_are_judged_by_the_policy_that_is_on() {
        let on = "SELINUX=enforcing\nSELINUXTYPE=own\n";
        let contexts = "/tmp/.* <<none>>\n/etc(/.*)? system_u:object_r:etc_t:s0\n";
        let (found, none): (&[&str], &[&str]) = (&["/etc/x", "/tmp/x", "/home/x/y"], &[]);
        // Configuration, further files, files without a label if they were listed, outcome, evidence.
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], Option<&'a [&'a str]>, Outcome, &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            (on, &[(POLICY, contexts)], Some(found), Failed, &["/etc/x", "/home/x/y"]),
            (on, &[(POLICY, contexts)], Some(none), Passed, &[]),
            (on, &[(POLICY, contexts)], None, Skipped, &[]),
            (
                on,
                &[(POLICY, contexts), (&format!("{POLICY}.homedirs"), "/home/[^/]+/.* <<none>>\n")],
                Some(found),
                Failed,
                &["/etc/x"],
            ),
            (
                on,
                &[(POLICY, contexts), (&format!("{POLICY}.local"), "/(etc|home)/.* <<none>>\n")],
                Some(found),
                Passed,
                &[],
            ),
            (
                on,
                &[],
                Some(none),
                Failed,
                &[&format!("/etc/selinux/config names the policy own, and {POLICY} is not there")],
            ),
            ("SELINUX=disabled\n", &[(POLICY, contexts)], Some(found), Passed, &["SELinux is off"]),
            (
                on,
                &[
                    (POLICY, contexts),
                    ("/boot/vmlinuz-6", "k"),
                    ("/boot/grub/grub.cfg", "menuentry 'D' {\nlinux /boot/vmlinuz-6 ro selinux=0\n}\n"),
                ],
                Some(found),
                Passed,
                &["SELinux is off"],
            ),
        ];
        for (config, files, unlabelled, outcome, evidence) in cases {
            let files: Vec<_> = files.iter().copied().chain([(selinux::CONFIG, *config)]).collect();
            let mut view = view(tree(&files), Devices::default(), "x86_64");
            view.unlabelled = unlabelled.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
            let found = labels(&view);
            assert_eq!(found.outcome, *outcome, "{config} {files:?}: {found:?}");
            if *outcome != Skipped {
                assert_eq!(found.evidence, *evidence, "{config} {files:?}");
            }
        }
    }
}
