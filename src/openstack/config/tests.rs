//! Tests of configurations in the forms that users write.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;
use crate::openstack::CloudError;

const CLOUDS: &str = r#"
clouds:
  one:
    auth:
      auth_url: https://one.example:5000/v3/
      username: me
      project-name: work
      user_domain_name: Users
      project_domain_id: p1
    region_name: north
  two:
    profile: vendor
    auth: { application_credential_id: abc, application_credential_secret: "s3cret" }
    regions: [east, west]
    interface: internalURL
    verify: false
    cacert: /etc/ca.pem
  three: { auth: { auth_url: "http://three/v2.0", token: t0ken, project_id: 12 } }
  four: { auth: { auth_url: "http://four", username: me }, auth_type: v3oidcpassword }
  five: { profile: unknown, auth: { username: me } }
"#;

fn places(files: &[(&str, &str)]) -> (tempfile::TempDir, Places) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    for (name, content) in files {
        std::fs::write(dir.path().join(name), content).expect("a file");
    }
    let dirs = vec![dir.path().join("none"), dir.path().to_owned()];
    (dir, Places { dirs, ..Places::default() })
}

fn find(places: &Places, cloud: &str) -> Result<CloudConfig, CloudError> {
    CloudConfig::find(&Places { cloud: Some(cloud.to_owned()), ..places.clone() })
}

#[test]
fn clouds_are_what_their_files_say_together() {
    let (_dir, places) = places(&[
        ("clouds.yaml", CLOUDS),
        ("secure.yaml", "clouds: { one: { auth: { password: hidden } } }"),
        ("clouds-public.yaml", "public-clouds: { vendor: { auth: { auth_url: 'https://vendor/identity' } } }"),
    ]);
    let one = find(&places, "one").expect("it is whole");
    assert_eq!((one.auth_url.as_str(), one.region.as_deref()), ("https://one.example:5000/v3", Some("north")));
    let expected = Auth::Password {
        user: json!({ "name": "me", "domain": { "name": "Users" } }),
        password: Secret::new("hidden"),
        scope: json!({ "project": { "name": "work", "domain": { "id": "p1" } } }),
    };
    assert_eq!(one.auth, expected);
    assert!(!format!("{one:?}").contains("hidden"), "{one:?}");
    let two = find(&places, "two").expect("it is whole");
    assert_eq!((two.auth_url.as_str(), two.region.as_deref()), ("https://vendor/identity/v3", Some("east")));
    assert_eq!((two.interface.as_str(), two.verify), ("internal", false));
    assert_eq!(two.ca_file.as_deref(), Some(Path::new("/etc/ca.pem")));
    let secret = Secret::new("s3cret");
    assert_eq!(two.auth, Auth::ApplicationCredential { credential: json!({ "id": "abc" }), secret });
    let three = find(&places, "three").expect("it is whole");
    assert_eq!(three.auth_url, "http://three/v3");
    let scope = json!({ "project": { "id": "12" } });
    assert_eq!(three.auth, Auth::Token { token: Secret::new("t0ken"), scope });
}

#[test]
fn what_is_missing_is_told_with_what_to_do() {
    let (_dir, places) = places(&[("clouds.yaml", CLOUDS)]);
    for (cloud, words) in [
        ("one", "the password is missing"),
        ("two", "the profile `vendor` is in no clouds-public.yaml"),
        ("four", "auth_type `v3oidcpassword` is not known"),
        ("five", "the profile `unknown`"),
        ("six", "there is no cloud `six`"),
    ] {
        let error = find(&places, cloud).expect_err("something is missing");
        assert!(error.to_string().contains(words), "{cloud}: {error}");
        assert!(error.help().is_some(), "{cloud}");
    }
    assert!(matches!(CloudConfig::find(&places), Err(CloudError::WhichCloud { known }) if known.len() == 5));
    let nothing = Places { dirs: vec![PathBuf::from("/nonexistent")], ..Places::default() };
    assert!(matches!(CloudConfig::find(&nothing), Err(CloudError::NoConfig { .. })));
}

