//! Disks whose recipes list their partitions: built from packages, and verified by booting, with a larger disk than the image's.

use std::path::Path;

use crate::debians::build_and_verify;

const HEAD: &str = "base: { bootstrap: { distro: debian, release: bookworm } }
elements: [base-system, kernel, dhcp-network, cloud-init, growpart, sshd, net-rules, no-firewall, bootloader, serial-console, sysprep]
outputs: [{ format: qcow2 }]
";

/// What is asked in the running machine about file systems: their directories, types and number of mounts.
const CHECKS: &str = "checks:
  - booted: { command: 'test \"$(findmnt -no FSTYPE /)\" = ROOT' }
  - booted: { command: 'test \"$(findmnt -no FSTYPE /var)\" = VAR && findmnt -no OPTIONS /var | grep -q noatime' }
  - booted: { command: 'swapon --show=TYPE --noheadings | grep -q partition' }
  - booted: { command: 'test -s /var/lib/dpkg/status && systemctl is-system-running --wait' }
";

/// The recipes want swap space.
const VERIFY: &str = "verify: { accept: [{ check: no-swap, because: the recipe has a partition for it }] }\n";

/// Builds a recipe, verifies the image, and returns the firmware that it was booted under.
fn passes(name: &str, recipe: &str) -> Vec<String> {
    let (verified, _) = build_and_verify(name, &format!("name: {name}\n{recipe}"), &["--trust-manifest"]);
    verified.assert_passed();
    let boots = verified.report["boots"].as_array().expect("boots");
    boots.iter().map(|boot| boot["profile"]["boot"].as_str().unwrap_or_default().to_owned()).collect()
}

fn checks(root: &str, var: &str) -> String {
    CHECKS.replace("ROOT", root).replace("VAR", var)
}

#[test]
#[ignore = "needs packages of Debian, boots virtual machines, and takes long"]
fn takes_long_an_mbr_with_swap_and_a_var_of_its_own_boots_and_grows() {
    let disk = "disk:
  size: 4GiB
  table: mbr
  partitions:
    - swap: { size: 256MiB }
    - file-system: { mount: /var, size: 1GiB, options: [noatime] }
    - file-system: { mount: / }
";
    let recipe = format!("{HEAD}{disk}{VERIFY}{}", checks("ext4", "ext4"));
    assert_eq!(passes("disk-mbr", &recipe), ["bios"]);
}

#[test]
#[ignore = "needs packages of Debian, boots virtual machines, and takes long"]
fn takes_long_btrfs_with_boot_and_var_of_their_own_boots_under_bios_and_secure_boot() {
    let disk = "disk:
  size: 4GiB
  partitions:
    - bios-boot
    - efi: { size: 64MiB }
    - swap: { size: 256MiB }
    - file-system: { mount: /boot, size: 256MiB }
    - file-system: { mount: /var, size: 1GiB, options: [noatime] }
    - file-system: { mount: /, type: btrfs }
";
    let head = HEAD.replace("bootloader, ", "bootloader, uefi, ");
    let recipe = format!("{head}{disk}{VERIFY}{}", checks("btrfs", "ext4"));
    assert_eq!(passes("disk-btrfs", &recipe).len(), 2);
}

#[test]
#[ignore = "needs packages of Debian, boots virtual machines, and takes long"]
fn takes_long_a_root_on_a_subvolume_boots_under_bios_and_uefi_and_grows() {
    let disk = "disk:
  size: 4GiB
  partitions:
    - bios-boot
    - efi: { size: 64MiB }
    - swap: { size: 256MiB }
    - file-system:
        mount: /
        type: btrfs
        options: [compress=zstd:1]
        subvolumes:
          - { name: \"@\", mount: / }
          - { name: \"@home\", mount: /home, options: [nodev] }
          - { name: \"@var\", mount: /var, options: [noatime] }
";
    let head = HEAD.replace("bootloader, ", "bootloader, uefi, ");
    let subvolumes = "  - booted: { command: 'test \"$(findmnt -no FSROOT /)\" = /@ && test \"$(findmnt -no FSROOT /home)\" = /@home && test \"$(findmnt -no FSROOT /var)\" = /@var' }
";
    let recipe = format!("{head}{disk}{VERIFY}{}{subvolumes}", checks("btrfs", "btrfs"));
    assert_eq!(passes("disk-subvolumes", &recipe).len(), 2);
}

#[test]
#[ignore = "needs packages of Debian, boots virtual machines, and takes long"]
fn takes_long_an_encrypted_partition_is_locked_until_its_key_is_there() {
    let disk = "disk:
  size: 4GiB
  partitions:
    - bios-boot
    - file-system: { mount: /srv, size: 512MiB, options: [nodev], encrypted: { secret: disk-key } }
    - file-system: { mount: / }
secrets: { disk-key: { file: disk.key } }
";
    // What an instance does with the key that its user data have, and what it does when it boots with the key.
    let opens = "for i in $(seq 60); do mountpoint -q /srv && break; sleep 1; done; findmnt -no SOURCE,OPTIONS /srv | grep -q ^/dev/mapper/srv.*nodev";
    let given = format!(
        "install -d -m 0700 /etc/cryptsetup-keys.d && printf %s%s correct-horse -battery >/etc/cryptsetup-keys.d/srv.key; {opens} && \
         echo kept >/srv/kept && systemctl stop unlock-srv.path srv.mount systemd-cryptsetup@srv.service && test ! -e /dev/mapper/srv && \
         systemctl start unlock-srv.path; {opens} && test -s /srv/kept"
    );
    let checks = format!(
        "checks:
  - booted: {{ command: '! mountpoint -q /srv && systemctl is-active unlock-srv.path && systemctl is-system-running --wait' }}
  - booted: {{ command: '{given}' }}
"
    );
    let recipe = format!("{HEAD}{disk}verify: {{}}\n{checks}");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shared/disk-encrypted");
    std::fs::create_dir_all(&folder).expect("a directory");
    std::fs::write(folder.join("disk.key"), "correct-horse-battery").expect("a file");
    assert_eq!(passes("disk-encrypted", &recipe), ["bios"]);
}

#[test]
#[ignore = "needs packages of Debian, boots virtual machines, and takes long"]
fn takes_long_a_root_on_lvm_boots_under_bios_and_uefi_and_grows() {
    let disk = "disk:
  size: 4GiB
  partitions:
    - bios-boot
    - efi: { size: 64MiB }
    - lvm:
        group: system
        volumes:
          - swap: { size: 256MiB }
          - file-system: { mount: /var, type: xfs, size: 1GiB, options: [noatime] }
          - file-system: { mount: / }
";
    let head = HEAD.replace("bootloader, ", "bootloader, uefi, ").replace("growpart, ", "lvm-grow, ");
    let swap = VERIFY.replace("partition", "volume");
    let recipe = format!("{head}{disk}{swap}{}", checks("ext4", "xfs"));
    assert_eq!(passes("disk-lvm", &recipe).len(), 2);
}
