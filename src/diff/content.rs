//! Comparison of texts, line by line.

use std::time::Duration;

use similar::TextDiff;

/// Longest text that is compared line by line, in bytes.
pub(super) const TEXT_LIMIT: u64 = 256 * 1024;

/// Longest comparison of two texts. After it the result is correct, but not the shortest one.
const TIMEOUT: Duration = Duration::from_millis(500);

/// Returns the changed lines of two texts with three lines around them, in the unified format without file names; `None` if
/// either is no text.
pub(super) fn unified(before: &[u8], after: &[u8]) -> Option<String> {
    let (before, after) = (text(before)?, text(after)?);
    let diff = TextDiff::configure().timeout(TIMEOUT).diff_lines(before, after);
    Some(diff.unified_diff().context_radius(3).to_string())
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_lines_are_shown_with_those_around_them() {
        let before: String = (1..=9).map(|line| format!("{line}\n")).collect();
        let after = before.replace("8\n", "eight\n").replace("9\n", "9");
        let expected = "@@ -5,5 +5,5 @@\n 5\n 6\n 7\n-8\n-9\n+eight\n+9\n\\ No newline at end of file\n";
        assert_eq!(unified(before.as_bytes(), after.as_bytes()).as_deref(), Some(expected));
    }

    #[test]
    fn what_is_no_text_has_no_lines() {
        for bytes in [&b"\xff\n"[..], b"ELF\0"] {
            assert_eq!(unified(b"text\n", bytes), None);
            assert_eq!(unified(bytes, b"text\n"), None);
        }
    }
}
