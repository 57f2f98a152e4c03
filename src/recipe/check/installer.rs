//! Checks of a base that an installer makes: whether its files, its answer file and its machine fit together.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::base::unguarded;
use crate::distro::Distros;
use crate::recipe::installer::{AnswerKind, InstallerSource};
use crate::units::ByteSize;
use crate::vocabulary::{Arch, Distro, Firmware};
use crate::yaml::{Diagnostic, Node, Source, Span, list, near};

/// Least and most memory of the machine.
const MEMORY: (ByteSize, ByteSize) = (ByteSize::mebibytes(256), ByteSize::mebibytes(1 << 20));

/// Most processors of the machine.
const CPUS: u32 = 64;

/// Shortest deadline of an installation, and shortest silence: an emulated kernel takes seconds to print its first line.
const SHORTEST: Duration = Duration::from_secs(10);

/// Key of the answer files, for messages.
const ANSWERS: &str = "`preseed`, `kickstart` or `autoinstall`";

/// The errors of one installer.
struct Faults<'a> {
    node: &'a Node,
    source: &'a Arc<Source>,
    found: &'a mut Vec<Diagnostic>,
}

impl Faults<'_> {
    /// Reports an error at a key, or at the whole base if it has no such key.
    fn at(&mut self, keys: &[&str], message: impl AsRef<str>, help: &str) {
        let mut span = self.node.span;
        let mut node = Some(self.node);
        for key in keys {
            span = node.and_then(|node| node.key(key)).map_or(span, |key| key.span);
            node = node.and_then(|node| node.get(key));
        }
        self.found.push(Diagnostic::new(self.source, span, message).help(help));
    }
}

/// Checks a base that an installer makes.
pub(crate) fn installer(
    root: &Node,
    installer: &InstallerSource,
    arch: Arch,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) {
    let Some(node) = root.get("base").and_then(|base| base.get("installer")) else { return };
    for (key, _) in installer.files() {
        unguarded(node.get(key), "installer", source, found);
    }
    let mut faults = Faults { node, source, found };
    let answers: Vec<AnswerKind> = installer.answers().map(|(kind, _)| kind).collect();
    match answers[..] {
        [] => faults.at(
            &[],
            format!("an answer file is missing: {ANSWERS}"),
            "an installer without answers asks a person",
        ),
        [_] => {}
        [_, second, ..] => {
            faults.at(&[second.name()], format!("an installer has one answer file: {ANSWERS}"), "remove the others")
        }
    }
    match (&installer.kernel, &installer.initrd, &installer.iso) {
        (Some(_), None, _) => faults.at(&["kernel"], "a kernel needs the `initrd` of the installer", "add `initrd`"),
        (None, Some(_), _) => faults.at(&["initrd"], "an `initrd` needs the `kernel` of the installer", "add `kernel`"),
        (None, None, None) => {
            faults.at(&[], "this names no installer", "write `kernel` and `initrd`, or `iso`, or all three");
        }
        _ => {}
    }
    let has_kernel = installer.kernel.is_some();
    if answers.contains(&AnswerKind::Preseed) && !has_kernel && installer.iso.is_some() {
        let message = "a preseed file is appended to the `initrd` of the installer, and the recipe names none";
        faults.at(&["preseed"], message, "copy the kernel and the initrd from the disc, and name them beside `iso`");
    }
    if !installer.arguments.is_empty() && !has_kernel {
        faults.at(
            &["arguments"],
            "arguments are for a `kernel`, and this starts what is on the disc",
            "name a `kernel`",
        );
    }
    for (key, file) in installer.files() {
        if file.source.contains("://") && file.sha256.is_none() {
            let message = "`sha256` is missing: a file from elsewhere is known by its digest";
            faults.at(&[key, "source"], message, "write `sha256: DIGEST` beside it, or name a list of checksums");
        }
    }
    if installer.proxy && answers.contains(&AnswerKind::Autoinstall) {
        let message = "Subiquity takes a proxy only from its answer file";
        faults.at(&["proxy"], message, "write `proxy:` into the answer file, as a parameter of the recipe");
    }
    if installer.firmware == Some(Firmware::Bios) && !arch.has_bios() {
        faults.at(&["firmware"], format!("machines of {} have no BIOS", arch.name()), "leave `firmware` out");
    }
    if installer.memory < MEMORY.0 || installer.memory > MEMORY.1 {
        faults.at(&["memory"], format!("a machine has between {} and {}", MEMORY.0, MEMORY.1), "2GiB is the default");
    }
    if installer.cpus.is_some_and(|cpus| cpus == 0 || cpus > CPUS) {
        faults.at(&["cpus"], format!("a machine has between 1 and {CPUS} processors"), "2 is the default");
    }
    for (key, time) in [("deadline", installer.deadline), ("silence", installer.silence)] {
        if time.is_some_and(|time| time < SHORTEST) {
            let message = format!("no installer is done before {} s", SHORTEST.as_secs());
            faults.at(&[key], message, "leave it out for the default");
        }
    }
}

/// Finds the distribution and the release that an installer installs. An alias becomes the distribution's own name, and a version the
/// name of its release.
pub(crate) fn installed(
    root: &Node,
    wanted: &mut InstallerSource,
    distros: &Distros,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Option<Distro> {
    let node = root.get("base").and_then(|base| base.get("installer"));
    let at = |key: &str| node.and_then(|node| node.get(key).or(Some(node))).map_or(Span::default(), |node| node.span);
    let Some(distribution) = distros.get(&wanted.distro) else {
        let known: Vec<&str> = distros.iter().map(|one| one.file.name.as_str()).collect();
        let message = format!("unknown distribution `{}`", wanted.distro);
        let diagnostic = Diagnostic::new(source, at("distro"), message).did_you_mean(near(&wanted.distro, &known));
        found.push(diagnostic.help(format!("known here: {}", list(&known))));
        return None;
    };
    wanted.distro.clone_from(&distribution.file.name);
    let releases = &distribution.file.releases;
    let known = releases.iter().find(|one| one.name == wanted.release || one.version == wanted.release);
    // As an image may have, the disk may have a release that the data do not list.
    let (release, version) = match known {
        Some(release) => (release.name.clone(), release.version.clone()),
        None => (wanted.release.clone(), wanted.release.clone()),
    };
    wanted.release.clone_from(&release);
    Some(distribution.named(release, version))
}

/// Checks that an answer file is a path.
pub(crate) fn answer_file(text: &str) -> Result<(), String> {
    match text.is_empty() || text.contains("://") || text.contains('\0') || Path::new(text).file_name().is_none() {
        true => Err(format!("`{text}` is no path of an answer file")),
        false => Ok(()),
    }
}
