//! Elements that configure a system, upon an image that others made: the instance is as they say, also after a reboot.

use std::process::Command;

use goldsmith::digest::Sha256;
use goldsmith::process::capture;

use crate::reports::Verified;

/// `IMAGE`, `SHA256` and `CERTIFICATE` are replaced. The proxy, and with it the network, is one that nobody reaches.
const RECIPE: &str = r#"name: more
base: { image: { source: IMAGE, sha256: SHA256 } }
disk: { size: 4GiB }
elements:
  - swap: { size: 64 }
  - sysctl: { settings: ["net.ipv4.ip_forward=1", "vm.swappiness = 10", "net.ipv4.tcp_rmem=4096 65536 4194304"] }
  - modprobe: { load: [br_netfilter], deny: [cramfs, sctp], options: ["loop max_loop=4"] }
  - ntp: { servers: [192.0.2.1, time.example] }
  - proxy: { url: "http://proxy.example:3128" }
  - ca-certificates:
      certificates:
        - |
CERTIFICATE
  - unattended-updates: { reboot: true }
  # Without KVM a login may take long.
  - ssh-hardening: { login_grace_time: 120, allow_groups: [sudo] }
  - firstboot:
      commands:
        - "echo one >>/root/once"
        - |
          #!/bin/bash
          [[ -s /root/once ]] && echo two >>/root/once
  - sysprep
outputs: [{ format: qcow2 }]
checks:
  - booted: { command: "[ \"$(cat /root/once)\" = \"$(printf 'one\\ntwo')\" ]" }
verify:
  boot: [bios]
  deadline: 20min
  accept:
    - { check: no-swap, because: it is what the test is about }
    - { check: no-leftovers, because: the proxy is for instances }
"#;

#[test]
#[ignore = "needs libguestfs and a package mirror, boots a virtual machine, and takes long"]
fn takes_long_elements_upon_an_image_do_what_they_say() {
    let base = crate::shared::debian_12();
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    let mut openssl = Command::new("openssl");
    openssl
        .current_dir(work)
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "ca.pem"]);
    capture(openssl.args(["-subj", "/CN=Authority of the test", "-days", "3650"])).expect("a certificate");
    let certificate = std::fs::read_to_string(work.join("ca.pem")).expect("a certificate");
    let certificate: String = certificate.lines().map(|line| format!("          {line}\n")).collect();
    let recipe = RECIPE
        .replace("IMAGE", &base.display().to_string())
        .replace("SHA256", &Sha256::of_file(&base).expect("an image").to_string())
        .replace("CERTIFICATE\n", &certificate);
    std::fs::write(work.join("more.yaml"), recipe).expect("a recipe");

    let goldsmith = |args: &[&str]| {
        let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        goldsmith.current_dir(work).args(args).args(["--cache", "cache"]).output().expect("goldsmith runs")
    };
    let built = goldsmith(&["build", "more.yaml", "--no-verify", "--out", "out"]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let verified = Verified::new(goldsmith(&["verify", "out/more.qcow2", "--report", "report"]), &work.join("report"));
    verified.assert_passed();
    let passed: Vec<_> =
        verified.with("passed").iter().map(|it| it["id"].as_str().expect("an id").to_owned()).collect();
    let named = [
        "swap/3",
        "swap/4",
        "swap/5",
        "sysctl/2",
        "modprobe/5",
        "modprobe/6",
        "ntp/3",
        "ntp/4",
        "proxy/3",
        "proxy/4",
        "proxy/5",
        "ca-certificates/2",
        "unattended-updates/4",
        "unattended-updates/5",
        "ssh-hardening/3",
        "ssh-hardening/4",
        "firstboot/4",
        "reboots",
        "no-failed-unit",
    ];
    let missing: Vec<_> = named.iter().filter(|id| !passed.iter().any(|it| it == *id)).collect();
    assert!(missing.is_empty(), "{missing:?} did not run: {passed:?}");
}
