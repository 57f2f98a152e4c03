//! Registries that lie, refuse, break off or send elsewhere. A real registry is in the guest tests.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use goldsmith::digest::Sha256;
use goldsmith::event::{Event, Reporter};
use goldsmith::fetch::container::{self, Container, RegistryLogins, Repository, RepositoryError, Sent};
use goldsmith::fetch::image::Means;
use goldsmith::fetch::{Network, PinPolicy};
use goldsmith::interrupt::Interrupt;
use goldsmith::recipe::{Arch, ContainerSource};
use serde_json::{Value, json};

use super::entries::{file, system};

pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

struct Silent;

impl Reporter for Silent {
    fn report(&self, _: &Event) {}
}

/// A request as the server saw it.
#[derive(Debug, Clone)]
struct Asked {
    path: String,
    headers: BTreeMap<String, String>,
}

/// What a server answers: status, headers, body, and how much of the body it sends.
struct Answer(u16, Vec<(&'static str, String)>, Vec<u8>, usize);

fn answer(status: u16, headers: &[(&'static str, &str)], body: &[u8]) -> Answer {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Answer(status, headers, body.to_vec(), body.len())
}

struct Server {
    host: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    fn start(mut answers: impl FnMut(&Asked, usize) -> Answer + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let log = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.expect("a connection");
                let lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
                let path = lines.first().and_then(|line| line.split(' ').nth(1)).unwrap_or_default().to_owned();
                let header =
                    |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
                let request = Asked { path, headers: lines.iter().skip(1).filter_map(header).collect() };
                let number = {
                    let mut log = log.lock().expect("a log");
                    log.push(request.clone());
                    log.iter().filter(|one| one.path == request.path).count()
                };
                let Answer(status, headers, body, sent) = answers(&request, number);
                let mut head =
                    format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
                headers.iter().for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
                // Whoever has gone away wants nothing any more.
                let _ = stream.write_all(&[head.as_bytes(), b"\r\n", &body[..sent]].concat());
            }
        });
        Self { host, asked }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("a log").clone()
    }
}

/// The parts of a good image.
#[derive(Clone)]
pub(super) struct Image {
    pub(super) layer: Vec<u8>,
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
}

pub(super) fn descriptor(kind: &str, content: &[u8]) -> Value {
    json!({ "mediaType": kind, "digest": format!("sha256:{}", Sha256::of(content)), "size": content.len() })
}

impl Image {
    pub(super) fn new() -> Self {
        let layer = [system().concat(), file("large", &[7; 300_000]), vec![0; 1024]].concat();
        let ids = [format!("sha256:{}", Sha256::of(&layer))];
        let config = json!({ "architecture": "amd64", "os": "linux", "rootfs": { "type": "layers", "diff_ids": ids } });
        let config = config.to_string().into_bytes();
        let manifest = Self::manifest(&config, &[descriptor(LAYER, &layer)]);
        Self { layer, config, manifest }
    }

    fn manifest(config: &[u8], layers: &[Value]) -> Vec<u8> {
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor(CONFIG, config), "layers": layers });
        manifest.to_string().into_bytes()
    }

    /// The answer of an honest registry.
    fn answer(&self, asked: &Asked) -> Answer {
        let is = |content: &[u8]| asked.path.ends_with(&Sha256::of(content).to_string());
        match asked.path.rsplit('/').nth(1) {
            Some("manifests") => answer(200, &[("Content-Type", MANIFEST)], &self.manifest),
            Some("blobs") if is(&self.config) => answer(200, &[], &self.config),
            Some("blobs") if is(&self.layer) => answer(200, &[], &self.layer),
            _ => answer(404, &[], b""),
        }
    }
}

pub(super) fn fetched(source: &str, cache: &Path, network: &Network, offline: bool) -> Result<Container, String> {
    let source = ContainerSource { source: source.to_owned(), insecure: false };
    let policy = PinPolicy { max_age: Duration::from_secs(60), newer_than: None, offline };
    let (reporter, interrupt) = (Silent, Interrupt::new());
    let means = Means { directory: cache, cache, offline, network, reporter: &reporter, interrupt: &interrupt };
    container::fetch(&source, Arch::X86_64, &policy, &means).map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{error}{cause}")
    })
}

/// Fetches from a server into a new cache.
fn tried(server: &Server) -> Result<Container, String> {
    let cache = tempfile::tempdir().expect("a directory");
    fetched(&format!("docker://{}/a:1", server.host), cache.path(), &Network::default(), false)
}

