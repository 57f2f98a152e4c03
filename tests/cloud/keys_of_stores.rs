//! Keys of object stores in shared files, read by botocore and by this program.

use std::io::Write as _;
use std::process::Stdio;

use goldsmith::bucket::profile::credentials;
use serde_json::{Value, json};

use super::cloud;

/// What botocore makes of a list of `[credentials, config, profile]`.
const THEIRS: &str = r#"
import json, os, sys, tempfile
import botocore.session

def keys(credentials, config, profile):
    with tempfile.TemporaryDirectory() as directory:
        os.environ.clear()
        os.environ["AWS_EC2_METADATA_DISABLED"] = "true"
        for name, text, variable in (("a", credentials, "AWS_SHARED_CREDENTIALS_FILE"), ("b", config, "AWS_CONFIG_FILE")):
            path = os.path.join(directory, name)
            os.environ[variable] = path
            if text is not None:
                with open(path, "w") as file:
                    file.write(text)
        found = botocore.session.Session(profile=profile).get_credentials()
        return found and [found.access_key, found.secret_key, found.token]

results = []
for case in json.load(sys.stdin):
    try:
        results.append(keys(*case))
    except Exception:
        results.append(None)
json.dump(results, sys.stdout)
"#;

#[test]
#[ignore = "installs botocore"]
fn shared_files_are_read_as_botocore_reads_them() {
    let key = |more: &str| format!("aws_access_key_id = id\naws_secret_access_key = secret{more}\n");
    let plain = key("");
    let of = |head: &str, body: &str| Some(format!("[{head}]\n{body}"));
    let cases = [
        (of("p", &plain), None),
        (of("P", &plain), None),
        (of(" p ", &plain), None),
        (of("p] # a comment [x", &plain), None),
        (of("profile p", &plain), None),
        (of("p", &key(" # no comment")), None),
        (of("p", &key(" ; no comment")), None),
        (of("p", &key("=/+==\n# a comment\n  ; another\naws_session_token = t")), None),
        (of("p", &key("\naws_session_token: t\naws_security_token : u")), None),
        (of("p", &key("\n  more")), None),
        (of("p", &key("\n\n")), None),
        (of("p", &key("\n\n  more")), None),
        (of("p", &plain.to_uppercase()), None),
        (of("p", &plain.replace("id = id", "id = 'id'")), None),
        (of("p", &format!("  {}", plain.replace('\n', "\n  "))), None),
        (of("p", &plain.replace('\n', "\r\n")), None),
        (of("p", &format!("s3 =\n  addressing_style = path\n{plain}")), None),
        (of("p", "aws_access_key_id = id\n"), None),
        (of("p", "aws_secret_access_key = secret\n"), of("profile p", &plain)),
        (of("p", &format!("{plain}{plain}")), None),
        (Some(format!("[p]\n{plain}[p]\n{plain}")), None),
        (Some(format!("[DEFAULT]\n{plain}[p]\nregion = x\n")), None),
        (Some(format!("{plain}[p]\n{plain}")), None),
        (Some(format!("[p]\n{plain}nonsense\n")), None),
        (None, of("profile p", &plain)),
        (None, of("profile \"p\"", &plain)),
        (None, of("profile 'p'", &plain)),
        (None, of("profile  p", &plain)),
        (None, of("p", &plain)),
        (of("p", &plain), of("profile p", &plain.replace("= id", "= other"))),
        (of("q", &plain), of("profile q", &plain)),
        (of("p", ""), of("profile p", "region = x\n")),
        (None, None),
    ];
    let input: Vec<_> = cases.iter().map(|(own, config)| json!([own, config, "p"])).collect();
    let mut child = cloud::Programs::install()
        .command("python")
        .args(["-c", THEIRS])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python");
    child.stdin.take().expect("an input").write_all(json!(input).to_string().as_bytes()).expect("a pipe");
    let theirs: Vec<Value> =
        serde_json::from_slice(&child.wait_with_output().expect("it ends").stdout).expect("a list");
    let mut keys = 0;
    for ((own, config), theirs) in cases.iter().zip(&theirs) {
        let ours = credentials(own.as_deref().map(|text| ("a", text)), config.as_deref().map(|text| ("b", text)), "p");
        if let Err(error) = &ours {
            assert!(!error.contains("secret,") && !error.contains("nonsense"), "{error}");
        }
        let ours = ours.ok().map(|found| json!([found.key(), found.secret(), found.token()]));
        assert_eq!(&ours.unwrap_or(Value::Null), theirs, "{own:?} {config:?}");
        keys += usize::from(!theirs.is_null());
    }
    assert!(keys > 15, "botocore finds {keys} keys");
}
