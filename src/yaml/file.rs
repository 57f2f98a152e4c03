//! Reading of YAML files of the host, within limits.

use std::path::Path;
use std::sync::Arc;

use super::diagnostic::Diagnostic;
use super::events::MAX_BYTES;
use super::source::Source;

/// Reads a file of the host. Messages name it by its path.
///
/// # Errors
///
/// The file is not there, is no regular file, is too large, or is not UTF-8.
pub fn read(path: &Path) -> Result<Arc<Source>, Box<Diagnostic>> {
    let name = path.display().to_string();
    let fault = |message: String| Box::new(Diagnostic::of_file(&Source::new(name.clone(), ""), message));
    let too_large = |size: u64| size > MAX_BYTES as u64;
    match path.metadata() {
        Ok(meta) if !meta.is_file() => return Err(fault("this is no regular file".to_owned())),
        Ok(meta) if too_large(meta.len()) => {
            return Err(fault(format!("the file has {} bytes; at most {} are read", meta.len(), 1 << 20)));
        }
        Ok(_) => {}
        Err(error) => return Err(fault(format!("the file cannot be read: {error}"))),
    }
    let bytes = std::fs::read(path).map_err(|error| fault(format!("the file cannot be read: {error}")))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(Source::new(name, text)),
        Err(error) => {
            let line = error.as_bytes()[..error.utf8_error().valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
            Err(fault(format!("line {line} is not UTF-8 text")))
        }
    }
}
