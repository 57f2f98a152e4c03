//! Puts the page together: the summary, the boots, the work of the build, and the space.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::super::excerpt::excerpt;
use super::super::{BuildInfo, JSON, JUNIT, Layers};
use super::checks;
use super::parts::{Bar, FactTable, bars};
use crate::text::readable;
use crate::units::ByteSize;
use crate::verify::{Boot, ImageFacts, Report, Tally};

const STYLE: &str = include_str!("style.css");

/// The script that filters the checks and unfolds output.
const SCRIPT: &str = include_str!("script.js");

/// Returns the page.
pub fn page(report: &Report, build: Option<&BuildInfo>) -> String {
    let tally = Tally::of(&report.findings);
    let verdict = if report.passed() { "Good" } else { "Not good" };
    // The policy has the digest of exactly the text between the tags.
    let script = BASE64.encode(Sha256::digest(SCRIPT.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{script}'; base-uri 'none'; form-action 'none'"
    );
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (verdict) ": " (readable(&report.name)) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a.skip href="#content" { "To the content" }
                header {
                    h1 { (readable(&report.name)) }
                    p.verdict.good[report.passed()].bad[!report.passed()] {
                        span aria-hidden="true" { (if report.passed() { "\u{2714} " } else { "\u{2718} " }) }
                        (verdict) ": " (tally)
                    }
                    (summary(report, build))
                    (contents(report, build))
                }
                main #content {
                    (checks::to_do(report))
                    (boots(report))
                    (checks::all(report))
                    @if let Some(build) = build { (work(build)) }
                    (space(report))
                    (packages(report))
                    (facts(&report.facts))
                }
                footer {
                    p { "By goldsmith " (env!("CARGO_PKG_VERSION")) ". The same for programs: "
                        a href=(JSON) { (JSON) } ", " a href=(JUNIT) { (JUNIT) } "." }
                }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Shows the facts about the image.
pub(super) fn summary(report: &Report, build: Option<&BuildInfo>) -> Markup {
    let subject = &report.facts.subject;
    let mut table = FactTable::default();
    let arch = subject.arch.as_deref().map(|arch| format!(", {arch}")).unwrap_or_default();
    table.add("system", subject.product.as_deref().map_or("none was found".to_owned(), |name| format!("{name}{arch}")));
    table.add("image", report.image.as_str());
    table.add("sha256", report.sha256.as_deref().unwrap_or_default());
    if let Some(build) = build {
        table.add("about", build.description.as_deref().unwrap_or_default());
        table.add("recipe", build.recipe.as_str());
        table.add("made of", build.base.as_str());
        table.add("made at", build.created.as_str());
    }
    table.html("What was verified")
}

fn contents(report: &Report, build: Option<&BuildInfo>) -> Markup {
    let parts = [
        (true, "to-do", "What to do"),
        (!report.boots.is_empty(), "boots", "Boots"),
        (true, "checks", "All checks"),
        (build.is_some(), "build", "Build"),
        (!report.usage.is_empty(), "space", "Space"),
        (!report.packages.is_empty(), "packages", "Packages"),
        (true, "facts", "Facts"),
    ];
    html! {
        nav aria-label="Contents" {
            ul { @for (_, id, name) in parts.iter().filter(|part| part.0) { li { a href={ "#" (id) } { (name) } } } }
        }
    }
}

/// Shows the boots.
fn boots(report: &Report) -> Markup {
    // All boots have the same scale, so that they can be compared.
    let end = report.boots.iter().flat_map(|boot| &boot.milestones).map(|milestone| milestone.seconds);
    let end = end.fold(0.0, f64::max);
    html! {
        @if !report.boots.is_empty() {
            section aria-labelledby="boots" {
                h2 #boots { "Boots" }
                @for boot in &report.boots { (one_boot(boot, end)) }
            }
        }
    }
}

fn one_boot(boot: &Boot, end: f64) -> Markup {
    let profile = boot.profile.to_string();
    let mut before = 0.0;
    let rows: Vec<_> = boot
        .milestones
        .iter()
        .map(|milestone| {
            let from = std::mem::replace(&mut before, milestone.seconds);
            Bar::new(&milestone.name, format!("{:.1} s", milestone.seconds), from, milestone.seconds - from)
        })
        .collect();
    html! {
        h3 { (profile) }
        p { (Tally::of(&boot.findings)) }
        (bars(&format!("Seconds from power-on, {profile}"), ("what happened", "after"), &rows, end))
        @if let Some(png) = &boot.screenshot {
            details.prints { summary { "Screen of " (profile) }
                img src={ "data:image/png;base64," (BASE64.encode(png)) } alt={ "The screen of the machine, " (profile) }; }
        }
        @if !boot.serial.is_empty() {
            details { summary { "Serial console of " (profile) }
                pre.log tabindex="0" { (readable(&excerpt(&boot.serial))) } }
        }
    }
}

/// Says where the layers came from.
fn hits(layers: &Layers) -> String {
    let Layers { made, cache, remote } = layers;
    let (hits, all) = (cache + remote, made + cache + remote);
    let percent = layers.hit_rate() * 100.0;
    format!(
        "{hits} of {all} layers came from caches ({percent:.0} %): {cache} from that of the machine, {remote} from the remote cache. The build made {made}."
    )
}

/// Shows the work of the build.
fn work(build: &BuildInfo) -> Markup {
    let known = build.work.iter().any(|work| work.started.is_some());
    let mut at = 0.0;
    let rows: Vec<_> = build
        .work
        .iter()
        .map(|work| {
            let from = work.started.unwrap_or(at);
            // A cached step took no time in this build.
            let length = if work.cached { 0.0 } else { work.seconds };
            at += length;
            let place = if work.remote { "from the remote cache" } else { "cached" };
            let figure = match work.cached {
                true if work.seconds > 0.0 => format!("{place} ({:.1} s once)", work.seconds),
                true => place.to_owned(),
                false => format!("{:.1} s", work.seconds),
            };
            Bar { cached: work.cached, ..Bar::new(&work.name, figure, from, length) }
        })
        .collect();
    let end = rows.iter().map(|row| row.from + row.length).fold(0.0, f64::max);
    let caption = if known {
        format!("What this build did, and when: {end:.1} s in all")
    } else {
        format!("What each step took when its layer was made: {end:.1} s in all")
    };
    html! {
        section aria-labelledby="build" {
            h2 #build { "Build" }
            @if let Some(layers) = &build.layers { p { (hits(layers)) } }
            (bars(&caption, ("step", "took"), &rows, end))
            @if !build.artifacts.is_empty() {
                div.wide { table {
                    caption { "Files that were made" }
                    thead { tr { th scope="col" { "file" } th.number scope="col" { "size" } th scope="col" { "sha256" } } }
                    tbody { @for artifact in &build.artifacts { tr {
                        th scope="row" { (readable(&artifact.file)) }
                        td.number { (ByteSize::bytes(artifact.size)) }
                        td { code { (artifact.digests.sha256) } }
                    } } }
                } }
            }
            @if !build.tools.is_empty() {
                p.soft { "Made by " (readable(&build.tools.iter().map(|(tool, version)| format!("{tool} {version}")).collect::<Vec<_>>().join(", "))) "." }
            }
        }
    }
}

/// Shows the largest directories.
fn space(report: &Report) -> Markup {
    let shown = report.usage.iter().map(|usage| {
        #[expect(clippy::cast_precision_loss, reason = "the length of a bar")]
        let length = usage.bytes as f64;
        Bar::new(&usage.path, ByteSize::bytes(usage.bytes).to_string(), 0.0, length)
    });
    let rows: Vec<_> = shown.collect();
    let end = rows.iter().map(|row| row.length).fold(0.0, f64::max);
    html! {
        @if !rows.is_empty() {
            section aria-labelledby="space" {
                h2 #space { "Space" }
                (bars("Directories that take the most, each without the others listed below it", ("directory", "takes"), &rows, end))
            }
        }
    }
}

fn packages(report: &Report) -> Markup {
    html! {
        @if !report.packages.is_empty() {
            section aria-labelledby="packages" {
                h2 #packages { "Packages" }
                details { summary { (report.packages.len()) " packages" }
                    div.wide { table {
                        caption { "Installed packages" }
                        thead { tr { th scope="col" { "name" } th scope="col" { "version" } th scope="col" { "architecture" } } }
                        tbody { @for package in &report.packages { tr {
                            th scope="row" { (readable(&package.name)) }
                            td { (readable(&package.version)) }
                            td { (readable(&package.arch)) }
                        } } }
                    } }
                }
            }
        }
    }
}

pub(super) fn facts(facts: &ImageFacts) -> Markup {
    let subject = &facts.subject;
    let yes = |value: bool| if value { "yes" } else { "no" };
    let words = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
    let mut table = FactTable::default();
    table.add(
        "firmware it is made for",
        words(subject.firmware.iter().map(|kind| format!("{kind:?}").to_lowercase()).collect()),
    );
    table.add("signed boot loader", yes(subject.secure_boot));
    table.add("seen to boot under", words(facts.boots.iter().map(ToString::to_string).collect()));
    table.add("first boot", facts.boot_seconds.map(|seconds| format!("{seconds:.1} s")).unwrap_or_default());
    table.add("processor", facts.accel.as_deref().unwrap_or_default());
    let how = if facts.measured { "measured: with less it does not boot" } else { "it was not tried with less" };
    table.add("least memory", facts.min_ram_mib.map(|mib| format!("{mib} MiB ({how})")).unwrap_or_default());
    table.add("least disk", facts.min_disk_gib.map(|gib| format!("{gib} GiB ({how})")).unwrap_or_default());
    table.add("default user", subject.default_user.as_deref().unwrap_or_default());
    table.add(
        "guest agent",
        match (subject.guest_agent, facts.agent_answers) {
            (_, Some(true)) => "answers",
            (_, Some(false)) => "does not answer",
            (true, None) => "installed",
            (false, None) => "not installed",
        },
    );
    html! {
        section aria-labelledby="facts" { h2 #facts { "Facts" } (table.html("What was found out")) }
    }
}
