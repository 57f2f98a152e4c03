//! Limits for the work of a recipe's templates: a stranger may have written the recipe.

use std::sync::Mutex;
use std::sync::PoisonError;

use minijinja::value::ValueKind;
use minijinja::{Error, ErrorKind, Value};

use crate::yaml::MAX_BYTES;

/// Instructions that one template may take: enough for any honest one, over in milliseconds.
pub(super) const FUEL: u64 = 100_000;

/// Instructions that all templates of a recipe and its elements may take.
const RECIPE_FUEL: u64 = 3_000_000;

/// Instructions that are counted for a failed template, of which the real number is not known.
const FAILED_FUEL: u64 = 30_000;

/// Bytes of values that all templates of a recipe and its elements may make and look at.
const RECIPE_WORK: usize = 64 << 20;

/// Bytes that an entry of a list or a map counts for, beside its content.
const ENTRY: usize = 64;

/// Deepest nesting of lists and maps that a template makes.
const MAX_NESTING: usize = 32;

/// Longest list that `range` makes, and widest fields of `format`, `indent`, `batch` and their like.
pub(super) const MAX_RANGE: i64 = 10_000;
pub(super) const MAX_WIDTH: i64 = 1_000;

/// A limit that a template has gone over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Excess {
    Value,
    Nesting,
    Width,
    Range,
    Sum,
    Recipe,
}

impl Excess {
    pub(super) fn message(self) -> String {
        match self {
            Self::Value => format!("this template makes more than {MAX_BYTES} bytes"),
            Self::Nesting => format!("this template nests lists and maps deeper than {MAX_NESTING}"),
            Self::Width => format!("this template fills up to a width, precision or number of more than {MAX_WIDTH}"),
            Self::Range => format!("this template makes a range of more than {MAX_RANGE} numbers"),
            Self::Sum => "`sum` adds numbers only".to_owned(),
            Self::Recipe => "the templates up to here take too much work for one recipe".to_owned(),
        }
    }

    pub(super) fn help(self) -> &'static str {
        match self {
            Self::Value => "put long content into a file, which `copy` brings into the image",
            Self::Nesting => "write the list out, or make it flat",
            Self::Width | Self::Range => "use a smaller number",
            Self::Sum => "join texts by `join`",
            Self::Recipe => "let templates loop less, over shorter lists, or make fewer of them",
        }
    }
}

/// The work that a recipe's templates may still do.
#[derive(Debug)]
pub(crate) struct Budget(Mutex<State>);

#[derive(Debug)]
struct State {
    work: usize,
    fuel: u64,
    /// Bytes that the template at work may still print.
    output: usize,
    excess: Option<Excess>,
}

impl Default for Budget {
    fn default() -> Self {
        Self(Mutex::new(State { work: RECIPE_WORK, fuel: RECIPE_FUEL, output: MAX_BYTES, excess: None }))
    }
}

impl Budget {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether no work is left.
    pub(super) fn is_spent(&self) -> bool {
        let state = self.state();
        state.fuel == 0 || state.work == 0
    }

    /// Begins a template, and returns how many instructions it may take.
    pub(super) fn begin(&self) -> u64 {
        let mut state = self.state();
        state.output = MAX_BYTES;
        state.excess = None;
        state.fuel.min(FUEL)
    }

    /// Ends a template that took `taken` instructions, or failed (`None`).
    pub(super) fn end(&self, taken: Option<u64>) {
        let mut state = self.state();
        // Parsing takes time too.
        state.fuel = state.fuel.saturating_sub(taken.unwrap_or(FAILED_FUEL).max(20));
    }

    /// The limit that the last template has gone over.
    pub(super) fn excess(&self) -> Option<Excess> {
        self.state().excess
    }

    /// Remembers a limit that was gone over, and makes the error that ends the template.
    pub(super) fn exceed(&self, excess: Excess) -> Error {
        self.state().excess.get_or_insert(excess);
        Error::new(ErrorKind::InvalidOperation, excess.message())
    }

    /// Counts the work of making or reading some bytes.
    pub(super) fn charge(&self, bytes: usize) -> Result<(), Error> {
        if bytes > MAX_BYTES {
            return Err(self.exceed(Excess::Value));
        }
        let mut state = self.state();
        let left = state.work.checked_sub(bytes.max(1));
        state.work = left.unwrap_or(0);
        drop(state);
        if left.is_none() { Err(self.exceed(Excess::Recipe)) } else { Ok(()) }
    }

    /// Counts bytes that a template prints.
    pub(super) fn print(&self, bytes: usize) -> Result<(), Error> {
        self.charge(bytes)?;
        let mut state = self.state();
        let left = state.output.checked_sub(bytes);
        state.output = left.unwrap_or(0);
        drop(state);
        if left.is_none() { Err(self.exceed(Excess::Value)) } else { Ok(()) }
    }

    /// Counts a value, and returns its size in bytes.
    pub(super) fn count(&self, value: &Value) -> Result<usize, Error> {
        let size = self.measure(value)?;
        self.charge(size)?;
        Ok(size)
    }

    /// Estimates how many bytes a value takes: at least as many as it prints.
    fn measure(&self, value: &Value) -> Result<usize, Error> {
        let mut left = MAX_BYTES;
        match weigh(value, 0, &mut left) {
            Ok(()) => Ok(MAX_BYTES - left),
            Err(excess) => Err(self.exceed(excess)),
        }
    }
}

/// Subtracts the size of a value from `left`.
fn weigh(value: &Value, depth: usize, left: &mut usize) -> Result<(), Excess> {
    let take = |bytes: usize, left: &mut usize| {
        *left = left.checked_sub(bytes).ok_or(Excess::Value)?;
        Ok(())
    };
    match value.kind() {
        ValueKind::String | ValueKind::Bytes => {
            let length = value.as_str().map(str::len).or_else(|| value.as_bytes().map(<[u8]>::len));
            take(length.unwrap_or(0), left)
        }
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => {
            if depth >= MAX_NESTING {
                return Err(Excess::Nesting);
            }
            let map = value.kind() == ValueKind::Map;
            take(2, left)?;
            for item in value.try_iter().into_iter().flatten() {
                take(ENTRY, left)?;
                weigh(&item, depth + 1, left)?;
                if map && let Ok(content) = value.get_item(&item) {
                    weigh(&content, depth + 1, left)?;
                }
            }
            Ok(())
        }
        ValueKind::Undefined | ValueKind::None => Ok(()),
        _ => take(40, left),
    }
}
