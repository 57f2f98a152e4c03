//! Bases that are container images, from a real registry, and trees.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::containers_support::{run, served};
use crate::image_base::{goldsmith, launches};

const RECIPE: &str = "disk: { size: 1GiB, layout: bios }\n";

/// Elements with which an image boots.
const BOOTABLE: &str = r#"
disk: { size: 3GiB, layout: bios }
elements: [base-system, kernel, dhcp-network, sshd, growroot, { metadata-ssh-key: { user: ops } }, net-rules, no-firewall, bootloader, serial-console, sysprep]
steps:
  configure:
    - user: { name: ops, shell: /bin/bash }
    - run:
        inline: |
          grep -qx above /etc/made-above
          test ! -e /usr/share/doc/base-files
          findmnt -n -o FSTYPE / | grep -qx ext4
outputs: [{ format: qcow2 }]
verify: { user: ops }
"#;

/// The plan of a recipe with a base, and what was said if there is none.
fn planned(work: &Path, base: &str, auth: Option<&Path>) -> Result<Value, String> {
    std::fs::write(work.join("r.yaml"), format!("name: r\nbase: {{ {base} }}\n{RECIPE}")).expect("a recipe");
    let mut plan = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    plan.current_dir(work).args(["plan", "r.yaml", "--json", "--cache", "cache"]).env("HOME", work);
    for name in ["XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE"] {
        plan.env_remove(name);
    }
    if let Some(auth) = auth {
        plan.env("REGISTRY_AUTH_FILE", auth);
    }
    let output = plan.output().expect("it runs");
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    if !output.status.success() {
        return Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).next_back().expect("a plan"))
}

#[test]
#[ignore = "needs docker-registry, skopeo, umoci and a package mirror"]
fn one_image_is_the_same_wherever_it_is() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    let (_registry, name) = served(work, false);
    run(work, &["skopeo", "copy", "oci:layout:12", "docker-archive:saved.tar:debian:12"]);
    let key = |base: &str| {
        planned(work, base, None).unwrap_or_else(|error| panic!("{error}"))["plan"]["steps"][0]["key"].clone()
    };
    let of_layout = key("container: { source: \"oci:layout:12\" }");
    assert!(of_layout.is_string(), "{of_layout}");
    assert_eq!(key(&format!("container: {{ source: \"{name}\" }}")), of_layout, "the manifest is the same");
    assert!(key("container: { source: \"docker-archive:saved.tar\" }").is_string());
    let plan = planned(work, &format!("container: {{ source: \"{name}\" }}"), None).expect("a plan");
    assert_eq!(
        (&plan["plan"]["distro"]["name"], &plan["plan"]["distro"]["release"]),
        (&"debian".into(), &"bookworm".into())
    );
    let error = planned(work, &format!("container: {{ source: \"{name}3\" }}"), None).expect_err("no such tag");
    assert!(error.contains("is not there"), "{error}");
}

#[test]
#[ignore = "needs docker-registry, skopeo, umoci and a package mirror"]
fn a_private_registry_gets_the_login_of_the_user() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    let (registry, name) = served(work, true);
    let base = format!("container: {{ source: \"{name}\" }}");
    let error = planned(work, &base, None).expect_err("no login");
    assert!(error.contains("wants a login") && error.contains("skopeo login"), "{error}");
    let auth = |text: &str| {
        let path = work.join("auth.json");
        std::fs::write(&path, format!("{{ \"auths\": {{ \"{}\": {{ \"auth\": \"{text}\" }} }} }}", registry.host))
            .expect("a file");
        path
    };
    let error = planned(work, &base, Some(&auth("bWU6d3Jvbmc="))).expect_err("a wrong password");
    assert!(error.contains("refuses the login") && !error.contains("wrong\""), "{error}");
    assert!(planned(work, &base, Some(&auth("bWU6cGFzcw=="))).expect("a plan")["plan"]["steps"].is_array());
    let log = std::fs::read_to_string(
        work.join("cache/pins").read_dir().expect("pins").next().expect("a pin").expect("an entry").path(),
    );
    assert!(!log.expect("a pin").contains("pass"));
}

#[test]
#[ignore = "needs libguestfs, docker-registry, skopeo, umoci and a package mirror, and takes long"]
fn takes_long_a_bootable_image_is_made_of_a_container() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    let (registry, name) = served(work, false);
    let recipe = format!("name: c\nbase: {{ container: {{ source: \"{name}\" }} }}\n{BOOTABLE}");
    std::fs::write(work.join("c.yaml"), recipe).expect("a recipe");
    let events = goldsmith(work, &["build", "c.yaml", "--no-verify", "--timeout", "2h", "--out", "out"]);
    assert_eq!(launches(&events), 1, "one guest");
    let findings = goldsmith(work, &["verify", "--static", "--all", "out/c.qcow2"]);
    let text = findings.iter().map(Value::to_string).collect::<String>();
    assert!(!text.contains("\"outcome\":\"failed\"") && text.contains("\"outcome\":\"passed\""), "{text}");
    drop(registry);
    let events = goldsmith(work, &["build", "c.yaml", "--no-verify", "--offline", "--out", "out"]);
    assert_eq!((launches(&events), &events.last().expect("a result")["unchanged"]), (0, &Value::Bool(true)));
}
