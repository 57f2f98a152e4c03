//! The filters, tests and functions that templates have: no others, and each with a limit.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use minijinja::value::{Rest, ValueKind, ValueOrKwargs};
use minijinja::{
    Environment, Error, ErrorKind, Expression, State, UndefinedBehavior, Value, filters, functions, tests,
};

use super::budget::{Budget, Excess, MAX_RANGE, MAX_WIDTH};
use super::guard::{ADD, JOIN, LOOK, LOOK_AT_TEXT, MADE, REPEAT};

/// A function that returns how many bytes a filter makes beyond the bytes of its arguments.
type Growth = fn(&[Value]) -> Result<usize, Excess>;

/// Adds the filters, tests and functions of templates to an environment.
pub(super) fn provide(environment: &mut Environment<'_>, budget: &Arc<Budget>) {
    for (name, function, growth) in table() {
        filter(environment, budget, name, function, growth);
    }
    macro_rules! test {
        ($($name:literal $test:expr;)*) => { $(environment.add_test($name, $test);)* };
    }
    test! {
        "undefined" tests::is_undefined; "defined" tests::is_defined; "none" tests::is_none;
        "boolean" tests::is_boolean; "odd" tests::is_odd; "even" tests::is_even; "divisibleby" tests::is_divisibleby;
        "number" tests::is_number; "integer" tests::is_integer; "int" tests::is_integer; "float" tests::is_float;
        "string" tests::is_string; "sequence" tests::is_sequence; "iterable" tests::is_iterable;
        "mapping" tests::is_mapping; "true" tests::is_true; "false" tests::is_false;
        "startingwith" tests::is_startingwith; "endingwith" tests::is_endingwith; "in" tests::is_in;
        "eq" tests::is_eq; "equalto" tests::is_eq; "==" tests::is_eq; "ne" tests::is_ne; "!=" tests::is_ne;
        "lt" tests::is_lt; "lessthan" tests::is_lt; "<" tests::is_lt; "le" tests::is_le; "<=" tests::is_le;
        "gt" tests::is_gt; "greaterthan" tests::is_gt; ">" tests::is_gt; "ge" tests::is_ge; ">=" tests::is_ge;
    }
    environment.add_function("dict", functions::dict);
    let counted = Arc::clone(budget);
    environment.add_function("range", move |lower: i64, upper: Option<i64>, step: Option<i64>| {
        range(&counted, lower, upper, step)
    });
    for (name, deep) in [(LOOK, true), (MADE, true), (LOOK_AT_TEXT, false)] {
        let counted = Arc::clone(budget);
        environment.add_filter(name, move |value: Value| {
            if deep || value.kind() == ValueKind::String {
                counted.count(&value)?;
            }
            Ok::<_, Error>(value)
        });
    }
    operators(environment, budget);
}

fn table() -> Vec<(&'static str, Value, Growth)> {
    macro_rules! table {
        ($($name:literal $filter:expr, $growth:expr;)*) => {
            vec![$(($name, Value::from_function($filter), $growth as Growth)),*]
        };
    }
    table! {
        "abs" filters::abs, none; "batch" filters::batch, filled; "bool" filters::bool, none;
        "capitalize" filters::capitalize, none; "count" filters::length, none; "d" filters::default, none;
        "default" filters::default, none; "dictsort" filters::dictsort, none; "first" filters::first, none;
        "float" filters::float, none; "format" filters::format, formatted; "groupby" filters::groupby, none;
        "indent" filters::indent, indented; "int" filters::int, none; "items" filters::items, none;
        "join" filters::join, joined; "last" filters::last, none; "length" filters::length, none;
        "lines" filters::lines, none; "list" filters::list, none; "lower" filters::lower, none;
        "map" filters::map, none; "max" filters::max, none; "min" filters::min, none;
        "reject" filters::reject, none; "rejectattr" filters::rejectattr, none; "replace" filters::replace, replaced;
        "reverse" filters::reverse, none; "round" filters::round, none; "select" filters::select, none;
        "selectattr" filters::selectattr, none; "slice" filters::slice, filled; "sort" filters::sort, none;
        "split" filters::split, none; "string" filters::string, none; "sum" filters::sum, numbers;
        "title" filters::title, none; "tojson" filters::tojson, none; "trim" filters::trim, none;
        "unique" filters::unique, none; "upper" filters::upper, none; "zip" filters::zip, none;
    }
}