#[test]
fn an_image_is_fetched_once() {
    let image = Image::new();
    let good = image.clone();
    let server = Server::start(move |asked, _| good.answer(asked));
    let cache = tempfile::tempdir().expect("a directory");
    let name = format!("docker://{}/a:1", server.host);
    let network = Network::default();
    let found = fetched(&name, cache.path(), &network, false).expect("it is fetched");
    assert_eq!(found.sha256, Sha256::of(&image.manifest));
    assert_eq!(std::fs::read(&found.layers[0]).expect("a layer"), image.layer);
    let before = server.asked().len();
    for offline in [false, true] {
        assert_eq!(
            fetched(&name, cache.path(), &network, offline),
            Ok(found.clone()),
            "what a tag means is remembered"
        );
    }
    let by_digest = format!("docker://{}/a@sha256:{}", server.host, found.sha256);
    assert_eq!(fetched(&by_digest, cache.path(), &network, true), Ok(found));
    assert_eq!(server.asked().len(), before, "nothing was asked again");
    let error = fetched(&format!("docker://{}/b:1", server.host), cache.path(), &network, true).expect_err("unknown");
    assert!(error.contains("is not in the cache"), "{error}");
}

#[test]
fn registries_that_lie_are_not_believed() {
    let image = Image::new();
    let other = image.config.clone();
    let changed = |change: &dyn Fn(&mut Image)| {
        let mut image = Image::new();
        change(&mut image);
        image
    };
    let with = |manifest: Value| changed(&|image| image.manifest = manifest.to_string().into_bytes());
    let config = descriptor(CONFIG, &image.config);
    let layer = descriptor(LAYER, &image.layer);
    let sized = |size: usize| {
        let mut layer = layer.clone();
        layer["size"] = json!(size);
        layer
    };
    let platform = |arch: &str| {
        let mut one = descriptor(MANIFEST, &image.manifest);
        one["platform"] = json!({ "architecture": arch, "os": "linux" });
        one
    };
    let arm = String::from_utf8(image.config.clone()).expect("JSON").replace("amd64", "arm64").into_bytes();
    for (served, words) in [
        (with(json!({ "mediaType": MANIFEST, "config": config, "layers": [sized(10)] })), "layer 1 of 1 of "),
        (
            with(json!({ "mediaType": MANIFEST, "config": config, "layers": [sized(image.layer.len() + 1)] })),
            "and the image names",
        ),
        (
            with(json!({ "mediaType": "application/json", "config": config, "layers": [layer] })),
            "is `application/json` by its own words",
        ),
        (
            with(json!({ "mediaType": MANIFEST, "config": config, "layers": [descriptor("text/html", &image.layer)] })),
            "a layer of ",
        ),
        (
            with(json!({ "mediaType": MANIFEST, "config": descriptor("text/html", &image.config), "layers": [layer] })),
            "the configuration of ",
        ),
        (
            with(json!({ "config": config, "layers": [layer], "manifests": [] })),
            "is both an image and a list of images",
        ),
        (with(json!({ "mediaType": MANIFEST, "config": config, "layers": [] })), "has 0 layers"),
        (
            with(json!({ "mediaType": MANIFEST, "config": config, "layers": [layer, layer] })),
            "names 1 layers, and the manifest 2",
        ),
        (
            with(
                json!({ "mediaType": MANIFEST, "config": config, "layers": [{ "mediaType": LAYER, "digest": "sha256:../../x", "size": 1 }] }),
            ),
            "which is no SHA-256",
        ),
        (with(json!("text")), "cannot be read"),
        (changed(&|image| image.manifest = Image::manifest(&arm, std::slice::from_ref(&layer))), "is not there"),
        (
            changed(&|image| {
                image.config.clone_from(&arm);
                image.manifest = Image::manifest(&arm, std::slice::from_ref(&layer));
            }),
            "has no image for linux/amd64: it is for linux/arm64",
        ),
        (changed(&|image| image.manifest = vec![b' '; 5 << 20]), "has more than 4194304 bytes"),
    ] {
        let server = Server::start(move |asked, _| served.answer(asked));
        let error = tried(&server).expect_err(words);
        assert!(error.contains(words) && error.contains("docker://"), "{words}: {error}");
    }
    // A list of images, and one that has none for this architecture.
    for (arch, fault) in [("amd64", None), ("s390x", Some("has no image for linux/amd64: it is for linux/s390x"))] {
        let index =
            json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": [platform("arm64x"), platform(arch)] })
                .to_string();
        let served = image.clone();
        let server = Server::start(move |asked, _| {
            if asked.path.ends_with("/manifests/1") {
                answer(200, &[("Content-Type", INDEX)], index.as_bytes())
            } else {
                served.answer(asked)
            }
        });
        let found = tried(&server);
        match fault {
            None => assert_eq!(found.expect("it is fetched").sha256, Sha256::of(&image.manifest)),
            Some(_) => {
                let error = found.expect_err("no image");
                assert!(error.contains("linux/arm64x, linux/s390x"), "{error}");
            }
        }
    }
    // Other bytes under the digest of the layer: nothing of them is kept.
    let served = image.clone();
    let mut wrong = image.layer.clone();
    wrong[700] ^= 1;
    let server = Server::start(move |asked, _| {
        let is_layer = asked.path.ends_with(&Sha256::of(&served.layer).to_string());
        if is_layer { answer(200, &[], &wrong) } else { served.answer(asked) }
    });
    let cache = tempfile::tempdir().expect("a directory");
    let error =
        fetched(&format!("docker://{}/a:1", server.host), cache.path(), &Network::default(), false).expect_err("wrong");
    assert!(error.contains("layer 1 of 1") && error.contains("has another SHA-256"), "{error}");
    let kept: Vec<_> = std::fs::read_dir(cache.path().join("images"))
        .expect("a cache")
        .map(|it| it.expect("an entry").file_name())
        .collect();
    assert!(!kept.iter().any(|name| name.to_string_lossy().ends_with(".part")), "{kept:?}");
    // A manifest that is not the one of the digest.
    let good = Image::new();
    let server = Server::start(move |asked, _| good.answer(asked));
    let name = format!("docker://{}/a@sha256:{}", server.host, Sha256::of(&other));
    let cache = tempfile::tempdir().expect("a directory");
    let error = fetched(&name, cache.path(), &Network::default(), false).expect_err("another manifest");
    assert!(error.contains("the manifest of") && error.contains("has another SHA-256"), "{error}");
}

