//! Combines several parts of user data into one MIME message.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Boundary between parts. It has characters that base64 lacks, so no part can contain it.
const BOUNDARY: &str = "=_goldsmith_=";

/// Length of a line of base64 (RFC 2045, section 6.8).
const LINE: usize = 76;

/// A part of user data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part<'a> {
    /// Configuration of cloud-init, with or without its first line `#cloud-config`.
    CloudConfig(&'a str),
    /// A script that starts with `#!`, which cloud-init runs at the end of the first boot.
    Script(&'a str),
}

/// Makes the MIME message of parts that cloud-init reads: `multipart/mixed`, with the types of
/// <https://docs.cloud-init.io/en/latest/explanation/format/index.html#mime-multi-part-archive>.
pub fn user_data(parts: &[Part<'_>]) -> Vec<u8> {
    let mut text = format!("Content-Type: multipart/mixed; boundary=\"{BOUNDARY}\"\nMIME-Version: 1.0\n");
    for (number, part) in parts.iter().enumerate() {
        let (kind, name, content) = match part {
            Part::CloudConfig(content) => ("text/cloud-config", "config", content),
            Part::Script(content) => ("text/x-shellscript", "script", content),
        };
        text.push_str(&format!(
            "\n--{BOUNDARY}\nContent-Type: {kind}; charset=\"utf-8\"\nMIME-Version: 1.0\n\
             Content-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=\"{name}-{number}\"\n"
        ));
        let encoded = STANDARD.encode(content);
        for start in (0..encoded.len()).step_by(LINE) {
            text.push('\n');
            text.push_str(&encoded[start..encoded.len().min(start + LINE)]);
        }
        text.push('\n');
    }
    text.push_str(&format!("\n--{BOUNDARY}--\n"));
    text.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_told_apart() {
        let long = format!("#!/bin/sh\n: '{}'\n", "x".repeat(60));
        let data = user_data(&[Part::CloudConfig("#cloud-config\n{}\n"), Part::Script(&long)]);
        insta::assert_snapshot!(String::from_utf8(data).expect("text"));
    }
}
