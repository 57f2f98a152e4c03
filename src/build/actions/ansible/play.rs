//! Runs a playbook, and does in the guest what its tasks ask for.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::super::error::{ActionError, ForAction as _};
use super::super::executor::Executor;
use super::project::Project;
use crate::action::Ansible;
use crate::build::service::{self, Asked, Service};
use crate::event::{Event, Reporter};
use crate::fsx::IoContext as _;
use crate::guest::GuestError;
use crate::interrupt::Interrupt;
use crate::plan::Asset;
use crate::process::{ProcessError, run_lines};
use crate::text::{Redactor, printable};

/// Pause between two looks at the user's request to stop.
const POLL: Duration = Duration::from_millis(50);

/// What the threads around a playbook tell.
enum Message {
    /// A task asks for something in the guest.
    Asked(Asked),
    /// A line of Ansible.
    Line(String),
    /// Ansible has ended.
    Ended(Result<(), ProcessError>),
}

impl From<Asked> for Message {
    fn from(asked: Asked) -> Self {
        Self::Asked(asked)
    }
}

/// A line of the callback plugin.
#[derive(Deserialize)]
struct Told {
    goldsmith: Facts,
}

#[derive(Deserialize)]
struct Facts {
    task: String,
    result: Option<String>,
    #[serde(default)]
    message: String,
    #[serde(default)]
    lines: Vec<String>,
}

/// What the lines of the callback plugin have told.
#[derive(Default)]
struct Course {
    /// Whether a task had a result.
    began: bool,
    /// The last task that failed, and its message.
    failed: Option<String>,
    /// The last lines of its output.
    lines: Vec<String>,
}

impl Executor<'_> {
    /// Runs a playbook.
    pub(in crate::build::actions) fn ansible(
        &mut self,
        ansible: &Ansible,
        files: &std::collections::BTreeMap<String, Asset>,
    ) -> Result<(), ActionError> {
        let label = format!("ansible {}", ansible.playbook);
        let started = Instant::now();
        let timeout = ansible.timeout.map_or(self.timeout, |timeout| timeout.min(self.timeout));
        let project = Project::make(ansible, files, self.secrets, self.scratch)?;
        service::prepare(self.guest).for_action(&label)?;
        if let Some(requirements) = &ansible.requirements {
            let label = format!("ansible-galaxy install -r {requirements}");
            self.playbook(&label, project.galaxy(requirements), &project, ansible, timeout)?;
        }
        let rest = timeout.saturating_sub(started.elapsed());
        let result = self.playbook(&label, project.playbook(ansible), &project, ansible, rest);
        // If the guest is gone, the failure of the playbook says why.
        let removed = service::clear(self.guest).for_action(&label);
        let began = result?;
        removed?;
        if began {
            return Ok(());
        }
        let message = "no task ran: the host of the build is `image`, so plays need `hosts: all`".to_owned();
        Err(ActionError::Unfit { action: label, message })
    }

    /// Runs a program of Ansible to its end, and does in the guest what its tasks ask for. Returns whether a task had a result.
    fn playbook(
        &mut self,
        label: &str,
        command: Command,
        project: &Project,
        ansible: &Ansible,
        timeout: Duration,
    ) -> Result<bool, ActionError> {
        let redactor = Redactor::new(self.secrets.values());
        let socket = project.socket();
        let (sender, messages) = mpsc::channel();
        let service = Service::start(&socket, sender.clone()).at(&socket)?;
        let stop = Interrupt::new();
        let worker = start(command, sender, stop.clone(), timeout).at(Path::new("ansible"))?;
        let mut course = Course::default();
        let started = Instant::now();
        let ended = loop {
            if self.interrupt.is_raised() {
                stop.raise();
            }
            match messages.recv_timeout(POLL) {
                Ok(Message::Line(line)) => tell(&line, &redactor, self.reporter, &mut course),
                Ok(Message::Ended(result)) => break Ok(result),
                Ok(Message::Asked(asked)) => {
                    let rest = timeout.saturating_sub(started.elapsed());
                    let answer = match &asked.request {
                        Ok(request) => service::fulfil(self.guest, request, ansible.network, rest),
                        Err(message) => Ok(serde_json::json!({ "error": message })),
                    };
                    match answer {
                        Ok(answer) => asked.answer(&answer),
                        Err(error) => break Err(error),
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break Ok(Err(ProcessError::Interrupted)),
            }
        };
        // Ansible ends before the socket and the files that it uses.
        stop.raise();
        let _ = worker.join();
        drop(service);
        let result = ended.for_action(label)?;
        let began = course.began;
        result.map_err(|error| failure(label, error, course).redacted(&redactor)).map(|()| began)
    }
}

/// Starts a program in a thread, and passes on its lines and its end.
fn start(
    mut command: Command,
    messages: mpsc::Sender<Message>,
    stop: Interrupt,
    timeout: Duration,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name("ansible".to_owned()).spawn(move || {
        // If nobody listens any more, the end does not matter.
        let pass = |line: &str| drop(messages.send(Message::Line(line.to_owned())));
        let ended = run_lines(&mut command, &stop, Some(timeout), pass);
        let _ = messages.send(Message::Ended(ended));
    })
}

/// Reports a line of Ansible, and remembers the task that failed.
fn tell(line: &str, redactor: &Redactor, reporter: &dyn Reporter, course: &mut Course) {
    let shown = |text: &str| printable(redactor.redact(text).as_bytes());
    let report = |line: &str| reporter.report(&Event::Output { line: shown(line) });
    let Ok(Told { goldsmith: facts }) = serde_json::from_str::<Told>(line) else {
        if !line.trim().is_empty() {
            report(line);
        }
        return;
    };
    let Facts { task, result, message, lines } = facts;
    course.began |= result.is_some();
    match result.as_deref() {
        None => report(&format!("task {task}")),
        Some(kind @ ("failed" | "ignored")) => {
            for line in &lines {
                report(&format!("    {line}"));
            }
            let message = message.trim();
            report(&format!("  {kind}: {message}"));
            if kind == "failed" {
                // The error shows this, so no secret may be in it.
                let said = shown(message.lines().next().unwrap_or_default());
                course.failed = Some(format!("task `{}`: {said}", shown(&task)));
                course.lines = lines;
            }
        }
        Some(kind) => report(&format!("  {kind}")),
    }
}

/// Returns the error of a program of Ansible that did not end well.
fn failure(label: &str, error: ProcessError, course: Course) -> ActionError {
    let action = label.to_owned();
    match error {
        ProcessError::Failed { status, tail, .. } => {
            let said = |line: &String| serde_json::from_str::<Told>(line).is_err();
            let tail = if course.failed.is_some() { course.lines } else { tail.into_iter().filter(said).collect() };
            let tail = tail.iter().map(|line| printable(line.as_bytes())).collect();
            ActionError::Status { action, status: status.code().unwrap_or(-1), hint: course.failed, full: None, tail }
        }
        ProcessError::Start { program, source } if source.kind() == std::io::ErrorKind::NotFound => {
            let message = format!(
                "there is no `{program}` on this host: install the package `ansible-core`, or `pip install ansible-core`"
            );
            ActionError::Unfit { action, message }
        }
        ProcessError::Interrupted => ActionError::Guest { action, source: GuestError::Interrupted },
        error => ActionError::Unfit { action, message: error.to_string() },
    }
}
