//! Delivers the answer file in the way that suits its installer: in the initial RAM disk, or on a disk with a label.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use url::{Host, Url};

use super::cpio;
use super::failure::InstallError;
use super::request::InstallRequest;
use crate::fsx::{IoContext as _, PathError};
use crate::machine::{GATEWAY, Kernel};
use crate::metadata;
use crate::recipe::verify::NetworkAccess;
use crate::recipe::{AnswerKind, Arch};

/// What a machine gets besides its disk.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Delivery {
    pub(super) kernel: Option<Kernel>,
    pub(super) disc: Option<PathBuf>,
    pub(super) drives: Vec<PathBuf>,
}

/// Writes the files of an installation into a private directory.
pub(super) fn prepare(request: &InstallRequest<'_>, work: &Path) -> Result<Delivery, InstallError> {
    let plan = request.plan;
    let answer = &plan.base.answer;
    let value = |name: &str| request.secrets.get(name).map(Vec::as_slice);
    let mut text = answer.filled(value).map_err(InstallError::Secret)?;
    let mut words = arguments(request.arch, answer.kind);
    if let Some(proxy) = proxy(request)? {
        match answer.kind {
            AnswerKind::Preseed => {
                text.extend_from_slice(format!("\nd-i mirror/http/proxy string {proxy}\n").as_bytes());
            }
            AnswerKind::Kickstart => words.push(format!("inst.proxy={proxy}")),
            AnswerKind::Autoinstall => {}
        }
    }
    words.extend(plan.base.source.arguments.iter().cloned());
    let initrd = plan.files.get("initrd");
    let (initrd, drives) = match answer.kind {
        AnswerKind::Preseed => {
            let target = work.join("initrd");
            let from = initrd.ok_or_else(|| InstallError::Request("a preseed file needs an initrd".to_owned()))?;
            append(from, &target, &text)?;
            (Some(target), Vec::new())
        }
        AnswerKind::Kickstart => {
            let files = [("ks.cfg".to_owned(), text)];
            (initrd.cloned(), vec![disk(work, "OEMDRV", &files)?])
        }
        AnswerKind::Autoinstall => {
            // The file is required, even if it is empty.
            let files = [("meta-data".to_owned(), Vec::new()), ("user-data".to_owned(), text)];
            (initrd.cloned(), vec![disk(work, "cidata", &files)?])
        }
    };
    let kernel = plan.files.get("kernel").zip(initrd);
    let kernel = kernel.map(|(file, initrd)| Kernel { file: file.clone(), initrd, arguments: words.join(" ") });
    Ok(Delivery { kernel, disc: plan.files.get("iso").cloned(), drives })
}

/// Returns the arguments of the kernel that an installer needs, so that it uses the serial console and its answer file.
fn arguments(arch: Arch, kind: AnswerKind) -> Vec<String> {
    let console = match arch {
        Arch::X86_64 => "console=ttyS0",
        Arch::Aarch64 => "console=ttyAMA0",
    };
    let own: &[&str] = match kind {
        // The text frontend prints line by line, and never draws. On any other terminal it would run in `screen`, which draws a clock.
        // Questions that are not critical have answers of their own.
        AnswerKind::Preseed => &["DEBIAN_FRONTEND=text", "TERM=dumb", "priority=critical"],
        AnswerKind::Kickstart => &["inst.text", "inst.ks=hd:LABEL=OEMDRV:/ks.cfg"],
        // Without the first, Subiquity asks whether it may write to the disk.
        AnswerKind::Autoinstall => &["autoinstall", "ds=nocloud"],
    };
    std::iter::once(console).chain(own.iter().copied()).map(str::to_owned).collect()
}

/// Returns the proxy of the environment as the machine reaches it, if the recipe wants one.
fn proxy(request: &InstallRequest<'_>) -> Result<Option<String>, InstallError> {
    let source = &request.plan.base.source;
    let Some(proxy) = request.proxy.filter(|_| source.proxy) else { return Ok(None) };
    let fault = |reason: &str| InstallError::Proxy(reason.to_owned());
    // A bare name is a host: curl(1), `--proxy`.
    let address = if proxy.contains("://") { proxy.to_owned() } else { format!("http://{proxy}") };
    let mut url = Url::parse(&address).map_err(|_| fault("it is no address of a proxy"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fault("it has a login, which would be written into the system"));
    }
    let is_near = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(fault("it names no host")),
    };
    if is_near {
        if source.network != NetworkAccess::Host {
            return Err(fault("it is on this host, which the machine reaches only with `network: host`"));
        }
        url.set_ip_host(GATEWAY.into()).map_err(|()| fault("it is no address of a proxy"))?;
    }
    Ok(Some(url.to_string()))
}

/// Copies an initial RAM disk, and appends the answer file.
fn append(from: &Path, target: &Path, text: &[u8]) -> Result<(), PathError> {
    let mut file = private(target)?;
    let length = File::open(from).and_then(|mut from| io::copy(&mut from, &mut file)).at(from)?;
    cpio::append(length, &[("preseed.cfg", text)], &mut file).at(target)
}

/// Makes a disk with a label, which has the answer file.
fn disk(work: &Path, label: &str, files: &[(String, Vec<u8>)]) -> Result<PathBuf, PathError> {
    let path = work.join("answers.iso");
    private(&path)?.write_all(&metadata::labelled(label, files)).at(&path)?;
    Ok(path)
}

