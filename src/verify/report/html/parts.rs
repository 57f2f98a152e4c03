//! Tables of facts, and tables with bars.

use maud::{Markup, html};

use crate::text::readable;

/// A table with a row for each known fact.
#[derive(Debug, Default)]
pub(super) struct FactTable(Vec<(&'static str, String)>);

impl FactTable {
    /// Adds a fact, unless its value is empty.
    pub(super) fn add(&mut self, name: &'static str, value: impl Into<String>) {
        let value: String = value.into();
        if !value.is_empty() {
            self.0.push((name, value));
        }
    }

    pub(super) fn html(&self, caption: &str) -> Markup {
        html! {
            table.facts {
                caption { (caption) }
                tbody { @for (name, value) in &self.0 { tr { th scope="row" { (name) } td { (readable(value)) } } } }
            }
        }
    }
}

/// A row with a bar.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) name: String,
    /// The value of the bar as text.
    pub(super) figure: String,
    /// Start and length of the bar, in the unit of the scale.
    pub(super) from: f64,
    pub(super) length: f64,
    /// Whether it is drawn as a mark: nothing was done.
    pub(super) cached: bool,
}

impl Bar {
    pub(super) fn new(name: &str, figure: String, from: f64, length: f64) -> Self {
        Self { name: readable(name), figure, from, length, cached: false }
    }
}

/// Shows rows with bars on one scale from 0 to `end`. The figures have the same values as text.
pub(super) fn bars(caption: &str, heads: (&str, &str), rows: &[Bar], end: f64) -> Markup {
    let percent = |value: f64| if end > 0.0 { (value / end * 100.0).clamp(0.0, 100.0) } else { 0.0 };
    html! {
        @if !rows.is_empty() {
            table.bars {
                caption { (caption) }
                thead { tr { th scope="col" { (heads.0) } th.number scope="col" { (heads.1) } td {} } }
                tbody { @for row in rows { tr {
                    th scope="row" { (row.name) }
                    td.number { (row.figure) }
                    td { svg.bar width="100%" height="14" aria-hidden="true" focusable="false" {
                        @let (x, width) = (percent(row.from), percent(row.length).max(0.4));
                        // The last bar may begin at the end of the scale.
                        @let x = x.min(99.6);
                        rect.done[!row.cached].cached[row.cached] x={ (format!("{x:.2}")) "%" } y="0" width={ (format!("{width:.2}")) "%" } height="100%" rx="2" {}
                    } }
                } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_on_one_scale_and_have_their_figures() {
        let rows = [
            Bar::new("a<b", "1.0 s".to_owned(), 0.0, 1.0),
            Bar { cached: true, ..Bar::new("c", "cached".to_owned(), 4.0, 0.0) },
        ];
        insta::assert_snapshot!(bars("Times", ("what", "took"), &rows, 4.0).into_string(), @r#"<table class="bars"><caption>Times</caption><thead><tr><th scope="col">what</th><th class="number" scope="col">took</th><td></td></tr></thead><tbody><tr><th scope="row">a&lt;b</th><td class="number">1.0 s</td><td><svg class="bar" width="100%" height="14" aria-hidden="true" focusable="false"><rect class="done" x="0.00%" y="0" width="25.00%" height="100%" rx="2"></rect></svg></td></tr><tr><th scope="row">c</th><td class="number">cached</td><td><svg class="bar" width="100%" height="14" aria-hidden="true" focusable="false"><rect class=" cached" x="99.60%" y="0" width="0.40%" height="100%" rx="2"></rect></svg></td></tr></tbody></table>"#);
        assert_eq!(bars("Times", ("what", "took"), &[], 4.0).into_string(), "");
        assert!(!bars("", ("", ""), &[Bar::new("a", String::new(), 0.0, 0.0)], 0.0).into_string().contains("NaN"));
    }

    #[test]
    fn unknown_facts_are_left_out() {
        let mut facts = FactTable::default();
        facts.add("system", "<b>\u{202e}");
        facts.add("none", "");
        insta::assert_snapshot!(facts.html("Facts").into_string(), @r#"<table class="facts"><caption>Facts</caption><tbody><tr><th scope="row">system</th><td>&lt;b&gt;�</td></tr></tbody></table>"#);
    }
}
