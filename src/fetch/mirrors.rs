//! Finds the package mirrors of the host, for recipes that name none.

use std::path::Path;
use std::process::Command;

use crate::distro::{Bootstrap, Mirrors};
use crate::process;

/// Finds a distribution's mirrors in the configuration of the host's apt. Without apt, there are none.
pub fn host_mirrors(how: &Bootstrap) -> Mirrors {
    let sources = source_files();
    let named = from_sources(how, sources.iter().map(String::as_str));
    if named.main.is_some() && named.security.is_some() {
        return named;
    }
    // The name of a mirror may not show its distribution. apt knows the origin of a repository, but needs a third of a second to
    // say it, and only knows it for lists that it has downloaded.
    let mut apt = Command::new("apt-get");
    // REPO_URI, RELEASE and ORIGIN are apt's own placeholders.
    apt.args(["indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(ORIGIN)", "Created-By: Packages"]);
    // Without apt, the result is empty. The error comes when a mirror is needed.
    let known = from_targets(how, &process::capture(&mut apt).unwrap_or_default());
    Mirrors { main: named.main.or(known.main), security: named.security.or(known.security) }
}

fn from_targets(how: &Bootstrap, output: &str) -> Mirrors {
    let mut mirrors = Mirrors::default();
    for line in output.lines() {
        if let [url, suite, origin] = line.split('|').collect::<Vec<_>>()[..]
            && origin == how.origin
        {
            note(&mut mirrors, url, suite);
        }
    }
    mirrors
}

/// Reads source lists in both styles. They lack the origin of a repository, so the name of the mirror decides.
fn from_sources<'a>(how: &Bootstrap, files: impl Iterator<Item = &'a str>) -> Mirrors {
    let mut mirrors = Mirrors::default();
    for (url, suite) in files.flat_map(|text| [one_line_sources(text), deb822_sources(text)].concat()) {
        let directory = url.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        if how.directories.iter().any(|known| known == directory) {
            note(&mut mirrors, &url, &suite);
        }
    }
    mirrors
}

/// Keeps the first mirror of each kind.
fn note(mirrors: &mut Mirrors, url: &str, suite: &str) {
    if !super::http::is_url(url) {
        return;
    }
    let security = suite.ends_with("-security") || suite.ends_with("/updates");
    let place = if security { &mut mirrors.security } else { &mut mirrors.main };
    place.get_or_insert_with(|| url.trim_end_matches('/').to_owned());
}

/// Addresses and suites of a list in the style of one line for each source: sources.list(5).
pub(super) fn one_line_sources(text: &str) -> Vec<(String, String)> {
    let entry = |line: &str| {
        let rest = line.trim().strip_prefix("deb")?.strip_prefix([' ', '\t'])?.trim_start();
        let rest = match rest.strip_prefix('[') {
            // A bracket within quotes is a character.
            Some(options) => &options[unquoted(options).find(|(_, c)| *c == ']')?.0 + 1..],
            None => rest,
        };
        let mut words = quoted_words(rest).into_iter();
        Some((words.next()?, words.next()?))
    };
    text.lines().filter_map(entry).collect()
}

/// The characters of a text that are not within quotes, and their places.
fn unquoted(text: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut quoted = false;
    text.char_indices().filter(move |(_, c)| {
        quoted ^= *c == '"';
        !quoted && *c != '"'
    })
}

/// Words as apt reads them: quotes keep blanks together, and `#` begins a comment.
fn quoted_words(text: &str) -> Vec<String> {
    let end = unquoted(text).find(|(_, c)| *c == '#').map_or(text.len(), |(at, _)| at);
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in text[..end].chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Addresses and suites of a list in the style of deb822: sources.list(5).
pub(super) fn deb822_sources(text: &str) -> Vec<(String, String)> {
    const NO: [&str; 6] = ["no", "false", "without", "off", "disable", "0"];
    let mut entries = Vec::new();
    let uncommented: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    // Blanks alone are a line of the field before.
    for stanza in uncommented.split(|line| line.is_empty()) {
        let field = |name: &str| {
            let is_field = |line: &&str| line.split_once(':').is_some_and(|(key, _)| key.eq_ignore_ascii_case(name));
            // Of two, the last counts.
            let start = stanza.iter().rposition(is_field)?;
            let mut value = stanza[start].split_once(':')?.1.to_owned();
            for line in stanza[start + 1..].iter().take_while(|line| line.starts_with([' ', '\t'])) {
                value = value + " " + line;
            }
            Some(value)
        };
        let words = |name| field(name).unwrap_or_default().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let disabled = field("Enabled").is_some_and(|value| NO.contains(&value.trim().to_ascii_lowercase().as_str()));
        if disabled || !words("Types").iter().any(|kind| kind == "deb") {
            continue;
        }
        let suites = words("Suites");
        entries.extend(words("URIs").iter().flat_map(|url| suites.iter().map(|suite| (url.clone(), suite.clone()))));
    }
    entries
}

/// Returns the content of apt's source lists.
fn source_files() -> Vec<String> {
    let mut apt = Command::new("apt-config");
    apt.args(["shell", "LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d"]);
    let answer = process::capture(&mut apt).unwrap_or_default();
    let value = |name: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("='"))?;
        line.strip_suffix('\'').map(str::to_owned)
    };
    let parts = value("PARTS").and_then(|directory| std::fs::read_dir(directory).ok()).into_iter().flatten();
    let mut paths: Vec<_> = parts.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_source(path)).collect();
    paths.sort();
    paths.extend(value("LIST").map(Into::into));
    // A file that cannot be read counts as empty.
    paths.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect()
}

fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "list" || extension == "sources")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn how() -> Bootstrap {
        let distros = crate::distro::Distros::built_in();
        distros.get("debian").and_then(|debian| debian.file.bootstrap.clone()).expect("it is there")
    }

    fn found() -> Mirrors {
        Mirrors {
            main: Some("http://mirror.example/debian".to_owned()),
            security: Some("http://security.example/debian-security".to_owned()),
        }
    }

    #[test]
    fn only_debian_itself_counts() {
        let output = "https://packages.example/x/|nodistro|. nodistro\n\
            http://mirror.example/debian/|bookworm|Debian\n\
            http://other.example/debian/|bookworm-updates|Debian\n\
            http://security.example/debian-security/|bookworm-security|Debian\n";
        assert_eq!(from_targets(&how(), output), found());
        assert_eq!(from_targets(&how(), "garbage\n"), Mirrors::default());
    }

    #[test]
    fn source_lists_of_both_styles_are_read() {
        let old = "# deb http://no.example/debian x main\n\
            deb-src http://no.example/debian bookworm main\n\
            deb http://vendor.example/apt stable main\n\
            deb [arch=amd64 signed-by=/k] http://mirror.example/debian/ bookworm main\n\
            deb\thttp://security.example/debian-security bookworm-security main\n";
        let new = "Types: deb\nURIs: http://no.example/debian\nSuites: a\nEnabled: no\n\n\
            Types: deb deb-src\n# a comment\nURIs:\n http://mirror.example/debian\nSuites: bookworm\n bookworm-updates\n\n\
            types: deb\nURIs: http://security.example/debian-security/\nSuites: bookworm-security\n";
        for text in [old, new] {
            assert_eq!(from_sources(&how(), [text].into_iter()), found(), "{text}");
        }
        let local = "deb cdrom:[Debian]/ bookworm main\ndeb file:/srv/debian bookworm main\n";
        assert_eq!(from_sources(&how(), [local].into_iter()), Mirrors::default());
    }
}
