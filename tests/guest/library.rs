//! Elements that configure a system, on a real image in a guest: before, their checks fail, and afterwards they pass. What cannot
//! be as a recipe says is refused with a reason.

mod repository;

use std::collections::BTreeSet;
use std::path::Path;

use goldsmith::guest::libguestfs::LibguestfsGuest;
use goldsmith::guest::{Command, Guest as _};
use goldsmith::plan::{self, BasePlan, Phase, Plan};
use goldsmith::recipe::{self, Arch, Base, LoadOptions};
use goldsmith::verify::{Outcome, statics};

use crate::sabotage::DISK;
use crate::sabotage::disk_guest::DiskGuest;
use crate::trees::executor;

/// An element with its parameters as JSON, a line of shell that is true afterwards, and false before.
const GOOD: &[(&str, &str, &str)] = &[
    (
        "swap",
        r#"{ "size": 64 }"#,
        "[ $(stat -c '%s %a' /swapfile | tr -d ' ') = 67108864600 ] && [ $(du -m /swapfile | cut -f 1) = 64 ]",
    ),
    (
        "sysctl",
        r#"{ "settings": ["net.ipv4.ip_forward=1", "kernel.printk = 4 4 1 7"] }"#,
        "[ $(grep -c . /etc/sysctl.d/99-zz-image.conf) = 2 ]",
    ),
    (
        "modprobe",
        r#"{ "load": ["br_netfilter"], "deny": ["sctp"], "options": ["dummy numdummies=2"] }"#,
        "modprobe -n -v -S $(ls /lib/modules) sctp | grep -q 'install /bin/false' && modprobe -n -v -S $(ls /lib/modules) dummy | grep -q numdummies=2",
    ),
    (
        "ntp",
        r#"{ "servers": ["192.0.2.1", "time.example"] }"#,
        "grep -qx 'NTP=192.0.2.1 time.example' /etc/systemd/timesyncd.conf.d/*.conf",
    ),
    (
        "proxy",
        r#"{ "url": "http://proxy.example:3128" }"#,
        "apt-config dump | grep -qF 'Acquire::http::Proxy::169.254.169.254 \"DIRECT\";' && grep -q ^no_proxy=localhost, /etc/environment",
    ),
    (
        "ca-certificates",
        r#"{ "certificates": [CERTIFICATE] }"#,
        "openssl x509 -in /usr/local/share/ca-certificates/image-1.crt -noout",
    ),
    (
        "unattended-updates",
        r#"{ "reboot": true, "reboot_time": "02:30" }"#,
        "apt-config dump | grep -qxF 'Unattended-Upgrade::Automatic-Reboot-Time \"02:30\";'",
    ),
    (
        "ssh-hardening",
        r#"{ "allow_groups": ["sudo"], "forwarding": false }"#,
        "grep -qx 'AllowGroups sudo' /etc/ssh/sshd_config.d/10-hardening.conf",
    ),
    (
        "firstboot",
        r##"{ "commands": ["echo it\\'s >/root/a", "#!/bin/bash\n[[ a ]]"], "packages": ["ed"] }"##,
        "[ \"$(echo /etc/firstboot.d/*)\" = '/etc/firstboot.d/001 /etc/firstboot.d/002 /etc/firstboot.d/003' ] && grep -q 'install ed$' /etc/firstboot.d/001",
    ),
];

/// Checks that fail here though the element is carried out: the packages of elements are not installed.
const WITHOUT_PACKAGES: &[&str] = &["unattended-updates/3"];

