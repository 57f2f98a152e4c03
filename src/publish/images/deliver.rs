//! Delivery of data to an image service: by an upload, or by an import of the service.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::event::{Event, Reporter};
use crate::image::Written;
use crate::interrupt::Interrupt;
use crate::openstack::image::Image;
use crate::openstack::import::{self, Import, ImportError, Method, Progress, Stores, Watch, writable};
use crate::openstack::upload::{UploadError, compared, written};
use crate::openstack::{Cloud, CloudError, Store};
use crate::publish::problem::Problem;
use crate::publish::subject::Source;
use crate::recipe::delivery::{ALL, Import as Way, RegionImage};
use crate::recipe::publish::Glance;

/// The interface (of public, internal, admin) at which a service contacts another region.
const INTERFACE: &str = "public";

/// Import methods and stores that a service offers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Methods of import.
    pub methods: Vec<String>,
    /// Stores; none if it has only one and does not name it.
    pub stores: Vec<Store>,
}

/// The way by which data gets to a service, chosen after the service was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    steps: Steps,
    /// The way and its reason, for people; `None` for a simple upload.
    pub because: Option<String>,
    timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Steps {
    /// Upload into a store.
    Send(Option<String>),
    /// Upload into the first store, then copy to the others.
    SendAndCopy(String, Vec<String>),
    /// Import, after staging if the method is `glance-direct`.
    Import(Method, Stores),
}

impl Offer {
    /// Asks a service what it offers, if the target needs to know.
    ///
    /// # Errors
    ///
    /// If the service does not answer.
    pub fn of(cloud: &Cloud, target: &Glance) -> Result<Self, CloudError> {
        if matches!(target.import, Way::Auto | Way::Upload) && target.stores.is_empty() {
            return Ok(Self::default());
        }
        Ok(Self { methods: cloud.import_methods()?, stores: cloud.stores()? })
    }

    /// Returns a problem for each wanted store, and for the import method, that the service lacks.
    pub fn lacks(&self, method: Option<&str>, stores: &[String]) -> Vec<Problem> {
        let mut problems = Vec::new();
        let all = writable(self.stores.clone());
        for name in stores.iter().filter(|name| !all.contains(name)) {
            let help = match all.is_empty() {
                true => "it has one store that has no name: name none".to_owned(),
                false => format!("it has {}", all.join(", ")),
            };
            problems.push(Problem { message: format!("the service has no store `{name}` that takes data"), help });
        }
        if let Some(method) = method.filter(|method| !self.has(method)) {
            let help = match self.methods.is_empty() {
                true => "it knows no imports at all: upload instead".to_owned(),
                false => format!("it knows {}", self.methods.join(", ")),
            };
            problems.push(Problem { message: format!("the service does not import by {method}"), help });
        }
        problems
    }

    fn has(&self, method: &str) -> bool {
        self.methods.iter().any(|known| known == method)
    }
}

/// Chooses the way to a target.
///
/// # Errors
///
/// All import methods and stores that the service lacks.
pub fn route(target: &Glance, offer: &Offer) -> Result<Route, Vec<Problem>> {
    let (stores, named) = match target.stores.as_slice() {
        [] => (Stores::Preferred, Vec::new()),
        [word] if word == ALL => (Stores::All, writable(offer.stores.clone())),
        names => (Stores::Named(names.to_vec()), names.to_vec()),
    };
    let several = named.len() > 1;
    let wanted = named.clone();
    let (steps, because) = match (target.import, &target.url, &target.from) {
        (Way::Auto, ..) if several && offer.has("glance-direct") => {
            (Steps::Import(Method::GlanceDirect, stores), "staged, because several stores are wanted".to_owned())
        }
        (Way::GlanceDirect, ..) => (Steps::Import(Method::GlanceDirect, stores), "staged and imported".to_owned()),
        (Way::WebDownload, Some(url), _) => {
            (Steps::Import(Method::WebDownload(url.clone()), stores), "downloaded by the service".to_owned())
        }
        (Way::GlanceDownload, _, Some(from)) => {
            let RegionImage { region, image } = from.clone();
            let because = format!("fetched from the region {region}");
            (Steps::Import(Method::GlanceDownload { region, image, interface: INTERFACE.to_owned() }, stores), because)
        }
        (way, ..) if several => {
            let because = match way {
                Way::Auto => "uploaded and copied, because several stores are wanted and nothing can be staged",
                _ => "uploaded and copied, because several stores are wanted",
            };
            // The first store of the recipe; for `all`, the one that the service prefers.
            let preferred = offer.stores.iter().find(|store| store.default).map(|store| store.id.clone());
            let first = preferred.filter(|_| stores == Stores::All).unwrap_or_else(|| named[0].clone());
            let others = named.into_iter().filter(|name| *name != first).collect();
            (Steps::SendAndCopy(first, others), because.to_owned())
        }
        _ => {
            let because = named.first().map(|name| format!("uploaded into the store {name}")).unwrap_or_default();
            (Steps::Send(named.into_iter().next()), because)
        }
    };
    let method = match &steps {
        Steps::Send(_) => None,
        Steps::SendAndCopy(..) => Some(Method::CopyImage.name()),
        Steps::Import(method, _) => Some(method.name()),
    };
    let problems = offer.lacks(method, &wanted);
    let because = Some(because).filter(|text| !text.is_empty());
    let timeout = target.import_timeout.unwrap_or(import::IMPORT_TIMEOUT);
    if problems.is_empty() { Ok(Route { steps, because, timeout }) } else { Err(problems) }
}

