//! `goldsmith run`: an image, booted for a person.

mod beside;
mod console;
mod kept;

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::args::AccelArg;
use super::bench::Bench;
use super::convert::parse_word;
use super::failure::{Failure, FailureKind};
use super::jsonl::JsonReporter;
use super::progress::TerminalReporter;
use super::settings::Global;
use super::verify::{fitting, unknown};
use super::{guest, hints};
use crate::event::{Event, Reporter};
use crate::export::origin::Origin;
use crate::fsx::{FileLock, IoContext as _};
use crate::guest::Accel;
use crate::image::partitions;
use crate::image::read::{self, Options};
use crate::machine::watch::Trouble;
use crate::machine::{Console, End, Machine, MachineConfig, Relay, Ssh};
use crate::metadata::{self, MAX_USER_DATA, MetadataError, Service};
use crate::recipe::verify::{Board, BootKind, Datasource, Known, NetworkAccess, Verify};
use crate::recipe::{Arch, Firmware, check};
use crate::units::ByteSize;
use crate::verify::boot::GROWTH;
use beside::Beside;
use console::{Attendant, Cut, PATIENCE, Raw, remark};
use kept::{Kept, Wish};

type Json = JsonReporter<io::Stdout>;

/// Time between two looks whether the SSH server greets.
const SSH_POLL: Duration = Duration::from_secs(1);

/// What stands in the command for an account that nobody knows.
const SOMEBODY: &str = "USER";

/// `goldsmith run`.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// The image file, of any format
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
    /// Firmware: bios, uefi, secure-boot [default: by the image's partitions]
    #[arg(long, value_name = "KIND", value_parser = parse_word::<BootKind>)]
    boot: Option<BootKind>,
    /// How the instance gets its metadata: config-drive (default), openstack, nocloud
    #[arg(long, value_name = "HOW", value_parser = parse_word::<Datasource>)]
    metadata: Option<Datasource>,
    /// Board: q35 (default), pc
    #[arg(long, value_name = "BOARD", value_parser = parse_word::<Board>)]
    machine: Option<Board>,
    /// How the machine's processor is provided
    #[arg(long, value_enum, default_value_t = AccelArg::Auto)]
    accel: AccelArg,
    /// Memory of the machine
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = ByteSize::parse)]
    memory: ByteSize,
    /// Number of processors
    #[arg(long, value_name = "NUMBER", default_value_t = 2)]
    cpus: u32,
    /// Size of the disk [default: 2 GiB more than the image has]
    #[arg(long, value_name = "SIZE", value_parser = ByteSize::parse)]
    disk: Option<ByteSize>,
    /// What the machine may reach: user (what this host reaches), host (this host too), isolated (nothing) [default:
    /// user for an image that was built with this cache, isolated for others]
    #[arg(long, value_name = "ACCESS", value_parser = parse_word::<NetworkAccess>)]
    network: Option<NetworkAccess>,
    /// Believe manifest.json beside the image, although this cache did not make it
    #[arg(long)]
    trust_manifest: bool,
    /// Account that the key logs in as, for the command that is printed
    #[arg(long, value_name = "NAME", value_parser = parse_user)]
    user: Option<String>,
    /// Host name of the instance [default: goldsmith]
    #[arg(long, value_name = "NAME", value_parser = parse_hostname)]
    hostname: Option<String>,
    /// User data for the instance: what cloud-init is to do
    #[arg(long, value_name = "FILE")]
    user_data: Option<PathBuf>,
    /// Keep disk, key and identity of the machine in a directory; with the same directory it is started again
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

fn parse_user(text: &str) -> Result<String, String> {
    check::account(text).map(|()| text.to_owned())
}

fn parse_hostname(text: &str) -> Result<String, String> {
    check::host_name(text).map(|()| text.to_owned())
}

