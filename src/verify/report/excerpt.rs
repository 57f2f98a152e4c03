//! Shortens a long log to its beginning and end.

/// Characters of a log that are shown: of the beginning, and of the end.
const LOG: (usize, usize) = (64 * 1024, 192 * 1024);

/// Returns the beginning and the end of a log that is too long to show.
pub(super) fn excerpt(log: &str) -> String {
    excerpt_of(log, LOG.0, LOG.1)
}

fn excerpt_of(log: &str, first: usize, last: usize) -> String {
    if log.len() <= first + last {
        return log.to_owned();
    }
    let whole = |at: &usize| log.is_char_boundary(*at);
    let head = (0..=first).rev().find(whole).unwrap_or(0);
    let tail = (log.len() - last..=log.len()).find(whole).unwrap_or(log.len());
    format!("{}\n\n[... {} bytes are left out ...]\n\n{}", &log[..head], tail - head, &log[tail..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_beginning_and_end_are_shown() {
        assert_eq!(excerpt_of("abcdef", 3, 3), "abcdef");
        assert_eq!(excerpt_of("abcdefgh", 3, 3), "abc\n\n[... 2 bytes are left out ...]\n\nfgh");
        // Characters are never cut.
        assert_eq!(excerpt_of("\u{e4}\u{e4}\u{e4}\u{e4}", 3, 3), "\u{e4}\n\n[... 4 bytes are left out ...]\n\n\u{e4}");
    }
}
