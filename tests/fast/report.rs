//! Reports as their readers get them: the page, the XML and the JSON of one report that has everything.
//!
//! What is written stays below `target/tmp/report`, to be looked at.

mod sample;

use std::path::PathBuf;

use goldsmith::verify::report::{self, HTML, JSON, JUNIT, html, junit};
use goldsmith::verify::{Boot, Finding, Outcome, Report, Severity};
use quick_xml::events::Event;

/// Text that would do something if it were not taken for text.
const HOSTILE: &str = "</pre></script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>]]>&amp;<!--\u{0}\u{1}\u{1b}[31m\u{202e}\u{ffff}";

#[test]
fn all_forms_are_written() {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("report");
    let report = sample::report();
    report::write(&dir, &report, Some(&sample::build())).expect("it is written");
    report::write(&dir, &report, Some(&sample::build())).expect("it is replaced");
    let mut names: Vec<_> =
        std::fs::read_dir(&dir).expect("a directory").map(|entry| entry.expect("an entry").file_name()).collect();
    names.sort();
    assert_eq!(names, [JUNIT, HTML, JSON], "nothing else is left");
    let text = std::fs::read_to_string(dir.join(JSON)).expect("it is there");
    assert_eq!(text.matches('\n').count(), 1, "one line");
    let json: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((&json["passed"], &json["format"]), (&false.into(), &1.into()));
    assert_eq!(json["tally"]["failed"], 3);
    // It is read again as the same report, but for the pictures.
    let mut expected = report;
    expected.boots.iter_mut().for_each(|boot| boot.screenshot = None);
    assert_eq!(serde_json::from_value::<Report>(json).expect("a report"), expected);
    let error = report::write(&dir.join(HTML), &expected, None).expect_err("it is no directory");
    assert!(error.to_string().contains(HTML), "{error}");
}

#[test]
fn the_page_says_the_verdict_and_what_to_do_first() {
    let page = html::page(&sample::report(), Some(&sample::build()));
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is not there"));
    let order = [
        "Not good: 3 of 10 checks failed, 1 warning, 1 accepted, 1 skipped",
        "The root partition is the last one",
        "add the element growpart",
        "The key of the metadata logs in",
        "Seen in bios/config-drive",
        "Seen in uefi/config-drive",
        "Nothing is left of package managers",
        "login prompt",
        "Accepted: the lab has no other network",
        "cached (39.2 s once)",
        "start the guest",
        "/usr/lib/modules",
        "2 packages",
        "192 MiB (measured",
    ];
    let places: Vec<_> = order.iter().map(|text| at(text)).collect();
    assert!(places.is_sorted(), "{:?}", order.iter().zip(&places).collect::<Vec<_>>());
    // A check that failed in two profiles is one thing to do.
    assert_eq!(page.matches("Not so: The key of the metadata logs in").count(), 1);
    let good = html::page(&sample::good(), None);
    assert!(good.contains("Good: 1 check passed") && good.contains("Nothing: no check failed."), "{good}");
    assert!(!good.contains("id=\"build\"") && !good.contains("href=\"#boots\""));
}

#[test]
fn nothing_is_loaded_from_elsewhere() {
    let page = html::page(&sample::report(), Some(&sample::build()));
    for (attribute, allowed) in [("src=\"", "data:image/png;base64,"), ("href=\"", "#")] {
        for value in page.split(attribute).skip(1) {
            let link = attribute == "href=\""
                && ["https://docs.openstack.org/", JSON, JUNIT].iter().any(|start| value.starts_with(start));
            assert!(value.starts_with(allowed) || link, "{attribute}{}", &value[..40]);
        }
    }
    assert!(!page.contains("url(") && !page.contains("@import"));
}

#[test]
fn hostile_text_stays_text() {
    let report = sample::hostile(HOSTILE);
    let page = html::page(&report, Some(&sample::hostile_build(HOSTILE)));
    // One script, one style, no picture: those of the page itself.
    for (tag, count) in
        [("<script", 1), ("</script", 1), ("<style", 1), ("<img", 0), ("<!--", 0), ("onerror=alert(1)&gt;", 30)]
    {
        let found = page.matches(tag).count();
        assert!(if count == 30 { found >= count } else { found == count }, "{tag}: {found}");
    }
    for c in ['\u{0}', '\u{1}', '\u{1b}', '\u{202e}'] {
        assert!(!page.contains(c), "{c:?}");
    }
    let (texts, _) = read_xml(&junit::xml(&report));
    // What XML cannot have is left out, all else is there.
    let said = texts.iter().find(|text| text.contains("<script>alert(1)</script>")).expect("it is kept as text");
    assert!(said.contains("]]>&amp;<!--") && !said.contains('\u{1}'), "{said}");
}

