//! Runs `goldsmith verify`: checks the disk of an image, boots it, and reports the result.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;

use super::args::VerifyArgs;
use super::render;
use crate::cli::booting::{fitting, unknown};
use crate::cli::failure::{Failure, FailureKind, exit};
use crate::cli::hints;
use crate::cli::image_session::ImageSession;
use crate::cli::output::print;
use crate::cli::progress::TerminalReporter;
use crate::cli::settings::Global;
use crate::element::schema::Check;
use crate::event::{Event, Reporter};
use crate::export::manifest::{self, Summary};
use crate::export::origin::Origin;
use crate::image::local::Local;
use crate::pipeline::{BootRequest, Host as _};
use crate::recipe::Verify;
use crate::recipe::verify::{Accept, Known, NetworkAccess};
use crate::units::ByteSize;
use crate::verify::report::{self, BuildInfo};
use crate::verify::{self, Report, statics};

/// Memory of the guest that inspects an image.
const GUEST_MEMORY: ByteSize = ByteSize::mebibytes(1024);

/// Verifies an image, and returns the exit code.
pub(in crate::cli) fn verify(args: &VerifyArgs, global: &Global) -> Result<u8, Failure> {
    let Some(image) = &args.image else {
        print(&if global.json { format!("{}\n", json!(verify::rules().collect::<Vec<_>>())) } else { render::rules() });
        return Ok(exit::OK);
    };
    let summary_there = Summary::of_image(image);
    let believed = args.trust_manifest || summary_there.is_some() && Origin::of(&global.cache).has_built(image);
    let foreign = summary_there.is_some() && !believed;
    let summary = summary_there.filter(|_| believed);
    let settings = settings(args, summary.as_ref());
    let checks = summary.as_ref().map(|summary| summary.checks.as_slice()).unwrap_or_default();
    accepted(&settings, checks)?;
    let screen = Arc::new(TerminalReporter::on_stderr(global.terminal));
    let isolated = args.network.is_none() && !args.statics;
    if summary.is_none()
        && let Some(message) = unknown(image, foreign, isolated)
    {
        screen.report(&Event::Warning { message });
    }
    let session = ImageSession::new(global, "verify-", Arc::clone(&screen) as Arc<dyn Reporter>);
    let report = session.and_then(|session| {
        let local = session.prepare(image, "disk")?;
        let known = Known { disk: Some(ByteSize::bytes(local.size)), ..Known::default() };
        fitting(&settings, &known)?;
        let name = summary.as_ref().map_or_else(|| stem(image), |summary| summary.name.clone());
        seen(&Image { path: image, local: &local, name, settings: &settings, checks }, args, &session)
    });
    screen.finish();
    let report = report?;
    if let Some(dir) = &args.report {
        let manifest = summary.and_then(|_| image.parent().and_then(|dir| manifest::read(dir).ok()));
        let build = manifest.as_deref().and_then(BuildInfo::of_manifest);
        report::write(dir, &report, build.as_ref()).map_err(|error| hints::file(&error))?;
    }
    if global.json {
        print(&format!("{}\n", report::json(&report)));
    } else {
        print(&render::report(&report, args.all, global.stdout));
        if let Some(dir) = &args.report {
            print(&format!("{} shows all of it\n", dir.join(report::HTML).display()));
        }
    }
    Ok(if report.passed() { exit::OK } else { exit::VERIFICATION })
}

/// An image, and the settings and checks for it.
struct Image<'a> {
    path: &'a Path,
    local: &'a Local,
    name: String,
    settings: &'a Verify,
    checks: &'a [(String, Check)],
}

/// Inspects an image, and boots it.
fn seen(image: &Image<'_>, args: &VerifyArgs, session: &ImageSession) -> Result<Report, Failure> {
    let host = session.host(args.machine.accel, GUEST_MEMORY)?;
    let overlay = session.overlay(image.local, "overlay")?;
    let mut guest = session.launch(&host)?;
    let examination = session.active("look at the image", || {
        let examined = guest.attach(&overlay).and_then(|()| statics::examine_attached(&mut *guest, image.checks));
        examined.map_err(|error| hints::guest_error(&error))
    })?;
    // The machines need its memory.
    drop(guest);
    let request = BootRequest {
        image: image.path,
        local: image.local,
        verify: image.settings,
        checks: image.checks,
        subject: &examination.subject,
        reporter: &session.reporter,
        interrupt: &session.interrupt,
    };
    let booted = host.boot(&request).map_err(|error| hints::host(&error))?;
    let file = image.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Report::new(&image.name, &file, examination, booted, &image.settings.accept))
}

/// Returns the settings of the manifest, with those of the command line in their place.
fn settings(args: &VerifyArgs, summary: Option<&Summary>) -> Verify {
    // An image of unknown origin must not reach the networks of this host.
    let unknown = || Verify { network: NetworkAccess::Isolated, ..Verify::default() };
    let told = summary.map_or_else(unknown, |summary| summary.verify.clone().unwrap_or_default());
    Verify {
        boot: if args.statics { Some(Vec::new()) } else { args.boot.clone().or(told.boot) },
        metadata: args.metadata.clone().unwrap_or(told.metadata),
        machine: args.machine.machine.unwrap_or(told.machine),
        memory: args.machine.memory.unwrap_or(told.memory),
        cpus: args.machine.cpus.or(told.cpus),
        disk: args.machine.disk.or(told.disk),
        network: args.network.unwrap_or(told.network),
        user: args.user.clone().or(told.user),
        listen: told.listen.into_iter().chain(args.listen.iter().cloned()).collect(),
        measure: args.measure || told.measure && !args.statics,
        deadline: args.deadline.or(told.deadline),
        accept: told.accept.into_iter().chain(args.accept.iter().cloned()).collect(),
    }
}

/// Refuses to accept the failure of a check that does not exist.
fn accepted(settings: &Verify, checks: &[(String, Check)]) -> Result<(), Failure> {
    let known = verify::ids(checks);
    match settings.accept.iter().find(|accept| !known.contains(&accept.check)) {
        None => Ok(()),
        Some(Accept { check, .. }) => {
            let failure = Failure::of(FailureKind::Usage, format!("--accept: there is no check `{check}`"));
            Err(failure.hint("`goldsmith verify --list` shows all of them; those of elements are named element/number"))
        }
    }
}

fn stem(image: &Path) -> String {
    image.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default()
}