#[test]
fn files_that_are_no_yaml_are_told_with_the_line() {
    let (_dir, places) = places(&[("clouds.yaml", "clouds:\n  one: [\n")]);
    let error = find(&places, "one").expect_err("it is no YAML");
    let CloudError::Yaml(found) = error else { panic!("{error}") };
    assert!(found.records()[0].line.is_some(), "{:?}", found.records());
}

#[test]
fn the_environment_is_a_cloud_too() {
    let variables = |names: &[(&str, &str)]| Places {
        variables: names.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        ..Places::default()
    };
    let whole = [
        ("OS_AUTH_URL", "http://h:5000"),
        ("OS_USERNAME", "me"),
        ("OS_PASSWORD", "hidden"),
        ("OS_PROJECT_NAME", "work"),
        ("OS_PROJECT_ID", ""),
        ("OS_DEFAULT_DOMAIN", "Both"),
        ("OS_CACERT", "/ca.pem"),
        ("OS_ENDPOINT_TYPE", "internalURL"),
    ];
    let config = CloudConfig::find(&variables(&whole)).expect("it is whole");
    assert_eq!((config.name.as_str(), config.auth_url.as_str()), ("envvars", "http://h:5000/v3"));
    let Auth::Password { user, scope, .. } = &config.auth else { panic!("{config:?}") };
    assert_eq!(user["domain"], json!({ "id": "Both" }));
    assert_eq!(scope["project"]["domain"], json!({ "id": "Both" }));
    assert_eq!((config.interface.as_str(), config.ca_file.as_deref()), ("internal", Some(Path::new("/ca.pem"))));
    let error = CloudConfig::find(&variables(&whole[..2])).expect_err("no password");
    assert!(error.to_string().contains("the password is missing"), "{error}");
}

#[test]
fn a_cloud_whose_certificates_are_not_verified_is_told_of_with_its_file() {
    let insecure = "clouds: { a: { auth: { auth_url: 'http://a', token: t }, insecure: true } }";
    let (dir, places) = places(&[("clouds.yaml", insecure)]);
    let warning = find(&places, "a").expect("a cloud").warning().expect("a warning");
    let file = dir.path().join("clouds.yaml");
    assert!(warning.contains("the cloud `a`") && warning.contains(&file.display().to_string()), "{warning}");
    std::fs::write(&file, insecure.replace("insecure", "verify")).expect("a file");
    assert_eq!(find(&places, "a").expect("a cloud").warning(), None);
    std::fs::write(&file, insecure.replace("insecure: true", "verify: false")).expect("a file");
    assert!(find(&places, "a").expect("a cloud").warning().is_some());
}

#[test]
fn a_strangers_directory_neither_gets_a_password_nor_says_where_it_goes() {
    let write = |files: &[(&str, &str)]| {
        let dir = tempfile::tempdir().expect("a directory");
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).expect("a file");
        }
        dir
    };
    let clouds = |url: &str| format!("clouds: {{ one: {{ auth: {{ auth_url: 'http://{url}', username: me }} }} }}");
    let secure = "clouds: { one: { auth: { password: hidden } } }";
    let (mine, theirs) = (clouds("mine"), clouds("theirs"));
    let moved = "clouds: { one: { auth: { auth_url: 'http://theirs' } } }";
    let find = |here: &[(&str, &str)], home: &[(&str, &str)], named: bool| {
        let (here, home) = (write(here), write(home));
        let file = named.then(|| here.path().join("clouds.yaml"));
        let dirs = vec![here.path().to_owned(), home.path().to_owned()];
        let strange = Some(here.path().to_owned());
        let cloud = Some("one".to_owned());
        CloudConfig::find(&Places { cloud, file, dirs, strange, ..Places::default() })
    };
    let error = find(&[("clouds.yaml", &theirs)], &[("secure.yaml", secure)], false).expect_err("no password");
    let told = format!("{error} {}", error.help().unwrap_or_default());
    assert!(told.contains("the password is missing") && told.contains("is not taken together with"), "{told}");
    // A file that the user names is trusted.
    let named = find(&[("clouds.yaml", &theirs)], &[("secure.yaml", secure)], true).expect("it is trusted");
    assert_eq!(named.auth_url, "http://theirs/v3");
    // Both files of one directory belong together.
    find(&[("clouds.yaml", &theirs), ("secure.yaml", secure)], &[], false).expect("it is whole");
    let home = [("clouds.yaml", mine.as_str()), ("secure.yaml", secure)];
    let found = find(&[("secure.yaml", moved)], &home, false).expect("it is whole");
    assert_eq!(found.auth_url, "http://mine/v3");
    let profile = "clouds: { one: { profile: vendor, auth: { username: me, password: hidden } } }";
    let public = "public-clouds: { vendor: { auth: { auth_url: 'http://theirs' } } }";
    let error = find(&[("clouds-public.yaml", public)], &[("clouds.yaml", profile)], false).expect_err("no address");
    assert!(error.to_string().contains("the profile `vendor`"), "{error}");
}

