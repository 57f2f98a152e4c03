//! The page for users of virt-customize and virt-sysprep names everything that these tools have.

use std::collections::BTreeSet;

use goldsmith::element::library::Library;

use super::pages;

const PAGE: &str = "docs/src/coming-from/virt-builder.md";

/// Operations that `virt-sysprep --list-operations` prints, of version 1.48 and, at the end, of newer ones.
const OPERATIONS: &str = "abrt-data backup-files bash-history blkid-tab ca-certificates crash-data cron-spool customize \
    dhcp-client-state dhcp-server-state dovecot-data firewall-rules flag-reconfiguration fs-uuids ipa-client kerberos-data \
    kerberos-hostkeytab logfiles lvm-uuids machine-id mail-spool net-hostname net-hwaddr net-nmconn pacct-log \
    package-manager-cache pam-data passwd-backups puppet-data-log rh-subscription-manager rhn-systemid rpm-db samba-db-log \
    script smolt-uuid ssh-hostkeys ssh-userdir sssd-db-log tmp-files udev-persistent-net user-account utmp yum-uuid \
    lvm-system-devices zsh-history";

/// Options that virt-customize(1) has, of version 1.48 and, at the end, of newer ones.
const OPTIONS: &str = "-a --add --append-line --attach --attach-format -c --connect --chmod --colors --colours \
    --commands-from-file --copy --copy-in -d --domain --delete -n --dry-run --echo-keys --edit --firstboot \
    --firstboot-command --firstboot-install --format --help --hostname --install --key --keys-from-stdin --link -m --memsize \
    --mkdir --move --network --no-network --no-logfile --password --password-crypto -q --quiet --root-password --run \
    --run-command --scrub --selinux-relabel --sm-attach --sm-credentials --sm-register --sm-remove --sm-unregister --smp \
    --ssh-inject --timezone --touch --truncate --truncate-recursive --uninstall --update --upload -V --version -v --verbose \
    --wrap --write -x \
    --chown --inject-blnsvr --inject-qemu-ga --inject-virtio-win --no-selinux-relabel --tar-in";

/// Options of virt-sysprep that virt-customize does not have.
const MORE: &str = "--enable --operation --operations --list-operations --mount-options --script --scriptdir --remove-user-accounts --keep-user-accounts";

/// Rows of the tables that begin with one of these heads: the names in the first cell, and the second cell.
fn rows(page: &str, heads: &[&str]) -> Vec<(BTreeSet<String>, String)> {
    let mut found = Vec::new();
    let mut wanted = false;
    for line in page.lines() {
        let Some(cells) = line.strip_prefix("| ").and_then(|line| line.strip_suffix(" |")) else {
            wanted &= line.starts_with('|');
            continue;
        };
        if heads.contains(&line) {
            wanted = true;
        } else if wanted {
            let (first, second) = cells.split_once(" | ").expect("two cells");
            let words = codes(first).filter_map(|code| code.split(' ').next().map(str::to_owned));
            found.push((words.collect(), second.to_owned()));
        }
    }
    found
}

/// The pieces of code in a text.
fn codes(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

fn page() -> String {
    std::fs::read_to_string(pages::root().join(PAGE)).expect("a page")
}

const OF_OPERATIONS: &[&str] = &["| operation | Goldsmith |"];
const OF_OPTIONS: &[&str] = &["| option | in a recipe |", "| option | Goldsmith |", "| virt-sysprep | Goldsmith |"];

/// What a page lacks of a list.
fn missing(page: &str, heads: &[&str], list: &str) -> Vec<String> {
    let named: BTreeSet<_> = rows(page, heads).into_iter().flat_map(|(names, _)| names).collect();
    list.split_whitespace().filter(|name| !named.contains(*name)).map(str::to_owned).collect()
}

#[test]
fn every_operation_and_option_of_virt_tools_has_a_row() {
    let page = page();
    assert_eq!(OPERATIONS.split_whitespace().count(), 45);
    assert_eq!(missing(&page, OF_OPERATIONS, OPERATIONS), [""; 0]);
    assert_eq!(missing(&page, OF_OPTIONS, OPTIONS), [""; 0]);
    assert_eq!(missing(&page, OF_OPTIONS, MORE), [""; 0]);
    // The test can fail.
    assert_eq!(missing(&page.replace("| `utmp` |", "| `wtmp` |"), OF_OPERATIONS, OPERATIONS), ["utmp"]);
    assert_eq!(missing(&page.replace("`--smp`", "`--cpus`"), OF_OPTIONS, OPTIONS), ["--smp"]);
}

#[test]
fn what_goldsmith_lacks_of_virt_tools_has_a_reason() {
    for (names, said) in rows(&page(), &[OF_OPERATIONS, OF_OPTIONS].concat()) {
        let (_, reason) = said.split_once("not available").unwrap_or(("", ": it is available"));
        assert!(reason.starts_with(": ") && reason.len() > 10, "{names:?}: `{said}` does not say why, or what to do");
    }
}

/// Names in the table of operations are parameters of the element `sysprep`, or elements, actions and programs.
#[test]
fn operations_name_parameters_that_the_element_has() {
    let library = Library::new(vec![]);
    let params = library.load("sysprep").unwrap_or_else(|errors| panic!("{errors}")).params;
    let elements: BTreeSet<_> = library.names().into_keys().collect();
    let mut named = BTreeSet::new();
    for (names, said) in rows(&page(), OF_OPERATIONS) {
        let words = codes(&said).filter(|code| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        for word in words {
            let other = ["remove", "user", "run", "clean", "wtmp", "btmp", "lastlog"].contains(&word);
            let known = params.contains_key(word) || elements.contains(word) || other;
            assert!(known, "{names:?}: there is no parameter `{word}`");
            named.insert(word.to_owned());
        }
    }
    // What the element does and virt-sysprep does not.
    let page = page();
    let alone =
        page.split_once("\nGoldsmith alone removes").expect("a sentence").1.split_once("\n\n").expect("an end").0;
    named.extend(codes(alone).map(str::to_owned));
    let untold: Vec<_> = params.keys().filter(|name| !named.contains(*name) && *name != "accounts").collect();
    assert!(untold.is_empty(), "the page does not tell of {untold:?}");
}
