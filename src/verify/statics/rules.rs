//! The list of the rules, and what judges them.

use super::super::{Finding, Rule};
use super::view::View;
use super::{access, boot, dhcp, disk, drivers, hygiene, network, signed, table};

/// Lists rules and what judges them, once.
macro_rules! rules {
    ($($module:ident::{ $($rule:ident => $judge:ident),* $(,)? }),* $(,)?) => {
        /// The rules of this stage, in the order in which they are told.
        pub const RULES: &[&Rule] = &[$($(&$module::$rule),*),*];

        pub(super) fn judge(view: &View) -> Vec<Finding> {
            vec![$($($module::$judge(view)),*),*]
        }
    };
}

rules! {
    disk::{
        OPERATING_SYSTEM => operating_system,
        ROOT_LAST => root_last,
        ROOT_PLAIN => root_plain,
        ROOT_GROWS => root_grows,
        FSTAB_NAMES => fstab_names,
        FSTAB_EXISTS => fstab_exists,
        NO_SWAP => no_swap,
    },
    table::{
        PARTITION_TABLE => partition_table,
        ROOT_FILLS => root_fills,
    },
    boot::{
        KERNEL => kernel,
        BOOT_FILES => boot_files,
        BOOT_NAMES => boot_names,
        BOOT_UUIDS => boot_uuids,
        BIOS_LOADER => bios_loader,
        EFI_FALLBACK => efi_fallback,
        SERIAL_CONSOLE => serial_console,
        SERIAL_LOGIN => serial_login,
    },
    signed::{
        SECURE_BOOT => secure_boot,
    },
    drivers::{
        VIRTIO_DISK => virtio_disk,
        VIRTIO_SCSI => virtio_scsi,
        VIRTIO_NET => virtio_net,
        NO_XEN => no_xen,
    },
    network::{
        NO_MAC_IN_UDEV => no_mac_in_udev,
        NO_MAC_IN_CONFIG => no_mac_in_config,
        NO_IFCFG_UUID => no_ifcfg_uuid,
        NO_STATIC_ADDRESS => no_static_address,
        NO_FIREWALL => no_firewall,
    },
    dhcp::{
        DHCP => dhcp,
    },
    access::{
        SSHD => sshd,
        KEY_INJECTION => key_injection,
        CLOUD_INIT_ENABLED => cloud_init_enabled,
        DATASOURCES => datasources,
        NO_PASSWORDS => no_passwords,
        NO_AUTHORIZED_KEYS => no_authorized_keys,
        ONLY_ROOT_IS_ROOT => only_root_is_root,
        NO_OTHER_ACCOUNTS => no_other_accounts,
        NO_FREE_SUDO => no_free_sudo,
        SSH_PASSWORDS => ssh_passwords,
    },
    hygiene::{
        MACHINE_ID => machine_id,
        DBUS_MACHINE_ID => dbus_machine_id,
        NO_HOST_KEYS => no_host_keys,
        NO_PRIVATE_KEYS => no_private_keys,
        NO_ACCOUNT_BACKUPS => no_account_backups,
        NO_RANDOM_SEED => no_random_seed,
        NO_CLOUD_INIT_STATE => no_cloud_init_state,
        WORLD_WRITABLE => world_writable,
        STRAY_SETUID => stray_setuid,
        NO_LOGS => no_logs,
        NO_PACKAGE_CACHES => no_package_caches,
        NO_HISTORIES => no_histories,
        NO_LEASES => no_leases,
        NO_RESOLVER => no_resolver,
        NO_LEFTOVERS => no_leftovers,
        TEMPORARY_FILES => temporary_files,
        HOSTNAME => hostname,
        TIME_ZONE => time_zone,
    },
}
