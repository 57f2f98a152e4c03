//! `goldsmith matrix run` on a real Slurm of this test: one node with two processors, without systemd, cgroups or a database.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use goldsmith::digest::Sha256;
use rustix::process::{Pid, Signal, kill_process};

/// Longest time for everything that waits for a guest, on a busy machine without KVM.
const PATIENCE: Duration = Duration::from_secs(1200);

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port").port()
}

/// Slurm with its authentication. It ends with this value.
struct Slurm {
    dir: tempfile::TempDir,
    services: Vec<Child>,
}

impl Drop for Slurm {
    fn drop(&mut self) {
        for service in self.services.iter_mut().rev() {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

impl Slurm {
    fn start() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let root = dir.path().to_owned();
        for name in ["state", "spool", "log", "run", "munge", "bin"] {
            fs::create_dir(root.join(name)).expect("a directory");
        }
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).expect("a directory");
        let key: Vec<u8> = (0..128).map(|_| fastrand::u8(..)).collect();
        fs::write(root.join("munge/key"), key).expect("a file");
        for (name, mode) in [("munge/key", 0o400), ("munge", 0o700)] {
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).expect("a file");
        }
        let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("a name");
        let host = host.trim().split('.').next().expect("a name").to_owned();
        let at = |name: &str| root.join(name).display().to_string();
        let [controller, node] = [free_port(), free_port()];
        let config = format!(
            "ClusterName=goldtest\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nAuthType=auth/munge\n\
             AuthInfo=socket={}\nCryptoType=crypto/munge\nProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\n\
             JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\n\
             JobCompType=jobcomp/none\nSelectType=select/cons_tres\nSelectTypeParameters=CR_Core\n\
             SchedulerType=sched/backfill\nReturnToService=2\nMpiDefault=none\nMaxArraySize=3\n\
             SlurmctldPort={controller}\nSlurmdPort={node}\nSlurmctldPidFile={}\nSlurmdPidFile={}\n\
             StateSaveLocation={}\nSlurmdSpoolDir={}\nSlurmdTimeout=30\nMinJobAge=300\nKillWait=15\n\
             NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN\n\
             PartitionName=build Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO\n",
            at("run/munge.sock"),
            at("run/slurmctld.pid"),
            at("run/slurmd.pid"),
            at("state"),
            at("spool"),
        );
        fs::write(root.join("slurm.conf"), config).expect("a file");
        let program = Path::new(env!("CARGO_BIN_EXE_goldsmith"));
        std::os::unix::fs::symlink(program, root.join("bin/goldsmith")).expect("a link");
        let mut slurm = Self { services: Vec::new(), dir };
        let (key, socket) = (format!("--key-file={}", at("munge/key")), format!("--socket={}", at("run/munge.sock")));
        let files = ["pid", "log", "seed"].map(|name| format!("--{name}-file={}", at(&format!("munge/{name}"))));
        slurm.service(
            "munged",
            &[&["--foreground", "--force", &key, &socket][..], &files.each_ref().map(|file| file.as_str())].concat(),
        );
        slurm.until("munge answers", |slurm| slurm.path("run/munge.sock").exists());
        let config = at("slurm.conf");
        slurm.service("slurmctld", &["-D", "-c", "-f", &config]);
        slurm.service("slurmd", &["-D", "-f", &config, "-N", &host]);
        slurm.until("the node is idle", |slurm| slurm.ask("sinfo", &["-h", "-o", "%t"]).contains("idle"));
        slurm
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn service(&mut self, name: &str, words: &[&str]) {
        let log = fs::File::create(self.path(&format!("log/{name}"))).expect("a file");
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(format!("/usr/sbin/{name}")).args(words);
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a file")).stderr(log);
        self.services.push(self.within(command).spawn().expect("Debian's packages slurmctld, slurmd and munge"));
    }

    /// Gives a program the environment of this Slurm.
    fn within(&self, mut command: Command) -> Command {
        let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", self.path("bin").display());
        command.env("SLURM_CONF", self.path("slurm.conf")).env("PATH", path).env("LC_ALL", "C.UTF-8");
        command.current_dir(self.dir.path());
        command
    }

    fn ask(&self, program: &str, words: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(words);
        String::from_utf8_lossy(&self.within(command).output().expect("slurm-client").stdout).into_owned()
    }

    fn until(&self, what: &str, reached: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !reached(self) {
            if begun.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.path("log/slurmctld")).unwrap_or_default();
                panic!("it does not come to this: {what}\n{log}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn goldsmith(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        command.args(words).args(["--cache", "cache"]);
        self.within(command)
    }

    /// `goldsmith matrix run`. All jobs run on one node, so they have one cache of their own besides the remote one.
    fn run(&self, recipe: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        command.args(["matrix", "run", recipe, "--on", "slurm", "--no-verify"]);
        command.args(["--remote-cache", "store", "--remote-cache-key", "key", "--remote-cache-write"]);
        let mut command = self.within(command);
        command.env("XDG_CACHE_HOME", self.path("home")).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn logs(&self) -> String {
        let mut files: Vec<_> = fs::read_dir(self.path("out/log")).into_iter().flatten().flatten().collect();
        files.sort_by_key(fs::DirEntry::file_name);
        let text = |file: &fs::DirEntry| {
            let text = String::from_utf8_lossy(&fs::read(file.path()).unwrap_or_default()).into_owned();
            format!("{}:\n{text}\n", file.file_name().display())
        };
        files.iter().map(text).collect()
    }
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn signal(child: &Child, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a number")).expect("a process");
    kill_process(pid, signal).expect("it runs");
}

fn recipe(slurm: &Slurm, image: &Path) {
    let sha256 = Sha256::of_file(image).expect("an image");
    let recipe = format!(
        "name: \"web-{{{{ flavour }}}}\"
params: {{ flavour: {{ type: string }}, pause: {{ type: string, default: 'true' }} }}
matrix: {{ flavour: [a, b, c] }}
base: {{ image: {{ source: {}, sha256: {sha256} }} }}
steps:
  install:
    - run: {{ inline: \"{{{{ pause }}}}\" }}
  configure:
    - run: {{ inline: \"echo {{{{ flavour }}}} >/etc/flavour; test {{{{ flavour }}}} != c\" }}
",
        image.display()
    );
    fs::write(slurm.path("web.yaml"), recipe).expect("a recipe");
    fs::create_dir_all(slurm.path("store")).expect("a directory");
    let made = slurm.goldsmith(&["cache", "keygen", "key"]).output().expect("it runs");
    assert!(made.status.success(), "{:?}", said(&made));
}

#[test]
#[ignore = "needs Slurm and libguestfs"]
fn a_matrix_runs_on_slurm_as_on_one_machine() {
    let slurm = Slurm::start();
    recipe(&slurm, &crate::shared::debian_12());

    // The process that has submitted the jobs is killed, and another one finds them.
    let mut first = slurm.run("web.yaml").spawn().expect("it runs");
    slurm.until("the jobs are submitted", |slurm| slurm.ask("squeue", &["-h", "-o", "%j"]).contains("collect"));
    std::thread::sleep(Duration::from_millis(500));
    signal(&first, Signal::KILL);
    first.wait().expect("it is dead");
    let jobs = slurm.ask("squeue", &["-h", "-r", "-o", "%i"]);
    let output = slurm.run("web.yaml").output().expect("it runs");
    let (table, progress) = said(&output);
    let logs = slurm.logs();
    assert!(progress.contains("were submitted before"), "{progress}");
    assert_eq!(slurm.ask("squeue", &["-h", "-r", "-o", "%i"]), "", "no job is left of {jobs}");

    // It ends as a local build: with a table, the exit code of the image that failed, and one report.
    assert_eq!(output.status.code(), Some(12), "{table}\n{progress}\n{logs}");
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split_whitespace().take(2).collect()).collect();
    assert_eq!(rows, [["web-a", "built"], ["web-b", "built"], ["web-c", "failed"]], "{table}\n{logs}");
    assert!(progress.contains("web-c") && progress.contains("1 of 3 images failed"), "{progress}");
    let xml = fs::read_to_string(slurm.path("out/junit.xml")).expect("a report");
    assert!(xml.contains("tests=\"3\" failures=\"1\""), "{xml}");
    for (image, there) in [("web-a", true), ("web-b", true), ("web-c", false)] {
        assert_eq!(slurm.path(&format!("out/{image}/{image}.qcow2")).is_file(), there, "{image}");
    }

    // The shared steps ran in the job of the stage, and in no other one. A step that failed was not tried again.
    let stage = fs::read_to_string(slurm.path("out/log/stage-0.log")).expect("a log");
    assert!(stage.contains("install web: done") && stage.contains("stage 0 is made for 3 images"), "{stage}");
    let cells = slurm.ask("sh", &["-c", "cat out/log/cells-*.log"]);
    assert!(!cells.contains("install web: done"), "a cell made the shared step again: {cells}");
    assert_eq!(cells.matches("configure web: failed").count(), 1, "{cells}");
    assert!(!slurm.path("out/_jobs/slurm.json").exists(), "the run is over");
}

#[test]
#[ignore = "needs Slurm and libguestfs"]
fn an_interrupt_cancels_the_jobs() {
    let slurm = Slurm::start();
    recipe(&slurm, &crate::shared::debian_12());
    let mut run = slurm.run("web.yaml");
    let mut child = run.args(["--param", "pause=sleep 900"]).spawn().expect("it runs");
    slurm.until("the stage runs its step", |slurm| {
        fs::read_to_string(slurm.path("out/log/stage-0.log")).unwrap_or_default().contains("install web")
    });
    let begun = Instant::now();
    signal(&child, Signal::INT);
    let status = child.wait().expect("it ends");
    let mut progress = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut progress).expect("text");
    assert_eq!(status.code(), Some(130), "{progress}");
    assert!(progress.contains("its jobs are cancelled"), "{progress}");
    assert_eq!(slurm.ask("squeue", &["-h", "-r", "-o", "%i"]), "", "no job is left");
    assert!(begun.elapsed() < Duration::from_secs(90), "{:?}", begun.elapsed());
    assert!(!slurm.path("out/_jobs/slurm.json").exists(), "nothing is left to follow");
}
