//! Bootstrapped bases: finds the distribution and the release that a recipe names, and fills in what the recipe leaves out.

use std::path::Path;
use std::sync::Arc;

use super::schema::Bootstrap;
use super::secret::lacking;
use crate::distro::{self, Distribution, Distros, Tool};
use crate::vocabulary::{Arch, Distro};
use crate::yaml::{Diagnostic, Node, Source, Span, list, near};

/// Finds the distribution and the release that a recipe bootstraps. An alias becomes the distribution's own name, missing
/// components become the distribution's, and the keyring's path becomes absolute. `dir` is the folder of the recipe.
pub(super) fn bootstrapped(
    wanted: &mut Bootstrap,
    arch: Arch,
    distros: &Distros,
    (head, dir): (&Node, &Path),
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Option<(Distro, distro::Bootstrap)> {
    let at = |key: &str| {
        let bootstrap = head.get("base").and_then(|base| base.get("bootstrap"));
        bootstrap.and_then(|node| node.get(key).or(Some(node))).map_or(Span::default(), |node| node.span)
    };
    let can = distros.bootstrapped();
    let Some(distribution) = distros.get(&wanted.distro) else {
        let message = format!("unknown distribution `{}`", wanted.distro);
        let diagnostic = Diagnostic::new(source, at("distro"), message).did_you_mean(near(&wanted.distro, &can));
        found.push(diagnostic.help(format!("known here: {}", list(&can))));
        return None;
    };
    let Some(how) = &distribution.file.bootstrap else {
        let message = format!("`{}` cannot be made of packages here", wanted.distro);
        found.push(
            Diagnostic::new(source, at("distro"), message)
                .help("start from an image of it: `base: { image: { source: ..., sha256: ... } }`")
                .help(format!("can be made of packages: {}", list(&can))),
        );
        return None;
    };
    wanted.distro.clone_from(&distribution.file.name);
    for file in [&mut wanted.keyring, &mut wanted.certificate_authority].into_iter().flatten() {
        let path = dir.join(&*file);
        *file = std::path::absolute(&path).unwrap_or(path).to_string_lossy().into_owned();
    }
    if wanted.components.is_empty() {
        wanted.components.clone_from(&how.components);
    }
    if !distribution.file.architectures.contains(&arch) {
        let message = format!("{} is not made for {}", distribution.file.title, arch.name());
        let known = distribution.file.architectures.iter().map(|arch| arch.name());
        found.push(Diagnostic::new(source, at("distro"), message).help(format!("known here: {}", list(known))));
    }
    let distro = release(&wanted.release, distribution, at("release"), source, found)?;
    let releases = &distribution.file.releases;
    let own = releases.iter().find(|it| it.name == distro.release).map_or(&[][..], |it| &it.suites);
    let how = how.of(&distro.release, own, arch);
    if wanted.keyring.is_some() && how.tool != Tool::Mmdebstrap {
        let message =
            "`keyring` is for distributions with apt: with other package managers these keys become the image's own";
        found.push(
            Diagnostic::new(source, at("keyring"), message)
                .help("put the file where the distribution's data name it; `goldsmith distros NAME` shows where"),
        );
    }
    if wanted.allow_expired && how.tool != Tool::Mmdebstrap {
        let message = "`allow-expired` is for distributions with apt: indexes of others do not expire";
        found.push(Diagnostic::new(source, at("allow-expired"), message).help("remove it"));
    }
    let certificates = [
        ("client-certificate", wanted.client_certificate.is_some()),
        ("certificate-authority", wanted.certificate_authority.is_some()),
    ];
    for (key, _) in certificates.into_iter().filter(|(_, given)| *given && how.tool != Tool::Dnf) {
        let message = format!("`{key}` is for distributions with dnf");
        let help = "remove it; the other package managers get no certificate from Goldsmith";
        found.push(Diagnostic::new(source, at(key), message).help(help));
    }
    if let Some(name) = &wanted.client_certificate {
        let secrets = head.get("secrets").and_then(Node::map).map_or(&[][..], |map| &map.entries);
        let names: Vec<_> = secrets.iter().map(|(key, _)| key.text.as_str()).collect();
        if !names.contains(&name.as_str()) {
            let (message, help) = lacking(name);
            let diagnostic = Diagnostic::new(source, at("client-certificate"), message);
            found.push(diagnostic.did_you_mean(near(name, names)).help(help));
        }
    }
    Some((distro, how))
}

fn release(
    wanted: &str,
    distribution: &Distribution,
    span: Span,
    source: &Arc<Source>,
    found: &mut Vec<Diagnostic>,
) -> Option<Distro> {
    let releases = &distribution.file.releases;
    if let Some(release) = releases.iter().find(|release| release.name == wanted) {
        return Some(distribution.named(release.name.clone(), release.version.clone()));
    }
    let names = || releases.iter().map(|release| release.name.as_str());
    let meant = releases.iter().find(|release| release.version == wanted).map(|release| release.name.clone());
    found.push(
        Diagnostic::new(source, span, format!("unknown release `{wanted}` of {}", distribution.file.name))
            .did_you_mean(meant.or_else(|| near(wanted, names())))
            .help(format!("known here: {}", list(names()))),
    );
    None
}