#[test]
fn answers_that_are_no_image_say_what_to_do() {
    for (status, headers, words) in [
        (401, vec![], "wants a login for docker://"),
        (401, vec![("WWW-Authenticate", "Basic realm=\"x\"".to_owned())], "wants a login"),
        (
            401,
            vec![("WWW-Authenticate", "Bearer realm=\"http://h.example/token\"".to_owned())],
            "where anybody on the way could read the login",
        ),
        (401, vec![("WWW-Authenticate", "Bearer realm=\"file:///etc/passwd\"".to_owned())], "where anybody on the way"),
        (403, vec![], "wants a login"),
        (404, vec![], "is not there"),
        (418, vec![], "the server answers 418"),
        (
            429,
            vec![("Retry-After", "0".to_owned())],
            "the server answers 429: too many requests; it wants to be asked again after 0 s",
        ),
        (302, vec![("Location", "ftp://h.example/".to_owned())], "neither http nor https"),
    ] {
        let server = Server::start(move |_, _| Answer(status, headers.clone(), Vec::new(), 0));
        let error = tried(&server).expect_err(words);
        assert!(error.contains(words), "{status}: {error}");
    }
}

#[test]
fn a_registry_is_asked_again_when_it_wants() {
    let image = Image::new();
    let server = Server::start(move |asked, number| {
        let is_first = asked.path.contains("/manifests/") && number == 1;
        if is_first { answer(429, &[("Retry-After", "2")], b"") } else { image.answer(asked) }
    });
    let began = Instant::now();
    tried(&server).expect("it is fetched");
    assert!(began.elapsed() >= Duration::from_secs(2), "{:?}", began.elapsed());
}

#[test]
fn half_a_layer_is_completed() {
    let image = Image::new();
    let digest = Sha256::of(&image.layer).to_string();
    let server = Server::start(move |asked, number| {
        if !asked.path.ends_with(&digest) {
            return image.answer(asked);
        }
        let from = asked
            .headers
            .get("range")
            .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        match (from, number) {
            // The header, and the first half of the body.
            (None, 1 | 2) => Answer(200, Vec::new(), image.layer.clone(), image.layer.len() / 2),
            (Some(from), _) => {
                let range = format!("bytes {from}-{}/{}", image.layer.len() - 1, image.layer.len());
                answer(206, &[("Content-Range", &range)], &image.layer[from..])
            }
            (None, _) => answer(500, &[], b""),
        }
    });
    tried(&server).expect("it is fetched");
    assert!(server.asked().iter().any(|asked| asked.headers.contains_key("range")), "{:?}", server.asked());
}

