//! Scalars of YAML 1.1 as PyYAML reads them: `08` and `1e10` are texts, `yes` is true, `1:30` is 90.

use std::sync::LazyLock;

use regex::Regex;

use super::value::Value;

/// Largest number of digits of a whole number, which is Python's limit too.
const MAX_DIGITS: usize = 4300;

/// Types of plain scalars, in the order in which PyYAML's resolver tries them.
const TYPES: [(&str, &str); 6] = [
    ("bool", r"^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$"),
    (
        "float",
        r"^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
    ),
    (
        "int",
        r"^(?:[-+]?0b[0-1_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$",
    ),
    ("null", r"^(?:~|null|Null|NULL|)$"),
    (
        "timestamp",
        r"^(?:[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?)$",
    ),
    ("value", "^=$"),
];

static RESOLVER: LazyLock<Vec<(&str, Regex)>> =
    LazyLock::new(|| TYPES.map(|(name, pattern)| (name, Regex::new(pattern).expect("a pattern"))).into());

static TIME: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})(?:(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?(?:[ \t]*(?:(Z)|([-+])([0-9]{1,2})(?::([0-9]{2}))?))?)?$";
    Regex::new(pattern).expect("a pattern")
});

/// Returns the type of a plain scalar without a tag.
pub(super) fn type_of(text: &str) -> &'static str {
    RESOLVER.iter().find(|(_, pattern)| pattern.is_match(text)).map_or("str", |(name, _)| name)
}

/// Returns the value of a scalar. `kind` is the name of its type after `tag:yaml.org,2002:`.
pub(super) fn construct(kind: &str, text: &str) -> Value {
    let fault = |what: &str| Value::Fault(format!("this is no {what}"));
    match kind {
        "str" => Value::Text(text.to_owned()),
        "null" => Value::Null,
        "bool" => match text.to_lowercase().as_str() {
            "yes" | "true" | "on" => Value::Bool(true),
            "no" | "false" | "off" => Value::Bool(false),
            _ => fault("boolean"),
        },
        "int" => integer(text).map_or_else(|| fault("whole number of at most 4300 digits"), Value::Int),
        "float" => float(text).map_or_else(|| fault("number"), |number| Value::Float(printed(number))),
        "timestamp" => time(text).map_or_else(|| fault("possible date"), Value::Time),
        "binary" => Value::Bytes,
        "value" => Value::Fault("PyYAML reads no `=` without quotes".to_owned()),
        _ => Value::Fault("PyYAML does not know this tag".to_owned()),
    }
}

/// Splits off the sign.
fn signed(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

fn integer(text: &str) -> Option<String> {
    let text = text.replace('_', "");
    let (negative, digits) = signed(&text);
    let magnitude = match digits {
        "0" => "0".to_owned(),
        _ if digits.starts_with("0b") => decimal(&digits[2..], 2)?,
        _ if digits.starts_with("0x") => decimal(&digits[2..], 16)?,
        _ if digits.starts_with('0') => decimal(digits, 8)?,
        _ => {
            let mut parts = digits.split(':');
            let mut number = Decimal::default();
            number.add_digits(parts.next()?, 10)?;
            for part in parts {
                number.multiply_and_add(60, part.parse().ok()?)?;
            }
            number.printed()
        }
    };
    Some(if negative && magnitude != "0" { format!("-{magnitude}") } else { magnitude })
}

fn decimal(digits: &str, radix: u32) -> Option<String> {
    let mut number = Decimal::default();
    number.add_digits(digits, radix)?;
    Some(number.printed())
}

/// A whole number of any size, as decimal digits, the lowest first.
#[derive(Default)]
struct Decimal(Vec<u8>);

impl Decimal {
    /// Appends digits.
    fn add_digits(&mut self, digits: &str, radix: u32) -> Option<()> {
        if digits.is_empty() || digits.len() > MAX_DIGITS {
            return None;
        }
        digits.chars().try_for_each(|digit| self.multiply_and_add(radix, digit.to_digit(radix)?))
    }

    fn multiply_and_add(&mut self, factor: u32, summand: u32) -> Option<()> {
        let mut carry = summand;
        for digit in &mut self.0 {
            let sum = u32::from(*digit) * factor + carry;
            *digit = u8::try_from(sum % 10).ok()?;
            carry = sum / 10;
        }
        while carry > 0 {
            self.0.push(u8::try_from(carry % 10).ok()?);
            carry /= 10;
        }
        (self.0.len() <= MAX_DIGITS).then_some(())
    }

    fn printed(&self) -> String {
        if self.0.is_empty() {
            return "0".to_owned();
        }
        self.0.iter().rev().map(|digit| char::from(b'0' + digit)).collect()
    }
}

fn float(text: &str) -> Option<f64> {
    let text = text.replace('_', "").to_lowercase();
    let (negative, digits) = signed(&text);
    let magnitude = match digits {
        ".inf" => f64::INFINITY,
        ".nan" => return Some(f64::NAN),
        _ if digits.contains(':') => {
            digits.split(':').try_fold(0.0, |sum, part| part.parse::<f64>().ok().map(|part| sum * 60.0 + part))?
        }
        _ => digits.parse().ok()?,
    };
    Some(if negative { -magnitude } else { magnitude })
}

/// Returns a number as Python prints it: the shortest text that reads as the same number.
pub(super) fn printed(number: f64) -> String {
    if !number.is_finite() {
        return number.to_string().to_lowercase();
    }
    let written = format!("{number:e}");
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    match exponent {
        -4..16 => {
            let fixed = number.to_string();
            if fixed.contains('.') { fixed } else { format!("{fixed}.0") }
        }
        _ => format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.abs()),
    }
}

