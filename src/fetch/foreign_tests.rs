//! Files of other programs, read here and by these programs themselves.
//!
//! Lists are made at random, the same in every run. A program that is not on this machine is told and passed over.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use fastrand::Rng;

use super::mirrors::{deb822_sources, one_line_sources};
use super::netrc::Netrc;
use super::signature::Key;
use super::sums;
use crate::digest::Sha256;

fn pick<'a>(random: &mut Rng, from: &[&'a str]) -> &'a str {
    from[random.usize(..from.len())]
}

/// Whether a program is on this machine.
#[expect(clippy::print_stderr, reason = "who reads the log must see what was passed over")]
fn is_there(program: &str) -> bool {
    let there = which::which(program).is_ok();
    if !there {
        eprintln!("PASSED OVER: {program} is not installed, and nothing was compared with it");
    }
    there
}

/// One line for one file: what coreutils take for the file's digest is taken here, and nothing else.
#[test]
fn checksums_are_those_that_sha256sum_reads() {
    if !is_there("sha256sum") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let random = &mut Rng::with_seed(7);
    let (digest, other) = (Sha256::of(b"content"), Sha256::of(b"other"));
    let mut agreed = 0;
    for case in 0..150 {
        let parts = ["a", "*", " b", "\\", "\n", "ü", "(x)", ") = ", "=", "'", "-", ".qcow2", "\t"];
        // Blanks around a name are the one thing that is read otherwise, for the sake of lists by hand.
        let name = loop {
            let name: String = (0..=random.usize(..4)).map(|_| pick(random, &parts)).collect();
            if name.trim() == name && !name.starts_with('-') {
                break name;
            }
        };
        std::fs::write(dir.path().join(&name), "content").expect("a file");
        let escaped = name.replace('\\', "\\\\").replace('\n', "\\n");
        let mark = if escaped == name { "" } else { "\\" };
        let hash = if random.usize(..6) == 0 { other } else { digest }.to_string();
        let hash = if random.usize(..5) == 0 { hash.to_uppercase() } else { hash };
        let line = match random.usize(..8) {
            0 | 1 => format!("{mark}{hash}  {escaped}"),
            2 => format!("{mark}{hash} *{escaped}"),
            3 => format!("{mark}SHA256 ({escaped}) = {hash}"),
            4 => format!("SHA256({name})= {hash}"),
            5 => format!("{hash}  {name}"),
            6 => format!("  {mark}{hash}  {escaped}"),
            _ => format!("{mark}{hash}  x{escaped}"),
        };
        std::fs::write(dir.path().join("LIST"), format!("{line}\n")).expect("a file");
        let check = Command::new("sha256sum").current_dir(&dir).args(["--check", "--status", "LIST"]).output();
        let theirs = check.expect("it runs").status.success();
        let ours = sums::find(format!("{line}\n").as_bytes(), &name, false) == Ok(digest.into());
        assert_eq!(ours, theirs, "case {case}: {name:?} in {line:?}");
        agreed += usize::from(ours);
        std::fs::remove_file(dir.path().join(&name)).expect("a file");
    }
    assert!((50..140).contains(&agreed), "{agreed}");
}

