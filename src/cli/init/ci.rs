//! Files for CI services.

use super::args::CiService;
use super::files::Planned;

/// Variable of the CI service that names Goldsmith's package.
const PACKAGE: &str = "GOLDSMITH_PACKAGE";

/// Returns the file for a service. `check` and `build` are the commands of the job, and `out` is the directory of the artifacts.
pub(super) fn file(service: CiService, check: &str, build: &str, out: &str) -> Planned {
    match service {
        CiService::Github => Planned::new(".github/workflows/image.yml", github(check, build, out)),
        CiService::Gitlab => Planned::new(".gitlab-ci.yml", gitlab(check, build, out)),
    }
}

/// Returns what a person must still do in the CI service.
pub(super) fn advice() -> String {
    format!("in the CI service, set the variable {PACKAGE} to the address of Goldsmith's .deb package")
}

fn github(check: &str, build: &str, out: &str) -> String {
    format!(
        "# Builds the image for every change, and every night.\n\
         on:\n  push:\n  schedule: [{{ cron: \"0 3 * * *\" }}]\n\
         jobs:\n  image:\n    runs-on: ubuntu-24.04\n    timeout-minutes: 60\n    steps:\n      \
         - uses: actions/checkout@v4\n      \
         - name: Install Goldsmith\n        run: |\n          \
         curl -fsSL -o /tmp/goldsmith.deb \"${{{{ vars.{PACKAGE} }}}}\"\n          \
         sudo apt-get update\n          sudo apt-get install -y /tmp/goldsmith.deb\n          \
         # libguestfs boots a kernel of this machine, and QEMU uses KVM if it is there.\n          \
         sudo chmod 0644 /boot/vmlinuz-*\n          if [ -e /dev/kvm ]; then sudo chmod 0666 /dev/kvm; fi\n      \
         - uses: actions/cache@v4\n        with:\n          path: ~/.cache/goldsmith\n          \
         key: goldsmith-${{{{ github.run_id }}}}\n          restore-keys: goldsmith-\n      \
         - run: {check}\n      - run: {build}\n      - run: goldsmith cache gc --max-size 5GiB\n      \
         - uses: actions/upload-artifact@v4\n        if: always()\n        with:\n          name: image\n          path: {out}\n"
    )
}

fn gitlab(check: &str, build: &str, out: &str) -> String {
    format!(
        "# Builds the image for every change. The runner is a virtual machine with the shell executor, in which the user may\n\
         # become root by sudo, or a container that may make user namespaces.\n\
         stages: [check, build]\n\
         \n.goldsmith:\n  before_script:\n    \
         - curl -fsSL -o /tmp/goldsmith.deb \"${PACKAGE}\"\n    \
         - sudo apt-get update && sudo apt-get install -y /tmp/goldsmith.deb\n\
         \ncheck:\n  extends: .goldsmith\n  stage: check\n  script: {check}\n\
         \nimage:\n  extends: .goldsmith\n  stage: build\n  timeout: 1h\n  script:\n    \
         - {build} --cache \"$CI_PROJECT_DIR/.cache\"\n    - goldsmith cache gc --cache \"$CI_PROJECT_DIR/.cache\" --max-size 5GiB\n  \
         cache:\n    key: goldsmith\n    paths: [.cache]\n  artifacts:\n    when: always\n    paths: [{out}]\n    \
         reports: {{ junit: {out}/junit.xml }}\n"
    )
}
