//! Credentials of object stores in the files that AWS tools share, read as botocore does ("Configuration and credential file
//! settings in the AWS CLI").

use indexmap::IndexMap;
use rusty_s3::Credentials;

use super::ini::{Section, parse};

/// Prefixes of settings by which a profile gets its keys from another service or program.
const ELSEWHERE: [&str; 5] =
    ["role_arn", "web_identity_token_file", "sso_session", "sso_start_url", "credential_process"];

/// A file of the user: its name for messages, and its text.
pub type File<'a> = (&'a str, &'a str);

/// Returns the keys of a profile from `~/.aws/credentials` and `~/.aws/config`.
///
/// # Errors
///
/// If the files cannot be read, or have no keys of this profile.
pub fn credentials(
    credentials: Option<File<'_>>,
    config: Option<File<'_>>,
    profile: &str,
) -> Result<Credentials, String> {
    let read = |file: Option<File<'_>>| match file {
        Some((name, text)) => parse(text).map_err(|message| format!("{name}: {message}")),
        None => Ok(IndexMap::new()),
    };
    let (mut own, shared) = (read(credentials)?, read(config)?);
    // If two sections are for one profile, the later one counts.
    let means = |section: &str| match shlex::split(section).as_deref() {
        Some([word, name]) => word.starts_with("profile") && name == profile,
        _ => section == "default" && profile == "default",
    };
    let shared = shared.into_iter().rfind(|(section, _)| means(section)).map(|(_, settings)| settings);
    let sections: Vec<Section> = own.shift_remove(profile).into_iter().chain(shared).collect();
    let files: Vec<_> = [credentials, config].into_iter().flatten().map(|(name, _)| name).collect();
    if files.is_empty() {
        return Err(format!("there are neither ~/.aws/credentials nor ~/.aws/config for the profile `{profile}`"));
    }
    let files = files.join(" and ");
    if let Some(way) = ELSEWHERE.iter().find(|way| sections.iter().any(|section| section.contains_key(**way))) {
        return Err(format!(
            "the profile `{profile}` gets its keys by `{way}` (in {files}), which goldsmith does not support: \
             `aws configure export-credentials` prints keys for the environment"
        ));
    }
    let found = sections.into_iter().find(|section| section.contains_key("aws_access_key_id"));
    let mut found = found.ok_or_else(|| format!("no keys of the profile `{profile}` are in {files}"))?;
    let missing = |name: &str| format!("the profile `{profile}` has no `{name}` (in {files})");
    let id = found.remove("aws_access_key_id").ok_or_else(|| missing("aws_access_key_id"))?;
    let secret = found.remove("aws_secret_access_key").ok_or_else(|| missing("aws_secret_access_key"))?;
    let token = found.remove("aws_security_token").or_else(|| found.remove("aws_session_token"));
    Ok(keys(id, secret, token))
}

/// Makes credentials of a key, with the token of a temporary one.
pub fn keys(id: String, secret: String, token: Option<String>) -> Credentials {
    match token {
        Some(token) => Credentials::new_with_token(id, secret, token),
        None => Credentials::new(id, secret),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(own: &str, shared: &str, profile: &str) -> Result<(String, String, Option<String>), String> {
        let found = credentials(Some(("own", own)), Some(("shared", shared)), profile)?;
        Ok((found.key().to_owned(), found.secret().to_owned(), found.token().map(str::to_owned)))
    }

    #[test]
    fn profiles_are_told_apart() {
        let own = "[default]\naws_access_key_id = one\naws_secret_access_key=s/e+c=\n# aws_session_token = no\n\
            [ci]\nAWS_ACCESS_KEY_ID : two\naws_secret_access_key = x # y\naws_session_token = y\n[half]\naws_access_key_id = z\n";
        let shared = "[ci]\naws_access_key_id = no\n[profile far]\naws_access_key_id = far\naws_secret_access_key = f\n\
            [profile role]\nrole_arn = arn\n[default]\nregion = x\n";
        let keys = |id: &str, secret: &str, token: Option<&str>| {
            Ok((id.to_owned(), secret.to_owned(), token.map(str::to_owned)))
        };
        assert_eq!(found(own, shared, "default"), keys("one", "s/e+c=", None));
        assert_eq!(found(own, shared, "ci"), keys("two", "x # y", Some("y")));
        assert_eq!(found(own, shared, "far"), keys("far", "f", None));
        for (profile, words) in [
            ("half", "has no `aws_secret_access_key`"),
            ("nobody", "no keys of the profile `nobody` are in own and shared"),
            ("role", "gets its keys by `role_arn`"),
        ] {
            let error = found(own, shared, profile).expect_err(profile);
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn faults_are_told_by_their_line_without_its_text() {
        for (text, words) in [
            ("hunter2\n", "own: line 1: there is no `[section]`"),
            ("[a]\nhunter2\n", "own: line 2: it is neither"),
            ("[a]\nx = hunter2\nX = hunter2\n", "own: line 3: the setting is there twice"),
            ("[a]\n[a]\n", "own: line 2: the section is there twice"),
        ] {
            let error = found(text, "", "a").expect_err(text);
            assert!(error.contains(words) && !error.contains("hunter2"), "{error}");
        }
    }
}
