//! Sizes and durations as people write them: `3GiB`, `90s`.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A number of bytes, written with a binary unit: `512MiB`, `3GiB`, `4096B`. Manifests and plans have a plain number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
#[schemars(with = "String", extend("pattern" = "^[0-9]+ ?([KMGT](iB)?|B)$"))]
pub struct ByteSize(u64);

impl ByteSize {
    /// One mebibyte.
    pub const MIB: u64 = 1 << 20;
    /// One gibibyte.
    pub const GIB: u64 = 1 << 30;

    /// Makes a size of bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Makes a size of mebibytes.
    pub const fn mebibytes(mebibytes: u64) -> Self {
        Self(mebibytes * Self::MIB)
    }

    /// Returns the size in bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Reads `3GiB`, `3G`, `512 MiB` or `4096B`. Units are binary, as in qemu-img. A number without a unit is refused,
    /// because the reader cannot know whether 20 means bytes or GiB.
    pub fn parse(text: &str) -> Result<Self, String> {
        let trimmed = text.trim();
        let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
        let (number, suffix) = trimmed.split_at(digits);
        let factor: u64 = match suffix.trim() {
            "B" => 1,
            "" if digits > 0 => {
                return Err(format!("`{text}` has no unit: write {trimmed}GiB, {trimmed}MiB or {trimmed}B"));
            }
            "K" | "KiB" => 1 << 10,
            "M" | "MiB" => 1 << 20,
            "G" | "GiB" => 1 << 30,
            "T" | "TiB" => 1 << 40,
            "KB" | "MB" | "GB" | "TB" => {
                return Err(format!("`{text}` is ambiguous: write {}", text.replace('B', "iB")));
            }
            _ => return Err(format!("`{text}` is not a size: write it like 3GiB or 512MiB")),
        };
        number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(factor))
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a size: write it like 3GiB or 512MiB"))
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
        let mut value = self.0 as f64;
        let mut unit = 0;
        while value >= 1024.0 && unit + 1 < UNITS.len() {
            value /= 1024.0;
            unit += 1;
        }
        if value.fract() < 0.05 || unit == 0 {
            write!(f, "{value:.0} {}", UNITS[unit])
        } else {
            write!(f, "{value:.1} {}", UNITS[unit])
        }
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = ByteSize;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size like 3GiB")
            }

            fn visit_u64<E: serde::de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }

            fn visit_i64<E: serde::de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                u64::try_from(bytes).map(ByteSize).map_err(|_| E::custom("a size cannot be negative"))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<ByteSize, E> {
                ByteSize::parse(text).map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Reads `90s`, `10min`, `2h` or `7d`. A number without a unit is refused, because the reader cannot know whether 7 means
/// seconds or days.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let trimmed = text.trim();
    let digits = trimmed.find(|c: char| !c.is_ascii_digit()).unwrap_or(trimmed.len());
    let (number, suffix) = trimmed.split_at(digits);
    let factor = match suffix.trim() {
        "" if digits > 0 => {
            return Err(format!("`{text}` has no unit: write {trimmed}s, {trimmed}min, {trimmed}h or {trimmed}d"));
        }
        "s" => 1,
        "m" | "min" => 60,
        "h" => 3600,
        "d" => 24 * 3600,
        _ => return Err(format!("`{text}` is not a duration: write it like 90s, 10min or 2h")),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .map(Duration::from_secs)
        .ok_or_else(|| format!("`{text}` is not a duration: write it like 90s, 10min or 2h"))
}

/// Serde functions for an optional duration that people write as text.
pub mod option_duration {
    use super::{Deserialize, Deserializer, Duration, Serializer, fmt, parse_duration};

    /// Writes whole seconds: `90s`.
    pub fn serialize<S: Serializer>(value: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.collect_str(&format_args!("{}s", duration.as_secs())),
            None => serializer.serialize_none(),
        }
    }

    /// Reads the same texts as [`parse_duration`].
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        struct Text(Duration);
        impl<'de> Deserialize<'de> for Text {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = Text;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a duration like 10min")
                    }

                    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Text, E> {
                        parse_duration(&number.to_string()).map(Text).map_err(E::custom)
                    }

                    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Text, E> {
                        parse_duration(&number.to_string()).map(Text).map_err(E::custom)
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
                        parse_duration(text).map(Text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_any(Visitor)
            }
        }
        Option::<Text>::deserialize(deserializer).map(|text| text.map(|text| text.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_and_strict() {
        for (text, bytes) in [("3GiB", 3 << 30), ("512M", 512 << 20), ("10 KiB", 10 << 10), ("77B", 77)] {
            assert_eq!(ByteSize::parse(text), Ok(ByteSize::bytes(bytes)), "{text}");
        }
        for text in ["", "GiB", "3GB", "77", "-1", "3 parsecs", "99999999999999TiB"] {
            assert!(ByteSize::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_in_the_unit_people_use() {
        assert_eq!(ByteSize::bytes(3 << 30).to_string(), "3 GiB");
        assert_eq!(ByteSize::bytes(1536).to_string(), "1.5 KiB");
        assert_eq!(ByteSize::bytes(12).to_string(), "12 B");
    }

    #[test]
    fn durations_have_units() {
        for (text, seconds) in [("90s", 90), ("10min", 600), ("2h", 7200), ("7d", 604_800)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in ["", "soon", "-3s", "1.5h"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }
}
