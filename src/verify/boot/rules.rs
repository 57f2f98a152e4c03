//! What must be true of an image that runs.

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

        /// All of them.
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
    BOOTS "boots" Boot Error "It boots to the end of its first boot"
        because "An instance that does not boot is of no use." else "look at the end of the serial log in the evidence";
    CONSOLE_KERNEL "console-kernel-log" Boot Error "The kernel's log is on the serial console"
        because "It is the console log that a cloud shows, and the only one where nobody can log in."
        else "add the element serial-console" at GUIDE;
    CONSOLE_LOGIN "console-login" Boot Error "The serial console has a login prompt"
        because "It is where one gets in when the network does not work." else "add the element serial-console" at GUIDE;
    BOOT_TIME "boot-time" Boot Info "The time to the end of first boot is known"
        because "It is what whoever starts an instance waits for." else "look at why it did not come to its end";
    SECURE_BOOT "secure-boot-on" Boot Error "It boots with Secure Boot enforced"
        because "An image that claims to support Secure Boot must start where it is required."
        else "install the distribution's signed boot loader and kernel: add the element uefi";
    KEY "key-logs-in" Access Error "The key of the metadata logs in as the expected user"
        because "It is how the owner of an instance gets in." else "add the elements cloud-init and sshd" at GUIDE;
    SUDO "user-is-root" Access Error "That user may do everything by sudo without a password"
        because "It has no password, so without that nobody can administrate the instance."
        else "set `sudo: true` of the element cloud-init";
    PASSWORDS "no-password-login" Access Error "The SSH server takes no passwords"
        because "Every address of a cloud is tried with lists of passwords within minutes."
        else "add the element sshd, which sets PasswordAuthentication no";
    HOSTNAME "hostname-from-metadata" Metadata Error "The host name is the instance's"
        because "Services and logs tell instances apart by it." else "add the element cloud-init" at GUIDE;
    DATASOURCE "metadata-source" Metadata Error "The metadata came the way that it was offered"
        because "An image that looks elsewhere waits, or finds what was left there." else
        "name the source in `datasources` of the element cloud-init" at GUIDE;
    SCRIPT "user-data-script" Metadata Error "A script in the user data ran"
        because "It is how instances are set up." else "add the element cloud-init" at GUIDE;
    CLOUD_CONFIG "user-data-cloud-config" Metadata Error "A cloud-config in the user data was applied"
        because "It is how instances are set up." else "add the element cloud-init" at GUIDE;
    CLEAN_FIRST_BOOT "first-boot-clean" Metadata Warning "cloud-init has no error and no warning to tell"
        because "What it could not do is not done." else "look at /var/log/cloud-init.log of an instance";
    ROOT_FILLS "root-fills-disk" Disk Error "The root file system fills a larger disk"
        because "A flavor decides the size of the disk, not the image." else "add the element growpart" at GUIDE;
    VIRTIO "virtio-in-use" Disk Warning "Disk and network card are driven by virtio"
        because "Emulated hardware is many times slower." else "add the element kernel";
    DHCP "network-by-dhcp" Network Error "The network card has its address by DHCP"
        because "It is how a cloud hands out addresses." else "add the element dhcp-network" at GUIDE;
    DNS "dns-answers" Network Error "Names are resolved by the server that DHCP names"
        because "Nothing is reached by name otherwise." else "add the element dhcp-network";
    FIREWALL "no-firewall-rules" Network Error "No firewall rule is loaded"
        because "Security groups are the firewall of a cloud; a second one inside is found last."
        else "add the element no-firewall" at GUIDE;
    SOCKETS "no-undeclared-service" Services Error "Nothing listens to the network that the recipe does not declare"
        because "What nobody knows of nobody updates." else
        "disable the service, or declare it: `verify: { listen: [tcp/80] }`";
    SECOND_CARD "second-network-card" Network Error "With another network card the network is there, under the same name"
        because "A rebuilt or restored instance has another MAC address." else "add the element net-rules" at GUIDE;
    UNITS "no-failed-unit" Services Error "No unit has failed"
        because "A unit that fails at the first boot fails in every instance." else "mend or disable the unit";
    CLOCK "clock" Services Error "The clock is right"
        because "Certificates and tokens are refused where it is not." else
        "do not set the hardware clock to local time (/etc/adjtime)";
    TIME_SYNC "time-sync" Services Warning "A service keeps the clock right"
        because "Clocks of virtual machines drift." else "install chrony or systemd-timesyncd: add the element base-system";
    AGENT "guest-agent-answers" Services Error "The QEMU guest agent answers"
        because "An image that claims it is asked by it: snapshots wait for its answer." else
        "add the element qemu-guest-agent";
    POWER_OFF "powers-off" Services Error "The power button shuts it down"
        because "A cloud stops instances so, and cuts the power where nothing happens." else
        "install systemd-logind or acpid";
    REBOOT "reboots" Services Error "It comes up again after a reboot"
        because "What only works at the first boot breaks at the first update." else
        "look at the end of the serial log in the evidence";
    IDENTITY_STAYS "identity-stays" Hygiene Error "Machine id, host keys and host name stay the same after a reboot"
        because "Who knows the instance by them takes it for another one." else
        "do not empty machine-id or remove host keys at boot";
    INSTANCES_DIFFER "instances-differ" Hygiene Error "Two instances have different machine ids, host keys and random seeds"
        because "Whoever has one instance could pose as all others." else "add the element sysprep";
    UNCHANGED "image-unchanged" Disk Error "Its file is the same after it was booted"
        because "What was verified must be what is published." else "tell the developers of goldsmith: this must not happen";
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
