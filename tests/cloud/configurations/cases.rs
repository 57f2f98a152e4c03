//! Files and variables that describe clouds, made by dice that fall the same way at every run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

/// Dice, whose numbers are the same at every run.
pub(super) struct Dice(pub(super) fastrand::Rng);

impl Dice {
    fn of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.0.usize(..choices.len())]
    }

    /// Whether something that happens once in so many times does.
    fn one_in(&mut self, times: usize) -> bool {
        self.0.usize(..times) == 0
    }
}

/// Scalars whose type is not what it seems.
const WORDS: &[&str] = &[
    "plain",
    "08",
    "017",
    "0o7",
    "0b11",
    "0x1F",
    "-0",
    "+1",
    "1_000",
    "0_",
    "00",
    "1:30",
    "190:20:30",
    "190:20:30.15",
    "12",
    "123456789012345678901234567890",
    "0xffffffffffffffffffff",
    "1e10",
    "1.5e3",
    "1.5e+3",
    "1.",
    ".5",
    "09.5",
    "1.0e+16",
    "1.0e-5",
    "0.0001",
    "123456.789",
    "1.0e+300",
    "-.INF",
    ".inf",
    ".nan",
    "._",
    "2001-1-1",
    "y",
    "n",
    "nULL",
    "'08'",
    "'yes'",
    "\"1e3\"",
    "\"a\\tb \\u00e9\"",
    "'it''s'",
    "a#b",
    "p@ss:w0rd",
    "é",
    "!!str 12",
    "!!str yes",
    "!!int '7'",
    "!!float 3",
    "! '5'",
    "a b  c",
    "100%",
    "a,b",
    "\"{x}\"",
    "$HOME",
    "~tilde",
    "<<x",
    "=x",
    "1:60",
    "0b2",
    "0.1_5",
    "-12",
    "1:30:5",
];

/// Those that are no text at all: nobody can log in by them.
const OTHERS: &[&str] = &["yes", "off", "True", "2001-01-01", "2001-01-01 10:00:00"];

struct Maker<'a> {
    dice: &'a mut Dice,
    home: &'a str,
}

