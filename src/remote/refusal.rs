//! Why a record does not count.

use crate::layer::LayerKey;

/// Format of records. A record with a higher one is not understood, and counts as absent.
pub(super) const FORMAT: u64 = 1;

/// Why a record does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no record.
    #[error("the record is not readable")]
    Unreadable,
    /// It has no signature.
    #[error("the record is not signed")]
    Unsigned,
    /// A key that is not trusted has signed it.
    #[error("the record is signed by the key {0}, which is not trusted")]
    Untrusted(String),
    /// The signature is not one of this content.
    #[error("the signature of the record is wrong")]
    Forged,
    /// It has a format that this version does not know.
    #[error("the record has format {0}, and this goldsmith knows format {FORMAT}")]
    Newer(u64),
    /// It is the record of another layer.
    #[error("the record is that of layer {}", .0.short())]
    Other(LayerKey),
    /// Its layer was made on another parent than the present one.
    #[error("the layer was made on another parent")]
    Parent,
}
