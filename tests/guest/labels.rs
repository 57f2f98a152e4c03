//! Labels of SELinux in images: a base of few packages, and recipes that turn SELinux on upon it, with a policy of their own or
//! Debian's. The image's own `setfiles` labels its files.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Turns SELinux on with a policy of few lines.
const OWN: &str = r#"
steps:
  configure:
    - write: { path: /etc/selinux/config, content: "SELINUX=permissive\nSELINUXTYPE=own\n" }
    - write:
        path: /etc/selinux/own/contexts/files/file_contexts
        content: |
          /.*              system_u:object_r:default_t:s0
          /etc(/.*)?       system_u:object_r:etc_t:s0
          /var/lib/none(/.*)? <<none>>
          /proc  -d        <<none>>
    - write: { path: /var/lib/none/x, content: x }
  clean:
    - write: { path: "/etc/late one", content: x }
"#;

/// Turns SELinux on with Debian's policy, as its package `selinux-basics` does.
const DEBIAN: &str = r#"
steps:
  configure:
    - edit: { path: /etc/selinux/config, replace: [{ pattern: "^SELINUX=.*", with: "SELINUX=enforcing" }] }
"#;

/// Builds a recipe upon the small base.
fn build(work: &Path, name: &str, rest: &str) -> Output {
    let base = "base: { image: { source: base.qcow2, sha256: SHA256SUMS } }\ndisk: { size: 2GiB }";
    std::fs::write(work.join(format!("{name}.yaml")), format!("name: {name}\n{base}\n{rest}")).expect("a recipe");
    let recipe = format!("{name}.yaml");
    goldsmith(work, &["build", "--no-verify", &recipe, "--out", name])
}

fn goldsmith(work: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    command.current_dir(work).args(args).args(["--cache", "cache"]).output().expect("it runs")
}

/// A folder with the small base.
fn work() -> tempfile::TempDir {
    let work = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let image = crate::shared::small_image();
    std::os::unix::fs::symlink(&image, work.path().join("base.qcow2")).expect("a link");
    let sum = goldsmith::digest::Sha256::of_file(&image).expect("the image");
    std::fs::write(work.path().join("SHA256SUMS"), format!("{sum}  base.qcow2\n")).expect("a file");
    work
}

/// The label of each file of an archive that names one of these paths; empty for none.
fn labels(archive: &Path, paths: &[&str]) -> Vec<String> {
    let mut archive = tar::Archive::new(std::fs::File::open(archive).expect("an archive"));
    let mut found = vec!["not there".to_owned(); paths.len()];
    for entry in archive.entries().expect("entries") {
        let mut entry = entry.expect("an entry");
        let path = String::from_utf8_lossy(&entry.path_bytes()).trim_end_matches('/').to_owned();
        let Some(at) = paths.iter().position(|wanted| path == format!(".{wanted}")) else { continue };
        let extensions = entry.pax_extensions().expect("extensions").into_iter().flatten();
        let label = extensions.filter_map(Result::ok).find(|it| it.key() == Ok("SCHILY.xattr.security.selinux"));
        found[at] = label.map_or(String::new(), |it| it.value().expect("text").trim_end_matches('\0').to_owned());
    }
    found
}

/// What `verify` says of labels: the outcome, and the evidence.
fn checked(work: &Path, image: &str) -> (String, String) {
    let output = goldsmith(work, &["verify", "--static", "--json", image]);
    let text = String::from_utf8(output.stdout).expect("JSON is UTF-8");
    let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect::<Vec<_>>();
    let found = lines.iter().find_map(|line| find(line, "selinux-labels"));
    let found = found.unwrap_or_else(|| panic!("{text}"));
    (found["outcome"].as_str().expect("an outcome").to_owned(), found["evidence"].to_string())
}

/// The finding with a name, wherever it is.
fn find<'a>(value: &'a Value, id: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) if map.get("id").is_some_and(|it| it == id) && map.contains_key("outcome") => Some(value),
        Value::Object(map) => map.values().find_map(|value| find(value, id)),
        Value::Array(list) => list.iter().find_map(|value| find(value, id)),
        _ => None,
    }
}

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn takes_long_every_file_of_an_image_with_selinux_has_a_label() {
    let work = work();
    let work = work.path();
    let failed = build(work, "without", OWN);
    let said = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert_eq!(failed.status.code(), Some(12), "{said}");
    assert!(said.contains("the image has no program setfiles") && said.contains("install policycoreutils"), "{said}");

    let outputs = "outputs: [{ format: tar }, { format: qcow2 }]";
    let built = build(work, "with", &format!("packages: [policycoreutils, mount]\n{outputs}\n{OWN}"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let (etc, default) = ("system_u:object_r:etc_t:s0", "system_u:object_r:default_t:s0");
    assert_eq!(
        labels(
            &work.join("with/with.tar"),
            &[
                "/etc/late one",
                "/etc/passwd",
                "/etc/alternatives/awk",
                "/usr/bin/dash",
                "/sys",
                "/proc",
                "/var/lib/none/x"
            ]
        ),
        [etc, etc, etc, default, default, "", ""]
    );
    assert_eq!(checked(work, "with/with.qcow2"), ("passed".to_owned(), "[]".to_owned()));
}

/// Without KVM, `setfiles` with a whole policy takes minutes.
#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn takes_long_debians_policy_labels_an_image_of_debian() {
    let work = work();
    let work = work.path();
    let outputs = "outputs: [{ format: tar }, { format: qcow2 }]";
    let packages = "packages: [policycoreutils, selinux-policy-default, mount]";
    let built = build(work, "debian", &format!("{packages}\n{outputs}\n{DEBIAN}"));
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    assert_eq!(
        labels(&work.join("debian/debian.tar"), &["/etc/passwd", "/etc/shadow", "/usr/bin/dash", "/var/log", "/tmp"]),
        [
            "system_u:object_r:etc_t:s0",
            "system_u:object_r:shadow_t:s0",
            "system_u:object_r:shell_exec_t:s0",
            "system_u:object_r:var_log_t:s0",
            "system_u:object_r:tmp_t:s0"
        ]
    );
    assert_eq!(checked(work, "debian/debian.qcow2"), ("passed".to_owned(), "[]".to_owned()));
}
