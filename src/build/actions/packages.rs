//! Carries out `packages`: installs, removes and updates packages in the guest.

use super::derived::PACKAGES;
use super::error::ForAction as _;
use super::package_cache::{PackageCache, forget_stale, is_package_file};
use super::{ActionError, Executor};
use crate::action::Packages;
use crate::distro::mechanism::PackageManager;
use crate::fsx::{Access, IoContext as _, NewFile, TEMPORARY};

/// Where the guest's apt keeps what it downloaded.
const APT_ARCHIVES: &str = "/var/cache/apt/archives";

/// Most bytes of one package file that are carried into or out of the guest.
const PACKAGE_LIMIT: u64 = 512 * 1024 * 1024;

/// Keeps services from being started while packages are configured: the interface of Debian's
/// invoke-rc.d, exit status 101 means "not allowed".
const APT: &str = r#"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
fi
# An image may be set to delete what it downloads; the host keeps these files for the next build.
# Translated descriptions of packages are half of what a list of them has.
apt="apt-get -q -y -o Acquire::Languages=none -o APT::Keep-Downloaded-Packages=true -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=60
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o Acquire::Retries=3"
if [ "$UPDATE$INSTALL" != 0 ]; then
    $apt -o APT::Update::Error-Mode=any update
fi
if [ "$UPDATE" = 1 ]; then
    $apt dist-upgrade
fi
if [ -n "$INSTALL" ]; then
    $apt --no-install-recommends install $INSTALL
fi
if [ -n "$REMOVE" ]; then
    $apt purge $REMOVE
    $apt autoremove --purge
fi
"#;

/// What dnf and zypper do. It reads what they mean by what they print and by their exit statuses.
const RPM: &str = include_str!("rpm.sh");

const DNF: &str = r#"
dnf=$(command -v dnf || command -v yum)
# A repository that cannot be read would be left out, and updates in it with it.
dnf() {
    transaction "$dnf" -y --setopt=*.skip_if_unavailable=False "$@"
    [ "$status" = 0 ] || exit "$status"
}
[ "$UPDATE" = 0 ] || dnf upgrade
[ -z "$INSTALL" ] || dnf --setopt=install_weak_deps=False install $INSTALL
[ -z "$REMOVE" ] || dnf remove $REMOVE
"#;

const ZYPPER: &str = r#"
if [ "$UPDATE" = 1 ]; then
    zypper update
    # An update of zypper itself comes first, and the others then.
    [ "$status" != 103 ] || zypper update
    [ "$status" != 103 ] || undone "zypper wants to be run again and again to install all updates"
fi
[ -z "$INSTALL" ] || zypper install --no-recommends $INSTALL
[ -z "$REMOVE" ] || zypper remove --clean-deps $REMOVE
"#;

/// apk ends with 0 where a package's script failed. What is installed is read back.
const APK: &str = r#"
[ "$UPDATE" = 0 ] || apk upgrade --no-cache
[ -z "$INSTALL" ] || apk add --no-cache $INSTALL
[ -z "$REMOVE" ] || apk del --no-cache $REMOVE
for package in $INSTALL; do
    apk info --quiet --installed "${package%%[=<>~@]*}" >/dev/null || { echo "apk succeeded, but $package is not installed" >&2; exit 99; }
done
for package in $REMOVE; do
    ! apk info --quiet --installed "$package" >/dev/null || { echo "apk succeeded, but $package is still installed: another package needs it" >&2; exit 99; }
done
"#;

/// pacman ends with 0 where a package's script failed, too.
const PACMAN: &str = include_str!("pacman.sh");

