//! The command `goldsmith images import`: imports data into an image of a cloud.

use std::path::Path;

use serde_json::json;

use super::args::ImportArgs;
use super::image::{find, watched};
use super::render;
use crate::address;
use crate::cli::cloud::failure as cloud_failure;
use crate::cli::failure::{Failure, FailureKind};
use crate::cli::hints;
use crate::cli::output::print;
use crate::cli::progress::TerminalReporter;
use crate::cli::settings::Global;
use crate::event::{Event, Reporter as _};
use crate::openstack::Cloud;
use crate::openstack::image::Image;
use crate::openstack::import::{IMPORT_TIMEOUT, Import, Imported, Method, Progress, Stores, Watch};
use crate::openstack::upload::{UploadError, compared, written};
use crate::publish::images::deliver::Offer;

/// Imports data into an existing image.
pub(super) fn import(args: &ImportArgs, cloud: &Cloud, global: &Global) -> Result<(), Failure> {
    let import = args.import()?;
    if let Method::WebDownload(url) = &import.method {
        address::for_the_service(url, cloud.image_service())
            .map_err(|(message, help)| Failure::of(FailureKind::Usage, message).hint(help))?;
        if address::is_private(url) {
            let shown = address::shown(url);
            let message = format!("{shown}: the service needs a way into this private network");
            TerminalReporter::on_stderr(global.terminal).report(&Event::Warning { message });
        }
    }
    let image = find(cloud, &args.image)?;
    let offer = Offer {
        methods: cloud.import_methods().map_err(|error| cloud_failure(&error))?,
        stores: cloud.stores().map_err(|error| cloud_failure(&error))?,
    };
    let problems = offer.lacks(Some(import.method.name()), &args.store);
    if !problems.is_empty() {
        let failure = Failure::of(FailureKind::Publish, "the service would refuse the import");
        let told = problems.iter().map(|problem| format!("{}; {}", problem.message, problem.help));
        return Err(Failure { causes: told.collect(), ..failure });
    }
    let Imported { image, missing } = run(args, &import, &image, cloud, global)?.map_err(|error| failure(&error))?;
    if global.json {
        print(&format!("{}\n", json!({ "event": "imported", "image": image, "missing": missing })));
    } else {
        print(&render::show(&image));
        if !missing.is_empty() {
            print(&format!("\nnot in {}: the store has failed\n", render::shown(&missing.join(", "))));
        }
    }
    Ok(())
}

/// Stages the file if the method needs that, imports the data, and compares it with the file.
fn run(
    args: &ImportArgs,
    import: &Import,
    image: &Image,
    cloud: &Cloud,
    global: &Global,
) -> Result<Result<Imported, UploadError>, Failure> {
    let method = import.method.name();
    let stages = import.method == Method::GlanceDirect && image.status != "uploading";
    if stages && args.file.is_none() {
        let failure = Failure::of(FailureKind::Usage, format!("nothing is staged for {}", image.id));
        return Err(failure.hint("name the file to send: goldsmith images import IMAGE FILE --method glance-direct"));
    }
    let file = args.file.as_deref();
    let size = match file {
        Some(file) => Some(std::fs::metadata(file).map_err(|source| unreadable(file, source))?.len()),
        None => image.size,
    };
    watched(&format!("import {} by {method}", image.id), global, |told, interrupt| {
        let sent = match file {
            Some(file) if stages => Some(cloud.stage(&image.id, file, &|done| told(done, size), interrupt)?),
            Some(file) => Some(written(file, interrupt)?),
            None => None,
        };
        let progress = |seen: Progress| {
            if let Some((done, total)) = size.map(|size| seen.bytes(size)) {
                told(done, Some(total));
            }
        };
        let timeout = args.timeout.unwrap_or(IMPORT_TIMEOUT);
        let imported = cloud.import(&image.id, import, Watch { timeout, progress: &progress, interrupt })?;
        match sent {
            Some(sent) => Ok(Imported { image: compared(imported.image, &sent)?, missing: imported.missing }),
            None => Ok(imported),
        }
    })
}

impl ImportArgs {
    fn import(&self) -> Result<Import, Failure> {
        let wrong = |message: &str| Failure::of(FailureKind::Usage, message);
        let method = match (self.method.as_str(), &self.url, &self.from) {
            ("glance-direct", None, None) => Method::GlanceDirect,
            ("copy-image", None, None) => Method::CopyImage,
            ("web-download", Some(url), None) => Method::WebDownload(url.clone()),
            ("glance-download", None, Some(from)) => Method::GlanceDownload {
                region: from.region.clone(),
                image: from.image.clone(),
                interface: "public".to_owned(),
            },
            _ => {
                let failure = wrong("the options do not go with the method");
                return Err(
                    failure.hint("web-download has --url, glance-download has --from, and the others have neither")
                );
            }
        };
        let stores = match (self.all_stores, self.store.as_slice()) {
            (true, _) => Stores::All,
            (false, []) if method == Method::CopyImage => {
                return Err(wrong("no option names a store to copy the data to").hint("--store NAME, or --all-stores"));
            }
            (false, []) => Stores::Preferred,
            (false, names) => Stores::Named(names.to_vec()),
        };
        Ok(Import { method, stores, all_must_succeed: !self.some })
    }
}

fn unreadable(file: &Path, source: std::io::Error) -> Failure {
    hints::file(&crate::fsx::PathError { path: file.to_owned(), source })
}

fn failure(error: &UploadError) -> Failure {
    match error {
        UploadError::Cloud(error) => cloud_failure(error),
        UploadError::File(error) => hints::file(error),
        UploadError::Interrupted => Failure::new(FailureKind::Interrupted, error)
            .hint("the service goes on with what it has begun: `goldsmith images show IMAGE` tells how far it is"),
        UploadError::Import(import) => match import.help() {
            Some(help) => Failure::new(FailureKind::Publish, error).hint(help),
            None => Failure::new(FailureKind::Publish, error),
        },
        error => Failure::new(FailureKind::Publish, error),
    }
}
