//! Two machines and a directory that both mount: what the first one has made in a guest, the second one takes.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use goldsmith::digest::Sha256;
use serde_json::Value;

use crate::image_base::goldsmith;

/// Names of the steps with an event.
fn steps(events: &[Value], event: &str) -> usize {
    events.iter().filter(|one| one["event"] == event).count()
}

fn digest(machine: &Path) -> String {
    let manifest: Value =
        serde_json::from_slice(&std::fs::read(machine.join("out/manifest.json")).expect("a manifest")).expect("JSON");
    manifest["artifacts"][0]["sha256"].as_str().expect("a digest").to_owned()
}

#[test]
#[ignore = "needs libguestfs"]
fn a_second_machine_makes_no_step_again_and_has_the_same_image() {
    let dir = tempfile::tempdir().expect("a directory");
    let steps_of_web = "  configure:
    - write: { path: /etc/motd, content: \"shared\\n\" }
    - run: { inline: \"head -c 3000000 /dev/urandom >/var/lib/random\" }
  clean:
    - run: { inline: \"test -s /var/lib/random\" }
";
    let ([one, two], public) = two_machines(dir.path(), steps_of_web);

    let shared = ["--out", "out", "--remote-cache", "../store"];
    let write = ["--remote-cache-write", "--remote-cache-key", "../key"];
    let first = goldsmith(&one, &[&["build", "web.yaml"], &shared[..], &write].concat());
    let made = steps(&first, "step-started");
    assert!(made >= 4, "{made} steps were made");
    assert!(steps(&first, "warning") == 0, "{first:?}");

    let read = [&shared[2..], &["--remote-cache-trust", &public]].concat();
    let explained = goldsmith(&two, &[&["cache", "explain", "web.yaml"], &read[..]].concat());
    let all = explained[0]["steps"].as_array().expect("steps");
    assert!(all.len() == made && all.iter().all(|step| step["from"] == "remote"), "{explained:?}");
    let second = goldsmith(&two, &[&["build", "web.yaml", "--out", "out"], &read[..]].concat());
    assert_eq!((steps(&second, "step-started"), steps(&second, "step-cached")), (0, made), "{second:?}");
    let cached = second.iter().filter(|event| event["event"] == "step-cached");
    assert!(cached.into_iter().all(|event| event["remote"] == true), "each came from the store");
    assert_eq!(digest(&two), digest(&one), "random data would differ if a step had run again");
    goldsmith(&two, &["cache", "verify"]);
}

/// A build that runs, and the lines that it prints, each with the time.
struct Building {
    child: std::process::Child,
    lines: Arc<Mutex<Vec<(Instant, Value)>>>,
    reader: std::thread::JoinHandle<()>,
}

impl Building {
    /// Starts a build on a machine.
    fn start(machine: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        command
            .current_dir(machine)
            .args(["build", "web.yaml", "--json", "--cache", "cache", "--out", "out"])
            .args(args);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it runs");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let lines: Arc<Mutex<Vec<_>>> = Arc::default();
        let told = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("a line of JSON");
                told.lock().expect("no panic").push((Instant::now(), line));
            }
        });
        Self { child, lines, reader }
    }

    /// Waits for a line, and returns when it came; `None` if the build ends before.
    fn until(&mut self, wanted: &dyn Fn(&Value) -> bool) -> Option<Instant> {
        loop {
            let found =
                |lines: &Vec<(Instant, Value)>| lines.iter().find(|(_, line)| wanted(line)).map(|(time, _)| *time);
            if let Some(time) = found(&self.lines.lock().expect("no panic")) {
                return Some(time);
            }
            if self.child.try_wait().expect("a child").is_some() {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn end(mut self) -> (bool, Vec<(Instant, Value)>) {
        let status = self.child.wait().expect("it ends");
        self.reader.join().expect("no panic");
        (status.success(), std::mem::take(&mut *self.lines.lock().expect("no panic")))
    }
}

/// Two machines with a recipe of an image with these steps, a key that they share, its public half, and an empty store.
fn two_machines(dir: &Path, steps: &str) -> ([PathBuf; 2], String) {
    let image = crate::shared::debian_12();
    let sha256 = Sha256::of_file(&image).expect("an image");
    let recipe = format!(
        "name: web\nbase: {{ image: {{ source: {}, sha256: {sha256} }} }}\nsteps:\n{steps}outputs: [{{ format: qcow2 }}]\n",
        image.display()
    );
    goldsmith(dir, &["cache", "keygen", "key"]);
    let public = std::fs::read_to_string(dir.join("key.pub")).expect("a key");
    std::fs::create_dir(dir.join("store")).expect("a directory");
    let machines = ["one", "two"].map(|name| {
        let machine = dir.join(name);
        std::fs::create_dir(&machine).expect("a directory");
        std::fs::write(machine.join("web.yaml"), &recipe).expect("a recipe");
        machine
    });
    (machines, public.lines().last().expect("a line").to_owned())
}

/// Steps of which the longest takes so many seconds.
fn slow(seconds: u64) -> String {
    format!(
        "  install:
    - run: {{ inline: \"head -c 3000000 /dev/urandom >/var/lib/random\" }}
  configure:
    - run: {{ inline: \"sleep {seconds}\" }}
"
    )
}

/// Options of a machine that shares.
const WRITE: [&str; 5] = ["--remote-cache", "../store", "--remote-cache-write", "--remote-cache-key", "../key"];

#[test]
#[ignore = "needs libguestfs"]
fn of_two_machines_that_build_at_once_each_step_is_made_once() {
    let dir = tempfile::tempdir().expect("a directory");
    let ([one, two], _) = two_machines(dir.path(), &slow(3));
    let builds = [&one, &two].map(|machine| Building::start(machine, &WRITE));
    let [first, second] = builds.map(|build| {
        let (good, lines) = build.end();
        let events: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
        assert!(good && steps(&events, "warning") == 0, "{events:?}");
        events
    });
    let made = [&first, &second].map(|events| steps(events, "step-started"));
    let taken = [&first, &second].map(|events| steps(events, "step-cached"));
    assert_eq!((made[0], made[1]), (taken[1], taken[0]), "what one has made, the other one has taken");
    assert_eq!(digest(&one), digest(&two), "random data would differ if a step had run twice");
    let leases = std::fs::read_dir(dir.path().join("store/leases")).expect("a directory");
    assert_eq!(leases.count(), 0, "leases are given back");
}

#[test]
#[ignore = "needs libguestfs"]
fn a_machine_that_is_killed_while_it_makes_a_layer_is_replaced_within_a_minute() {
    let dir = tempfile::tempdir().expect("a directory");
    // Nobody waits for the end of the step.
    let ([one, two], _) = two_machines(dir.path(), &slow(1500));
    let mut killed = Building::start(&one, &WRITE);
    // It is in the midst of the long step when the two below have come.
    let begun = |step: &str| {
        let step = step.to_owned();
        move |line: &Value| line["event"] == "step-started" && line["step"]["phase"] == *step
    };
    killed.until(&begun("configure")).expect("it runs");
    let mut second = Building::start(&two, &WRITE);
    let waits = |line: &Value| {
        let activity = line["activity"].as_str().unwrap_or_default();
        line["event"] == "activity-started" && activity.ends_with("makes `configure web`")
    };
    second.until(&waits).expect("it waits for the machine that makes the layer");
    killed.child.kill().expect("it runs");
    let death = Instant::now();
    killed.end();
    let taken = second.until(&begun("configure")).expect("it takes over").saturating_duration_since(death);
    assert!(taken < Duration::from_secs(60), "{taken:?}");
    second.child.kill().expect("it runs");
    let (_, lines) = second.end();
    let events: Vec<_> = lines.into_iter().map(|(_, line)| line).collect();
    assert_eq!((steps(&events, "step-started"), steps(&events, "step-cached")), (1, 2), "{events:?}");
    goldsmith(&two, &["cache", "verify"]);
    goldsmith(&two, &[&["cache", "verify", "--remote"], &WRITE[..2], &WRITE[3..]].concat());
}

#[test]
#[ignore = "needs libguestfs"]
fn a_machine_that_is_killed_while_it_fetches_has_whole_layers_or_none_and_goes_on_later() {
    let dir = tempfile::tempdir().expect("a directory");
    let steps_of_web = "  configure:
    - run: { inline: \"head -c 60000000 /dev/urandom >/var/lib/random\" }
";
    let ([one, two], public) = two_machines(dir.path(), steps_of_web);
    let read = ["--remote-cache", "../store", "--remote-cache-trust", &public];
    let write = ["--out", "out", "--remote-cache-write", "--remote-cache-key", "../key"];
    let first = goldsmith(&one, &[&["build", "web.yaml"], &read[..2], &write].concat());
    let made = steps(&first, "step-started");

    let mut killed = 0;
    for delay in [0, 40, 120, 250] {
        let mut build = Building::start(&two, &read);
        let fetches = |line: &Value| {
            let activity = line["activity"].as_str().unwrap_or_default();
            line["event"] == "activity-started" && activity.ends_with("from the remote cache")
        };
        if build.until(&fetches).is_some() {
            std::thread::sleep(Duration::from_millis(delay));
            build.child.kill().expect("it is mine");
        }
        killed += usize::from(!build.end().0);
        goldsmith(&two, &["cache", "verify"]);
    }
    assert!(killed > 0, "no build was killed in the midst of it");
    let pulled = goldsmith(&two, &[&["cache", "pull", "web.yaml"], &read[..]].concat());
    assert_eq!((&pulled[0]["image"], &pulled[0]["missing"]), (&"web".into(), &serde_json::json!([])), "{pulled:?}");
    let all = pulled[0]["fetched"].as_u64().expect("a number") + pulled[0]["here"].as_u64().expect("a number");
    assert_eq!(usize::try_from(all).expect("small"), made, "{pulled:?}");
    let second = goldsmith(&two, &["build", "web.yaml", "--out", "out"]);
    assert_eq!((steps(&second, "step-started"), digest(&two)), (0, digest(&one)));
}
