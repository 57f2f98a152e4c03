//! The errors of an import, and advice about each.

use std::time::Duration;

use super::super::CloudError;

/// An error of an import.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The service does not answer, or refuses a request.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The service tried and failed.
    #[error("the service could not import the data by {method}{}", message.as_ref().map(|message| format!(": {message}")).unwrap_or_default())]
    Failed {
        /// The method.
        method: &'static str,
        /// Message of the task.
        message: Option<String>,
    },
    /// Some stores did not get the data.
    #[error("the data did not arrive in {}", stores.join(", "))]
    Missing {
        /// Stores without the data.
        stores: Vec<String>,
    },
    /// Nothing changed for too long.
    #[error("nothing has changed in the import by {method} for {} s: the image is `{status}`", silence.as_secs())]
    Stuck {
        /// The method.
        method: &'static str,
        /// Time without a change.
        silence: Duration,
        /// Status of the image.
        status: String,
    },
    /// The image was deleted meanwhile, or is in an unexpected state.
    #[error("the image is `{status}` after the import")]
    Status {
        /// Status of the image.
        status: String,
    },
    /// The user asked to stop.
    #[error("interrupted")]
    Interrupted,
}

impl ImportError {
    /// Returns advice for the user.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::Cloud(error) => return error.help(),
            Self::Failed { method: "web-download", .. } => {
                "does the service reach the address, and does it answer there with the file? See what `curl -I` says; \
                 otherwise upload instead"
                    .to_owned()
            }
            Self::Failed { method: "glance-download", .. } => {
                "is the region one of the catalog, and the image active there? Ids are of that region".to_owned()
            }
            Self::Failed { .. } => "the cloud's operators find the reason in the logs of the image service".to_owned(),
            Self::Missing { .. } => {
                "`goldsmith images import IMAGE --method copy-image --store NAME` tries again".to_owned()
            }
            Self::Stuck { method: "web-download", .. } => {
                "the address may not answer the service, or it may be slow: set a longer `import-timeout`, or upload instead".to_owned()
            }
            Self::Stuck { .. } => "the service may have been restarted: try again, or ask the operators".to_owned(),
            Self::Status { .. } | Self::Interrupted => return None,
        })
    }
}