#[test]
fn links_lead_to_the_web_or_nowhere() {
    let mut report = sample::report();
    for finding in &mut report.findings {
        finding.page = Some("javascript:alert(1)".to_owned());
    }
    let page = html::page(&report, None);
    assert!(!page.contains("javascript:"), "a link that runs something");
}

#[test]
fn a_flood_on_the_console_is_cut() {
    let mut report = sample::report();
    report.boots[0].serial = format!("begin\n{}\nend of it", "0123456789abcde\n".repeat(10 << 16));
    let (page, xml) = (html::page(&report, None), junit::xml(&report));
    for text in [&page, &xml] {
        assert!(text.len() < 1 << 20, "{} bytes", text.len());
        assert!(text.contains("begin\n") && text.contains("end of it") && text.contains("bytes are left out"));
    }
}

#[test]
fn the_xml_comes_to_the_same_verdict() {
    let report = sample::report();
    let (_, elements) = read_xml(&junit::xml(&report));
    let count = |name: &str| elements.iter().filter(|element| element.as_str() == name).count();
    assert_eq!(count("testsuite"), 1 + report.boots.len());
    assert_eq!(count("testcase"), report.findings.len());
    assert_eq!(count("failure"), report.findings.iter().filter(|finding| finding.counts()).count());
    assert_eq!(count("skipped"), report.findings.iter().filter(|finding| finding.outcome == Outcome::Skipped).count());
    insta::assert_snapshot!(junit::xml(&Report {
        boots: Vec::new(),
        findings: report.findings[..4].to_vec(),
        ..report
    }));
}

#[test]
fn a_boot_without_findings_is_told() {
    let mut report = sample::good();
    report.boots = vec![Boot {
        findings: Vec::new(),
        milestones: Vec::new(),
        serial: String::new(),
        screenshot: None,
        ..sample::report().boots[0].clone()
    }];
    assert!(html::page(&report, None).contains("nothing was checked"));
    read_xml(&junit::xml(&report));
}

#[test]
fn severities_sort_what_to_do() {
    let mut report = sample::report();
    report.findings.reverse();
    let page = html::page(&report, None);
    let problems: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.outcome == Outcome::Failed && finding.accepted.is_none())
        .collect();
    let place = |finding: &&Finding| page.find(&format!("Not so: {}", finding.sentence)).expect("it is told");
    let (errors, others): (Vec<&Finding>, Vec<&Finding>) =
        problems.iter().partition(|finding| finding.severity == Severity::Error);
    assert!(errors.iter().map(place).max() < others.iter().map(place).min());
}

/// Reads XML to its end: all texts and attributes, and the names of all elements.
fn read_xml(xml: &str) -> (Vec<String>, Vec<String>) {
    let mut reader = quick_xml::Reader::from_str(xml);
    reader.config_mut().check_end_names = true;
    let (mut texts, mut names, mut text) = (Vec::new(), Vec::new(), String::new());
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error} at {}", reader.error_position())) {
            Event::Start(start) | Event::Empty(start) => {
                names.push(String::from_utf8(start.name().as_ref().to_vec()).expect("UTF-8"));
                for attribute in start.attributes() {
                    let value = attribute.expect("an attribute").value;
                    let value = std::str::from_utf8(&value).expect("UTF-8");
                    texts.push(quick_xml::escape::unescape(value).expect("known entities").into_owned());
                }
            }
            Event::Text(part) => text.push_str(std::str::from_utf8(&part).expect("UTF-8")),
            Event::GeneralRef(part) => text.push_str(&format!("&{};", std::str::from_utf8(&part).expect("UTF-8"))),
            Event::End(_) => {
                let whole = std::mem::take(&mut text);
                texts.push(quick_xml::escape::unescape(&whole).expect("known entities").into_owned());
            }
            Event::Eof => break,
            _ => {}
        }
    }
    let illegal = |c: char| c.is_control() && !"\t\n\r".contains(c);
    assert!(!xml.contains(illegal), "a character that XML cannot have");
    (texts, names)
}