impl Executor<'_> {
    pub(super) fn packages(&mut self, packages: &Packages) -> Result<(), ActionError> {
        let label = summary(packages);
        let manager = self.mechanisms.packages;
        let lines = match manager {
            PackageManager::Apt => APT,
            PackageManager::Dnf => DNF,
            PackageManager::Zypper => ZYPPER,
            PackageManager::Apk => APK,
            PackageManager::Pacman => PACMAN,
        };
        // A package whose own script failed in an earlier transaction is no failure of this one for apt.
        let (before, after) = if manager == PackageManager::Apt { ("", PACKAGES) } else { (RPM, "") };
        let script = format!(
            "UPDATE={}\nINSTALL='{}'\nREMOVE='{}'\n{before}{lines}{after}",
            u8::from(packages.update),
            // Names were checked when the recipe was read: no quote is in them.
            packages.install.join(" "),
            packages.remove.join(" "),
        );
        let cache = self.package_cache.clone().filter(|_| manager == PackageManager::Apt);
        if let Some(cache) = &cache {
            self.bring_packages(&label, cache)?;
        }
        let network = packages.update || !packages.install.is_empty();
        let result = self.shell(&label, &script, &[], network).map_err(|error| self.explained(error.explained()));
        if let Some(cache) = &cache
            && !result.as_ref().is_err_and(|error| error.guest().is_some())
        {
            // Where both failed, the transaction is the news.
            return result.and(self.keep_packages(&label, cache));
        }
        result
    }

    /// Puts the package files of earlier builds where the guest's apt looks for them.
    fn bring_packages(&mut self, label: &str, cache: &PackageCache) -> Result<(), ActionError> {
        std::fs::create_dir_all(&cache.dir).at(&cache.dir)?;
        let archives = self.directory(label, APT_ARCHIVES)?;
        for entry in std::fs::read_dir(&cache.dir).at(&cache.dir)? {
            let entry = entry.at(&cache.dir)?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(TEMPORARY.as_bytes()) {
                forget_stale(&entry.path())?;
            }
            if let Some(name) = name.to_str().filter(|name| is_package_file(name)) {
                let uploaded = self.guest.upload(&entry.path(), &format!("{archives}/{name}"));
                // One that another build removes meanwhile is downloaded again.
                if entry.path().exists() {
                    uploaded.for_action(label)?;
                }
            }
        }
        Ok(())
    }

    /// Keeps what was downloaded, and takes it out of the image.
    fn keep_packages(&mut self, label: &str, cache: &PackageCache) -> Result<(), ActionError> {
        for path in self.guest.glob(&format!("{APT_ARCHIVES}/*.deb")).for_action(label)? {
            let name = path.rsplit('/').next().unwrap_or_default();
            let kept = cache.dir.join(name);
            if is_package_file(name) && !kept.exists() {
                // Seen under its name only when it is whole.
                let part = NewFile::create(&kept, Access::Private)?;
                self.guest.download(&path, part.path()).for_action(label)?;
                if part.file().metadata().at(part.path())?.len() <= PACKAGE_LIMIT {
                    cache.forget_versions(name)?;
                    part.persist()?;
                }
            }
            self.guest.remove(&path).for_action(label)?;
        }
        Ok(())
    }

    /// Names the element that asked for a package that is nowhere to be found.
    fn explained(&self, error: ActionError) -> ActionError {
        match missing_package(error.tail()) {
            Some(package) => {
                let wanted_by = self.packages.get(&package).cloned().unwrap_or_else(|| vec!["this step".to_owned()]);
                ActionError::PackageNotFound { package, wanted_by }
            }
            None => error,
        }
    }
}

/// Package that a package manager says it does not know.
fn missing_package(lines: &[String]) -> Option<String> {
    lines.iter().find_map(|line| {
        let line = line.trim();
        let name = line
            .strip_prefix("E: Unable to locate package ")
            .or_else(|| line.strip_prefix("E: Package '")?.strip_suffix("' has no installation candidate"))
            .or_else(|| line.strip_prefix("No match for argument: "))
            .or_else(|| line.strip_prefix("No provider of '")?.strip_suffix("' found."))
            .or_else(|| line.strip_suffix(" (no such package):"))
            .or_else(|| line.strip_prefix("error: target not found: "))?;
        Some(name.trim_matches('\'').to_owned())
    })
}

fn summary(packages: &Packages) -> String {
    let mut parts = Vec::new();
    if packages.update {
        parts.push("update packages".to_owned());
    }
    for (verb, names) in [("install", &packages.install), ("remove", &packages.remove)] {
        match names.as_slice() {
            [] => {}
            [one] => parts.push(format!("{verb} {one}")),
            many => parts.push(format!("{verb} {} packages", many.len())),
        }
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_package_is_recognised_in_every_family() {
        for (line, name) in [
            ("E: Unable to locate package ngnix", Some("ngnix")),
            ("E: Package 'ngnix' has no installation candidate", Some("ngnix")),
            ("No match for argument: ngnix", Some("ngnix")),
            ("No provider of 'ngnix' found.", Some("ngnix")),
            ("  ngnix (no such package):", Some("ngnix")),
            ("E: Could not get lock", None),
        ] {
            assert_eq!(missing_package(&[line.to_owned()]).as_deref(), name, "{line}");
        }
    }

    #[test]
    fn a_new_version_takes_the_place_of_the_old_one() {
        let dir = tempfile::tempdir().expect("a directory");
        let names = ["a_1_amd64.deb", "a_1_all.deb", "a-b_1_amd64.deb", "notes_1_amd64.txt"];
        for name in names {
            std::fs::write(dir.path().join(name), name).expect("a file");
        }
        let cache = PackageCache { dir: dir.path().to_owned() };
        cache.forget_versions("a_2_amd64.deb").expect("the directory can be read");
        for name in names {
            assert_eq!(dir.path().join(name).exists(), name != "a_1_amd64.deb", "{name}");
        }
    }

    #[test]
    fn the_guest_cannot_choose_a_path_of_the_host() {
        for (name, ok) in [
            ("nginx_1.22.1-9+deb12u1_amd64.deb", true),
            ("libssl3_3%3a1_amd64.deb", true),
            ("../../evil.deb", false),
            (".hidden.deb", false),
            ("a b.deb", false),
            ("lock", false),
        ] {
            assert_eq!(is_package_file(name), ok, "{name}");
        }
    }
}
