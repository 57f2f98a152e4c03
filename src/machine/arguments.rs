//! The command line of QEMU, built from the configuration of a machine.

use std::net::Ipv4Addr;
use std::path::Path;

use serde_json::{Value, json};

use super::config::{Console, MachineConfig};
use super::firmware::Flash;
use super::gate::{Gate, Policy};
use crate::guest::Accel;
use crate::recipe::Arch;
use crate::recipe::verify::{Board, NetworkAccess};

/// The options of the guest's network.
///
/// The network is so wide that it contains 169.254.169.254, the address of a cloud's metadata service. QEMU's user network
/// answers only for addresses of its own network, and forwards everything else. In a narrower network the guest would reach the
/// metadata service of the cloud in which this host may run, with its secrets. The guest cannot reach Internet addresses
/// between 168.0.0.0 and 175.255.255.255.
const NETWORK: &str = "net=168.0.0.0/5,host=172.16.0.2,dns=172.16.0.3,dhcpstart=172.16.0.15,ipv6=off";

/// Address under which the guest reaches this host's loopback address, if it may.
pub const GATEWAY: Ipv4Addr = Ipv4Addr::new(172, 16, 0, 2);

/// Returns the policy for the guest's network: the addresses that the guest may reach there and beyond.
pub(super) fn policy(config: &MachineConfig) -> Policy {
    Policy {
        access: config.network,
        network: (Ipv4Addr::new(168, 0, 0, 0), 5),
        gateway: GATEWAY,
        resolver: Ipv4Addr::new(172, 16, 0, 3),
        ipv6: false,
        service: config.service.is_some(),
    }
}

/// Address of the metadata service.
const METADATA: &str = "169.254.169.254:80";

/// Numbers of the files that QEMU inherits: connected sockets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sockets {
    /// The QEMU machine protocol (QMP).
    pub(super) qmp: i32,
    /// Serial console.
    pub(super) serial: i32,
    /// Guest agent, if there is one.
    pub(super) agent: Option<i32>,
    /// The sockets of the gate before the network.
    pub(super) gate: [i32; 2],
}

/// Builds QEMU's arguments. `port` is the port of the host that leads to the guest's port 22. `flash` is the firmware, and the
/// file of this machine's own variables.
pub(super) fn arguments(
    config: &MachineConfig,
    flash: Option<(&Flash, &Path)>,
    port: u16,
    sockets: Sockets,
) -> Vec<String> {
    let mut arguments = Arguments(Vec::new());
    // No configuration of this host's QEMU, and no devices except these.
    arguments.flag("-nodefaults").flag("-no-user-config").option("-display", "none");
    machine(&mut arguments, config, flash);
    arguments
        .option("-m", format!("{}M", config.memory.get() >> 20))
        .option("-smp", config.cpus.to_string())
        .option("-rtc", "base=utc")
        .option("-uuid", &config.uuid)
        .option("-smbios", smbios(config))
        .option("-sandbox", sandbox(config))
        .option("-chardev", format!("socket,id=qmp,fd={}", sockets.qmp))
        .option("-mon", "chardev=qmp,mode=control")
        .option("-chardev", format!("socket,id=serial,fd={}", sockets.serial))
        .option("-serial", "chardev:serial")
        .option("-object", "rng-random,id=rng,filename=/dev/urandom")
        .option("-device", "virtio-rng-pci,rng=rng");
    match config.console {
        // The screen and the console's text stay as they were.
        Console::Watched => arguments.option("-action", "reboot=shutdown,panic=pause"),
        Console::Lent => arguments.option("-action", "reboot=reset,panic=none"),
    };
    if config.arch == Arch::X86_64 {
        // Without a graphics card SeaBIOS and boot loaders use the serial console in ways that clouds do not show.
        arguments.option("-device", "VGA").option("-device", "pvpanic");
    } else {
        arguments.option("-device", "virtio-gpu-pci");
    }
    disks(&mut arguments, config);
    disc(&mut arguments, config);
    if let Some(kernel) = &config.kernel {
        arguments
            .option("-kernel", kernel.file.to_string_lossy())
            .option("-initrd", kernel.initrd.to_string_lossy())
            .option("-append", &kernel.arguments);
    }
    arguments
        .option("-netdev", network(config, port))
        // Without its boot ROM, the firmware does not try the network for minutes.
        .option("-device", format!("virtio-net-pci,netdev=net,mac={},romfile=", config.mac));
    let gate = sockets.gate.map(|socket| format!("socket,fd={socket}"));
    for (option, value) in Gate::options("net", &gate) {
        arguments.option(option, value);
    }
    if let Some(agent) = sockets.agent {
        arguments
            .option("-device", "virtio-serial-pci")
            .option("-chardev", format!("socket,id=agent,fd={agent}"))
            .option("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0");
    }
    arguments.0
}

