//! A writer that hides secrets in text which comes piece by piece.

use std::io::{self, Write};

use super::redactor::{Redactor, Stream};

/// A writer that hides secrets. It passes on a line at its end.
#[derive(Debug)]
pub struct RedactingWriter<W> {
    pub(super) out: W,
    stream: Stream,
}

impl<W: Write> RedactingWriter<W> {
    /// Makes a writer to `out`.
    pub fn new(out: W, redactor: Redactor) -> Self {
        Self { out, stream: Stream::new(redactor) }
    }

    /// Writes the bytes that were held back.
    pub fn finish(self) -> io::Result<W> {
        let Self { mut out, stream } = self;
        out.write_all(&stream.finish())?;
        out.flush()?;
        Ok(out)
    }
}

impl<W: Write> Write for RedactingWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let shown = self.stream.push(bytes);
        self.out.write_all(&shown)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