impl Route {
    /// Returns whether the service takes properties from the other region too, in place of those of the record.
    pub fn replaces_properties(&self) -> bool {
        matches!(self.steps, Steps::Import(Method::GlanceDownload { .. }, _))
    }

    /// Returns whether this way can continue with an image that an earlier run has left, for data of this size.
    pub fn can_resume(&self, image: &Image, size: u64) -> bool {
        match (image.status.as_str(), &self.steps) {
            ("queued", _) | ("importing", Steps::Import(..)) => true,
            ("uploading", Steps::Import(Method::GlanceDirect, _)) => image.size == Some(size),
            _ => false,
        }
    }
}

/// The data to deliver and the service that gets it.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The service.
    pub cloud: &'a Cloud,
    /// The data.
    pub source: &'a Source,
    /// Receiver of events.
    pub reporter: &'a Arc<dyn Reporter>,
    /// The user's request to stop.
    pub interrupt: &'a Interrupt,
}

impl std::fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery").field("source", self.source).finish_non_exhaustive()
    }
}

impl Delivery<'_> {
    /// Delivers data to a `queued` image, or continues where an earlier run has ended. On every way, size and checksums that
    /// the service reports are compared with the file.
    ///
    /// # Errors
    ///
    /// If the delivery fails; the record is left as it is.
    pub fn deliver(&self, id: &str, status: &str, route: &Route) -> Result<Image, UploadError> {
        match &route.steps {
            Steps::Send(store) => self.send(id, store.as_deref()),
            Steps::SendAndCopy(first, others) => {
                self.send(id, Some(first))?;
                let import =
                    Import { method: Method::CopyImage, stores: Stores::Named(others.clone()), all_must_succeed: true };
                let activity = format!("copy {} to {}", self.source.artifact.file, others.join(", "));
                self.watched(&activity, route, |watch| Ok(self.cloud.import(id, &import, watch)?.image))
            }
            Steps::Import(method, stores) => {
                let sent = match (method, status) {
                    (Method::GlanceDirect, "queued") => self.activity(&self.named("stage"), |progress| {
                        let size = self.source.artifact.size;
                        self.cloud.stage(id, &self.source.file(), &|done| progress(done, size), self.interrupt)
                    })?,
                    _ => written(&self.source.file(), self.interrupt)?,
                };
                let import = Import { method: method.clone(), stores: stores.clone(), all_must_succeed: true };
                let activity = format!("import {} by {}", self.source.artifact.file, method.name());
                let image = self.watched(&activity, route, |watch| match status {
                    "importing" => self.cloud.await_import(id, method, watch),
                    _ => Ok(self.cloud.import(id, &import, watch)?.image),
                })?;
                self.as_built(&sent)?;
                compared(image, &sent)
            }
        }
    }

    /// Checks that the data that was sent is that of the verified artifact.
    fn as_built(&self, sent: &Written) -> Result<(), UploadError> {
        if sent.digests.sha256 == self.source.artifact.digests.sha256 {
            return Ok(());
        }
        Err(UploadError::Other { file: self.source.file() })
    }

    fn send(&self, id: &str, store: Option<&str>) -> Result<Image, UploadError> {
        let (image, sent) = self.activity(&self.named("upload"), |progress| {
            let size = self.source.artifact.size;
            self.cloud.upload(id, &self.source.file(), store, &|done| progress(done, size), self.interrupt)
        })?;
        self.as_built(&sent)?;
        Ok(image)
    }

    fn watched(
        &self,
        name: &str,
        route: &Route,
        work: impl FnOnce(Watch<'_>) -> Result<Image, ImportError>,
    ) -> Result<Image, UploadError> {
        self.activity(name, |progress| {
            let progress = |seen: Progress| {
                let (done, total) = seen.bytes(self.source.artifact.size);
                progress(done, total);
            };
            Ok(work(Watch { timeout: route.timeout, progress: &progress, interrupt: self.interrupt })?)
        })
    }

    fn named(&self, verb: &str) -> String {
        format!("{verb} {} to {}", self.source.artifact.file, self.cloud.name())
    }

    /// Runs `work` as an activity that reports progress: bytes that are done, and bytes in all.
    fn activity<T>(
        &self,
        name: &str,
        work: impl FnOnce(&(dyn Fn(u64, u64) + Sync)) -> Result<T, UploadError>,
    ) -> Result<T, UploadError> {
        let (activity, started) = (name.to_owned(), Instant::now());
        self.reporter.report(&Event::ActivityStarted { activity: activity.clone() });
        let progress = |done, total| {
            self.reporter.report(&Event::Progress { activity: activity.clone(), done, total: Some(total) });
        };
        let result = work(&progress)?;
        self.reporter.report(&Event::ActivityFinished { activity: activity.clone(), elapsed: started.elapsed() });
        Ok(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(methods: &[&str], stores: &[&str]) -> Offer {
        let stores = stores.iter().enumerate().map(|(index, name)| Store {
            id: (*name).to_owned(),
            description: None,
            default: index == 1,
            read_only: name.starts_with("http"),
        });
        Offer { methods: methods.iter().map(|name| (*name).to_owned()).collect(), stores: stores.collect() }
    }

    fn target(import: Way, stores: &[&str]) -> Glance {
        let stores = stores.iter().map(|name| (*name).to_owned()).collect();
        let url = (import == Way::WebDownload).then(|| "https://host/file".to_owned());
        let from = (import == Way::GlanceDownload).then(|| "two/1".parse().expect("a region"));
        Glance { import, stores, url, from, ..Glance::default() }
    }

    #[test]
    fn routes_follow_from_wishes_and_offers() {
        let full = offer(&["glance-direct", "web-download", "copy-image"], &["fast", "slow", "http"]);
        let copies = offer(&["copy-image"], &["fast", "slow"]);
        let named = |names: &[&str]| Stores::Named(names.iter().map(|name| (*name).to_owned()).collect());
        let staged = |stores: Stores| Steps::Import(Method::GlanceDirect, stores);
        let copied = |first: &str, other: &str| Steps::SendAndCopy(first.to_owned(), vec![other.to_owned()]);
        let web = |stores: Stores| Steps::Import(Method::WebDownload("https://host/file".to_owned()), stores);
        for (way, stores, offer, expected) in [
            (Way::Auto, &[][..], &full, Steps::Send(None)),
            (Way::Auto, &[], &Offer::default(), Steps::Send(None)),
            (Way::Auto, &["all"], &Offer::default(), Steps::Send(None)),
            (Way::Auto, &["fast"], &full, Steps::Send(Some("fast".to_owned()))),
            (Way::Auto, &["fast", "slow"], &full, staged(named(&["fast", "slow"]))),
            (Way::Auto, &["all"], &full, staged(Stores::All)),
            (Way::Auto, &["slow", "fast"], &copies, copied("slow", "fast")),
            (Way::Auto, &["all"], &copies, copied("slow", "fast")),
            (Way::Upload, &["fast", "slow"], &full, copied("fast", "slow")),
            (Way::GlanceDirect, &[], &full, staged(Stores::Preferred)),
            (Way::WebDownload, &["fast", "slow"], &full, web(named(&["fast", "slow"]))),
        ] {
            let found = route(&target(way, stores), offer);
            let found = found.unwrap_or_else(|problems| panic!("{way:?} {stores:?}: {problems:?}"));
            assert_eq!(found.steps, expected, "{way:?} {stores:?}");
        }
    }

    #[test]
    fn what_a_service_does_not_offer_is_told_all_at_once() {
        let offered = offer(&["copy-image"], &["fast", "slow", "http"]);
        for (way, stores, offer, messages) in [
            (
                Way::GlanceDirect,
                &["tape"][..],
                &offered,
                &["`tape` that takes data; it has fast", "knows copy-image"][..],
            ),
            (Way::Auto, &["http"], &offered, &["`http` that takes data; it has fast, slow"]),
            (Way::Auto, &["fast"], &Offer::default(), &["it has one store that has no name"]),
            (Way::Upload, &["fast", "slow"], &offer(&[], &["fast", "slow"]), &["it knows no imports at all"]),
            (Way::GlanceDownload, &[], &offered, &["does not import by glance-download"]),
        ] {
            let problems = route(&target(way, stores), offer).expect_err("it is refused");
            let told: Vec<_> =
                problems.iter().map(|problem| format!("{}; {}", problem.message, problem.help)).collect();
            assert_eq!(told.len(), messages.len(), "{told:?}");
            for message in messages {
                assert!(told.iter().any(|told| told.contains(message)), "{message}: {told:?}");
            }
        }
    }
}