/// Text that nobody has signed is no part of a signed list, however it is put together with one.
#[test]
fn only_what_gpg_has_signed_is_read() {
    if !is_there("gpg") || !is_there("gpgv") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let (good, bad) = (Sha256::of(b"good"), Sha256::of(b"bad"));
    let gpg = |who: &str, arguments: &[&str]| {
        let home = dir.path().join(who);
        std::fs::create_dir_all(&home).expect("a directory");
        let mut gpg = Command::new("gpg");
        gpg.args(["--batch", "--yes", "--quiet", "--passphrase", "", "--homedir"]).arg(&home).args(arguments);
        let output = gpg.current_dir(&dir).output().expect("gpg");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).expect("text");
    for (who, list) in [("us", format!("{good}  b\n- {good}  c\n")), ("them", format!("{bad}  a\n"))] {
        gpg(who, &["--quick-gen-key", who, "ed25519", "sign", "never"]);
        std::fs::write(dir.path().join(format!("{who}.list")), list).expect("a file");
        gpg(who, &["--clearsign", "--output", &format!("{who}.clear"), &format!("{who}.list")]);
        gpg(who, &["--sign", "--armor", "--output", &format!("{who}.attached"), &format!("{who}.list")]);
    }
    std::fs::write(dir.path().join("key"), gpg("us", &["--export"])).expect("a file");
    for who in ["us", "them"] {
        let home = dir.path().join(who);
        drop(Command::new("gpgconf").arg("--homedir").arg(home).args(["--kill", "all"]).status());
    }
    let key = Key::read(dir.path().join("key"), &[], None).expect("a key");
    let (ours, theirs, attached) = (read("us.clear"), read("them.clear"), read("us.attached"));
    let evil = format!("{bad}  a\n");
    let signature = &ours[ours.find("-----BEGIN PGP SIGNATURE").expect("a signature")..];
    let end = "-----BEGIN PGP SIGNATURE-----\n";
    for list in [
        ours.clone(),
        format!("{ours}{evil}"),
        ours.replace(end, &format!("{} \n", end.trim_end())) + &evil,
        ours.replace(end, &format!("{}\t\r\n", end.trim_end())) + &evil,
        ours.replace("\n\n", &format!("\n{evil}\n")),
        ours.replace("\n\n", &format!("\nComment: x\n\n{evil}")),
        ours.replace(&format!("{good}  b\n"), &format!("{good}  b\n{evil}")),
        format!("{ours}{theirs}"),
        format!("{theirs}{ours}"),
        format!("{theirs}{attached}"),
        format!("{theirs}{signature}"),
        theirs.clone(),
    ] {
        let signed = key.signed(list.as_bytes(), None, "list", dir.path());
        if let Ok(text) = &signed {
            assert!(sums::find(text, "a", false).is_err(), "{list}");
            assert_eq!(sums::find(text, "b", false), Ok(good.into()), "{list}");
        }
        assert!(signed.is_ok() || list != ours, "{signed:?}");
    }
}

/// The login that curl sends to a host.
fn login_of_curl(netrc: &Path, host: &str) -> Option<(String, String)> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let proxy = format!("http://{}", listener.local_addr().expect("an address"));
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("curl connects");
        let mut request = Vec::new();
        let mut buffer = [0; 4096];
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut buffer).expect("a request") {
                0 => break,
                read => request.extend_from_slice(&buffer[..read]),
            }
        }
        stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").expect("an answer");
        String::from_utf8(request).expect("text")
    });
    let mut curl = Command::new("curl");
    curl.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    let arguments = ["--disable", "--silent", "--max-time", "10", "--proxy", &proxy, "--netrc-file"];
    let ran = curl.args(arguments).arg(netrc).arg(format!("http://{host}/")).status();
    assert!(ran.expect("curl").success());
    let request = server.join().expect("the server ends");
    let line = request.lines().find_map(|line| line.strip_prefix("Authorization: Basic "))?;
    let plain = base64::engine::general_purpose::STANDARD.decode(line).expect("base64");
    let (user, password) = std::str::from_utf8(&plain).expect("text").split_once(':').expect("a password");
    Some((user.to_owned(), password.to_owned()))
}

#[test]
fn logins_are_those_that_curl_sends() {
    if !is_there("curl") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("netrc");
    let random = &mut Rng::with_seed(11);
    let mut sent = 0;
    for case in 0..40 {
        let mut text = String::new();
        for _ in 0..=random.usize(..4) {
            text.push_str(pick(random, &["", "# a comment\n", "macdef init\nmachine a.example\n\n"]));
            let gap = pick(random, &[" ", "\n", "\n\t", "  "]);
            let host = pick(random, &["a.example", "A.Example", "b.example", "c.example"]);
            text.push_str(&format!("machine {host}{gap}"));
            let mut word = || {
                pick(random, &["plain", "a\\b", "\"a b\"", "\"q\\\"q\\\\\"", "\"n\\tt\"", "p:w", "it's", "ü", "login"])
            };
            let user = word().replace(':', "");
            text.push_str(&format!("login {user}{gap}password {}\n", word()));
        }
        if random.usize(..3) == 0 {
            text.push_str("default login any password thing\n");
        }
        std::fs::write(&file, &text).expect("a file");
        let netrc = Netrc::parse(&text).unwrap_or_else(|error| panic!("case {case}: {error}\n{text}"));
        let host = pick(random, &["a.example", "b.example", "d.example"]);
        let ours = netrc.login(host).map(|(user, password)| (user.to_owned(), password.reveal().to_owned()));
        assert_eq!(ours, login_of_curl(&file, host), "case {case}: {host}\n{text}");
        sent += usize::from(ours.is_some());
    }
    assert!(sent > 10, "{sent}");
}

