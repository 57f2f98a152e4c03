//! Playbooks of Ansible, by the real ansible-core, in the guest of a real build.

use std::path::Path;
use std::process::{Command, Output};

use crate::programs::Programs;
use crate::shared::debian_12;

/// ansible-core of the oldest series that its makers still maintain for Debian 12's Python.
const REQUIREMENTS: &str = "ansible-core>=2.17,<2.19\n";

const PLAYBOOK: &str = r#"
- hosts: all
  vars: { greeting: nobody }
  roles: [web]
  tasks:
    - name: greet
      ansible.builtin.template: { src: motd.j2, dest: /etc/motd, mode: "0640" }
      notify: note it
    - name: a line
      ansible.builtin.lineinfile: { path: /etc/hosts, line: "192.0.2.1 ansible.example" }
      become: true
    - name: read it
      ansible.builtin.command: cat /etc/motd
      register: read
      changed_when: false
    - name: compare
      ansible.builtin.assert: { that: "read.stdout == 'hello from the recipe'" }
    - name: a failure that does not matter
      ansible.builtin.command: /bin/false
      ignore_errors: true
    - name: another machine's kind
      ansible.builtin.command: /bin/false
      when: ansible_facts.distribution != "Debian"
    - name: an account
      ansible.builtin.user: { name: deploy, shell: /bin/sh }
    - name: the secret
      ansible.builtin.copy: { content: "{{ token | length }}", dest: /etc/length, mode: "0600" }
      no_log: true
    - name: bring it back
      ansible.builtin.fetch: { src: /etc/motd, dest: back/, flat: true }
    - name: break
      ansible.builtin.fail: { msg: "as the recipe wishes" }
      when: broken | default(false)
  handlers:
    - name: note it
      ansible.builtin.copy: { content: "noted\n", dest: /etc/noted }
"#;

const ROLE: &str = r#"
- name: the directory of the role
  ansible.builtin.file: { path: /srv/web/empty, state: directory, mode: "0750" }
- name: a big file
  ansible.builtin.copy: { src: big, dest: /srv/web/big }
"#;

/// What is true afterwards, as a script of the same build looks at it.
const LOOK: &str = r#"
      set -x
      test "$(cat /etc/motd)" = "hello from the recipe"; test "$(stat -c %a /etc/motd)" = 640
      grep -q '192.0.2.1 ansible.example' /etc/hosts; test "$(cat /etc/noted)" = noted
      id deploy; test "$(cat /etc/length)" = 8; test "$(stat -c %a /srv/web/empty)" = 750
      test "$(stat -c %s /srv/web/big)" = 3000000
      test ! -e /root/.ansible; test ! -e /run/goldsmith-service
      test -z "$(find /tmp /var/tmp /root /home -iname '*ansible*')"
"#;

struct Folder {
    dir: tempfile::TempDir,
    programs: Programs,
}

impl Folder {
    fn new() -> Self {
        let folder = Self {
            dir: tempfile::tempdir().expect("a directory"),
            programs: Programs::install_as("ansible", REQUIREMENTS),
        };
        folder.write("site/site.yml", PLAYBOOK);
        folder.write("site/templates/motd.j2", "{{ greeting }}\n");
        folder.write("role/tasks/main.yml", ROLE);
        folder.write("role/files/big", &"x".repeat(3_000_000));
        folder.write(
            "role/meta/main.yml",
            "galaxy_info: { author: a, description: d, license: x, min_ansible_version: '2.1' }\n",
        );
        // The role comes from an archive that the requirements name.
        let packed =
            Command::new("tar").args(["-czf", "site/web.tar.gz", "role"]).current_dir(folder.dir.path()).status();
        assert!(packed.expect("tar").success());
        folder.write("site/requirements.yml", "roles: [{ src: web.tar.gz, name: web }]\n");
        folder
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }

    fn recipe(&self, vars: &str) {
        let image = debian_12();
        let digest = goldsmith::digest::Sha256::of_file(&image).expect("a file");
        let (source, look) = (image.display(), LOOK);
        self.write("recipe.yaml", &format!(
            "name: x\nbase: {{ image: {{ source: {source}, sha256: {digest} }} }}\nsecrets: {{ token: {{ env: TEST_TOKEN }} }}\nsteps:\n  configure:\n    - ansible:\n        source: site\n        requirements: requirements.yml\n        secrets: [token]\n        vars: {vars}\n    - run:\n        inline: |\n{}\n",
            look.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n"),
        ));
    }

    fn run(&self, arguments: &[&str], path: &Path) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        let search = format!("{}:{}", path.display(), std::env::var("PATH").expect("PATH"));
        command.env("PATH", search).env("TEST_TOKEN", "s3cret-x").env("ANSIBLE_STDOUT_CALLBACK", "nonsense");
        command.current_dir(self.dir.path()).args(arguments).args(["--cache", "cache"]).output().expect("it runs")
    }
}

#[test]
#[ignore = "needs libguestfs, PyPI and a package mirror"]
fn a_playbook_changes_the_image_and_leaves_nothing_of_itself() {
    let folder = Folder::new();
    let bin = folder.programs.path("bin");
    folder.recipe("{ greeting: hello from the recipe }");
    let refused = folder.run(&["build", "recipe.yaml"], &bin);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(refused.status.code() == Some(2) && said.contains("`--allow-ansible` permits it"), "{said}");

    let built = folder.run(&["build", "recipe.yaml", "--allow-ansible"], &bin);
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    let log = std::fs::read_to_string(folder.dir.path().join("out/x/build.log")).expect("a log");
    for words in ["task web : a big file", "task greet", "  changed", "  ignored: ", "  skipped", "task note it"] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert!(!said.contains("s3cret-x") && !log.contains("s3cret-x"), "{said}\n{log}");

    // Nothing has changed; then a variable and a file of the role have.
    let again = folder.run(&["build", "recipe.yaml", "--allow-ansible"], &bin);
    assert!(again.status.success() && !String::from_utf8_lossy(&again.stderr).contains("task greet"));
    folder.write("site/templates/motd.j2", "another\n");
    let plan = folder.run(&["plan", "recipe.yaml"], &bin);
    assert!(String::from_utf8_lossy(&plan.stdout).contains("site/templates/motd.j2"), "{plan:?}");

    // A task that fails, plays for nobody, and no Ansible at all. The base is cached.
    folder.write("site/requirements.yml", "roles: []\n");
    let fails = "- hosts: all\n  gather_facts: false\n  tasks: [{ name: break, ansible.builtin.fail: { msg: 'as {{ token }} wishes' } }]\n";
    for (playbook, path, words) in [
        (fails, &*bin, "ansible site.yml ended with exit status 2 (task `break`: as *** wishes)"),
        ("- hosts: web\n  tasks: [{ ansible.builtin.command: /bin/true }]\n", &*bin, "so plays need `hosts: all`"),
        (fails, Path::new("/nowhere"), "install the package `ansible-core`"),
    ] {
        folder.write("site/site.yml", playbook);
        let failed = folder.run(&["build", "recipe.yaml", "--allow-ansible"], path);
        let said = String::from_utf8_lossy(&failed.stderr);
        assert!(failed.status.code() == Some(12) && said.contains(words), "{words}: {said}");
    }
}