/// Boots an image and stays until the machine has ended.
pub(super) fn run(args: &Run, global: &Global) -> Result<(), Failure> {
    let json = global.json.then(|| Arc::new(JsonReporter::new(io::stdout())));
    let reporter: Arc<dyn Reporter> = match &json {
        Some(json) => Arc::clone(json) as _,
        // Nothing is redrawn: the terminal is the guest's soon.
        None => Arc::new(TerminalReporter::plain(global.terminal, Box::new(io::stderr()))),
    };
    let user_data = user_data(args)?;
    let image = Image::look(args, &global.cache)?;
    image.check(args)?;
    let bench = Bench::new(global, "run-", reporter)?;
    let (kept, _lock) = machine_of(args, &image, user_data, &bench)?;
    let accel = accel(args, &kept, &bench)?;
    let offer = offer(args, &kept, &bench)?;
    let config = config(args, &image, &kept, accel, &offer);
    let mut machine = Machine::start(&config, &bench.interrupt).map_err(|error| hints::machine(&error))?;
    if !image.known
        && let Some(message) = unknown(&args.image, image.foreign, args.network.is_none())
    {
        bench.reporter.report(&Event::Warning { message });
    }
    let user = args.user.as_ref().or(kept.record.user.as_ref());
    let ssh = Ssh {
        host: Ipv4Addr::LOCALHOST.to_string(),
        port: machine.ssh_port(),
        user: user.cloned().unwrap_or_else(|| SOMEBODY.to_owned()),
        key: kept.key(),
    };
    match &json {
        Some(json) => json.line(&json!({
            "event": "running", "boot": config.boot, "accel": accel.to_string().to_lowercase(), "port": ssh.port,
            "user": user, "ssh": ssh.command(),
        })),
        None => tell(&greeting(args, &config, &ssh, user.is_some())),
    }
    let (end, cut) = attend(&mut machine, &ssh, json.as_ref(), &bench)?;
    if let (Some(dir), None) = (&args.keep, &json) {
        let words = ["goldsmith", "run", &args.image.display().to_string(), "--keep", &dir.display().to_string()];
        tell(&format!("the machine is kept; this starts it again:\n\n  {}\n", line(words)));
    }
    ended(&end, cut, &bench)?;
    if let Some(json) = json {
        json.line(&json!({ "event": "ended" }));
    }
    Ok(())
}

/// What is known of an image without a guest.
struct Image {
    size: u64,
    firmware: Vec<Firmware>,
    beside: Beside,
    /// Whether it was built with this cache, or its manifest is believed by name.
    known: bool,
    /// Whether there is a manifest beside it that is not believed.
    foreign: bool,
}

impl Image {
    fn look(args: &Run, cache: &Path) -> Result<Self, Failure> {
        let opened = read::open(&args.image, &Options::default()).map_err(|error| hints::open(&error))?;
        let table = partitions::read(&*opened.source).at(&args.image).map_err(|error| hints::file(&error))?;
        let mut beside = Beside::of(&args.image);
        let there = beside != Beside::default();
        let known = there && (args.trust_manifest || Origin::of(cache).vouches_for(&args.image));
        if !known {
            // The architecture chooses an emulator and nothing else.
            beside.user = None;
        }
        let foreign = there && !known;
        Ok(Self { size: opened.source.size(), firmware: table.firmware(), beside, known, foreign })
    }

    /// Refuses machines that cannot be.
    fn check(&self, args: &Run) -> Result<(), Failure> {
        let verify = Verify {
            boot: args.boot.map(|boot| vec![boot]),
            machine: args.machine.unwrap_or(Board::Q35),
            memory: args.memory,
            cpus: args.cpus,
            disk: args.disk,
            ..Verify::default()
        };
        let known = Known { arch: Some(self.arch()), disk: Some(ByteSize::bytes(self.size)), firmware: None };
        fitting(&verify, &known)
    }

    /// What it reaches where nobody says so.
    fn network(&self) -> NetworkAccess {
        if self.known { NetworkAccess::User } else { NetworkAccess::Isolated }
    }

    /// Architecture, as far as it is known: this host's own where nothing is.
    fn arch(&self) -> Arch {
        let host = Arch::of_kernel(std::env::consts::ARCH);
        self.beside.arch.or(host).unwrap_or(Arch::X86_64)
    }

    /// Firmware that a cloud would start it with: BIOS where it may.
    fn boot(&self) -> BootKind {
        match self.arch() {
            Arch::Aarch64 => BootKind::Uefi,
            Arch::X86_64 if self.firmware.contains(&Firmware::Bios) => BootKind::Bios,
            Arch::X86_64 if self.firmware.contains(&Firmware::Uefi) => BootKind::Uefi,
            Arch::X86_64 => BootKind::Bios,
        }
    }
}

fn user_data(args: &Run) -> Result<Option<Vec<u8>>, Failure> {
    let Some(file) = &args.user_data else { return Ok(None) };
    let content = std::fs::read(file).at(file).map_err(|error| Failure::new(FailureKind::Usage, &error))?;
    if content.len() > MAX_USER_DATA {
        let error = MetadataError::UserDataTooLong { bytes: content.len() };
        return Err(Failure::new(FailureKind::Usage, &error));
    }
    Ok(Some(content))
}

