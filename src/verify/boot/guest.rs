//! An instance: its disk, metadata and key, and the machines that run it.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use super::job::Job;
use super::room::cpus;
use super::{BootError, Settings, probe};
use crate::disk::qemu_img::QemuImg;
use crate::fsx::IoContext as _;
use crate::machine::{Console, KeyPair, Machine, MachineConfig, Relay, Ssh};
use crate::metadata::{self, Instance, Part, Service};
use crate::recipe::verify::Datasource;

/// An instance: its disk, metadata and key.
pub(super) struct Guest<'a> {
    pub(super) settings: &'a Settings<'a>,
    pub(super) job: &'a Job,
    pub(super) work: PathBuf,
    pub(super) disk: PathBuf,
    pub(super) key: KeyPair,
    pub(super) user: String,
    pub(super) mark: String,
    pub(super) drive: Option<PathBuf>,
    pub(super) service: Option<(Service, PathBuf)>,
    pub(super) uuid: String,
    pub(super) macs: [String; 2],
}

impl<'a> Guest<'a> {
    /// Creates the disk, the metadata and the key.
    pub(super) fn new(settings: &'a Settings<'a>, job: &'a Job) -> Result<Self, BootError> {
        let work = settings.work.join(&job.name);
        std::fs::create_dir_all(&work).at(&work)?;
        let key = KeyPair::make(&work, "goldsmith")?;
        let number = job.place.map_or(99, |place| place + 1);
        // QEMU's own prefix of addresses; the last byte differs between the cards.
        let macs = [1, 2].map(|card| format!("52:54:00:67:{number:02x}:{card:02x}"));
        let mark = metadata::random_uuid().to_string();
        let (script, config) = probe::user_data(&mark);
        let data = metadata::user_data(&[Part::CloudConfig(&config), Part::Script(&script)]);
        let instance = Instance { mac: macs[0].clone(), ..Instance::new(&job.name, &key.public, data) };
        let uuid = instance.uuid.clone();
        let mut guest = Self {
            settings,
            job,
            disk: work.join("disk.qcow2"),
            user: settings
                .verify
                .user
                .clone()
                .or_else(|| settings.subject.default_user.clone())
                .unwrap_or_else(|| "root".to_owned()),
            drive: None,
            service: None,
            work,
            key,
            mark,
            uuid,
            macs,
        };
        guest.offer(instance)?;
        QemuImg::default().create_overlay(&guest.disk, &settings.local.path, settings.local.format, job.disk)?;
        Ok(guest)
    }

    /// Offers the metadata in the way of the profile.
    fn offer(&mut self, instance: Instance) -> Result<(), BootError> {
        let drive = match self.job.profile.metadata {
            Datasource::ConfigDrive => metadata::config_drive(&instance)?,
            Datasource::NoCloud => metadata::no_cloud(&instance)?,
            Datasource::OpenStack => {
                let socket = self.settings.sockets.join(format!("{}.md", self.job.name));
                self.service = Some((Service::start(instance, &socket)?, socket));
                return Ok(());
            }
        };
        let path = self.work.join("metadata.iso");
        std::fs::write(&path, drive).at(&path)?;
        self.drive = Some(path);
        Ok(())
    }

    /// Powers on a machine whose network card has this address.
    pub(super) fn start(&self, mac: &str) -> Result<Machine, BootError> {
        let relay = self.service.as_ref().map(|(_, socket)| {
            let socket = socket.display().to_string();
            Relay { command: self.settings.relay.iter().cloned().chain([socket]).collect() }
        });
        let verify = self.settings.verify;
        let config = MachineConfig {
            accel: self.settings.accel,
            board: verify.machine,
            boot: self.job.profile.boot,
            arch: self.settings.arch,
            memory: self.job.memory,
            cpus: cpus(verify),
            disk: self.disk.clone(),
            drives: self.drive.iter().cloned().collect(),
            kernel: None,
            disc: None,
            mac: mac.to_owned(),
            uuid: self.uuid.clone(),
            network: verify.network,
            service: relay,
            agent: self.settings.subject.guest_agent,
            nova: self.job.profile.metadata != Datasource::NoCloud,
            work: self.work.clone(),
            console: Console::Watched,
        };
        Ok(Machine::start(&config, self.settings.interrupt)?)
    }

    /// Returns the settings for logging in on a machine as its user.
    pub(super) fn ssh(&self, machine: &Machine) -> Ssh {
        Ssh {
            host: Ipv4Addr::LOCALHOST.to_string(),
            port: machine.ssh_port(),
            user: self.user.clone(),
            key: self.key.private.clone(),
        }
    }
}
