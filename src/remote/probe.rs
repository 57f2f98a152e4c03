//! Asks a store whether it keeps the conditions of writes. Some stores ignore them without a word, and then a lease would be no lease.

use super::error::RemoteError;
use super::lease::FOLDER;
use super::objects::ObjectStore;
use crate::bucket::S3Error;
use crate::interrupt::Interrupt;

/// Returns whether the store keeps conditions; `None` if this try did not tell. `unique` is part of no other name.
pub(super) fn conditions(store: &dyn ObjectStore, unique: &str) -> Result<Option<bool>, RemoteError> {
    if !store.may_keep_conditions() {
        return Ok(Some(false));
    }
    let name = format!("{FOLDER}/probe-{unique}");
    let kept = ask(store, &name);
    store.remove(&name)?;
    match kept {
        // The store does not know such requests.
        Err(RemoteError::S3(S3Error::Refused { status: 400 | 405 | 501, .. })) => Ok(Some(false)),
        kept => kept,
    }
}

fn ask(store: &dyn ObjectStore, name: &str) -> Result<Option<bool>, RemoteError> {
    let read = || -> Result<_, RemoteError> {
        let Some(found) = store.get(name, &Interrupt::new())? else { return Ok(None) };
        let version = found.version.clone();
        Ok(Some((found.read(name)?, version)))
    };
    // Nobody else knows the name. An answer that was lost on its way looks like another writer.
    if !store.put_new(name, b"one")? {
        return Ok(None);
    }
    let Some((_, first)) = read()? else { return Ok(None) };
    if store.put_new(name, b"two")?
        || !store.put_over(name, b"three", &first)?
        || store.put_over(name, b"four", &first)?
    {
        return Ok(Some(false));
    }
    Ok(Some(read()?.is_some_and(|(content, _)| content == b"three")))
}