/// A list of arguments that grows.
struct Arguments(Vec<String>);

impl Arguments {
    fn flag(&mut self, name: &str) -> &mut Self {
        self.0.push(name.to_owned());
        self
    }

    fn option(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.0.extend([name.to_owned(), value.into()]);
        self
    }

    fn block(&mut self, node: &Value) -> &mut Self {
        self.option("-blockdev", node.to_string())
    }
}

fn machine(arguments: &mut Arguments, config: &MachineConfig, flash: Option<(&Flash, &Path)>) {
    let mut machine = match (config.arch, config.board) {
        (Arch::Aarch64, _) => "virt",
        (Arch::X86_64, Board::Q35) => "q35",
        (Arch::X86_64, Board::Pc) => "pc",
    }
    .to_owned();
    if let Some((flash, vars)) = flash {
        machine.push_str(",pflash0=code,pflash1=vars");
        if flash.smm {
            machine.push_str(",smm=on");
            // Only the firmware in system management mode may write to the variables.
            arguments.option("-global", "driver=cfi.pflash01,property=secure,value=on");
        }
        let file = |path: &Path| json!({ "driver": "file", "filename": path });
        arguments
            .block(&json!({ "node-name": "code", "driver": flash.code_format, "read-only": true, "file": file(&flash.code) }))
            .block(&json!({ "node-name": "vars", "driver": flash.vars_format, "file": file(vars) }));
    }
    let (accel, cpu) = match (config.accel, config.arch) {
        (Accel::Kvm, _) => ("kvm", "host"),
        // QEMU keeps translated code in 512 MiB. With its default a boot translates the same code again and again.
        (Accel::Tcg, Arch::X86_64) => ("tcg,tb-size=512", "max"),
        // Pointers are signed by QEMU's own algorithm. To emulate the standard one takes most of the time of a boot.
        (Accel::Tcg, Arch::Aarch64) => ("tcg,tb-size=512", "max,pauth-impdef=on"),
    };
    arguments.option("-machine", machine).option("-accel", accel).option("-cpu", cpu);
}

/// Returns the SMBIOS data that `libvirt` gives a guest of OpenStack; cloud-init's `ds-identify` reads the product's name.
fn smbios(config: &MachineConfig) -> String {
    let uuid = &config.uuid;
    // A guest that believes it runs in OpenStack first asks OpenStack's metadata service, and waits for it.
    let maker =
        if config.nova { "OpenStack Foundation,product=OpenStack Nova" } else { "QEMU,product=Virtual Machine" };
    format!("type=1,manufacturer={maker},version=goldsmith,serial={uuid},uuid={uuid},family=Virtual Machine")
}

/// Returns the sandbox options, which limit a guest that breaks into QEMU.
fn sandbox(config: &MachineConfig) -> String {
    let rest = match config.service {
        // QEMU starts the service's programs in sessions of their own: `elevateprivileges` forbids `setsid`, also with the value
        // `children`.
        Some(_) => "elevateprivileges=allow",
        None => "elevateprivileges=deny,spawn=deny",
    };
    format!("on,obsolete=deny,resourcecontrol=deny,{rest}")
}

