//! Hides secrets in a text.

use std::collections::BTreeSet;
use std::sync::Arc;

use regex::bytes::{Regex, RegexBuilder};

use super::super::CUT;
use super::patterns::collect;

/// Text in the place of a secret.
pub(super) const HIDDEN: &str = "***";

/// Most bytes of patterns that are compiled together.
const PATTERN: usize = 256 << 10;

/// A redactor, which hides secrets in text.
#[derive(Clone, Default)]
pub struct Redactor(Arc<Patterns>);

#[derive(Default)]
struct Patterns {
    compiled: Vec<Regex>,
    /// Length of the longest match, in bytes.
    longest: usize,
    secrets: usize,
}

impl Redactor {
    /// Makes a redactor of these secrets. See [`require_length`](super::require_length) for those that are too short.
    pub fn new<'a>(secrets: impl Iterator<Item = &'a Vec<u8>>) -> Self {
        let mut patterns = BTreeSet::new();
        let mut count = 0;
        for secret in secrets {
            count += 1;
            collect(secret, &mut patterns);
        }
        // Longer patterns come first: of two matches at the same place the longer one counts.
        let mut patterns: Vec<(usize, String)> = patterns.into_iter().collect();
        patterns.reverse();
        let longest = patterns.first().map_or(0, |(longest, _)| *longest);
        let mut compiled = Vec::new();
        while !patterns.is_empty() {
            let mut size = 0;
            let fitting = patterns.iter().take_while(|(_, pattern)| {
                size += pattern.len();
                size <= PATTERN
            });
            let count = fitting.count().max(1);
            let group: Vec<_> = patterns.drain(..count).map(|(_, pattern)| pattern).collect();
            let regex = RegexBuilder::new(&group.join("|")).size_limit(usize::MAX).dfa_size_limit(16 << 20).build();
            // It always compiles: every part is escaped, and its size has no limit.
            compiled.extend(regex.ok());
        }
        Self(Arc::new(Patterns { compiled, longest, secrets: count }))
    }

    /// Hides the secrets in a text. If the line was cut, this also hides its end, in which a secret may begin.
    pub fn redact(&self, text: &str) -> String {
        if self.0.compiled.is_empty() {
            return text.to_owned();
        }
        let (text, cut) = match text.strip_suffix(CUT) {
            Some(text) => (&text.as_bytes()[..text.len().saturating_sub(self.0.longest - 1)], true),
            None => (text.as_bytes(), false),
        };
        let mut stream = Stream::new(self.clone());
        let mut shown = stream.push(text);
        shown.extend(stream.finish());
        let mut shown = String::from_utf8_lossy(&shown).into_owned();
        if cut {
            shown.push_str(HIDDEN);
            shown.push_str(CUT);
        }
        shown
    }

    /// Finds the secrets in a text: places that do not touch, in order.
    pub(super) fn spans(&self, text: &[u8], covered: Option<usize>) -> Vec<(usize, usize)> {
        let mut found: Vec<(usize, usize)> = covered.map(|end| (0, end)).into_iter().collect();
        for regex in &self.0.compiled {
            let mut at = 0;
            // Secrets may overlap each other, and themselves.
            while let Some(hit) = regex.find_at(text, at) {
                found.push((hit.start(), hit.end()));
                at = hit.start() + 1;
            }
        }
        found.sort_unstable();
        let mut merged: Vec<(usize, usize)> = Vec::with_capacity(found.len());
        for (start, end) in found {
            match merged.last_mut() {
                Some((_, last)) if start <= *last => *last = end.max(*last),
                _ => merged.push((start, end)),
            }
        }
        merged
    }
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.0.secrets)
    }
}

/// A stream that hides secrets in bytes which come piece by piece. It holds back the last bytes while a secret may begin in
/// them. A line end releases them, because no form of a secret contains one.
#[derive(Debug)]
pub struct Stream {
    redactor: Redactor,
    held: Vec<u8>,
    /// Number of held bytes that belong to a secret for which [`HIDDEN`] was returned already.
    covered: Option<usize>,
}

impl Stream {
    /// Makes an empty stream.
    pub fn new(redactor: Redactor) -> Self {
        Self { redactor, held: Vec::new(), covered: None }
    }

    /// Adds bytes, and returns those that can be shown.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let line = self.held.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let edge = self.held.len().saturating_sub(self.redactor.0.longest.saturating_sub(1));
        self.release(edge.max(line))
    }

    /// Returns the rest.
    pub fn finish(mut self) -> Vec<u8> {
        self.release(self.held.len())
    }

    /// Returns the bytes before `edge`, without secrets. A secret that begins at `edge` or later stays held.
    fn release(&mut self, edge: usize) -> Vec<u8> {
        let mut shown = Vec::with_capacity(edge);
        let mut at = 0;
        let mut covered = None;
        for (start, end) in self.redactor.spans(&self.held, self.covered) {
            if start >= edge && !(start == 0 && self.covered.is_some()) {
                break;
            }
            shown.extend_from_slice(&self.held[at..start]);
            if start > 0 || self.covered.is_none() {
                shown.extend_from_slice(HIDDEN.as_bytes());
            }
            at = end.min(edge);
            covered = (end >= edge).then(|| end - edge);
        }
        shown.extend_from_slice(&self.held[at.min(edge)..edge]);
        self.held.drain(..edge);
        self.covered = covered;
        shown
    }
}
