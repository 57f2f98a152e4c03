//! Logins from a file in the format of `.netrc`, as `ftp`, `curl` and `git` read it.

use super::Secret;

/// Logins by host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Netrc {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    /// The host; `None` for all other hosts.
    host: Option<String>,
    login: String,
    password: Secret,
}

/// An error in a line. It does not show the line, which may have a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct NetrcError {
    /// Number of the line, from 1.
    pub line: usize,
    /// The error.
    pub reason: &'static str,
}

impl Netrc {
    /// Parses the text of such a file.
    ///
    /// # Errors
    ///
    /// The first line with an error.
    pub fn parse(text: &str) -> Result<Self, NetrcError> {
        let mut words = words(text)?.into_iter();
        let mut entries: Vec<Entry> = Vec::new();
        while let Some((line, word)) = words.next() {
            let mut value = || match words.next() {
                Some((_, value)) => Ok(value),
                None => Err(NetrcError { line, reason: "a value is missing at the end" }),
            };
            let entry = |host| Entry { host, login: String::new(), password: Secret::new("") };
            let outside = NetrcError { line, reason: "a `machine` must come first" };
            match word.as_str() {
                "machine" => entries.push(entry(Some(value()?.to_ascii_lowercase()))),
                "default" => entries.push(entry(None)),
                "login" => entries.last_mut().ok_or(outside)?.login = value()?,
                "password" => entries.last_mut().ok_or(outside)?.password = Secret::new(value()?),
                "account" => drop(value()?),
                _ => {
                    return Err(NetrcError { line, reason: "`machine`, `default`, `login` or `password` is expected" });
                }
            }
        }
        Ok(Self { entries })
    }

    /// Returns the user name and password for a host, from its first entry.
    pub fn login(&self, host: &str) -> Option<(&str, &Secret)> {
        let host = host.to_ascii_lowercase();
        let entry = self.entries.iter().find(|entry| entry.host.as_ref().is_none_or(|known| *known == host))?;
        Some((&entry.login, &entry.password))
    }
}

/// Returns words with their lines, without comments and macros. Quotes and backslashes work as in curl.
fn words(text: &str) -> Result<Vec<(usize, String)>, NetrcError> {
    let mut found = Vec::new();
    let mut in_macro = false;
    for (number, line) in (1..).zip(text.lines()) {
        if in_macro {
            in_macro = !line.trim().is_empty();
            continue;
        }
        // A password may begin with `#`, so only a whole line is a comment.
        if line.trim_start().starts_with('#') {
            continue;
        }
        let mut chars = line.chars().peekable();
        loop {
            while chars.next_if(|c| c.is_whitespace()).is_some() {}
            let mut word = String::new();
            match chars.peek() {
                None => break,
                Some('"') => {
                    chars.next();
                    loop {
                        match chars.next() {
                            Some('"') => break,
                            Some('\\') => word.extend(chars.next().map(|c| match c {
                                'n' => '\n',
                                'r' => '\r',
                                't' => '\t',
                                c => c,
                            })),
                            Some(c) => word.push(c),
                            None => return Err(NetrcError { line: number, reason: "a quote is not closed" }),
                        }
                    }
                }
                Some(_) => {
                    while let Some(c) = chars.next_if(|c| !c.is_whitespace()) {
                        word.push(c);
                    }
                    if word == "macdef" {
                        in_macro = true;
                        break;
                    }
                }
            }
            found.push((number, word));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_host_has_its_login() {
        let text = "# mine\nmachine a.example login me password \"one two\\\"\"\n\
            machine B.example\n  login you\n  password #two\nmacdef init\nmachine c.example\n\ndefault login any password x\n";
        let netrc = Netrc::parse(text).expect("it is read");
        for (host, login, password) in
            [("A.example", "me", "one two\""), ("b.example", "you", "#two"), ("c.example", "any", "x")]
        {
            let found = netrc.login(host).expect(host);
            assert_eq!((found.0, found.1.reveal()), (login, password));
        }
        assert!(!format!("{netrc:?}").contains("one two"));
        assert_eq!(Netrc::default().login("a.example"), None);
    }

    #[test]
    fn errors_tell_the_line_and_no_secret() {
        for (text, line) in
            [("login x", 1), ("machine a\nsecret", 2), ("machine a\n\npassword", 3), ("\nmachine \"", 2)]
        {
            let error = Netrc::parse(text).expect_err(text);
            assert!(error.line == line && !error.to_string().contains("secret"), "{error}");
        }
    }
}