/// Parameters that cannot be, and what is said.
const REFUSED: &[(&str, &str, &str)] = &[
    ("swap", r#"{ "size": 9999999 }"#, "has no space for 9999999 MiB"),
    ("swap", r#"{ "size": 0 }"#, "a swap file of 0 MiB is none"),
    ("swap", r#"{ "path": "/etc" }"#, "/etc is there and is no file"),
    ("sysctl", r#"{ "settings": ["net.ipv4.ip_forward"] }"#, "`net.ipv4.ip_forward` is no setting"),
    ("sysctl", r#"{ "settings": [] }"#, "the list of settings is empty"),
    ("modprobe", r#"{ "load": ["no_such_module"] }"#, "has no module no_such_module"),
    ("modprobe", r#"{ "deny": ["unix"] }"#, "unix is part of the kernel"),
    ("modprobe", r#"{ "load": ["loop"], "deny": ["loop"] }"#, "both in `load` and in `deny`"),
    ("ntp", r#"{ "servers": ["a server"] }"#, "`a server` is neither the name nor the address"),
    ("proxy", r#"{ "url": "http://me:secret@proxy.example" }"#, "the URL of the proxy has a login"),
    ("proxy", r#"{ "url": "proxy.example" }"#, "`proxy.example` is not the URL of a proxy"),
    (
        "ca-certificates",
        r#"{ "certificates": ["no certificate"] }"#,
        "entry 1 of the certificates is not one certificate",
    ),
    ("ca-certificates", r#"{ "certificates": [LEAF] }"#, "is not that of an authority"),
    ("ssh-hardening", r#"{ "allow_groups": ["nobodys"] }"#, "there is no group nobodys"),
    ("firstboot", r#"{ "commands": ["echo 'open"] }"#, "command 1 of the first boot is no text for /bin/sh"),
    ("firstboot", "{}", "there are neither commands nor packages"),
];

fn planned(work: &Path, element: &str, params: &str) -> (Plan, Vec<(String, goldsmith::element::schema::Check)>) {
    let text = format!(
        "name: x\nbase: {{ bootstrap: {{ distro: debian, release: bookworm }} }}\ndisk: {{ size: 3GiB }}\n\
         elements: [{{ {element}: {params} }}]\n"
    );
    let options = LoadOptions::new(Arch::X86_64);
    let loaded =
        recipe::load_str(&work.join("x.yaml"), &text, &options, None).unwrap_or_else(|error| panic!("{error}"));
    let Base::Bootstrap(source) = loaded.recipe.base.clone() else { panic!("a bootstrap") };
    let composition = loaded.composition.expect("a known distribution");
    let checks = composition.checks.clone();
    let base = BasePlan::Bootstrap { source, repositories: Vec::new() };
    (plan::resolve(&loaded.recipe, composition, base, Vec::new()), checks)
}

/// Carries out the steps `configure` and `clean` of a plan, without what is derived.
fn carry_out(guest: &mut LibguestfsGuest, work: &Path, plan: &Plan) -> Result<(), String> {
    for step in plan.steps.iter().filter(|step| matches!(step.id.phase, Phase::Configure | Phase::Clean)) {
        let mut step = step.clone();
        step.derived = None;
        executor(guest, plan, work).run(&step).map_err(|error| format!("{error}: {}", error.tail().join("\n")))?;
    }
    Ok(())
}

fn holds(guest: &mut LibguestfsGuest, line: &str) -> bool {
    let args = ["-c".to_owned(), format!("({line}) >/dev/null 2>&1")];
    let ended = guest.run(&Command { program: "/bin/sh", args: &args, ..Command::default() }).expect("sh");
    ended.status == 0
}

/// A certificate of the test as a string of JSON: of an authority, or of none.
fn certificate(work: &Path, authority: bool) -> String {
    let mut openssl = std::process::Command::new("openssl");
    openssl.current_dir(work).args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem"]);
    openssl.args(["-subj", "/CN=test", "-days", "3650", "-addext"]);
    openssl.arg(if authority { "keyUsage=keyCertSign" } else { "basicConstraints=critical,CA:FALSE" });
    let text = goldsmith::process::capture(&mut openssl).expect("a certificate");
    serde_json::to_string(text.trim()).expect("JSON")
}

#[test]
fn each_element_that_configures_is_tested() {
    let tested: BTreeSet<_> = GOOD.iter().map(|(name, ..)| *name).collect();
    assert_eq!(tested.len(), GOOD.len());
    let refused: BTreeSet<_> = REFUSED.iter().map(|(name, ..)| *name).collect();
    assert_eq!(tested.difference(&refused).copied().collect::<Vec<_>>(), ["unattended-updates"]);
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn elements_do_what_they_say_and_refuse_what_cannot_be() {
    let disk_guest = DiskGuest::new();
    let work = disk_guest.work.path();
    let (authority, leaf) = (certificate(work, true), certificate(work, false));
    let filled = |params: &str| params.replace("CERTIFICATE", &authority).replace("LEAF", &leaf);
    let mut guest = disk_guest.launch();
    disk_guest.attach(&mut guest, "image.qcow2", DISK);
    let plans: Vec<_> = GOOD.iter().map(|(name, params, _)| planned(work, name, &filled(params))).collect();
    let checks: Vec<_> = plans.iter().flat_map(|(_, checks)| checks.clone()).collect();
    let mut told = Vec::new();
    let mut judged = |guest: &mut LibguestfsGuest, good: bool| {
        let seen = statics::Seen { arch: Some("x86_64"), packages: None, checks: &checks };
        let found = statics::examine(guest, &seen).expect("examined");
        let own = found.findings.iter().filter(|finding| finding.id.contains('/')).collect::<Vec<_>>();
        assert!(own.len() > GOOD.len(), "{own:?}");
        for finding in own {
            let passed = finding.outcome == Outcome::Passed;
            // An image for clouds has the service that keeps the clock, timers of apt, and has never run a first boot.
            let before = ["ntp/1", "unattended-updates/1", "firstboot/3"].contains(&finding.id.as_str());
            let never = WITHOUT_PACKAGES.contains(&finding.id.as_str());
            if passed != ((good || before) && !never) {
                told.push(format!("{}: {} {:?}", if good { "after" } else { "before" }, finding.id, finding.evidence));
            }
        }
        for (name, _, line) in GOOD {
            if holds(guest, line) != good {
                told.push(format!("{name}: `{line}` is {}", !good));
            }
        }
    };
    drop(statics::examine_attached(&mut guest, &[]).expect("examined"));
    judged(&mut guest, false);
    disk_guest.tell("examined before");
    let mut failed = Vec::new();
    for (name, params, said) in REFUSED {
        match carry_out(&mut guest, work, &planned(work, name, &filled(params)).0) {
            Ok(()) => failed.push(format!("{name} {params} is not refused")),
            Err(error) if error.contains(said) => {}
            Err(error) => failed.push(format!("{name} {params}: {error}")),
        }
    }
    disk_guest.tell("refused");
    for ((name, ..), (plan, _)) in GOOD.iter().zip(&plans) {
        failed.extend(carry_out(&mut guest, work, plan).err().map(|error| format!("{name}: {error}")));
    }
    disk_guest.tell("carried out");
    judged(&mut guest, true);
    // Once more: an element may be carried out upon an image that has it.
    for ((name, ..), (plan, _)) in GOOD.iter().zip(&plans) {
        failed.extend(carry_out(&mut guest, work, plan).err().map(|error| format!("{name}, again: {error}")));
    }
    judged(&mut guest, true);
    disk_guest.tell("examined afterwards");
    told.extend(failed);
    assert!(told.is_empty(), "{}", told.join("\n"));
}
