//! `goldsmith diff` with what cannot be compared.

use super::sandbox::{Sandbox, assert_session, names};

#[test]
fn what_is_no_image_is_refused_before_a_guest_is_started() {
    let sandbox = Sandbox::new();
    for arguments in ["whole.qcow2 64M", "-F qcow2 -b whole.qcow2 overlay.qcow2"] {
        let mut command = sandbox.command("qemu-img");
        let made = command.args(["create", "-q", "-f", "qcow2"]).args(arguments.split(' ')).status();
        assert!(made.expect("qemu-img").success());
    }
    let whole = std::fs::read(sandbox.path("whole.qcow2")).expect("an image");
    sandbox.write("cut.qcow2", &whole[..60]);
    assert_session!(
        sandbox,
        sandbox.session(&[
            "diff whole.qcow2",
            "diff whole.qcow2 absent.qcow2",
            "diff whole.qcow2 cut.qcow2",
            "diff overlay.qcow2 whole.qcow2",
            "diff whole.qcow2 whole.qcow2 --ignore var/log",
            "diff whole.qcow2 whole.qcow2 --ignore /var/[log",
        ])
    );
    assert_eq!(names(&sandbox.path("home/.cache/goldsmith/tmp")), [""; 0]);
}