fn disks(arguments: &mut Arguments, config: &MachineConfig) {
    // The disk is temporary: nothing is flushed to the host's disk.
    let cache = json!({ "no-flush": true });
    // A kernel outside of the disks has the index 0.
    let index = if config.kernel.is_some() { "" } else { ",bootindex=0" };
    arguments
        .block(&json!({
            "node-name": "disk", "driver": "qcow2", "discard": "unmap", "cache": cache,
            "file": { "driver": "file", "filename": config.disk, "discard": "unmap", "cache": cache },
        }))
        .option("-device", format!("virtio-blk-pci,drive=disk{index}"));
    for (number, drive) in config.drives.iter().enumerate() {
        let node = format!("drive{number}");
        arguments
            .block(&json!({
                "node-name": node, "driver": "raw", "read-only": true,
                "file": { "driver": "file", "filename": drive, "read-only": true },
            }))
            .option("-device", format!("virtio-blk-pci,drive={node}"));
    }
}

/// Adds a disc in a drive.
fn disc(arguments: &mut Arguments, config: &MachineConfig) {
    let Some(disc) = &config.disc else { return };
    arguments.block(&json!({
        "node-name": "disc", "driver": "raw", "read-only": true,
        "file": { "driver": "file", "filename": disc, "read-only": true },
    }));
    // The disk has the index 0: an empty one is passed over at the first start, and once a system is on it, the installer is done.
    match config.arch {
        Arch::X86_64 => arguments.option("-device", "ide-cd,drive=disc,bootindex=1"),
        // Boards without IDE.
        Arch::Aarch64 => {
            arguments.option("-device", "virtio-scsi-pci").option("-device", "scsi-cd,drive=disc,bootindex=1")
        }
    };
}

fn network(config: &MachineConfig, port: u16) -> String {
    let mut network = format!("user,id=net,{NETWORK},hostfwd=tcp:127.0.0.1:{port}-:22");
    if config.network == NetworkAccess::Isolated {
        network.push_str(",restrict=on");
    }
    if let Some(relay) = &config.service {
        let command: Vec<_> = relay.command.iter().map(|word| quoted(word)).collect();
        network.push_str(&format!(",guestfwd=tcp:{METADATA}-cmd:{}", escaped(&command.join(" "))));
    }
    network
}