/// Creates a file that nobody else reads: answer files have secrets.
fn private(path: &Path) -> Result<File, PathError> {
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).at(path)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::digest::Sha256;
    use crate::plan::InstallerPlan;
    use crate::recipe::{Answer, Installer, InstallerSource};

    struct Fixture {
        dir: tempfile::TempDir,
        plan: InstallerPlan,
        secrets: BTreeMap<String, Vec<u8>>,
        proxy: Option<&'static str>,
    }

    impl Fixture {
        fn new(kind: AnswerKind, more: &str) -> Self {
            let dir = tempfile::tempdir().expect("a directory");
            let mut files = BTreeMap::new();
            for (key, content) in [("kernel", "kernel"), ("initrd", "12345")] {
                let path = dir.path().join(format!("{key}.file"));
                fs::write(&path, content).expect("writable");
                files.insert(key.to_owned(), path);
            }
            let text =
                format!("{{ \"distro\": \"debian\", \"release\": \"bookworm\", \"arguments\": [\"own=1\"]{more} }}");
            let source: InstallerSource = serde_json::from_str(&text).expect("an installer");
            let answer = Answer::new(kind, format!("password {}\n", Answer::mark("root")));
            let digest = answer.digest();
            let plan = InstallerPlan {
                base: Installer { source, answer },
                answer: digest,
                digests: BTreeMap::from([("kernel".to_owned(), Sha256::of(b"kernel"))]),
                files,
                refreshed: None,
            };
            let secrets = BTreeMap::from([("root".to_owned(), b"hunter2\n".to_vec())]);
            Self { dir, plan, secrets, proxy: None }
        }

        fn prepare(&self) -> Result<Delivery, InstallError> {
            let request = InstallRequest {
                plan: &self.plan,
                arch: Arch::X86_64,
                secrets: &self.secrets,
                proxy: self.proxy,
                target: Path::new("/nowhere"),
            };
            prepare(&request, self.dir.path())
        }
    }

    fn words(delivery: &Delivery) -> &str {
        &delivery.kernel.as_ref().expect("a kernel").arguments
    }

    #[test]
    fn each_installer_gets_its_answers_where_it_looks_for_them() {
        let fixture = Fixture::new(AnswerKind::Preseed, "");
        let delivery = fixture.prepare().expect("files");
        assert_eq!(words(&delivery), "console=ttyS0 DEBIAN_FRONTEND=text TERM=dumb priority=critical own=1");
        let initrd = fs::read(&delivery.kernel.as_ref().expect("a kernel").initrd).expect("a file");
        assert!(initrd.starts_with(b"12345\0\0"));
        assert_eq!(&initrd[512..518], b"070701");
        let text = String::from_utf8_lossy(&initrd).into_owned();
        assert!(text.contains("preseed.cfg\0") && text.contains("password hunter2\n"), "{text}");
        assert_eq!(delivery.drives, [] as [PathBuf; 0]);

        for (kind, label, file, told) in [
            (
                AnswerKind::Kickstart,
                "OEMDRV",
                "ks.cfg",
                "console=ttyS0 inst.text inst.ks=hd:LABEL=OEMDRV:/ks.cfg own=1",
            ),
            (AnswerKind::Autoinstall, "cidata", "user-data", "console=ttyS0 autoinstall ds=nocloud own=1"),
        ] {
            let fixture = Fixture::new(kind, "");
            let delivery = fixture.prepare().expect("files");
            assert_eq!(words(&delivery), told);
            let disk = fs::read(&delivery.drives[0]).expect("a file");
            assert_eq!(String::from_utf8_lossy(&disk[0x8028..0x8048]).trim_end(), label);
            let text = String::from_utf8_lossy(&disk).into_owned();
            assert!(text.contains(file) && text.contains("password hunter2\n"), "{label}");
            assert_eq!(fs::read(&delivery.kernel.expect("a kernel").initrd).expect("a file"), b"12345");
        }
    }

    #[test]
    fn a_secret_without_a_value_is_told() {
        let mut fixture = Fixture::new(AnswerKind::Preseed, "");
        fixture.secrets.clear();
        let error = fixture.prepare().expect_err("no secret").to_string();
        assert!(error.contains("`root`"), "{error}");
    }

    #[test]
    fn a_proxy_is_given_only_where_the_machine_reaches_it_and_no_login_is_kept() {
        for (more, proxy, told) in [
            ("", "http://proxy.example:3128", Ok("")),
            (", \"proxy\": true", "http://proxy.example:3128", Ok("http://proxy.example:3128/")),
            (", \"proxy\": true", "proxy.example:3128", Ok("http://proxy.example:3128/")),
            (", \"proxy\": true, \"network\": \"host\"", "http://127.0.0.1:3128", Ok("http://172.16.0.2:3128/")),
            (", \"proxy\": true", "http://localhost:3128", Err("network: host")),
            (", \"proxy\": true", "http://me:hunter2@proxy.example:3128", Err("has a login")),
        ] {
            for kind in [AnswerKind::Preseed, AnswerKind::Kickstart] {
                let fixture = Fixture { proxy: Some(proxy), ..Fixture::new(kind, more) };
                match (fixture.prepare(), told) {
                    (Ok(delivery), Ok(told)) => {
                        let initrd = fs::read(&delivery.kernel.as_ref().expect("a kernel").initrd).expect("a file");
                        let text = format!("{} {}", words(&delivery), String::from_utf8_lossy(&initrd));
                        let given = text.contains("inst.proxy=") || text.contains("mirror/http/proxy");
                        assert_eq!(given, !told.is_empty(), "{proxy}: {text}");
                        assert!(text.contains(told), "{proxy}: {text}");
                    }
                    (Err(error), Err(reason)) => {
                        let error = error.to_string();
                        assert!(error.contains(reason) && !error.contains("hunter2"), "{error}");
                    }
                    (other, _) => panic!("{proxy}: {other:?}"),
                }
            }
        }
    }
}
