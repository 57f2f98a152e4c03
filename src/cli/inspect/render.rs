//! Output of `goldsmith inspect` for people.
//!
//! No text of the image reaches the terminal unchanged: every line goes through [`printable`].

use std::path::Path;

use super::header::{Header, format_name};
use crate::cli::output::columns;
use crate::image::accept::Service as CloudService;
use crate::image::partitions::{self, Table, TableKind};
use crate::image::probe::Kind;
use crate::inspect::{FileSystem, Login, Service, ServiceScope, ServiceState, Sudo, System, User};
use crate::text::printable;
use crate::units::ByteSize;

/// A list of facts, one a line, each with its name.
#[derive(Default)]
struct Rows(Vec<Vec<String>>);

impl Rows {
    fn add(&mut self, name: &str, value: impl Into<String>) {
        let value: String = value.into();
        if !value.is_empty() {
            self.0.push(vec![name.to_owned(), value]);
        }
    }

    /// Several values, the name before the first.
    fn list(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        for (index, value) in values.into_iter().enumerate() {
            self.0.push(vec![if index == 0 { name } else { "" }.to_owned(), value]);
        }
    }
}

/// The whole report.
pub(super) fn text(path: &Path, header: &Header, system: Option<&System>) -> String {
    let mut facts = Rows::default();
    file(path, header, &mut facts);
    if let Some(system) = system {
        contents(system, &mut facts);
    }
    let rows: Vec<_> =
        facts.0.iter().map(|row| row.iter().map(|cell| printable(cell.as_bytes())).collect::<Vec<_>>()).collect();
    columns(&rows)
}

fn size(bytes: u64) -> String {
    ByteSize::bytes(bytes).to_string()
}

fn file(path: &Path, header: &Header, facts: &mut Rows) {
    let Header { probed, verdicts, table } = header;
    facts.add("file", path.display().to_string());
    let features = &probed.features;
    let mut words = vec![format_name(probed.kind)];
    words.extend(features.version.iter().map(|version| format!("version {version}")));
    words.extend(features.subformat.iter().cloned());
    words.extend(features.compression.iter().map(|how| format!("compressed with {how}")));
    words.extend(features.cluster_size.iter().map(|bytes| format!("clusters of {}", size(*bytes))));
    words.extend(features.marks.iter().map(|mark| (*mark).to_owned()));
    facts.add("format", words.join(", "));
    facts.add("backing file", features.backing_file.clone().unwrap_or_default());
    facts.add("data file", features.data_file.clone().unwrap_or_default());
    facts.list("extents", features.extents.iter().cloned());
    let disk = probed.virtual_size.map(|bytes| format!("{} disk, ", size(bytes))).unwrap_or_default();
    facts.add("size", format!("{disk}{} file, {} on this host", size(probed.file_size), size(probed.allocated)));
    facts.add("fault", probed.fault.clone().unwrap_or_default());
    for verdict in verdicts {
        let name = match verdict.service {
            CloudService::Glance => "Glance",
            CloudService::Nova => "Nova",
        };
        let word = match (verdict.accepted, verdict.disk_format) {
            (true, Some(format)) => format!("accepts it as {format}"),
            (true, None) => "accepts it".to_owned(),
            (false, _) => format!("refuses it: {}", verdict.reasons.join("; ")),
        };
        facts.add(name, word);
    }
    match table {
        Ok(table) => partitions(table, facts),
        // The format is shown above. The reason why a disk cannot be read adds something only if the file is a disk.
        Err(reason) if matches!(probed.kind, Kind::Disk(_)) && probed.fault.is_none() => {
            facts.add("disk", reason.as_str())
        }
        Err(_) => {}
    }
}

fn partitions(table: &Table, facts: &mut Rows) {
    let kind = match table.kind {
        TableKind::Gpt => "GPT",
        TableKind::Mbr => "master boot record",
        TableKind::None => "none",
    };
    let id = table.id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    facts.add("partition table", format!("{kind}{id}"));
    facts.list(
        "partitions",
        table.partitions.iter().map(|partition| {
            let name = partition.name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
            format!(
                "{}: {} at {}, {}{name}",
                partition.number,
                size(partition.size),
                size(partition.start),
                partitions::purpose(&partition.kind).unwrap_or(&partition.kind)
            )
        }),
    );
    facts.list("fault", table.faults.iter().cloned());
    let firmware: Vec<_> = table.firmware().iter().map(|firmware| format!("{firmware:?}").to_uppercase()).collect();
    facts.add(
        "boots under",
        if firmware.is_empty() { "neither BIOS nor UEFI".to_owned() } else { firmware.join(" and ") },
    );
}

