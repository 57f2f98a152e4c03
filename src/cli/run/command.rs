//! Runs `goldsmith run`: prepares a machine, boots it, and waits for its end.

use std::io;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use super::args::Run;
use super::image::Image;
use super::kept::{self, Kept, MachineSettings};
use super::terminal::{attend, ended, print_to_stderr};
use crate::cli::booting::unknown;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::cli::image_session::ImageSession;
use crate::cli::jsonl::JsonReporter;
use crate::cli::options::RELAY;
use crate::cli::output::{StandardOutput, line};
use crate::cli::progress::TerminalReporter;
use crate::cli::settings::Global;
use crate::event::{Event, Reporter};
use crate::fsx::{FileLock, IoContext as _};
use crate::guest::Accel;
use crate::machine::{Console, Machine, MachineConfig, Relay, Ssh};
use crate::metadata::{self, MAX_USER_DATA, MetadataError, Service};
use crate::recipe::verify::{Board, Datasource};
use crate::units::ByteSize;
use crate::verify::boot::GROWTH;

/// Word for an unknown account in the SSH command.
const SOMEBODY: &str = "USER";

/// Boots an image and stays until the machine has ended.
pub(in crate::cli) fn run(args: Run, global: &Global) -> Result<(), Failure> {
    let args = &args.found(&global.cache)?;
    let json = global.json.then(|| Arc::new(JsonReporter::new(StandardOutput)));
    let reporter: Arc<dyn Reporter> = match &json {
        Some(json) => Arc::clone(json) as _,
        // Nothing is redrawn: the terminal is the guest's soon.
        None => Arc::new(TerminalReporter::plain(global.terminal, Box::new(io::stderr()))),
    };
    let user_data = user_data(args)?;
    let image = Image::look(args, &global.cache)?;
    image.check(args)?;
    let session = ImageSession::new(global, "run-", reporter)?;
    let (kept, _lock) = machine_of(args, &image, user_data, &session)?;
    let accel = accel(args, &kept, &session)?;
    let offer = offer(args, &kept, &session)?;
    let config = config(args, &image, &kept, accel, &offer);
    let mut machine = Machine::start(&config, &session.interrupt).map_err(|error| hints::machine(&error))?;
    if !image.known
        && let Some(message) = unknown(args.image(), image.foreign, args.network.is_none())
    {
        session.reporter.report(&Event::Warning { message });
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
        None => print_to_stderr(&greeting(args, &config, &ssh, user.is_some())),
    }
    let (end, cut) = attend(&mut machine, &ssh, json.as_ref(), &session)?;
    if let (Some(dir), None) = (&args.keep, &json) {
        let words = ["goldsmith", "run", &args.image().display().to_string(), "--keep", &dir.display().to_string()];
        print_to_stderr(&format!("the machine is kept; this starts it again:\n\n  {}\n", line(words)));
    }
    ended(&end, cut, &session)?;
    if let Some(json) = json {
        json.line(&json!({ "event": "ended" }));
    }
    Ok(())
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

/// Opens the kept machine, or makes a new one.
fn machine_of(
    args: &Run,
    image: &Image,
    user_data: Option<Vec<u8>>,
    session: &ImageSession,
) -> Result<(Kept, Option<FileLock>), Failure> {
    let (dir, lock) = match &args.keep {
        Some(dir) => kept::open(dir).map(|(dir, lock)| (dir, Some(lock)))?,
        None => (session.work.path().to_owned(), None),
    };
    if args.keep.is_some()
        && let Some(kept) = Kept::find(&dir, args.image())?
    {
        let fixed = [
            ("--disk", args.machine.disk.is_some()),
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
        let message = "the partitions of the image show no boot loader".to_owned();
        session.reporter.report(&Event::Warning { message });
    }
    let wish = MachineSettings {
        arch: image.arch(),
        board: args.machine.machine.unwrap_or(Board::Q35),
        boot: args.boot.unwrap_or_else(|| image.boot()),
        metadata: args.metadata.unwrap_or(Datasource::ConfigDrive),
        user: args.user.clone().or_else(|| image.manifest.user.clone()),
        hostname: args.hostname.clone().unwrap_or_else(|| "goldsmith".to_owned()),
        user_data: user_data.unwrap_or_default(),
        disk: args.machine.disk.map_or(image.size + GROWTH, ByteSize::get),
    };
    Ok((Kept::make(&dir, args.image(), wish, &session.interrupt)?, lock))
}

fn accel(args: &Run, kept: &Kept, session: &ImageSession) -> Result<Accel, Failure> {
    let host = session.host(args.machine.accel, args.memory())?;
    host.accel_for(kept.record.arch, &session.interrupt).map_err(|error| hints::guest_error(&error))
}

/// The way in which the instance gets its metadata.
enum Offer {
    /// From a disk.
    Drive(PathBuf),
    /// From a service that runs as long as this value lives, and the program that connects to it.
    Service { _alive: Service, relay: Relay },
}

/// Makes the metadata available.
fn offer(args: &Run, kept: &Kept, session: &ImageSession) -> Result<Offer, Failure> {
    let failed = |error: MetadataError| Failure::new(FailureKind::Host, &error);
    let instance = &kept.record.instance;
    let drive = match args.metadata.unwrap_or(kept.record.metadata) {
        Datasource::ConfigDrive => metadata::config_drive(instance).map_err(failed)?,
        Datasource::NoCloud => metadata::no_cloud(instance).map_err(failed)?,
        Datasource::OpenStack => {
            let socket = session.private.path().join("md");
            let program = std::env::current_exe().map_err(|error| Failure::new(FailureKind::Host, &error))?;
            let words = [&program, Path::new(RELAY), &socket].map(|word| word.display().to_string());
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
        board: args.machine.machine.unwrap_or(record.board),
        boot: args.boot.unwrap_or(record.boot),
        memory: args.memory(),
        cpus: args.cpus(),
        disk: kept.disk(),
        drives,
        kernel: None,
        disc: None,
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

/// Returns the text that a person sees before the console.
fn greeting(args: &Run, config: &MachineConfig, ssh: &Ssh, user: bool) -> String {
    let mut text = format!(
        "{} boots under {} ({}). Once it is up, this logs in:\n\n  {}\n\n",
        args.image().display(),
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
