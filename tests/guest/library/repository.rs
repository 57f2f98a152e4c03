//! A signed repository, and an image that has it by its key.

use std::path::Path;
use std::process::Command;

use goldsmith::digest::Sha256;
use goldsmith::process::capture;

/// Makes a repository of one package that a new key signs, and another key, with programs of this host.
const MAKE: &str = r#"set -eu
cd "$1"
export GNUPGHOME=$PWD/gpg
mkdir -m 0700 gpg
for name in signer other; do
    gpg --batch --quiet --passphrase '' --quick-generate-key "$name <$name@example.org>" ed25519 sign never
    gpg --armor --export "$name" >"$name.asc"
done
mkdir -p elements/files/repository package/DEBIAN package/usr/share/of-the-test
echo it >package/usr/share/of-the-test/file
printf '%s\n' 'Package: of-the-test' 'Version: 1' 'Architecture: all' 'Maintainer: test <test@example.org>' 'Description: test' \
    >package/DEBIAN/control
dpkg-deb --root-owner-group --build package elements/files/repository/of-the-test_1_all.deb
cd elements/files/repository
dpkg-scanpackages --multiversion . >Packages
printf 'Origin: test\nSuite: test\nDate: %s\nSHA256:\n %s %s Packages\n' "$(date -Ru)" \
    "$(sha256sum <Packages | cut -d ' ' -f 1)" "$(stat -c %s Packages)" >Release
gpg --batch --quiet --local-user signer --clearsign --output InRelease Release
gpgconf --kill all
"#;

/// The files of the repository in the image, where apt reads them.
const FILES: &str = "name: files\ndescription: files of the test\nsteps:\n  install:\n    - copy: { source: repository, path: /srv/repository }\n";

#[test]
#[ignore = "needs libguestfs and a package mirror"]
fn a_repository_is_trusted_by_its_own_key() {
    let work = tempfile::tempdir().expect("a temporary directory");
    let work = work.path();
    capture(Command::new("sh").args(["-c", MAKE, "sh"]).arg(work)).unwrap_or_else(|error| panic!("{error}"));
    std::fs::write(work.join("elements/files/element.yaml"), FILES).expect("an element");
    let refused = build(work, "other").expect_err("another key has signed it");
    assert!(refused.contains("or its key has not signed it"), "{refused}");
    build(work, "signer").unwrap_or_else(|error| panic!("{error}"));
}

/// Builds an image with the package of the repository, which it trusts by a key.
fn build(work: &Path, key: &str) -> Result<(), String> {
    let image = crate::shared::debian_12();
    let key = std::fs::read_to_string(work.join(format!("{key}.asc"))).expect("a key");
    let recipe = format!(
        "name: extra\nbase: {{ image: {{ source: {}, sha256: {} }} }}\ndisk: {{ size: 3GiB }}\nelements:\n  - files\n  \
         - package-repository: {{ url: \"file:/srv/repository\", key: {}, suites: [./], components: [], install: [of-the-test] }}\n\
         steps:\n  clean:\n    - run: {{ inline: \"grep -x it /usr/share/of-the-test/file\" }}\n\
         outputs: [{{ format: qcow2 }}]\n",
        image.display(),
        Sha256::of_file(&image).expect("an image"),
        serde_json::to_string(&key).expect("JSON"),
    );
    std::fs::write(work.join("extra.yaml"), recipe).expect("a recipe");
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.current_dir(work).args(["build", "extra.yaml", "--no-verify", "--json", "--cache", "cache"]);
    let output = goldsmith.output().expect("goldsmith runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(()) } else { Err(text) }
}
