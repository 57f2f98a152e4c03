//! The image service of a real cloud, beside OpenStack's own client.

mod bases;
mod changing;
mod cloud;
mod configurations;
mod engines;
mod faults;
mod importing;
mod keys_of_stores;
mod managing;
#[path = "../support/matrix.rs"]
mod matrix_support;
mod protections;
mod proxy;
mod publishing;
#[path = "../support/registry.rs"]
mod registry;
mod registry_cache;
mod releasing;
mod remote;
mod seaweed;
mod signing;
mod store;
mod targets;
mod telemetry;
mod tokens;

use std::io::Write as _;
use std::process::{Command, Output};

use cloud::TestCloud;
use serde_json::Value;

/// How a command ended: its code, what it printed, what it complained of.
struct Ran {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Ran {
    /// What it printed; the last line where there are several.
    fn json(&self) -> Value {
        serde_json::from_str(self.stdout.lines().last().unwrap_or_default())
            .unwrap_or_else(|error| panic!("{error}: {} {}", self.stdout, self.stderr))
    }
}

impl From<Output> for Ran {
    fn from(Output { status, stdout, stderr }: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }
}

fn command(cloud: &TestCloud, arguments: &[&str], variables: &[(&'static str, String)]) -> Command {
    let mut goldsmith = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
    goldsmith.args(arguments).env_clear().env("HOME", cloud.path("home")).env("PATH", "/usr/bin:/bin");
    goldsmith.envs(variables.iter().cloned()).current_dir(cloud.path("store"));
    goldsmith
}

fn goldsmith(cloud: &TestCloud, arguments: &[&str], variables: &[(&'static str, String)]) -> Ran {
    command(cloud, arguments, variables).output().expect("it runs").into()
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn images_are_listed_and_shown_as_the_clouds_own_client_does() {
    let cloud = TestCloud::start();
    let variables = cloud.variables();
    let run = |arguments: &[&str]| goldsmith(&cloud, arguments, &variables);
    assert_eq!(run(&["images", "list"]).stdout, "no image\n");
    std::fs::write(cloud.path("data"), vec![7; 100_000]).expect("a file");
    let data = cloud.path("data").display().to_string();
    let create = |name: &str, more: &[&str]| {
        let common = ["image", "create", "--disk-format", "raw", "--container-format", "bare", "--file", &data];
        cloud.openstack(&[&common, more, &[name]].concat())["id"].as_str().expect("an id").to_owned()
    };
    let first = create("gold", &["--property", "os_distro=debian", "--tag", "new"]);
    let [twin, _] = [create("twin, \"and\" more", &[]), create("twin, \"and\" more", &["--public"])];

    let listed = run(&["images", "list", "--json"]).json();
    let mut ids: Vec<_> = listed.as_array().expect("a list").iter().map(|image| image["id"].clone()).collect();
    let theirs = cloud.openstack(&["image", "list"]);
    let mut others: Vec<_> = theirs.as_array().expect("a list").iter().map(|image| image["ID"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    others.sort_by_key(Value::to_string);
    assert_eq!((ids.len(), &ids), (3, &others));

    let shown = run(&["images", "show", "gold", "--json"]).json();
    let theirs = cloud.openstack(&["image", "show", "gold"]);
    for key in ["id", "name", "status", "checksum", "size", "disk_format", "visibility", "owner", "created_at", "tags"]
    {
        assert_eq!(shown[key], theirs[key], "{key}");
    }
    assert_eq!((shown["id"].as_str(), shown["os_distro"].as_str()), (Some(first.as_str()), Some("debian")));
    assert!(run(&["images", "show", &first]).stdout.contains("100000 (97.7 KiB)"));

    for (filters, count) in [
        (&["--property", "os_distro=debian"][..], 1),
        (&["--property", "os_distro=fedora"], 0),
        (&["--tag", "new"], 1),
        (&["--visibility", "public"], 1),
        (&["--name", "twin, \"and\" more"], 2),
        (&["--status", "active", "--sort", "name:asc", "--limit", "2"], 2),
        (&["--hidden"], 0),
    ] {
        let found = run(&[&["images", "list", "--json"], filters].concat()).json();
        assert_eq!(found.as_array().map(Vec::len), Some(count), "{filters:?}: {found}");
    }

    let several = run(&["images", "show", "twin, \"and\" more"]);
    assert_eq!(several.code, Some(2), "{}", several.stderr);
    assert!(several.stderr.contains("2 images have the name") && several.stderr.contains(&twin), "{}", several.stderr);
    let none = run(&["images", "show", "bronze"]);
    assert!(none.code == Some(2) && none.stderr.contains("there is no image `bronze`"), "{}", none.stderr);
}

#[test]
#[ignore = "starts a Keystone and a Glance"]
fn a_cloud_is_found_by_its_configuration_or_told_why_not() {
    let cloud = TestCloud::start();
    let application = cloud.openstack(&["application", "credential", "create", "robot"]);
    let told = |name: &str| application[name].as_str().unwrap_or_else(|| panic!("no {name}: {application}"));
    let (id, secret) = (told("ID"), told("Secret"));
    let directory = cloud.path("home/.config/openstack");
    std::fs::create_dir_all(&directory).expect("a directory");
    let url = &cloud.auth_url;
    let clouds = format!(
        "clouds:\n  person:\n    auth: {{ auth_url: '{url}', username: admin, project_name: admin }}\n    region_name: RegionOne\n  \
         robot:\n    auth: {{ auth_url: '{url}', application_credential_id: {id}, application_credential_secret: {secret} }}\n"
    );
    std::fs::write(directory.join("clouds.yaml"), clouds).expect("a file");
    let password = cloud::PASSWORD;
    let secure = format!("clouds: {{ person: {{ auth: {{ password: {password} }} }} }}\n");
    std::fs::write(directory.join("secure.yaml"), secure).expect("a file");

    let run = |arguments: &[&str], variables: &[(&'static str, String)]| goldsmith(&cloud, arguments, variables);
    for arguments in [["images", "list", "--os-cloud", "person"], ["images", "list", "--os-cloud", "robot"]] {
        let ran = run(&arguments, &[]);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "no image\n"), "{arguments:?}: {}", ran.stderr);
    }
    assert_eq!(run(&["images", "list"], &[("OS_CLOUD", "robot".to_owned())]).code, Some(0));

    let with = |name: &'static str, value: &str| {
        let mut variables = cloud.variables().to_vec();
        variables.retain(|(known, _)| *known != name);
        variables.push((name, value.to_owned()));
        variables
    };
    for (variables, code, words) in [
        (Vec::new(), 2, "several clouds are configured, and none is chosen: person, robot"),
        (vec![("OS_CLOUD", "nobody".to_owned())], 2, "known are person, robot (in "),
        (with("OS_PASSWORD", "wrong-password"), 14, "is refused with 401"),
        (with("OS_PROJECT_NAME", ""), 2, "the login is for no project"),
        (with("OS_REGION_NAME", "Nowhere"), 14, "it has: RegionOne (public)"),
        (with("OS_AUTH_URL", "http://127.0.0.1:1"), 14, "Connection refused"),
        (with("OS_AUTH_URL", "https://127.0.0.1:1"), 14, "Connection refused"),
    ] {
        let ran = run(&["images", "list"], &variables);
        assert_eq!(ran.code, Some(code), "{words}: {}", ran.stderr);
        assert!(ran.stderr.contains(words), "{words}: {}", ran.stderr);
        for hidden in [password, secret, "wrong-password"] {
            assert!(!ran.stderr.contains(hidden) && !ran.stdout.contains(hidden), "{}", ran.stderr);
        }
    }
    // Who says the address does not ask the catalog.
    let mut variables = with("OS_REGION_NAME", "Nowhere");
    variables.push(("OS_IMAGE_ENDPOINT_OVERRIDE", cloud.image_url.clone()));
    assert_eq!(run(&["images", "list"], &variables).stdout, "no image\n");
}

/// A cloud for whoever measures: its variables go to standard output, and it ends with standard input.
#[test]
#[ignore = "for benches/publish.sh, which holds its input open"]
fn holds_a_cloud_open() {
    let cloud = TestCloud::start();
    let variables = cloud.variables().into_iter().chain([("IMAGE_URL", cloud.image_url.clone())]);
    let lines: String = variables.map(|(name, value)| format!("export {name}='{value}'\n")).collect();
    std::io::stdout().write_all(format!("\n{lines}").as_bytes()).expect("an output");
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).expect("an input");
    assert!(cloud::answers(&format!("{}/versions", cloud.image_url)), "Glance has ended:\n{}", cloud.logs());
}