impl Maker<'_> {
    fn word(&mut self) -> &'static str {
        if self.dice.one_in(60) { self.dice.of(OTHERS) } else { self.dice.of(WORDS) }
    }

    fn url(&mut self) -> &'static str {
        self.dice.of(&[
            "https://id.example:5000/v3",
            "http://one/identity/v3",
            "\"https://{region_name}.example/v3\"",
            "'http://two/v3'",
        ])
    }

    /// Lines of a cloud's `auth`, and lines that are beside it.
    fn login(&mut self) -> (Vec<String>, Vec<String>) {
        let (mut auth, mut beside, mut kind) = (Vec::new(), Vec::new(), None);
        let mut put = |maker: &mut Self, key: &str, value: String| {
            let key = if maker.dice.one_in(6) { key.replace('_', "-") } else { key.to_owned() };
            let line = format!("{key}: {value}");
            if maker.dice.one_in(5) { beside.push(line) } else { auth.push(line) }
        };
        match self.dice.0.u8(..8) {
            0 => {
                for key in ["application_credential_id", "application_credential_secret"] {
                    let value = self.word().to_owned();
                    put(self, key, value);
                }
                kind = Some("v3applicationcredential");
            }
            1 => {
                let value = self.word().to_owned();
                put(self, "token", value);
                kind = Some(self.dice.of(&["token", "v3token"]));
                self.scope(&mut put);
            }
            _ => {
                let who = if self.dice.one_in(6) { "user_id" } else { "username" };
                for key in [who, "password"] {
                    let value = self.word().to_owned();
                    put(self, key, value);
                }
                if self.dice.one_in(3) {
                    kind = Some(self.dice.of(&["password", "v3password"]));
                }
                self.scope(&mut put);
            }
        }
        beside.extend(kind.map(|kind| format!("auth_type: {kind}")));
        (auth, beside)
    }

    fn scope(&mut self, put: &mut impl FnMut(&mut Self, &str, String)) {
        for key in [
            "project_name",
            "project_name",
            "project_id",
            "tenant_name",
            "tenant_id",
            "domain_id",
            "domain_name",
            "user_domain_id",
            "user_domain_name",
            "user_domain_name",
            "project_domain_id",
            "project_domain_name",
            "system_scope",
        ] {
            if self.dice.one_in(if key == "system_scope" { 30 } else { 4 }) {
                let value = if key == "system_scope" { "all" } else { self.word() };
                put(self, key, value.to_owned());
            }
        }
    }

    /// Lines of a cloud beside `auth`.
    fn rest(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        let home = self.home.to_owned();
        let path = |dice: &mut Dice| {
            dice.of(&["~/x.pem", "/etc/x.pem", "'~/a b.pem'", "relative.pem", "~", "HOME/x.pem"]).replace("HOME", &home)
        };
        for (key, times) in [
            ("region_name", 3),
            ("regions", 5),
            ("cacert", 3),
            ("cert", 5),
            ("key", 5),
            ("verify", 5),
            ("insecure", 6),
            ("interface", 4),
            ("endpoint_type", 8),
            ("image_endpoint_override", 6),
            ("image_interface", 8),
            ("image_endpoint_type", 12),
            ("key_manager_endpoint", 8),
            ("api_timeout", 5),
            ("image_timeout", 12),
            ("image_api_version", 4),
            ("volume-size", 9),
        ] {
            if !self.dice.one_in(times) {
                continue;
            }
            let value = match key {
                "region_name" => self.dice.of(&["north", "'1'", "017", "north,south", "2:30", "08"]).to_owned(),
                "regions" => self
                    .dice
                    .of(&[
                        "[east, west]",
                        "[{name: east, values: {interface: internal, auth: {project_id: of-east}}}, west]",
                        "[012]",
                        "[{name: east}]",
                        "[{name: '7', values: {cacert: ~/east.pem, verify: null}}]",
                    ])
                    .to_owned(),
                "cacert" | "cert" | "key" => path(self.dice),
                "verify" => self.dice.of(&["true", "no", "off", "yes"]).to_owned(),
                "insecure" => self.dice.of(&["true", "no", "off", "yes", "~", "'True'", "'1'", "'no'"]).to_owned(),
                "image_endpoint_override" | "key_manager_endpoint" => self
                    .dice
                    .of(&["https://{region_name}.images", "http://x/v2", "\"http://{interface}/{{x}}\"", "''", "12"])
                    .to_owned(),
                "api_timeout" | "image_timeout" => self.dice.of(&["10", "017", "2.5", "'30'", "1:00"]).to_owned(),
                "image_api_version" | "volume-size" => self.word().to_owned(),
                _ => self.dice.of(&["public", "internal", "admin", "internalURL"]).to_owned(),
            };
            let key = if self.dice.one_in(8) && !["endpoint_type", "region_name"].contains(&key) {
                key.replace('_', "-")
            } else {
                key.to_owned()
            };
            lines.push(if value.starts_with("https://{") {
                format!("{key}: '{value}'")
            } else {
                format!("{key}: {value}")
            });
        }
        lines
    }

    /// Anchors, and lines that merge what they stand for.
    fn merges(&mut self) -> (String, Vec<String>, Vec<String>) {
        let (mut top, mut of_auth, mut of_cloud) = (String::new(), Vec::new(), Vec::new());
        if self.dice.one_in(2) {
            let (one, two, three) = (self.word(), self.word(), self.word());
            let _ = writeln!(top, "x-one: &one {{project_domain_name: {one}, user_domain_name: \"of one\"}}");
            let _ = writeln!(top, "x-two: &two {{project_domain_name: {two}, password: {three}}}");
            of_auth.push(
                self.dice.of(&["<<: *one", "<<: [*one, *two]", "<<: [*two, *one]", "!!merge <<: *two"]).to_owned(),
            );
        }
        if self.dice.one_in(3) {
            let _ = writeln!(top, "x-more: &more\n  interface: admin\n  cacert: ~/more.pem\n  region_name: merged");
            of_cloud.push("<<: *more".to_owned());
        }
        (top, of_auth, of_cloud)
    }

    /// A file of clouds, of which the first has this `auth`.
    fn clouds(&mut self, profile: Option<&str>) -> String {
        let (auth, beside) = self.login();
        let (mut text, of_auth, of_cloud) = self.merges();
        if self.dice.one_in(4) {
            text.insert_str(0, self.dice.of(&["---\n", "%YAML 1.1\n---\n", "# a comment\n", "\u{feff}"]));
        }
        text.push_str("clouds:\n");
        if self.dice.one_in(3) {
            text.push_str("  another:\n    auth: {auth_url: http://another/v3, username: me, password: 99999999999999999999}\n    region_name: 2001-01-01\n");
        }
        text.push_str("  one:\n");
        for line in of_cloud.into_iter().chain(self.rest()).chain(beside) {
            let _ = writeln!(text, "    {line}");
        }
        if let Some(profile) = profile {
            let _ = writeln!(text, "    {}: {profile}", self.dice.of(&["profile", "profile", "cloud"]));
        }
        let mut lines: Vec<_> = of_auth.into_iter().chain(auth).collect();
        if profile.is_none() || self.dice.one_in(3) {
            lines.push(format!("auth_url: {}", self.url()));
        }
        // Of two equal keys the last one counts.
        if self.dice.one_in(6) {
            let again = lines.last().cloned();
            lines.splice(0..0, again);
            lines.push(format!("username: {}", self.word()));
        }
        match self.dice.one_in(4) && lines.iter().all(|line| !line.contains(['{', '[', ','])) {
            true => {
                let _ = writeln!(text, "    auth: {{ {} }}", lines.join(", "));
            }
            false => {
                text.push_str("    auth:\n");
                for line in lines {
                    let _ = writeln!(text, "      {line}");
                }
            }
        }
        text
    }
}