/// Quotes a word of a command: QEMU splits the command by a shell's rules, without a shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// Doubles commas, as QEMU's lists of options require.
fn escaped(value: &str) -> String {
    value.replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::config::Relay;
    use crate::recipe::verify::BootKind;
    use crate::units::ByteSize;

    fn config() -> MachineConfig {
        MachineConfig {
            accel: Accel::Tcg,
            arch: Arch::X86_64,
            board: Board::Q35,
            boot: BootKind::Bios,
            memory: ByteSize::mebibytes(512),
            cpus: 2,
            disk: "/work/disk.qcow2".into(),
            drives: vec!["/work/a, \"b\".iso".into()],
            kernel: None,
            disc: None,
            mac: "52:54:00:67:6f:01".to_owned(),
            uuid: "5a8b2c1e-0e0b-4a0a-9a41-52540067f001".to_owned(),
            nova: true,
            network: NetworkAccess::User,
            service: None,
            agent: false,
            work: "/work".into(),
            console: Console::Watched,
        }
    }

    fn of(config: &MachineConfig, flash: Option<(&Flash, &Path)>) -> Vec<(String, String)> {
        let agent = config.agent.then_some(7);
        let arguments = arguments(config, flash, 40_022, Sockets { qmp: 5, serial: 6, agent, gate: [8, 9] });
        let pairs = arguments[2..].chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone()));
        // The first of the two that stand alone are followed by pairs only.
        assert_eq!(arguments[..2], ["-nodefaults", "-no-user-config"]);
        assert!(arguments.len().is_multiple_of(2));
        pairs.collect()
    }

    fn value(arguments: &[(String, String)], name: &str) -> String {
        arguments
            .iter()
            .filter(|(other, _)| other == name)
            .map(|(_, value)| value.as_str())
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn a_machine_in_whole() {
        let text: Vec<_> = of(&config(), None).into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        insta::assert_snapshot!(text.join("\n"));
    }

    #[test]
    fn the_service_is_all_that_an_isolated_guest_reaches() {
        let relay = Relay { command: ["/a b/it's", "relay", "/x,y"].map(str::to_owned).to_vec() };
        let config = MachineConfig { network: NetworkAccess::Isolated, service: Some(relay), ..config() };
        let arguments = of(&config, None);
        let network = value(&arguments, "-netdev");
        let end = r",restrict=on,guestfwd=tcp:169.254.169.254:80-cmd:'/a b/it'\''s' 'relay' '/x,,y'";
        assert!(network.ends_with(end), "{network}");
        // It must be allowed to start programs.
        assert!(!value(&arguments, "-sandbox").contains("spawn"));
        assert!(value(&of(&self::config(), None), "-sandbox").contains("spawn=deny"));
    }

    #[test]
    fn firmware_guards_its_variables_where_it_can() {
        let flash = |smm| Flash {
            code: "/f/code".into(),
            code_format: "raw".to_owned(),
            vars: "/f/vars".into(),
            vars_format: "qcow2".to_owned(),
            smm,
        };
        let arguments = of(&config(), Some((&flash(true), Path::new("/work/own"))));
        assert_eq!(value(&arguments, "-machine"), "q35,pflash0=code,pflash1=vars,smm=on");
        assert_eq!(value(&arguments, "-global"), "driver=cfi.pflash01,property=secure,value=on");
        let blocks = value(&arguments, "-blockdev");
        assert!(blocks.contains(r#""filename":"/work/own""#) && !blocks.contains("/f/vars"), "{blocks}");
        let arguments = of(&config(), Some((&flash(false), Path::new("/work/own"))));
        assert_eq!(value(&arguments, "-machine"), "q35,pflash0=code,pflash1=vars");
        assert_eq!(value(&arguments, "-global"), "");
    }

    #[test]
    fn an_installer_is_started_by_its_kernel_or_from_its_disc() {
        use crate::machine::config::Kernel;
        let kernel =
            Kernel { file: "/k, 1".into(), initrd: "/work/initrd".into(), arguments: "console=ttyS0 a,b".to_owned() };
        let arguments = of(&MachineConfig { kernel: Some(kernel), ..config() }, None);
        let told = ["-kernel", "-initrd", "-append"].map(|name| value(&arguments, name));
        assert_eq!(told, ["/k, 1", "/work/initrd", "console=ttyS0 a,b"]);
        let devices = value(&arguments, "-device");
        assert!(devices.contains("drive=disk\n") && !devices.contains("bootindex=0"), "{devices}");
        let config = MachineConfig { disc: Some("/a.iso".into()), ..config() };
        let devices = value(&of(&config, None), "-device");
        assert!(devices.contains("ide-cd,drive=disc,bootindex=1"), "{devices}");
        let arm = MachineConfig { arch: Arch::Aarch64, boot: BootKind::Uefi, ..config };
        let devices = value(&of(&arm, None), "-device");
        assert!(devices.contains("virtio-scsi-pci\nscsi-cd,drive=disc,bootindex=1"), "{devices}");
    }

    #[test]
    fn a_person_may_start_the_guest_again() {
        let config =
            MachineConfig { console: Console::Lent, agent: true, accel: Accel::Kvm, board: Board::Pc, ..config() };
        let arguments = of(&config, None);
        assert_eq!(value(&arguments, "-action"), "reboot=reset,panic=none");
        assert_eq!((value(&arguments, "-machine"), value(&arguments, "-cpu")), ("pc".to_owned(), "host".to_owned()));
        assert!(value(&arguments, "-device").ends_with("name=org.qemu.guest_agent.0"));
    }
}