fn filter(
    environment: &mut Environment<'_>,
    budget: &Arc<Budget>,
    name: &'static str,
    function: Value,
    growth: Growth,
) {
    let budget = Arc::clone(budget);
    environment.add_filter(name, move |state: &mut State, args: Rest<ValueOrKwargs>| {
        let args = args.into_values();
        for arg in &args {
            budget.count(arg)?;
        }
        if args.iter().skip(1).flat_map(parts).any(|arg| arg.as_i64().is_some_and(|n| n.unsigned_abs() > WIDEST)) {
            // Only in these filters can a large number be the value itself.
            if !matches!(name, "default" | "d" | "int" | "float" | "format") {
                return Err(budget.exceed(Excess::Width));
            }
        }
        match growth(&args) {
            Ok(size) => budget.charge(size)?,
            Err(excess) => return Err(budget.exceed(excess)),
        }
        let made = function.call(state, &args)?;
        budget.count(&made)?;
        Ok::<_, Error>(made)
    });
}

const WIDEST: u64 = MAX_WIDTH.unsigned_abs();

/// Returns an argument, or the values of the named arguments if it stands for these.
fn parts(arg: &Value) -> Vec<Value> {
    if !arg.is_kwargs() {
        return vec![arg.clone()];
    }
    let names = arg.try_iter().into_iter().flatten();
    names.filter_map(|name| arg.get_item(&name).ok()).collect()
}

fn text(args: &[Value], index: usize) -> String {
    args.get(index).filter(|arg| !arg.is_kwargs()).map(Value::to_string).unwrap_or_default()
}

#[expect(clippy::unnecessary_wraps, reason = "all of them have this form")]
fn none(_: &[Value]) -> Result<usize, Excess> {
    Ok(0)
}

/// Returns the growth of filters that fill rows up to at most [`MAX_WIDTH`] items.
#[expect(clippy::unnecessary_wraps, reason = "all of them have this form")]
fn filled(args: &[Value]) -> Result<usize, Excess> {
    let filler: usize = args.iter().skip(1).flat_map(parts).map(|arg| arg.as_str().map_or(64, str::len)).sum();
    Ok(filler.saturating_mul(usize::try_from(MAX_WIDTH).unwrap_or(usize::MAX)))
}

/// Returns the growth of `indent`, which puts spaces or a text before each line.
#[expect(clippy::unnecessary_wraps, reason = "all of them have this form")]
fn indented(args: &[Value]) -> Result<usize, Excess> {
    let lines = text(args, 0).matches('\n').count() + 1;
    let width = |arg: &Value| arg.as_str().map_or_else(|| arg.as_usize().unwrap_or(0), str::len);
    let width = args.iter().skip(1).flat_map(parts).map(|arg| width(&arg)).max().unwrap_or(4);
    Ok(lines.saturating_mul(width.max(4)))
}

#[expect(clippy::unnecessary_wraps, reason = "all of them have this form")]
fn joined(args: &[Value]) -> Result<usize, Excess> {
    let count = args.first().and_then(Value::len).unwrap_or(0);
    let separator = args.iter().skip(1).flat_map(parts).map(|arg| arg.to_string().len()).max().unwrap_or(0);
    Ok(count.saturating_mul(separator))
}

#[expect(clippy::unnecessary_wraps, reason = "all of them have this form")]
fn replaced(args: &[Value]) -> Result<usize, Excess> {
    let (value, from, to) = (text(args, 0), text(args, 1), text(args, 2));
    // An empty text matches between all characters.
    let count = if from.is_empty() { value.chars().count() + 1 } else { value.matches(&from).count() };
    Ok(count.saturating_mul(to.len()))
}

/// Refuses lists and texts in `sum`, which would grow with every item.
fn numbers(args: &[Value]) -> Result<usize, Excess> {
    let items = args.first().and_then(|value| value.try_iter().ok()).into_iter().flatten();
    let all = items
        .take(1 << 16)
        .all(|item| !matches!(item.kind(), ValueKind::Seq | ValueKind::Iterable | ValueKind::String));
    if all { Ok(0) } else { Err(Excess::Sum) }
}

