//! The rules for a running image.

use crate::verify::{Group, Rule, Severity, Stage};

/// Requirements of OpenStack's guide for images.
const GUIDE: &str = "https://docs.openstack.org/image-guide/openstack-images.html";

macro_rules! rules {
    ($($name:ident $id:literal $group:ident $severity:ident $sentence:literal because $reason:literal else $mend:literal $(at $page:expr)?;)*) => {
        $(pub(super) const $name: Rule = Rule {
            id: $id,
            group: Group::$group,
            stage: Stage::Booted,
            severity: Severity::$severity,
            sentence: $sentence,
            reason: $reason,
            page: page!($($page)?),
            mend: $mend,
        };)*

        /// All rules.
        pub const RULES: &[&Rule] = &[$(&$name),*];
    };
}

macro_rules! page {
    () => {
        None
    };
    ($page:expr) => {
        Some($page)
    };
}

rules! {
    BOOTS "boots" Boot Error "The image boots to the end of its first boot"
        because "An instance that does not boot has no use." else "look at the end of the serial log in the evidence";
    CONSOLE_KERNEL "console-kernel-log" Boot Error "The kernel's log is on the serial console"
        because "A cloud shows this log as console log. If nobody can log in, it is the only log."
        else "add the element serial-console; without it, remove `quiet` from the kernel's arguments" at GUIDE;
    CONSOLE_LOGIN "console-login" Boot Error "The serial console has a login prompt"
        because "On the console an administrator can log in when the network does not work." else "add the element serial-console" at GUIDE;
    BOOT_TIME "boot-time" Boot Info "The time to the end of first boot is known"
        because "Users wait for this time when they create an instance." else "find out why the first boot did not end";
    SECURE_BOOT "secure-boot-on" Boot Error "The image boots with Secure Boot enforced"
        because "Published properties say that the image supports Secure Boot, so it must boot with it."
        else "install the distribution's signed boot loader and kernel: add the element uefi";
    KEY "key-logs-in" Access Error "The SSH key from the metadata logs in as the expected user"
        because "The owner of an instance logs in with this key." else "add the elements cloud-init and sshd" at GUIDE;
    SUDO "user-is-root" Access Error "The default user can run every command by sudo without a password"
        because "The user has no password, so otherwise nobody could administrate the instance."
        else "set `sudo: true` of the element cloud-init";
    PASSWORDS "no-password-login" Access Error "The SSH server accepts no passwords"
        because "Attackers try lists of passwords on every public address within minutes."
        else "add the element sshd, which sets PasswordAuthentication no";
    HOSTNAME "hostname-from-metadata" Metadata Error "The host name is the name of the instance"
        because "Services and logs identify instances by their host name." else "add the element cloud-init" at GUIDE;
    DATASOURCE "metadata-source" Metadata Error "cloud-init used the metadata source that the machine offered"
        because "An image that tries other sources waits for them, or finds old data there." else
        "name the source in `datasources` of the element cloud-init" at GUIDE;
    SCRIPT "user-data-script" Metadata Error "A script in the user data ran"
        because "Users set up instances with scripts in user data." else "add the element cloud-init" at GUIDE;
    CLOUD_CONFIG "user-data-cloud-config" Metadata Error "A cloud-config in the user data was applied"
        because "Users set up instances with cloud-configs in user data." else "add the element cloud-init" at GUIDE;
    CLEAN_FIRST_BOOT "first-boot-clean" Metadata Warning "cloud-init reports no error and no warning"
        because "A warning means that cloud-init did not do a part of its work." else "look at /var/log/cloud-init.log of an instance";
    ROOT_FILLS "root-fills-disk" Disk Error "The root file system fills a larger disk"
        because "The flavor decides the size of the disk. Otherwise a part of it would stay unused." else "add the element growpart, which grows a root partition that is the last on the disk; logical volumes need a script of their own" at GUIDE;
    VIRTIO "virtio-in-use" Disk Warning "Disk and network card use virtio drivers"
        because "Emulated hardware is many times slower." else "add the element kernel";
    DHCP "network-by-dhcp" Network Error "The network card has an address by DHCP"
        because "A cloud assigns addresses by DHCP." else "add the element dhcp-network" at GUIDE;
    DNS "dns-answers" Network Error "The name server from DHCP resolves names"
        because "Otherwise the instance reaches no other machine by name." else "add the element dhcp-network";
    FIREWALL "no-firewall-rules" Network Error "No firewall rule is loaded"
        because "The cloud's security groups are the firewall. Users look for a second firewall in the instance last."
        else "add the element no-firewall" at GUIDE;
    SOCKETS "no-undeclared-service" Services Error "Only services that the recipe declares listen on the network"
        because "Nobody updates a service that nobody knows." else
        "disable the service, or declare it: `verify: { listen: [tcp/80] }`";
    SECOND_CARD "second-network-card" Network Error "With another network card the network works, under the same interface name"
        because "A rebuilt or restored instance has another MAC address." else "add the element net-rules" at GUIDE;
    UNITS "no-failed-unit" Services Error "No unit has failed"
        because "A unit that fails at this first boot fails in every instance." else "repair or disable the unit";
    CLOCK "clock" Services Error "The clock shows the right time"
        because "With a wrong clock certificates and tokens are invalid." else
        "do not set the hardware clock to local time (/etc/adjtime)";
    TIME_SYNC "time-sync" Services Warning "A service synchronises the clock"
        because "Clocks of virtual machines drift." else "install chrony or systemd-timesyncd: add the element base-system";
    AGENT "guest-agent-answers" Services Error "The QEMU guest agent answers"
        because "Published properties promise the agent, and snapshots wait for its answer." else
        "add the element qemu-guest-agent";
    POWER_OFF "powers-off" Services Error "The power button shuts the instance down"
        because "A cloud stops instances by the power button, and cuts the power if the instance does not react." else
        "install systemd-logind or acpid";
    REBOOT "reboots" Services Error "The instance boots again after a reboot"
        because "Instances reboot after updates." else
        "look at the end of the serial log in the evidence";
    IDENTITY_STAYS "identity-stays" Hygiene Error "Machine id, host keys and host name stay the same after a reboot"
        because "Other machines identify the instance by them, and would reject it." else
        "do not empty machine-id and do not remove host keys at boot";
    INSTANCES_DIFFER "instances-differ" Hygiene Error "Two instances have different machine ids, host keys and random seeds"
        because "With the keys of one instance somebody could pose as all others." else "add the element sysprep";
    UNCHANGED "image-unchanged" Disk Error "The image file is the same after the boots"
        because "The published file must be the verified file." else "report this to the developers of Goldsmith: it must not happen";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_words() {
        let mut ids: Vec<_> = RULES.iter().map(|rule| rule.id).collect();
        assert!(ids.iter().all(|id| id.chars().all(|c| c.is_ascii_lowercase() || c == '-')));
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
    }

    #[test]
    fn reasons_are_sentences_and_the_rest_is_not() {
        for rule in RULES {
            assert!(rule.reason.ends_with('.'), "{}", rule.id);
            assert!(!rule.sentence.ends_with('.') && !rule.mend.ends_with('.'), "{}", rule.id);
        }
    }
}
