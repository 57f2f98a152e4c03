//! Checks the texts of recipes, such as names, paths, patterns and addresses. Each function checks one kind of text and describes
//! the fault.

use crate::address::has_login;
use crate::digest::Sha256;

/// Longest path in an image, in bytes, as in Linux.
const PATH_MAX: usize = 4096;

/// Length limit of regular expressions, and the size limit of compiled ones, in bytes.
const PATTERN_MAX: usize = 1000;
const PATTERN_SIZE_MAX: usize = 1 << 20;

/// A rule for a text. The error message describes the fault.
pub(crate) type Rule = fn(&str) -> Result<(), String>;

/// Accepts every text, because its type or other code checks it.
pub(crate) fn anything(_: &str) -> Result<(), String> {
    Ok(())
}

/// Checks an argument of a program, which is a C string.
pub(crate) fn argument(text: &str) -> Result<(), String> {
    verdict(!text.contains('\0'), || "an argument cannot have a NUL character".to_owned())
}

fn fits(text: &str, first: impl Fn(char) -> bool, rest: impl Fn(char) -> bool, most: usize) -> bool {
    text.starts_with(first) && text.chars().all(rest) && text.len() <= most
}

fn alphanumeric(c: char) -> bool {
    c.is_ascii_alphanumeric()
}

fn verdict(good: bool, message: impl FnOnce() -> String) -> Result<(), String> {
    if good { Ok(()) } else { Err(message()) }
}

/// Checks an absolute path without `..`. Globs are allowed where the action allows them.
pub(crate) fn directory_path(text: &str) -> Result<(), String> {
    verdict(text.starts_with('/'), || format!("`{text}` is not an absolute path in the image"))?;
    verdict(!text.split('/').any(|part| part == ".."), || format!("`{text}` has a `..`"))?;
    verdict(!text.contains(['\0', '\n']), || "a path cannot have a newline or a NUL character".to_owned())?;
    verdict(text.len() < PATH_MAX, || format!("a path has less than {PATH_MAX} bytes"))
}

/// Checks an absolute path that is not the root directory.
pub(crate) fn file_path(text: &str) -> Result<(), String> {
    directory_path(text)?;
    verdict(!text.trim_matches('/').is_empty(), || format!("`{text}` is the whole image"))
}

pub(crate) fn pattern(text: &str) -> Result<(), String> {
    // A short text can stand for a large program: `(a{500}){500}`.
    verdict(text.len() <= PATTERN_MAX, || format!("a regular expression has at most {PATTERN_MAX} bytes"))?;
    regex::RegexBuilder::new(text).size_limit(PATTERN_SIZE_MAX).build().map(|_| ()).map_err(|error| {
        // The last line of the message names the fault; the lines before show the pattern.
        let shown = error.to_string();
        let why = shown.lines().last().unwrap_or_default().trim_start_matches("error: ");
        format!("`{text}` is not a regular expression: {why}")
    })
}

pub(crate) fn one_line(text: &str) -> Result<(), String> {
    verdict(!text.contains(['\n', '\r', '\0']), || "this must be one line".to_owned())
}

/// Checks a word without white space and commas.
pub(crate) fn word(text: &str) -> Result<(), String> {
    let good = !text.is_empty()
        && !text.starts_with('-')
        && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == ',');
    verdict(good, || format!("`{text}` is not one word"))
}

/// Checks a path that stays in its directory.
pub(crate) fn relative_path(text: &str) -> Result<(), String> {
    use std::path::{Component, Path};
    let mut components = Path::new(text).components();
    let good = !text.is_empty() && !text.contains('\0') && components.all(|part| matches!(part, Component::Normal(_)));
    verdict(good, || format!("`{text}` must be a path in the directory of `source`, without `..`"))
}

pub(crate) fn package(text: &str) -> Result<(), String> {
    // apt would remove the package `name` if it got `name-`.
    let good = fits(text, |c| alphanumeric(c) || c == '@', |c| alphanumeric(c) || "@.+-_:=~/^*".contains(c), 200);
    verdict(good && !text.ends_with('-'), || format!("`{text}` is not the name of a package"))
}

pub(crate) fn unit(text: &str) -> Result<(), String> {
    let good = fits(text, alphanumeric, |c| alphanumeric(c) || ":_.\\@-*".contains(c), 255);
    verdict(good, || format!("`{text}` is not the name of a unit"))
}

pub(crate) fn kernel_argument(text: &str) -> Result<(), String> {
    // A shell reads the setting that contains it.
    let bad = |c: char| c.is_whitespace() || c.is_control() || "'\"`$\\".contains(c);
    let good = !text.is_empty() && !text.contains(bad);
    verdict(good, || {
        format!("`{text}` is not one kernel argument: it has a space, a quote, `$`, `\\` or nothing in it")
    })
}

pub(crate) fn user(text: &str) -> Result<(), String> {
    let good = fits(text, |c| c.is_ascii_alphabetic() || c == '_', |c| alphanumeric(c) || "_.-".contains(c), 32);
    verdict(good, || format!("`{text}` is not a user or group name"))
}

pub(crate) fn owner(text: &str) -> Result<(), String> {
    let part = |part: &str| user(part).is_ok() || part.parse::<u32>().is_ok();
    let good = match text.split_once(':') {
        Some((user, group)) => part(user) && part(group),
        None => part(text),
    };
    verdict(good, || format!("`{text}` is not `user` or `user:group`"))
}