/// Returns a date, or a date with a time, as Python prints it.
fn time(text: &str) -> Option<String> {
    let parts = TIME.captures(text)?;
    let part = |index: usize| parts.get(index).map_or("", |part| part.as_str());
    let number = |index: usize| part(index).parse::<u8>().ok();
    let year: i16 = part(1).parse().ok().filter(|year| *year > 0)?;
    let (month, day) = (number(2)?, number(3)?);
    jiff::civil::Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()?;
    let date = format!("{year:04}-{month:02}-{day:02}");
    if part(4).is_empty() {
        return Some(date);
    }
    let (hour, minute, second) = (number(4)?, number(5)?, number(6)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let fraction: String = part(7).chars().chain(std::iter::repeat('0')).take(6).collect();
    let fraction = if fraction == "000000" { String::new() } else { format!(".{fraction}") };
    let zone = match (part(8), part(9)) {
        ("Z", _) => "+00:00".to_owned(),
        (_, "") => String::new(),
        (_, sign) => {
            let (hours, minutes) = (number(10)?, number(11).unwrap_or_default());
            let total = u32::from(hours) * 60 + u32::from(minutes);
            if total >= 24 * 60 {
                return None;
            }
            let sign = if total == 0 { "+" } else { sign };
            format!("{sign}{:02}:{:02}", total / 60, total % 60)
        }
    };
    Some(format!("{date} {hour:02}:{minute:02}:{second:02}{fraction}{zone}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compares plain scalars with the results of PyYAML 6.0.3, as Python prints them.
    #[test]
    fn plain_scalars_are_what_pyyaml_makes_of_them() {
        for (text, kind, printed) in [
            ("08", "str", "08"),
            ("017", "int", "15"),
            ("0o7", "str", "0o7"),
            ("0b11", "int", "3"),
            ("-0x1F", "int", "-31"),
            ("-0", "int", "0"),
            ("+1", "int", "1"),
            ("1_000", "int", "1000"),
            ("0_", "int", "0"),
            ("1:30", "int", "90"),
            ("190:20:30", "int", "685230"),
            ("123456789012345678901234567890", "int", "123456789012345678901234567890"),
            ("0xffffffffffffffffffff", "int", "1208925819614629174706175"),
            ("1e10", "str", "1e10"),
            ("1.5e3", "str", "1.5e3"),
            ("1.5e+3", "float", "1500.0"),
            ("1.", "float", "1.0"),
            ("09.5", "float", "9.5"),
            ("1.0e+16", "float", "1e+16"),
            ("1.0e-5", "float", "1e-05"),
            ("0.0001", "float", "0.0001"),
            ("190:20:30.15", "float", "685230.15"),
            (".inf", "float", "inf"),
            ("-.INF", "float", "-inf"),
            (".nan", "float", "nan"),
            ("._", "str", "._"),
            ("2001-01-01", "timestamp", "2001-01-01"),
            ("2001-1-1", "str", "2001-1-1"),
            ("2001-1-1 1:02:03.5 -5", "timestamp", "2001-01-01 01:02:03.500000-05:00"),
            ("2001-01-01T10:00:00Z", "timestamp", "2001-01-01 10:00:00+00:00"),
            ("y", "str", "y"),
            ("nULL", "str", "nULL"),
        ] {
            assert_eq!(type_of(text), kind, "{text}");
            let (Value::Int(value) | Value::Float(value) | Value::Text(value) | Value::Time(value)) =
                construct(kind, text)
            else {
                panic!("{text}");
            };
            assert_eq!(value, printed, "{text}");
        }
        for (text, truth) in [("yes", true), ("On", true), ("TRUE", true), ("no", false), ("Off", false)] {
            assert!(matches!(construct(type_of(text), text), Value::Bool(found) if found == truth), "{text}");
        }
        assert!(["~", "", "null", "NULL"].iter().all(|text| type_of(text) == "null"));
        for text in ["0x_", "0b_", "2001-13-45", "=", &"9".repeat(5000)] {
            assert!(matches!(construct(type_of(text), text), Value::Fault(_)), "{text}");
        }
    }
}