/// The machine that is kept, or a new one.
fn machine_of(
    args: &Run,
    image: &Image,
    user_data: Option<Vec<u8>>,
    bench: &Bench,
) -> Result<(Kept, Option<FileLock>), Failure> {
    let (dir, lock) = match &args.keep {
        Some(dir) => kept::open(dir).map(|(dir, lock)| (dir, Some(lock)))?,
        None => (bench.work.path().to_owned(), None),
    };
    if args.keep.is_some()
        && let Some(kept) = Kept::find(&dir, &args.image)?
    {
        let fixed = [
            ("--disk", args.disk.is_some()),
            ("--hostname", args.hostname.is_some()),
            ("--user-data", args.user_data.is_some()),
        ];
        if let Some((option, _)) = fixed.into_iter().find(|(_, given)| *given) {
            let message = format!("{option} cannot change the machine in {}, which was made before", dir.display());
            return Err(Failure::of(FailureKind::Usage, message)
                .hint("leave it out, or make another machine in another directory by --keep"));
        }
        return Ok((kept, lock));
    }
    if image.firmware.is_empty() && args.boot.is_none() {
        let message = "the partitions of the image tell of no boot loader".to_owned();
        bench.reporter.report(&Event::Warning { message });
    }
    let wish = Wish {
        arch: image.arch(),
        board: args.machine.unwrap_or(Board::Q35),
        boot: args.boot.unwrap_or_else(|| image.boot()),
        metadata: args.metadata.unwrap_or(Datasource::ConfigDrive),
        user: args.user.clone().or_else(|| image.beside.user.clone()),
        hostname: args.hostname.clone().unwrap_or_else(|| "goldsmith".to_owned()),
        user_data: user_data.unwrap_or_default(),
        disk: args.disk.map_or(image.size + GROWTH, ByteSize::get),
    };
    Ok((Kept::make(&dir, &args.image, wish, &bench.interrupt)?, lock))
}

fn accel(args: &Run, kept: &Kept, bench: &Bench) -> Result<Accel, Failure> {
    // KVM runs no other processor's code.
    if Arch::of_kernel(std::env::consts::ARCH) != Some(kept.record.arch) {
        return Ok(Accel::Tcg);
    }
    let host = bench.host(args.accel, args.memory)?;
    Ok(host.accel(&bench.interrupt).map_err(|error| hints::guest_error(&error))?.0)
}

/// How the instance gets its metadata.
enum Offer {
    /// From a disk.
    Drive(PathBuf),
    /// From a service, as long as this value lives, and the program that leads to it.
    Service { _alive: Service, relay: Relay },
}

/// Makes the metadata available.
fn offer(args: &Run, kept: &Kept, bench: &Bench) -> Result<Offer, Failure> {
    let failed = |error: MetadataError| Failure::new(FailureKind::Host, &error);
    let instance = &kept.record.instance;
    let drive = match args.metadata.unwrap_or(kept.record.metadata) {
        Datasource::ConfigDrive => metadata::config_drive(instance).map_err(failed)?,
        Datasource::NoCloud => metadata::no_cloud(instance).map_err(failed)?,
        Datasource::OpenStack => {
            let socket = bench.private.path().join("md");
            let program = std::env::current_exe().map_err(|error| Failure::new(FailureKind::Host, &error))?;
            let words = [&program, Path::new(guest::RELAY), &socket].map(|word| word.display().to_string());
            let service = Service::start(instance.clone(), &socket).map_err(failed)?;
            return Ok(Offer::Service { _alive: service, relay: Relay { command: words.to_vec() } });
        }
    };
    let file = kept.metadata();
    std::fs::write(&file, drive).at(&file).map_err(|error| hints::file(&error))?;
    Ok(Offer::Drive(file))
}

