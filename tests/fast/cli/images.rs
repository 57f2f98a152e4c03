//! Files that cannot be a base.

use super::sandbox::{Sandbox, assert_session, names};

/// An empty disk of 64 MiB, made by QEMU as users' images are.
fn qcow2(sandbox: &Sandbox) -> Vec<u8> {
    let path = sandbox.path("whole.qcow2");
    let mut command = sandbox.command("qemu-img");
    let made = command.args(["create", "-q", "-f", "qcow2"]).arg(&path).arg("64M").status();
    assert!(made.expect("qemu-img").success());
    let mut image = std::fs::read(path).expect("an image");
    image.resize(1 << 20, 0);
    image
}

fn with(image: &[u8], at: usize, field: &[u8]) -> Vec<u8> {
    let mut image = image.to_vec();
    image[at..at + field.len()].copy_from_slice(field);
    image
}

#[test]
fn what_is_no_whole_image_is_refused_with_what_to_do() {
    let sandbox = Sandbox::new();
    let whole = qcow2(&sandbox);
    sandbox.image("page.qcow2", b"<!DOCTYPE html><html><body>404 Not Found</body></html>");
    sandbox.image("text.raw", b"not found\n");
    sandbox.image("empty.qcow2", b"");
    sandbox.image("packed.qcow2", b"\x1f\x8b\x08rest");
    sandbox.image("other.vmdk", b"KDMVrest");
    sandbox.image("cut.qcow2", &whole[..100_000]);
    // The first entry of the L1 table leads to where there is nothing.
    let tables = u64::from_be_bytes(whole[40..48].try_into().expect("eight bytes"));
    let l1 = usize::try_from(tables).expect("a small image");
    sandbox.image("damaged.qcow2", &with(&whole, l1, &(0x8000_0000_4000_0000_u64).to_be_bytes()));
    sandbox.image("encrypted.qcow2", &with(&whole, 32, &2_u32.to_be_bytes()));
    sandbox.image("external.qcow2", &with(&whole, 72, &4_u64.to_be_bytes()));
    let mut command = sandbox.command("qemu-img");
    let overlay = ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", "../whole.qcow2", "images/backed.qcow2"];
    assert!(command.args(overlay).status().expect("qemu-img").success());
    sandbox.image("backed.qcow2", &std::fs::read(sandbox.path("images/backed.qcow2")).expect("an image"));
    assert_session!(
        sandbox,
        sandbox.session(&[
            "plan page.qcow2.yaml",
            "plan text.raw.yaml",
            "plan empty.qcow2.yaml",
            "plan packed.qcow2.yaml",
            "plan other.vmdk.yaml",
            "plan cut.qcow2.yaml",
            "plan damaged.qcow2.yaml",
            "plan encrypted.qcow2.yaml",
            "plan external.qcow2.yaml",
            "plan backed.qcow2.yaml",
        ])
    );
    let kept = names(&sandbox.path("home/.cache/goldsmith/images"));
    assert!(kept.iter().all(|name| name.ends_with(".lock")), "{kept:?}");
}

#[test]
fn images_that_are_not_there_or_not_the_ones_that_are_meant() {
    let sandbox = Sandbox::new();
    let digest = "a".repeat(64);
    sandbox.write("images/some.raw", "some");
    sandbox.write("images/SHA256SUMS", format!("{digest}  another.raw\n"));
    sandbox.image_recipe("wrong.yaml", "images/some.raw", &digest);
    sandbox.image_recipe("none.yaml", "images/none.raw", &digest);
    sandbox.image_recipe("folder.yaml", "images", &digest);
    sandbox.image_recipe("sums.yaml", "images/some.raw", "images/SHA256SUMS");
    sandbox.image_recipe("no-sums.yaml", "images/some.raw", "none/SHA256SUMS");
    sandbox.image_recipe("word.yaml", "images/some.raw", "latest");
    // Nobody listens at the port that is given back at once.
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    sandbox.image_recipe("url.yaml", &format!("http://127.0.0.1:{port}/x.qcow2"), &digest);
    let [image, sums] = ["x.qcow2", "SHA256SUMS"].map(|name| format!("http://127.0.0.1:{port}/{name}"));
    sandbox.write(
        "url-sums.yaml",
        format!(
            "name: x\narch: x86_64\nbase:\n  image:\n    source: {image}\n    sha256: {sums}\n    insecure: true\n"
        ),
    );
    sandbox.write("missing.yaml", "name: x\nbase: { image: { source: images/some.raw } }\n");
    assert_session!(
        sandbox,
        sandbox.session(&[
            "plan wrong.yaml",
            "plan none.yaml",
            "plan folder.yaml",
            "plan sums.yaml",
            "plan no-sums.yaml",
            "plan word.yaml",
            "plan missing.yaml",
            "plan url.yaml",
            "plan url-sums.yaml",
            "plan --offline url.yaml",
            "plan --offline url-sums.yaml",
        ])
    );
}

#[test]
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn too_little_room_is_told_before_anything_is_written() {
    let sandbox = Sandbox::new();
    let mut disk = vec![0; 8 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    sandbox.image("disk.raw", &disk);
    // A small cache on a file system of its own, which ends with the program.
    let mount = |mut command: std::process::Command, program: &str| {
        command
            .args([
                "--mount",
                "sh",
                "-c",
                "mkdir -p small && mount -t tmpfs -o size=4M,mode=700 small small && exec \"$@\"",
                "sh",
            ])
            .args(program.split_whitespace())
            .output()
            .expect("unshare")
    };
    let unshare = || {
        let mut command = sandbox.command("unshare");
        if !rustix::process::geteuid().is_root() {
            command.args(["--user", "--map-root-user"]);
        }
        command
    };
    if !mount(unshare(), "true").status.success() {
        eprintln!("skipped: this machine lets nobody mount a tmpfs in a namespace of its own");
        return;
    }
    let program = format!("{} plan --cache small disk.raw.yaml", env!("CARGO_BIN_EXE_goldsmith"));
    let ran = super::sandbox::Ran::from(mount(unshare(), &program));
    assert_eq!(ran.code, Some(11), "{ran:?}");
    insta::with_settings!({filters => vec![
        (regex::escape(sandbox.path("").to_str().expect("UTF-8")).as_str(), "[dir]/"),
        (r"[\d.]+ MiB are free", "[some] MiB are free"),
        (r"stopped after \d+\.\d s", "stopped after [time]"),
    ]}, {
        insta::assert_snapshot!(ran.stderr);
    });
}