#[test]
fn a_token_is_for_the_registry_alone() {
    let image = Image::new();
    let digest = Sha256::of(&image.layer).to_string();
    let layer = image.layer.clone();
    let elsewhere = Server::start(move |_, _| answer(200, &[], &layer));
    let to = format!("http://{}/layer?signature=s", elsewhere.host);
    let own = Arc::new(Mutex::new(String::new()));
    let host = Arc::clone(&own);
    let server = Server::start(move |asked, _| {
        let authorization = asked.headers.get("authorization").map(String::as_str);
        if asked.path.starts_with("/token") {
            return match (authorization, asked.path.as_str()) {
                // me:pass
                (Some("Basic bWU6cGFzcw=="), "/token?service=r&scope=repository%3Aa%3Apull") => {
                    answer(200, &[], br#"{ "token": "t0ken" }"#)
                }
                _ => answer(401, &[], b""),
            };
        }
        if authorization != Some("Bearer t0ken") {
            let challenge = format!("Bearer realm=\"http://{}/token\",service=\"r\"", host.lock().expect("a host"));
            return answer(401, &[("WWW-Authenticate", &challenge)], b"");
        }
        if asked.path.ends_with(&digest) { answer(307, &[("Location", &to)], b"") } else { image.answer(asked) }
    });
    own.lock().expect("a host").clone_from(&server.host);
    let mut registries = RegistryLogins::default();
    registries.add(&json!({ "auths": { &server.host: { "auth": "bWU6cGFzcw==" } } }).to_string()).expect("a login");
    let cache = tempfile::tempdir().expect("a directory");
    let network = Network { registries, ..Network::default() };
    fetched(&format!("docker://{}/a:1", server.host), cache.path(), &network, false).expect("it is fetched");
    assert!(!elsewhere.asked().is_empty());
    assert!(
        elsewhere.asked().iter().all(|asked| !asked.headers.contains_key("authorization")),
        "{:?}",
        elsewhere.asked()
    );

    let mut registries = RegistryLogins::default();
    registries.add(&json!({ "auths": { &server.host: { "auth": "bWU6d3Jvbmc=" } } }).to_string()).expect("a login");
    let cache = tempfile::tempdir().expect("a directory");
    let network = Network { registries, ..Network::default() };
    let error =
        fetched(&format!("docker://{}/a:1", server.host), cache.path(), &network, false).expect_err("a wrong password");
    assert!(error.contains("refuses the login") && !error.contains("wrong"), "{error}");
    for entry in std::fs::read_dir(cache.path().join("images")).into_iter().flatten() {
        let content = std::fs::read(entry.expect("an entry").path()).expect("a file");
        assert!(!String::from_utf8_lossy(&content).contains("t0ken"));
    }
}

#[test]
fn a_repository_lists_all_pages_and_asks_for_no_more_rights_than_it_needs() {
    let own = Arc::new(Mutex::new(String::new()));
    let host = Arc::clone(&own);
    let server = Server::start(move |asked, _| {
        let authorization = asked.headers.get("authorization").map(String::as_str);
        match (asked.path.as_str(), authorization) {
            ("/token?scope=repository%3Aa%2Fb%3Apull", _) => answer(200, &[], br#"{ "token": "reads" }"#),
            ("/token?scope=repository%3Aa%2Fb%3Apull%2Cpush", _) => answer(200, &[], br#"{ "token": "writes" }"#),
            ("/v2/a/b/tags/list?n=100", Some("Bearer reads")) => {
                let next = ("Link", "</v2/a/b/tags/list?n=100&last=two>; rel=\"next\"");
                answer(200, &[next], br#"{ "name": "a/b", "tags": ["one", "two"] }"#)
            }
            ("/v2/a/b/tags/list?n=100&last=two", _) => answer(200, &[], br#"{ "tags": ["three"] }"#),
            ("/v2/a/b/blobs/uploads/", Some("Bearer writes")) => answer(403, &[], b""),
            ("/v2/c/tags/list?n=100", _) => {
                answer(200, &[("Link", "<http://elsewhere.example/>; rel=\"next\"")], br#"{ "tags": null }"#)
            }
            _ => {
                let realm = format!("Bearer realm=\"http://{}/token\"", host.lock().expect("a host"));
                answer(401, &[("WWW-Authenticate", &realm)], b"")
            }
        }
    });
    own.lock().expect("a host").clone_from(&server.host);
    let repository = Repository::new(&server.host, "a/b", false, &Network::default());
    assert_eq!(repository.tags().expect("all pages"), ["one", "two", "three"]);
    let open = || -> std::io::Result<Box<dyn std::io::Read>> { Ok(Box::new(std::io::empty())) };
    let sent = Sent { kind: "application/octet-stream", size: 0, open: &open };
    let refused = repository.put_blob(&Sha256::of(b""), &sent, &Interrupt::new()).expect_err("no right");
    assert!(matches!(refused, RepositoryError::Refused { method: "POST", status: 403, .. }), "{refused}");
    let other = Repository::new(&server.host, "c", false, &Network::default());
    assert!(other.tags().expect_err("another server").to_string().contains("elsewhere"));
}