/// Returns the growth of `format`. Fields are at most [`MAX_WIDTH`] wide, and each may show the longest argument.
fn formatted(args: &[Value]) -> Result<usize, Excess> {
    let format = text(args, 0);
    let (mut fields, mut widths) = (0_usize, 0_usize);
    let mut rest = format.as_str();
    while let Some(start) = rest.find('%') {
        rest = &rest[start + 1..];
        fields += 1;
        if let Some(named) = rest.strip_prefix('(') {
            rest = named.split_once(')').map_or("", |(_, rest)| rest);
        }
        let end = rest.find(|c: char| !"0123456789.+-# *,_".contains(c)).unwrap_or(rest.len());
        let numbers = rest[..end].split(|c: char| !c.is_ascii_digit()).filter(|number| !number.is_empty());
        let widest = numbers.map(|number| number.parse().unwrap_or(usize::MAX)).max().unwrap_or(0);
        // A `*` takes the width from the arguments.
        if rest[..end].contains('*') || widest as u64 > WIDEST {
            return Err(Excess::Width);
        }
        widths += widest;
        // The letter itself may be a `%`.
        rest = rest[end..].get(rest[end..].chars().next().map_or(0, char::len_utf8)..).unwrap_or_default();
    }
    let longest = args.iter().skip(1).flat_map(parts).map(|arg| arg.to_string().len()).max().unwrap_or(0);
    // A number in fixed notation may have hundreds of digits.
    Ok(widths.saturating_add(fields.saturating_mul(longest + 400)))
}

fn range(budget: &Budget, lower: i64, upper: Option<i64>, step: Option<i64>) -> Result<Value, Error> {
    let (start, end) = upper.map_or((0, lower), |upper| (lower, upper));
    let step = step.unwrap_or(1);
    if step == 0 {
        return Err(Error::new(ErrorKind::InvalidOperation, "a range cannot have steps of 0"));
    }
    let length =
        (i128::from(end) - i128::from(start) + i128::from(step) - i128::from(step.signum())) / i128::from(step);
    if length > i128::from(MAX_RANGE) {
        return Err(budget.exceed(Excess::Range));
    }
    let numbers: Vec<i64> = (0..length.max(0))
        .filter_map(|index| i64::try_from(i128::from(start) + index * i128::from(step)).ok())
        .collect();
    budget.charge(numbers.len() * size_of::<i64>())?;
    Ok(Value::from(numbers))
}

/// Adds filters of two arguments for the operators that can make large values.
fn operators(environment: &mut Environment<'_>, budget: &Arc<Budget>) {
    for (name, operator) in [(ADD, "a + b"), (REPEAT, "a * b"), (JOIN, "a ~ b")] {
        let budget = Arc::clone(budget);
        environment.add_filter(name, move |left: Value, right: Value| {
            let sizes = (budget.count(&left)?, budget.count(&right)?);
            if name == REPEAT {
                // A negative number repeats nothing.
                for (size, other, value) in [(sizes.0, &right, &left), (sizes.1, &left, &right)] {
                    let repeats = matches!(value.kind(), ValueKind::String | ValueKind::Seq | ValueKind::Iterable);
                    if repeats && let Some(count) = other.as_usize() {
                        budget.charge(size.saturating_mul(count))?;
                    }
                }
            }
            let made = operate(operator, left, right)?;
            budget.count(&made)?;
            Ok::<_, Error>(made)
        });
    }
}

/// Applies an operator as minijinja does.
fn operate(operator: &'static str, left: Value, right: Value) -> Result<Value, Error> {
    static PLAIN: OnceLock<Environment<'static>> = OnceLock::new();
    let plain = PLAIN.get_or_init(|| {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment
    });
    let expression: Expression<'_, '_> = plain.compile_expression(operator)?;
    let result = expression.eval(Value::from(BTreeMap::from([("a", left), ("b", right)])));
    // The error has no place here: the caller knows the place of the operator in the template.
    result.map_err(|error| match error.detail() {
        Some(detail) => Error::new(error.kind(), detail.to_owned()),
        None => Error::from(error.kind()),
    })
}
