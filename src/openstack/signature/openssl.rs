//! Runs `openssl`, and reads its output.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::interrupt::Interrupt;
use crate::process::{self, ProcessError};

/// Time limit of `openssl`: signing takes milliseconds.
const DEADLINE: Duration = Duration::from_secs(60);

/// Beginning of a public key's algorithm in DER (RFC 3279, section 2.3, and SEC 2, appendix A), and cursive's name of the key
/// type.
pub(super) const KINDS: [(&[u8], &str); 7] = [
    // 1.2.840.113549.1.1.1
    (b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01", RSA_PSS),
    // 1.2.840.10045.2.1 with 1.3.132.0.x
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22", "ECC_SECP384R1"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23", "ECC_SECP521R1"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x24", "ECC_SECT409K1"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x25", "ECC_SECT409R1"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x26", "ECC_SECT571K1"),
    (b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x27", "ECC_SECT571R1"),
];

/// Runs `openssl` and returns its lines. Its standard input, which may be a key, is never written to a disk.
pub(super) fn openssl(arguments: &[&str], input: &str) -> Result<Vec<String>, ProcessError> {
    let input =
        in_memory(input.as_bytes()).map_err(|source| ProcessError::Start { program: "openssl".to_owned(), source })?;
    let mut lines = Vec::new();
    let mut command = Command::new("openssl");
    let keep = |line: &str| lines.push(line.to_owned());
    process::run_lines_from(command.args(arguments), Some(input), &Interrupt::new(), Some(DEADLINE), keep)?;
    Ok(lines)
}

fn in_memory(content: &[u8]) -> io::Result<File> {
    let mut file = File::from(rustix::fs::memfd_create("input", rustix::fs::MemfdFlags::CLOEXEC)?);
    file.write_all(content)?;
    file.rewind()?;
    Ok(file)
}

/// Returns the public key in the output of `openssl`.
pub(super) fn public_key(lines: &[String]) -> String {
    let end = |line: &&String| line.starts_with("-----END PUBLIC KEY");
    let lines = lines.iter().skip_while(|line| !line.starts_with("-----BEGIN PUBLIC KEY"));
    let mut key = String::new();
    for line in lines {
        key.push_str(line);
        key.push('\n');
        if end(&line) {
            break;
        }
    }
    key
}

/// Returns cursive's name of a key's type.
pub(super) fn kind(public: &str) -> Option<&'static str> {
    let text: String = public.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(text).ok()?;
    // The algorithm follows the heads of two sequences, which have two or three bytes each.
    let known = |algorithm: &[u8]| (4..=7).any(|at| der.get(at..).is_some_and(|rest| rest.starts_with(algorithm)));
    KINDS.iter().find(|(algorithm, _)| known(algorithm)).map(|(_, name)| *name)
}

pub(super) const RSA_PSS: &str = "RSA-PSS";