fn contents(system: &System, facts: &mut Rows) {
    facts.list("file systems", system.file_systems.iter().map(file_system));
    if let Some(os) = &system.os {
        let codename = os.codename.as_ref().map(|name| format!(" {name}")).unwrap_or_default();
        facts.add("system", format!("{} ({} {}{codename}, {})", os.product, os.distro, os.version, os.arch));
    }
    facts.list(
        "boot loaders",
        system.boot.loaders.iter().map(|loader| {
            let path = loader.path.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
            format!("{} for {}{path}", loader.name, format!("{:?}", loader.firmware).to_uppercase())
        }),
    );
    facts.list(
        "kernels",
        system.boot.kernels.iter().map(|kernel| {
            let initrd = if kernel.initrd.is_some() { "" } else { ", without an initial RAM disk" };
            format!("{}{initrd}", kernel.release)
        }),
    );
    if let Some(entry) = &system.boot.default {
        facts.add("boots", format!("{} (by {})", entry.title, entry.source));
        facts.add("arguments", entry.args.join(" "));
    }
    if system.os.is_some() {
        facts.add("packages", system.packages.len().to_string());
        let units = |state| {
            let units = system.services.iter().filter(move |service| service.state == state);
            let name = |service: &Service| match service.scope {
                ServiceScope::System => service.unit.clone(),
                ServiceScope::User => format!("{} (of users)", service.unit),
            };
            units.map(name).collect::<Vec<_>>().join(" ")
        };
        facts.add("enabled", units(ServiceState::Enabled));
        facts.add("by preset", units(ServiceState::Preset));
        facts.add("masked", units(ServiceState::Masked));
        facts.add("not installed", units(ServiceState::NotFound));
        facts.add("malformed", units(ServiceState::Bad));
        let logins: Vec<_> = system.users.iter().filter(|user| !user.logins.is_empty()).map(user).collect();
        let none = vec!["nobody: no account has a password or a key".to_owned()];
        facts.list("can log in", if logins.is_empty() { none } else { logins });
    }
    if let Some(cloud_init) = &system.cloud_init {
        let mut words = vec![if cloud_init.enabled { "runs at boot" } else { "is disabled" }.to_owned()];
        words.extend(cloud_init.default_user.iter().map(|name| format!("makes the user {name}")));
        let sources = cloud_init.datasources.join(" ");
        words.push(if sources.is_empty() {
            "looks for any data source".to_owned()
        } else {
            format!("looks for {sources}")
        });
        facts.add("cloud-init", words.join(", "));
    }
    facts.list("not known", system.notes.iter().cloned());
}

fn file_system(found: &FileSystem) -> String {
    let place = match (&found.device, found.partition) {
        (Some(device), _) => device.clone(),
        (None, Some(number)) => number.to_string(),
        (None, None) => "disk".to_owned(),
    };
    let mut text = format!("{place}: {}", found.kind);
    if let Some(label) = &found.label {
        text.push_str(&format!(" `{label}`"));
    }
    if let Some(uuid) = &found.uuid {
        text.push_str(&format!(" {uuid}"));
    }
    match (found.used, found.capacity) {
        (Some(used), Some(capacity)) => {
            text.push_str(&format!(", {} of {} used", size(used), size(capacity)));
        }
        _ => text.push_str(&format!(", {}", size(found.size))),
    }
    if let Some(path) = &found.mounted_at {
        text.push_str(&format!(", at {path}"));
    }
    text
}

fn user(user: &User) -> String {
    let ways = user.logins.iter().map(|login| match login {
        Login::Password => "a password".to_owned(),
        Login::EmptyPassword => "NO PASSWORD".to_owned(),
        Login::SshKey if user.ssh_keys == 1 => "1 ssh key".to_owned(),
        Login::SshKey => format!("{} ssh keys", user.ssh_keys),
    });
    let sudo = match user.sudo {
        Sudo::No => "",
        Sudo::Password => ", may become root",
        Sudo::NoPassword => ", may become root without a password",
    };
    format!("{} with {}{sudo}", user.name, ways.collect::<Vec<_>>().join(" and "))
}