fn config(args: &Run, image: &Image, kept: &Kept, accel: Accel, offer: &Offer) -> MachineConfig {
    let record = &kept.record;
    let (service, drives) = match offer {
        Offer::Drive(file) => (None, vec![file.clone()]),
        Offer::Service { relay, .. } => (Some(relay.clone()), Vec::new()),
    };
    MachineConfig {
        accel,
        arch: record.arch,
        board: args.machine.unwrap_or(record.board),
        boot: args.boot.unwrap_or(record.boot),
        memory: args.memory,
        cpus: args.cpus,
        disk: kept.disk(),
        drives,
        mac: record.instance.mac.clone(),
        uuid: record.instance.uuid.clone(),
        nova: args.metadata.unwrap_or(record.metadata) != Datasource::NoCloud,
        network: args.network.unwrap_or_else(|| image.network()),
        service,
        agent: false,
        work: kept.dir.clone(),
        console: Console::Lent,
    }
}

/// What a person is told before the console is shown.
fn greeting(args: &Run, config: &MachineConfig, ssh: &Ssh, user: bool) -> String {
    let mut text = format!(
        "{} boots under {} ({}). Once it is up, this logs in:\n\n  {}\n\n",
        args.image.display(),
        config.boot,
        config.accel,
        line(ssh.command().iter().map(String::as_str)),
    );
    if !user {
        text.push_str(&format!(
            "{SOMEBODY} is the account that cloud-init makes, such as debian, ubuntu, fedora or ec2-user; `goldsmith \
             inspect` tells.\n\n"
        ));
    }
    text
}

/// Joins the console to this process's terminal, or shows it, until the machine has ended.
fn attend(
    machine: &mut Machine,
    ssh: &Ssh,
    json: Option<&Arc<Json>>,
    bench: &Bench,
) -> Result<(End, Option<Cut>), Failure> {
    let failed = |error: io::Error| Failure::new(FailureKind::Host, &error);
    let console = machine.console().expect("it was lent, and nobody has taken it");
    let stdin = io::stdin();
    let person = json.is_none() && stdin.is_terminal();
    let output = match json {
        Some(_) => None,
        None => Some(File::from(io::stdout().as_fd().try_clone_to_owned().map_err(failed)?)),
    };
    let _raw = if person { Some(Raw::enter(&bench.interrupt).map_err(failed)?) } else { None };
    if person {
        // Only now: what was typed before is lost.
        remark("Ctrl-] leaves this console: it presses the power button, and again, cuts the power", true);
    }
    let ended = Arc::new(AtomicBool::new(false));
    await_ssh(ssh.clone(), Arc::clone(&ended), json.cloned(), person);
    let keys = person.then(|| stdin.as_fd());
    let stayed = Attendant::new(machine, console, output, keys).and_then(Attendant::stay);
    ended.store(true, Ordering::SeqCst);
    stayed.map_err(failed)
}

/// Tells when the SSH server greets: by then a boot loader may have cleared the screen of the command.
fn await_ssh(ssh: Ssh, ended: Arc<AtomicBool>, json: Option<Arc<Json>>, person: bool) {
    std::thread::spawn(move || {
        while !ssh.greets() {
            std::thread::sleep(SSH_POLL);
            if ended.load(Ordering::SeqCst) {
                return;
            }
        }
        match json {
            Some(json) => json.line(&json!({ "event": "ssh-answers" })),
            None => remark(&format!("SSH answers: {}", line(ssh.command().iter().map(String::as_str))), person),
        }
    });
}

/// What an end of the machine means.
fn ended(end: &End, cut: Option<Cut>, bench: &Bench) -> Result<(), Failure> {
    let interrupted = |message: String| Err(Failure::of(FailureKind::Interrupted, message));
    match (end, cut) {
        (End::PoweredOff, _) => Ok(()),
        (End::Killed, Some(Cut::Again)) => interrupted("the power was cut before the system had shut down".to_owned()),
        (End::Killed, Some(Cut::Late)) => interrupted(format!(
            "the power was cut: the system did not shut down within {} s of the power button",
            PATIENCE.as_secs()
        )),
        (End::Killed, None) if bench.interrupt.is_raised() => interrupted("interrupted".to_owned()),
        (End::Killed, None) => Err(Failure::of(FailureKind::Host, "QEMU was ended from outside")),
        (end, _) => Err(Failure::of(FailureKind::Host, Trouble::Ended(end.clone()).to_string())),
    }
}

/// Words as one line for a shell.
fn line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./=@:,+%".contains(c);
    let word = |word: &str| match word {
        "" => "''".to_owned(),
        word if word.chars().all(plain) => word.to_owned(),
        word => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.into_iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Tells a person something.
fn tell(text: &str) {
    // Who closed standard error does not want to know.
    let _ = io::stderr().write_all(text.as_bytes());
}