/// Writes the files of a case, and tells which cloud is asked for, in which environment.
pub(super) fn make(dice: &mut Dice, dir: &Path) -> Value {
    let (here, home) = (dir.join("here"), dir.join("home"));
    let user = home.join(".config/openstack");
    std::fs::create_dir_all(&here).expect("a directory");
    std::fs::create_dir_all(&user).expect("a directory");
    let home = home.display().to_string();
    let mut environment =
        BTreeMap::from([("HOME".to_owned(), home.clone()), ("PATH".to_owned(), "/usr/bin:/bin".to_owned())]);
    let mut maker = Maker { dice, home: &home };
    if maker.dice.one_in(10) {
        let (auth, beside) = maker.login();
        for line in auth.iter().chain(&beside).chain(&maker.rest()) {
            let (key, value) = line.split_once(": ").expect("a line");
            if !key.contains(['-', '<']) && !["regions", "verify"].contains(&key) {
                environment
                    .insert(format!("OS_{}", key.to_uppercase()), value.trim_matches(['\'', '"']).replace('{', "<"));
            }
        }
        environment.insert("OS_AUTH_URL".to_owned(), "http://variables/v3".to_owned());
        if maker.dice.one_in(2) {
            std::fs::write(user.join("clouds.yaml"), maker.clouds(None)).expect("a file");
        }
        let cloud = if maker.dice.one_in(3) { json!("envvars") } else { Value::Null };
        return json!({ "here": here, "environment": environment, "cloud": cloud });
    }
    let (mut dir, mut extension) = (user, "yaml");
    match maker.dice.0.u8(..10) {
        0 => dir = here.clone(),
        1 => {
            dir = here.join("xdg/openstack");
            std::fs::create_dir_all(&dir).expect("a directory");
            environment.insert("XDG_CONFIG_HOME".to_owned(), here.join("xdg").display().to_string());
        }
        2 => extension = "yml",
        3 => {
            std::fs::write(dir.join("clouds.yml"), "clouds: {one: {auth: {auth_url: http://wrong}}}\n")
                .expect("a file");
        }
        _ => {}
    }
    let profile = maker.dice.one_in(3).then(|| {
        maker.dice.of(&["vendor", "vendor", "otc", "citycloud", "fuga", "zetta", "bluebox", "gone", "internap"])
    });
    let text = maker.clouds(profile);
    let mut file = dir.join(format!("clouds.{extension}"));
    if maker.dice.one_in(10) {
        file = here.join("other.yaml");
        environment.insert("OS_CLIENT_CONFIG_FILE".to_owned(), file.display().to_string());
    }
    std::fs::write(file, text).expect("a file");
    if profile == Some("vendor") {
        let (url, word) = (maker.url(), maker.word());
        let rest = maker.rest().join("\n    ");
        let public =
            format!("public-clouds:\n  vendor:\n    auth: {{auth_url: {url}, user_domain_name: {word}}}\n    {rest}\n");
        std::fs::write(dir.join("clouds-public.yaml"), public).expect("a file");
    }
    if maker.dice.one_in(3) {
        let secure =
            format!("clouds:\n  one:\n    auth:\n      password: {}\n    image_interface: admin\n", maker.word());
        std::fs::write(dir.join("secure.yaml"), secure).expect("a file");
    }
    if maker.dice.one_in(4) {
        environment.insert("OS_CLOUD".to_owned(), "one".to_owned());
        return json!({ "here": here, "environment": environment, "cloud": null });
    }
    json!({ "here": here, "environment": environment, "cloud": "one" })
}
