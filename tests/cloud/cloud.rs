//! A Keystone and a Glance of a test's own, from PyPI, on loopback, without root.
//!
//! What takes long is done once for all tests and kept below the target directory: the programs, and databases with
//! users and roles in them. Each test gets a copy, and services that end with it.

#[path = "cloud/key_manager.rs"]
mod key_manager;
#[path = "cloud/members.rs"]
pub(crate) mod members;
#[path = "../support/programs.rs"]
mod programs;

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use programs::shared;
pub(crate) use programs::{Programs, run};
use serde_json::{Value, json};

/// Password of everybody.
pub(crate) const PASSWORD: &str = "not-so-secret";

/// Longest time until a service answers, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

pub(crate) struct TestCloud {
    keystone: Child,
    glance: Child,
    barbican: Option<Child>,
    dir: tempfile::TempDir,
    programs: Programs,
    pub(crate) auth_url: String,
    /// Address of Glance, which the catalog has too.
    pub(crate) image_url: String,
}

impl Drop for TestCloud {
    fn drop(&mut self) {
        for service in [&mut self.keystone, &mut self.glance].into_iter().chain(&mut self.barbican) {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

impl TestCloud {
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// A cloud whose Glance is told more in `glance-api.conf`: sections may be there again. `AUTH_URL` is Keystone's address.
    pub(crate) fn start_with(more: &str) -> Self {
        let programs = Programs::install();
        let template = template(&programs);
        let dir = tempfile::tempdir().expect("a temporary directory");
        copy(&template, dir.path());
        let ports = [free_port(), free_port()];
        let [auth, image] = ports.map(|port| format!("http://127.0.0.1:{port}"));
        let auth_url = format!("{auth}/v3");
        configure_keystone(dir.path());
        configure_glance(&programs, dir.path(), &auth_url, &image);
        let conf = dir.path().join("glance/glance-api.conf");
        let text = fs::read_to_string(&conf).expect("a file");
        fs::write(conf, text + &more.replace("AUTH_URL", &auth_url)).expect("a file");
        let keystone = serve(&programs, dir.path(), "keystone", ports[0], &[]);
        let glance = serve(&programs, dir.path(), "glance", ports[1], &["--http-chunked-input"]);
        let cloud = Self { keystone, glance, barbican: None, dir, programs, auth_url, image_url: image.clone() };
        cloud.wait_for(&auth_url_of(&cloud), "keystone");
        // The catalog is of the template, whose services had other ports.
        let admin = Admin::new(&cloud.auth_url);
        for (kind, url) in [("identity", auth_url_of(&cloud)), ("image", image.clone())] {
            admin.move_service(kind, &url);
        }
        cloud.wait_for(&format!("{image}/versions"), "glance");
        cloud
    }

    /// Runs a program of the environment that the services are in.
    pub(crate) fn python(&self, arguments: &[&str]) -> std::process::Output {
        self.programs.command("python").args(arguments).output().expect("python")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// What a user's shell has.
    pub(crate) fn variables(&self) -> [(&'static str, String); 6] {
        [
            ("OS_AUTH_URL", self.auth_url.clone()),
            ("OS_USERNAME", "admin".to_owned()),
            ("OS_PASSWORD", PASSWORD.to_owned()),
            ("OS_PROJECT_NAME", "admin".to_owned()),
            ("OS_USER_DOMAIN_NAME", "Default".to_owned()),
            ("OS_PROJECT_DOMAIN_NAME", "Default".to_owned()),
        ]
    }

    /// Runs OpenStack's own client and returns what it answers.
    pub(crate) fn openstack(&self, arguments: &[&str]) -> Value {
        let mut client = self.programs.command("openstack");
        client.args(arguments).args(["-f", "json"]).envs(self.variables()).env("OS_REGION_NAME", "RegionOne");
        let output = client.output().expect("it runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openstack {arguments:?}: {said}\n{}", self.logs());
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("openstack {arguments:?}: {error}: {said}"))
    }

    /// Runs OpenStack's own client where it answers nothing.
    pub(crate) fn openstack_plain(&self, arguments: &[&str]) {
        let mut client = self.programs.command("openstack");
        run(client.args(arguments).envs(self.variables()).env("OS_REGION_NAME", "RegionOne"));
    }

    /// Downloads an image by OpenStack's own client.
    pub(crate) fn save(&self, image: &str, file: &Path) {
        self.openstack_plain(&["image", "save", image, "--file", file.to_str().expect("text")]);
    }

    /// Glance is gone at once, and stays so.
    pub(crate) fn kill_glance(&mut self) {
        self.glance.kill().expect("it runs");
        self.glance.wait().expect("it ends");
    }

    pub(crate) fn logs(&self) -> String {
        ["keystone.out", "glance.out", "glance.log", "barbican.out", "barbican.log"]
            .map(|name| tail(&self.path(name)))
            .join("\n")
    }

    fn wait_for(&self, url: &str, name: &str) {
        let started = Instant::now();
        while !answers(url) {
            assert!(started.elapsed() < PATIENCE, "{name} does not answer:\n{}", self.logs());
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn auth_url_of(cloud: &TestCloud) -> String {
    cloud.auth_url.clone()
}

/// Databases and keys of a cloud that has an administrator and an image service.
fn template(programs: &Programs) -> PathBuf {
    let (dir, _lock) = shared();
    let (template, done) = (dir.join("template"), dir.join("template/made-by"));
    // It is as this file makes it.
    let maker = concat!(include_str!("requirements.txt"), include_str!("cloud.rs"));
    if fs::read_to_string(&done).is_ok_and(|made_by| made_by == maker) {
        return template;
    }
    let _ = fs::remove_dir_all(&template);
    fs::create_dir_all(&template).expect("a directory");
    configure_keystone(&template);
    let manage = |arguments: &[&str]| {
        let mut command = programs.command("keystone-manage");
        run(command.arg("--config-dir").arg(template.join("keystone")).args(arguments));
    };
    let (user, group) = (id("-un"), id("-gn"));
    let who = ["--keystone-user", user.as_str(), "--keystone-group", group.as_str()];
    manage(&["db_sync"]);
    manage(&[&["fernet_setup"], &who[..]].concat());
    manage(&[&["credential_setup"], &who[..]].concat());
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}/v3");
    let urls =
        ["public", "internal", "admin"].map(|interface| [format!("--bootstrap-{interface}-url"), url.clone()]).concat();
    let urls: Vec<_> = urls.iter().map(String::as_str).collect();
    manage(
        &[&["bootstrap", "--bootstrap-password", PASSWORD, "--bootstrap-region-id", "RegionOne"], &urls[..]].concat(),
    );
    let mut keystone = serve(programs, &template, "keystone", port, &[]);
    let started = Instant::now();
    while !answers(&url) && started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(100));
    }
    Admin::new(&url).make_image_service();
    let _ = keystone.kill();
    let _ = keystone.wait();
    configure_glance(programs, &template, &url, "http://127.0.0.1:1");
    let definitions = programs.path("etc/glance/metadefs").display().to_string();
    for command in [&["db_sync"][..], &["db_load_metadefs", &definitions]] {
        let mut manage = programs.command("glance-manage");
        run(manage.arg("--config-dir").arg(template.join("glance")).args(command));
    }
    fs::write(done, maker).expect("a file");
    template
}

fn configure_keystone(dir: &Path) {
    let at = |name: &str| dir.join(name).display().to_string();
    for name in ["keystone", "fernet", "credential"] {
        fs::create_dir_all(dir.join(name)).expect("a directory");
    }
    // The hash of a password is made slow to guess, and each command asks for a token with one.
    let text = format!(
        "[DEFAULT]\nlog_file = {}\n[identity]\npassword_hash_rounds = 4\n[database]\nconnection = sqlite:///{}?timeout=60\nsqlite_synchronous = false\n[fernet_tokens]\nkey_repository = {}\n\
         [credential]\nkey_repository = {}\n",
        at("keystone.log"),
        at("keystone.db"),
        at("fernet"),
        at("credential")
    );
    fs::write(dir.join("keystone/keystone.conf"), text).expect("a file");
}

/// Two stores, the import methods and the cache are on, as on clouds of some size.
fn configure_glance(programs: &Programs, dir: &Path, auth_url: &str, url: &str) {
    let at = |name: &str| dir.join(name).display().to_string();
    for name in ["glance", "store/slow", "store/fast", "store/staging", "store/tasks", "store/cache"] {
        fs::create_dir_all(dir.join(name)).expect("a directory");
    }
    // The service looks for it beside its configuration.
    let paste = "glance-api-paste.ini";
    fs::copy(programs.path("etc/glance").join(paste), dir.join("glance").join(paste)).expect("a file");
    let text = format!(
        "[DEFAULT]
log_file = {log}
enabled_backends = slow:file, fast:file
enabled_import_methods = [glance-direct,web-download,copy-image,glance-download]
image_cache_dir = {cache}
worker_self_reference_url = {url}
public_endpoint = {url}
[glance_store]
default_backend = slow
[slow]
filesystem_store_datadir = {slow}
[fast]
filesystem_store_datadir = {fast}
[os_glance_staging_store]
filesystem_store_datadir = {staging}
[os_glance_tasks_store]
filesystem_store_datadir = {tasks}
[database]
# While one request waits for a busy disk, others wait for its lock, or are answered with 500.
connection = sqlite:///{database}?timeout=60
sqlite_synchronous = false
{identity}[paste_deploy]
flavor = keystone+caching
",
        identity = identity(auth_url),
        log = at("glance.log"),
        cache = at("store/cache"),
        slow = at("store/slow"),
        fast = at("store/fast"),
        staging = at("store/staging"),
        tasks = at("store/tasks"),
        database = at("glance.db"),
    );
    fs::write(dir.join("glance/glance-api.conf"), text).expect("a file");
}

/// The part of a service's configuration that says how it verifies tokens.
fn identity(auth_url: &str) -> String {
    format!(
        "[keystone_authtoken]
www_authenticate_uri = {auth_url}
auth_url = {auth_url}
auth_type = password
project_domain_name = Default
user_domain_name = Default
project_name = service
username = glance
password = {PASSWORD}
"
    )
}

/// Starts a service.
fn serve(programs: &Programs, dir: &Path, name: &str, port: u16, more: &[&str]) -> Child {
    let mut uwsgi = uwsgi(programs, dir, name, port);
    uwsgi.args(["--module", &format!("{name}.wsgi.api:application")]).args(more);
    uwsgi.env("OS_KEYSTONE_CONFIG_DIR", dir.join("keystone")).env("OS_GLANCE_CONFIG_DIR", dir.join("glance"));
    uwsgi.spawn().expect("setpriv of util-linux")
}

/// A server. It ends with this process: uWSGI without a master has no other process.
fn uwsgi(programs: &Programs, dir: &Path, name: &str, port: u16) -> Command {
    let out = File::create(dir.join(format!("{name}.out"))).expect("a file");
    let mut command = programs.service("uwsgi");
    command
        .args(["--http-socket", &format!("127.0.0.1:{port}")])
        .args(["--add-header", "Connection: close", "--enable-threads", "--threads", "8", "--need-app"])
        .args(["--buffer-size", "65535"])
        // Of itself, it waits four seconds for data, which take longer on a busy machine.
        .args(["--socket-timeout", "60"])
        .stdin(Stdio::null())
        .stdout(out.try_clone().expect("a file"))
        .stderr(out);
    command
}

/// The administrator, by Keystone's API.
struct Admin {
    auth_url: String,
    token: String,
}

impl Admin {
    fn new(auth_url: &str) -> Self {
        let domain = json!({ "name": "Default" });
        let user = json!({ "name": "admin", "domain": domain, "password": PASSWORD });
        let request = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": user } },
            "scope": { "project": { "name": "admin", "domain": domain } },
        } });
        let answer = ureq::post(format!("{auth_url}/auth/tokens")).send(request.to_string()).expect("a token");
        let token = answer.headers().get("x-subject-token").expect("a token").to_str().expect("text").to_owned();
        Self { auth_url: auth_url.to_owned(), token }
    }

    fn get(&self, path: &str) -> Value {
        let request = ureq::get(format!("{}{path}", self.auth_url)).header("X-Auth-Token", &self.token);
        json_of(request.call().unwrap_or_else(|error| panic!("{path}: {error}")))
    }

    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.auth_url))
            .header("X-Auth-Token", &self.token)
            .header("Content-Type", "application/json");
        let request = request.body(body.to_string()).expect("a request");
        json_of(ureq::run(request).unwrap_or_else(|error| panic!("{method} {path}: {error}")))
    }

    /// Points all addresses of a service to another place.
    fn move_service(&self, kind: &str, url: &str) {
        let services = self.get(&format!("/services?type={kind}"));
        let id = services["services"][0]["id"].as_str().expect("the service").to_owned();
        let endpoints = self.get(&format!("/endpoints?service_id={id}"));
        for endpoint in endpoints["endpoints"].as_array().expect("a list") {
            let path = format!("/endpoints/{}", endpoint["id"].as_str().expect("an id"));
            self.send("PATCH", &path, &json!({ "endpoint": { "url": url } }));
        }
    }

    fn make_service(&self, kind: &str, name: &str, url: &str) {
        let made = self.send("POST", "/services", &json!({ "service": { "type": kind, "name": name } }));
        for interface in ["public", "internal", "admin"] {
            let id = &made["service"]["id"];
            let endpoint = json!({ "interface": interface, "region_id": "RegionOne", "url": url, "service_id": id });
            self.send("POST", "/endpoints", &json!({ "endpoint": endpoint }));
        }
    }

    fn make_image_service(&self) {
        self.make_service("image", "glance", "http://127.0.0.1:1");
        let project = self.send("POST", "/projects", &json!({ "project": { "name": "service" } }));
        let user = self.send("POST", "/users", &json!({ "user": { "name": "glance", "password": PASSWORD } }));
        let role = self.get("/roles?name=admin");
        let (project, user, role) = (&project["project"]["id"], &user["user"]["id"], &role["roles"][0]["id"]);
        let ids = [project, user, role].map(|id| id.as_str().expect("an id").to_owned());
        self.send("PUT", &format!("/projects/{}/users/{}/roles/{}", ids[0], ids[1], ids[2]), &json!({}));
    }
}

fn json_of(mut answer: ureq::http::Response<ureq::Body>) -> Value {
    let text = answer.body_mut().read_to_string().expect("an answer");
    serde_json::from_str(&text).unwrap_or(Value::Null)
}

/// Whether a service answers at all, be it with several choices.
pub(crate) fn answers(url: &str) -> bool {
    match ureq::get(url).call() {
        Ok(_) => true,
        Err(error) => matches!(error, ureq::Error::StatusCode(300)),
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

pub(crate) fn id(option: &str) -> String {
    let output = Command::new("id").arg(option).output().expect("id");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn copy(from: &Path, to: &Path) {
    run(Command::new("cp").arg("-a").arg(from.join(".")).arg(to));
}

pub(crate) fn tail(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}
