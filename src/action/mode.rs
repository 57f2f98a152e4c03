//! Permissions of files, as recipes write them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Permission bits, written as an octal string: `"0644"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^0?[0-7]{3,4}$"))]
pub struct Mode(u32);

impl Mode {
    /// Returns the permission bits, at most `0o7777`.
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match u32::from_str_radix(&text, 8) {
            Ok(bits) if (3..=5).contains(&text.len()) && bits <= 0o7777 => Ok(Self(bits)),
            _ => Err(format!("`{text}` is not a file mode: write it like \"0644\"")),
        }
    }
}

impl From<Mode> for String {
    fn from(mode: Mode) -> Self {
        format!("{:04o}", mode.0)
    }
}