/// Addresses and suites of packages that apt would fetch.
fn sources_of_apt(dir: &Path, name: &str) -> BTreeSet<(String, String)> {
    let mut apt = Command::new("apt-get");
    let set = |key: &str, file: &Path| format!("-oDir::{key}={}", file.display());
    for part in ["lists", "none"] {
        std::fs::create_dir_all(dir.join(part)).expect("a directory");
    }
    let (list, parts) = match name.ends_with(".list") {
        true => (dir.join(name), dir.join("none")),
        false => (dir.join("none/nothing"), dir.to_owned()),
    };
    apt.arg(set("Etc::sourcelist", &list))
        .arg(set("Etc::sourceparts", &parts))
        .arg(set("State::lists", &dir.join("lists")));
    let output = apt.args(["update", "--print-uris"]).env("LC_ALL", "C").output().expect("apt-get");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let addresses = text.lines().filter_map(|line| line.strip_prefix('\'')?.split('\'').next());
    let packages = addresses.filter_map(|address| address.split_once("/main/binary-all/Packages"));
    packages
        .filter_map(|(head, _)| head.split_once("/dists/"))
        .map(|(url, suite)| (url.to_owned(), suite.to_owned()))
        .collect()
}

#[test]
fn sources_are_those_that_apt_reads() {
    if !is_there("apt-get") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let random = &mut Rng::with_seed(13);
    let mut found = 0;
    for case in 0..12 {
        let mut lines = String::new();
        let mut stanzas = String::new();
        for number in 0..6 {
            let url = format!("http://m{number}.example/debian");
            let suite = pick(random, &["bookworm", "bookworm-security", "sid/updates"]);
            lines.push_str(pick(random, &["deb ", "deb\t", "  deb  ", "# deb ", "#deb ", "deb-src ", "deb "]));
            lines.push_str(pick(
                random,
                &["", "", "[arch=amd64] ", "[ arch=\"amd64\" lang=en ]  ", "[ lang=\"a]b\" ] "],
            ));
            lines.push_str(&match random.usize(..3) {
                0 => format!("\"{url}\" \"{suite}\" main"),
                1 => format!("{url}/\t{suite}   main # a comment"),
                _ => format!("{url} {suite} main"),
            });
            lines.push('\n');

            let mut fields = vec![
                pick(random, &["Types: deb\n", "types:\tdeb-src deb\n", "Types: deb-src\n", "Types:\n deb\n"])
                    .to_owned(),
                match random.usize(..3) {
                    0 => format!("URIs: {url} http://other{number}.example/debian/\n"),
                    1 => format!("URIs:\n {url}\n# a comment\n http://other{number}.example/debian\n"),
                    _ => format!("uris: {url}\n  \n"),
                },
                format!("Suites: {suite}{}", pick(random, &["\n", "\n trixie\n", " trixie\n", "\nSuites: trixie\n"])),
                "Components: main\n".to_owned(),
            ];
            fields.push(match random.usize(..9) {
                0..4 => format!("Enabled: {}\n", pick(random, &["no", "No", "off", "0", "disable", "yes", "maybe", "1"])),
                4 => "Signed-By:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n URIs: http://evil.example/debian\n -----END PGP PUBLIC KEY BLOCK-----\n".to_owned(),
                _ => String::new(),
            });
            fields.rotate_left(random.usize(..5));
            stanzas.push_str(&fields.concat());
            stanzas.push_str(pick(random, &["\n", "\n\n", "\n# a comment\n\n"]));
        }
        type Reader = fn(&str) -> Vec<(String, String)>;
        for (name, text, read) in
            [("a.list", lines, one_line_sources as Reader), ("a.sources", stanzas, deb822_sources as Reader)]
        {
            let place = dir.path().join(format!("{case}{name}"));
            std::fs::create_dir(&place).expect("a directory");
            std::fs::write(place.join(name), &text).expect("a file");
            let ours = read(&text).into_iter().map(|(url, suite)| (url.trim_end_matches('/').to_owned(), suite));
            let ours: BTreeSet<_> = ours.collect();
            assert_eq!(ours, sources_of_apt(&place, name), "case {case}:\n{text}");
            found += ours.len();
        }
    }
    assert!(found > 50, "{found}");
}