/// Checks the hash of a password: crypt(5). The message does not repeat it, since it may be a password.
pub(crate) fn password_hash(text: &str) -> Result<(), String> {
    // yescrypt, gost-yescrypt, scrypt, SHA-512, SHA-256 and bcrypt. Older methods can be guessed.
    let known = ["$y$", "$gy$", "$7$", "$6$", "$5$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix));
    let good = known
        && text.matches('$').count() >= 3
        && fits(text, |_| true, |c| alphanumeric(c) || "./$=,".contains(c), 384);
    verdict(good, || {
        "this is not the hash of a password by a strong method: make one with `openssl passwd -6` or `mkpasswd`"
            .to_owned()
    })
}

pub(crate) fn host_name(text: &str) -> Result<(), String> {
    let label = |label: &str| fits(label, alphanumeric, |c| alphanumeric(c) || c == '-', 63) && !label.ends_with('-');
    verdict(text.len() <= 253 && text.split('.').all(label), || format!("`{text}` is not a host name"))
}

pub(crate) fn time_zone(text: &str) -> Result<(), String> {
    let part = |part: &str| fits(part, |c| c.is_ascii_alphabetic(), |c| alphanumeric(c) || "_+-".contains(c), 64);
    verdict(text.split('/').all(part), || format!("`{text}` is not a time zone: write it like Europe/Paris"))
}

pub(crate) fn locale(text: &str) -> Result<(), String> {
    let good = fits(text, |c| c.is_ascii_alphabetic(), |c| alphanumeric(c) || "_.@-".contains(c), 64);
    verdict(good, || format!("`{text}` is not a locale: write it like en_US.UTF-8"))
}

pub(crate) fn variable(text: &str) -> Result<(), String> {
    let good = fits(text, |c| c.is_ascii_alphabetic() || c == '_', |c| alphanumeric(c) || c == '_', 255);
    verdict(good, || format!("`{text}` cannot name an environment variable"))
}

pub(crate) fn secret_name(text: &str) -> Result<(), String> {
    let good = fits(text, alphanumeric, |c| alphanumeric(c) || "_.-".contains(c), 64);
    verdict(good, || format!("`{text}` cannot name a secret: use letters, digits, `.`, `_` and `-`"))
}

/// Checks the name of an element, which is also the name of its folder.
pub(crate) fn element_name(text: &str) -> Result<(), String> {
    let lower = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = fits(text, lower, |c| lower(c) || "_.-".contains(c), 64);
    verdict(good, || format!("`{text}` cannot name an element: use lowercase letters, digits, `.`, `_` and `-`"))
}

pub(crate) fn image_name(text: &str) -> Result<(), String> {
    let good = fits(text, alphanumeric, |c| alphanumeric(c) || "_.-".contains(c), 128);
    verdict(good, || format!("`{text}` cannot name an image: use letters, digits, `.`, `_` and `-`"))
}

/// Refuses addresses with a login: caches, logs and manifests keep texts of recipes.
fn no_login(text: &str) -> Result<(), String> {
    verdict(!has_login(text), || {
        "the address has a login, which would be kept where others read it: write it into ~/.netrc, and leave it out here"
            .to_owned()
    })
}

/// Checks the path of a file with a public key, beside the recipe.
pub(crate) fn key_file(text: &str) -> Result<(), String> {
    verdict(!text.is_empty() && !text.contains("://") && !text.contains('\0'), || {
        format!("`{text}` is no path of a file with a public key")
    })
}

/// Checks the path of a recipe.
pub(crate) fn recipe_file(text: &str) -> Result<(), String> {
    verdict(!text.is_empty() && !text.contains("://") && !text.contains('\0'), || {
        format!("`{text}` is no path of a recipe")
    })
}

pub(crate) fn url(text: &str) -> Result<(), String> {
    no_login(text)?;
    let known =
        ["http://", "https://", "file:///"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    verdict(known && !text.contains(char::is_whitespace), || {
        format!("`{text}` is not a URL: it begins with http://, https:// or file:///")
    })
}

pub(crate) fn component(text: &str) -> Result<(), String> {
    let good = fits(text, alphanumeric, |c| alphanumeric(c) || "_.-".contains(c), 64);
    verdict(good, || format!("`{text}` is not a component of an archive"))
}

pub(crate) fn image_source(text: &str) -> Result<(), String> {
    no_login(text)?;
    let web = ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme));
    let good = web && !text.contains(char::is_whitespace) || !text.is_empty() && !text.contains("://");
    verdict(good, || format!("`{text}` is neither an http:// or https:// URL nor a path"))
}

pub(crate) fn image_digest(text: &str) -> Result<(), String> {
    no_login(text)?;
    let lower = text.to_ascii_lowercase();
    let path = lower.split(['?', '#']).next().unwrap_or(&lower);
    verdict(!path.ends_with("sha512sums") && !path.ends_with(".sha512"), || {
        format!(
            "`{text}` lists SHA-512 digests, and an image is known by its SHA-256: name a list of those, or the digest itself"
        )
    })?;
    // Fedora's lists end with the last one.
    let sums = ["sha256sums", ".sha256", "checksum"].into_iter().any(|ending| path.ends_with(ending));
    verdict(sums || (text.len() == 64 && Sha256::parse(text).is_some()), || {
        format!(
            "`{text}` is not a SHA-256 digest (64 hexadecimal digits), nor a URL or path of a SHA256SUMS or .sha256 file"
        )
    })
}
/// Checks a fingerprint of an OpenPGP key, of version 4 or later: an ID of 16 digits can be forged.
pub(crate) fn fingerprint(text: &str) -> Result<(), String> {
    let good = [40, 64].contains(&text.len()) && text.chars().all(|c| matches!(c, '0'..='9' | 'A'..='F'));
    let message =
        || format!("`{text}` is not the fingerprint of a key: write all 40 digits, in capitals and without spaces");
    if good { Ok(()) } else { Err(message()) }
}
