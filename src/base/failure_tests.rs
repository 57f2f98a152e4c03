use super::*;

fn classify(lines: &[&str]) -> Option<BootstrapError> {
    let lines: Vec<_> = lines.iter().map(|line| (*line).to_owned()).collect();
    BootstrapError::from_output(&lines, &keyring(None, &[]))
}

#[test]
fn an_old_index_is_no_unreachable_mirror() {
    for line in [
        "E: Release file for http://mirror/debian/dists/sid/InRelease is expired (invalid since 24d 2h 52min 43s). Updates for \
         this repository will not be applied.",
        "E: Release file for http://mirror/debian/dists/sid/InRelease is not valid yet (invalid for another 2h 3min 4s). \
         Updates for this repository will not be applied.",
    ] {
        let error = classify(&["Reading package lists...", line, "E: apt-get update failed"]).expect("it is known");
        assert!(
            matches!(&error, BootstrapError::Outdated { reason } if reason.starts_with("Release file for")),
            "{error}"
        );
    }
}

fn keyring(download: Option<&str>, fingerprints: &[&str]) -> Keyring {
    let [file, package] = ["/k.gpg", "debian-archive-keyring"].map(str::to_owned);
    let fingerprints = fingerprints.iter().map(|&one| one.to_owned()).collect();
    Keyring { file, package, fingerprints, download: download.map(str::to_owned) }
}

#[test]
fn a_missing_keyring_says_where_to_get_it() {
    let told = |keyring| BootstrapError::MissingKeyring(keyring).to_string();
    let short = "/k.gpg is missing on this machine: install the package debian-archive-keyring";
    assert_eq!(told(keyring(None, &["AB"])), short);
    let long = told(keyring(Some("http://m/pool/k/"), &["AB", "CD"]));
    let lines: Vec<_> = long.lines().collect();
    assert_eq!((lines[0], lines.len()), (short, 3), "{long}");
    assert!(lines[1].contains("download it from http://m/pool/k/, unpack it with `dpkg-deb -x "), "{long}");
    assert!(lines[1].ends_with("copy DIRECTORY/k.gpg to /k.gpg"), "{long}");
    assert!(lines[2].contains("by AB, CD count"), "{long}");
}

#[test]
fn missing_packages_are_named() {
    let error = classify(&[
        "E: Unable to locate package no-such",
        "error: target not found: bash",
        "E: Package 'gone' has no installation candidate",
        "E: Version '1' for 'bash' was not found",
        "E: Unable to locate package no-such",
    ]);
    assert!(
        matches!(error, Some(BootstrapError::PackageNotFound { packages }) if packages == ["bash", "gone", "no-such"])
    );
}

#[test]
fn mirrors_and_namespaces_are_told_apart() {
    for (line, text) in [
        ("E: Failed to fetch http://m/x_1.deb  404  Not Found", "does not have a file"),
        ("Err:1 http://m bookworm InRelease Could not resolve 'm'", "Could not resolve"),
        ("E: apt-get update did not find any indices for architecture 'amd64'", "did not find any indices"),
        ("W: GPG error: http://m x InRelease: NO_PUBKEY 12", "debian-archive-keyring"),
        ("unshare: unshare failed: Operation not permitted", "Operation not permitted"),
        ("unshare: cannot change root filesystem propagation: Invalid argument", "no mount point"),
        ("error: failed retrieving file 'core.db' from m : Could not resolve host", "mirror: failed retrieving file"),
        ("error: failed retrieving file 'a.pkg.tar.zst' from m : URL returned error: 404", "does not have a file"),
        ("error: could not open file /t/sync/core.db: truncated gzip input", "mirror: could not open file"),
        (":: unable to satisfy dependency 'x' required by a", "cannot be installed together"),
        ("error: a: signature from \"b <b@c>\" is unknown trust", "cannot trust"),
        ("error: key \"0123\" could not be looked up remotely", "cannot trust"),
        (" libc6 : The following packages have unmet dependencies:", "cannot be installed together"),
        ("  - nothing provides libx.so.1()(64bit) needed by a-1-1.x86_64", "cannot be installed together"),
        ("Error: Failed to download metadata for repo 'goldsmith-0': Cannot download repomd.xml", "package mirror"),
        ("Public key for a-1-1.x86_64.rpm is not installed. Failing package is: a-1-1.x86_64", "cannot trust"),
        ("Error: GPG check FAILED", "cannot trust"),
        ("No match for argument: no-such", "no package no-such"),
        ("No provider of 'no-such' found.", "no package no-such"),
        (" - Signature verification failed for repomd.xml", "cannot trust"),
        ("[a|http://b] Valid metadata not found at specified URL", "package mirror"),
    ] {
        let error = classify(&[line]).unwrap_or_else(|| panic!("{line} is not understood")).to_string();
        assert!(error.contains(text), "{error}");
    }
    assert!(classify(&["dpkg: error processing package x"]).is_none());
    let tail = ["Err:1 http://m x/main amd64 a amd64 1", "  404  Not Found", "E: Failed to fetch http://m/a.deb  404"];
    let error = classify(&tail).expect("it is understood").to_string();
    assert!(error.contains("http://m/a.deb"), "{error}");
}

#[test]
fn sizes_are_read_as_package_managers_write_them() {
    let line = |size: &str| format!("After this operation, {size} of additional disk space will be used.");
    assert_eq!(announced_size(&line("612 MB")), Some(612_000_000));
    assert_eq!(announced_size(&line("1,024 kB")), Some(1_024_000));
    assert_eq!(announced_size("After this operation, 3 MB disk space will be freed."), None);
    assert_eq!(announced_size("Installed size: 1.5 G"), Some(3 << 29));
    assert_eq!(announced_size("Installed size: 12 x"), None);
    let zypper = "Already cached: 0 B. After the operation, additional 1.5 GiB will be used.";
    assert_eq!(announced_size(zypper), Some(3 << 29));
    assert_eq!(announced_size("Total Installed Size:  1.50 GiB"), Some(3 << 29));
}

#[test]
fn downloads_are_read_as_package_managers_write_them() {
    for (line, bytes) in [
        ("Need to get 36.2 MB of archives.", Some(36_200_000)),
        ("Need to get 1,234 kB/36.2 MB of archives.", Some(1_234_000)),
        ("Need to get 0 B/75.8 MB of archives.", Some(0)),
        ("Total download size: 1.5 M", Some(3 << 19)),
        ("Need to download 1.5 MiB.", Some(3 << 19)),
        (
            "Overall download size: 1.5 GiB. Already cached: 0 B. After the operation, additional 2 GiB will be used.",
            Some(3 << 29),
        ),
        ("Package download size:     1.5 MiB", Some(3 << 19)),
        ("Total Download Size:    1.50 MiB", Some(3 << 19)),
        ("Need to get out of here", None),
        ("After this operation, 612 MB of additional disk space will be used.", None),
    ] {
        assert_eq!(announced_download(line), bytes, "{line}");
    }
}