#[test]
fn a_file_that_everybody_can_write_gets_no_password_from_elsewhere() {
    use std::os::unix::fs::PermissionsExt as _;
    let (open, own) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
    let file = open.path().join("clouds.yaml");
    std::fs::write(&file, "clouds: { one: { auth: { auth_url: 'http://x', username: me } } }").expect("a file");
    std::fs::write(own.path().join("secure.yaml"), "clouds: { one: { auth: { password: hidden } } }").expect("a file");
    let dirs = vec![open.path().to_owned(), own.path().to_owned()];
    let places = Places { cloud: Some("one".to_owned()), dirs, ..Places::default() };
    CloudConfig::find(&places).expect("it is whole");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).expect("a mode");
    let error = CloudConfig::find(&places).expect_err("no password");
    assert!(error.help().is_some_and(|help| help.contains("everybody can write")), "{error:?}");
}

/// Returns the login request for the cloud `one` of this file.
fn request(text: &str) -> Result<serde_json::Value, CloudError> {
    let (_dir, places) = places(&[("clouds.yaml", text)]);
    find(&places, "one").map(|found| found.auth.request()["auth"].clone())
}

#[test]
fn passwords_are_sent_as_pyyaml_reads_them() {
    for (written, sent) in [
        ("08", "08"),
        ("1e10", "1e10"),
        (".inf", "inf"),
        ("017", "15"),
        ("1:30", "90"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("!!str 12", "12"),
        ("{a: b}, password: 'the last'", "the last"),
    ] {
        let text =
            format!("clouds: {{ one: {{ auth: {{ auth_url: 'http://a', username: me, password: {written} }} }} }}");
        let request = request(&text).unwrap_or_else(|error| panic!("{written}: {error}"));
        assert_eq!(request["identity"]["password"]["user"]["password"], sent, "{written}");
    }
}

#[test]
fn what_is_no_text_is_told_with_its_place_and_shown_nowhere() {
    for (written, kind) in [
        ("yes", "the boolean `true`"),
        ("off", "the boolean `false`"),
        ("2001-02-03", "a date"),
        ("!!binary c2VjcmV0", "bytes"),
        ("[hunter2]", "a list"),
        ("{hunter2: hunter2}", "a map"),
        ("!unknown hunter2", "cannot be read"),
        ("!!int hunter2", "cannot be read"),
    ] {
        let text =
            format!("clouds:\n  one:\n    auth: {{auth_url: 'http://a', username: me}}\n    password: {written}\n");
        let error = request(&text).expect_err(written);
        assert!(error.to_string().contains(kind) && error.to_string().contains("clouds.yaml:4:"), "{written}: {error}");
        assert!(!format!("{error}{error:?}{:?}", error.help()).contains("hunter2"), "{error:?}");
        // No setting uses the other one.
        let other = format!("{text}  two: {{auth: {{auth_url: 'http://a', token: t}}}}\n");
        let (_dir, places) = places(&[("clouds.yaml", &other)]);
        find(&places, "two").unwrap_or_else(|error| panic!("{written}: {error}"));
    }
}

#[test]
fn secrets_are_in_no_error_of_a_file() {
    for text in [
        "clouds: { one: { auth: { password: hunter2 ] } } }",
        "clouds:\n  one:\n    password: *hunter2\n",
        "clouds:\n  one:\n    password: \"hunter2\n",
        "clouds:\n  one: {password: hunter2\n\t- hunter2",
        "[hunter2]",
        "clouds: { <<: hunter2 }",
    ] {
        for name in ["clouds.yaml", "clouds.json"] {
            let (_dir, places) = places(&[(name, text)]);
            let error = find(&places, "one").expect_err("it is no configuration");
            let CloudError::Yaml(found) = &error else { panic!("{error}") };
            let shown = format!("{error}{error:?}{}{:?}", found.render(false), found.records());
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
        }
    }
    let variables = [("OS_PASSWORD".to_owned(), "hunter2".to_owned())].into();
    assert!(!format!("{:?}", Places { variables, ..Places::default() }).contains("hunter2"));
}

#[test]
fn the_first_of_merged_maps_wins_and_the_map_itself_over_all() {
    let text = "one: &one {username: first, password: p1}\ntwo: &two {username: second, user_domain_name: Second}\n\
                clouds:\n  one:\n    auth:\n      password: own\n      <<: [*one, *two]\n      auth_url: http://a\n";
    let user = &request(text).expect("it is whole")["identity"]["password"]["user"];
    assert_eq!(user, &json!({ "name": "first", "domain": { "name": "Second" }, "password": "own" }));
}

#[test]
fn vendors_are_known_by_name_and_places_in_the_home_directory_are_found() {
    let text = "clouds:\n  one: {profile: citycloud, region-name: Kna1, auth: {token: t}, cacert: ~/ca.pem, cert: ~/c.pem, key: /k}\n  \
                gone: {profile: internap, auth: {token: t}}\n  far: {profile: vexxhost, auth: {token: t}}\n  \
                own: {profile: vexxhost, auth: {auth_url: 'http://own', token: t}}\n  \
                strange: {cacert: ~nobody/ca.pem, auth: {auth_url: 'http://own', token: t}}\n";
    let (_dir, places) = places(&[("clouds.yaml", text)]);
    let places = Places { home: Some("/home/me/".into()), ..places };
    let one = find(&places, "one").expect("it is known");
    assert_eq!((one.auth_url.as_str(), one.region.as_deref()), ("https://Kna1.citycloud.com:5000/v3", Some("Kna1")));
    assert_eq!(one.ca_file.as_deref(), Some(Path::new("/home/me/ca.pem")));
    let client = ClientFiles { certificate: "/home/me/c.pem".into(), key: Some("/k".into()) };
    assert_eq!(one.client, Some(client));
    assert_eq!(find(&places, "own").expect("it has an address").auth_url, "http://own/v3");
    for (cloud, words) in
        [("gone", "any more"), ("far", "is at https://vexxhost.com"), ("strange", "home directory of an unknown user")]
    {
        let error = find(&places, cloud).expect_err(cloud);
        assert!(error.to_string().contains(words), "{cloud}: {error}");
    }
}

#[test]
fn texts_do_not_switch_verification_off() {
    let with = |line: &str| {
        let text = format!("clouds: {{ one: {{ auth: {{ auth_url: 'http://a', token: t }}, {line} }} }}");
        let (_dir, places) = places(&[("clouds.yaml", &text)]);
        find(&places, "one").map(|found| (found.verify, found.ca_file))
    };
    assert_eq!(with("verify: no").expect("it is whole"), (false, None));
    assert_eq!(with("insecure: 'True'").expect("it is whole"), (false, None));
    assert_eq!(with("insecure: '1'").expect("it is whole"), (true, None));
    assert_eq!(with("verify: /ca.pem").expect("it is whole"), (true, Some("/ca.pem".into())));
    for line in ["verify: 'no'", "verify: 0", "insecure: 1"] {
        assert!(with(line).expect_err(line).to_string().contains("clouds.yaml:1:"), "{line}");
    }
}
