//! The types of plain scalars, by the core schema of YAML 1.2.

use super::node::Value;

/// Finds type and value of a plain scalar by the core schema.
pub(super) fn resolve(text: &str) -> Result<Value, String> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let integer = |digits: &str, radix| {
        i64::from_str_radix(digits, radix).map(Value::Int).map_err(|_| format!("`{text}` is too large a number"))
    };
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".nan" | ".NaN" | ".NAN" => return Ok(Value::Float(f64::NAN)),
        _ => {}
    }
    if matches!(digits, ".inf" | ".Inf" | ".INF") {
        return Ok(Value::Float(if negative { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(rest) = text.strip_prefix(prefix)
            && !rest.is_empty()
            && rest.chars().all(|c| c.is_digit(radix))
        {
            return integer(rest, radix);
        }
    }
    if !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit()) {
        return integer(text, 10);
    }
    if is_float(digits)
        && let Ok(value) = text.parse()
    {
        return Ok(Value::Float(value));
    }
    Ok(Value::Str(text.to_owned()))
}

/// Returns whether a text is `[0-9]+(\.[0-9]*)?` or `\.[0-9]+`, perhaps with an exponent.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
        None => (text, None),
    };
    let number = |text: &str| text.bytes().all(|c| c.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    number(whole)
        && number(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && number(exponent))
}
