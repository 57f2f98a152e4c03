//! Makes and opens LUKS containers, in the appliance.
//!
//! The key is a file on a tmpfs of the appliance while a program reads it. No script and no message has it.

use std::collections::BTreeMap;

use super::libguestfs::LibguestfsGuest;
use super::script::{ROOT, quote};
use super::{Guest as _, GuestError};

/// How the key of a container is derived from a secret. A benchmark in an emulated guest would choose less work than this, and one on a
/// large machine more memory than a small instance has.
const DERIVATION: &str = "--pbkdf argon2id --pbkdf-memory 65536 --pbkdf-parallel 1 --pbkdf-force-iterations 4 --cipher aes-xts-plain64 --key-size 512";

/// Directory of the key, in the root of an image that is not mounted.
const KEYS: &str = "/run/goldsmith-key";

/// A LUKS container.
pub(super) struct Container<'a> {
    /// Its device.
    pub(super) device: String,
    /// Its label, by which it is opened.
    pub(super) label: &'a str,
}

/// A secret's name, and the values of all secrets.
pub(super) type Key<'a> = (&'a str, &'a BTreeMap<String, Vec<u8>>);

/// Makes a container, reads it back, and opens it.
pub(super) fn make(
    guest: &mut LibguestfsGuest,
    container: &Container<'_>,
    uuid: &str,
    key: Key<'_>,
) -> Result<(), GuestError> {
    let call = format!("encrypt `{}`", container.label);
    with_key(guest, &call, key, |guest, file| guest.appliance(&call, &made(container, uuid, file)).map(drop))
}

/// Locks an open container.
pub(super) fn lock(guest: &LibguestfsGuest, container: &Container<'_>) -> Result<(), GuestError> {
    let call = format!("lock `{}`", container.label);
    let script = format!("udevadm settle; cryptsetup close {} 2>&1", quote(container.label));
    guest.appliance(&call, &script).map(drop)
}

/// Finds out whether a secret opens a container.
pub(super) fn opens(guest: &mut LibguestfsGuest, container: &Container<'_>, key: Key<'_>) -> Result<(), GuestError> {
    let Container { device, label } = container;
    let call = format!("open `{label}`");
    let (device, name) = (quote(device), key.0);
    let said = with_key(guest, &call, key, |guest, file| {
        // cryptsetup ends with 2 for a wrong key.
        let script = format!(
            "cryptsetup open --test-passphrase --type luks2 --key-file {file} {device} 2>&1 || {{ s=$?; [ $s = 2 ] && echo wrong || exit $s; }}"
        );
        guest.appliance(&call, &script)
    })?;
    if said.lines().any(|line| line == "wrong") {
        let message = format!(
            "the secret `{name}` does not open it: an earlier build has made it with another value. Give the secret another name, \
             or the value that it had"
        );
        return Err(GuestError::Call { call, message });
    }
    Ok(())
}

/// Makes a container, and opens it with its key. Reading its UUID back and opening it show that it is what was asked for.
fn made(Container { device, label }: &Container<'_>, uuid: &str, file: &str) -> String {
    let (device, label) = (quote(device), quote(label));
    format!(
        "set -e; exec 2>&1; udevadm settle
cryptsetup luksFormat --batch-mode --type luks2 {DERIVATION} --uuid {uuid} --label {label} --key-file {file} {device}
found=$(cryptsetup luksUUID {device})
[ \"$found\" = {uuid} ] || {{ echo \"its UUID is $found afterwards, not {uuid}\"; exit 1; }}
cryptsetup open --type luks2 --key-file {file} {device} {label}
udevadm settle"
    )
}

/// Gives programs of the appliance the value of a secret in a file, while nothing is mounted at the image's root.
fn with_key<T>(
    guest: &mut LibguestfsGuest,
    call: &str,
    (secret, secrets): Key<'_>,
    work: impl FnOnce(&mut LibguestfsGuest, &str) -> Result<T, GuestError>,
) -> Result<T, GuestError> {
    let value = secrets.get(secret).ok_or_else(|| GuestError::Call {
        call: call.to_owned(),
        message: format!("the secret `{secret}` has no value"),
    })?;
    guest.appliance(call, &format!("{{ mount -t tmpfs -o mode=0700 tmpfs {ROOT} && mkdir {ROOT}/run; }} 2>&1"))?;
    let given = guest.secrets(&[("key".to_owned(), value.clone())], KEYS);
    let result = given.and_then(|()| work(guest, &format!("{ROOT}{KEYS}/key")));
    let taken = guest.secrets(&[], KEYS);
    let unmounted = guest.appliance(call, &format!("umount {ROOT} 2>&1"));
    result.and_then(|value| taken.and(unmounted.map(drop)).map(|()| value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_is_shell() {
        let script = made(&Container { device: "/dev/sdc4".to_owned(), label: "it's" }, "u-u", "/k");
        crate::process::capture(std::process::Command::new("sh").args(["-n", "-c", &script]))
            .unwrap_or_else(|error| panic!("{error}\n{script}"));
    }
}
