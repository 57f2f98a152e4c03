//! The errors of an action.

use crate::guest::{GuestError, Space};
use crate::text::Redactor;

/// An action that failed.
#[derive(Debug, thiserror::Error)]
pub enum ActionError {
    /// The guest could not do what the action asked for.
    #[error("{action}")]
    Guest {
        /// The action, for people.
        action: String,
        /// The error of the guest.
        #[source]
        source: GuestError,
    },
    /// A program of the image ended with an error.
    #[error("{action} ended with exit status {status}{}", reason(hint.as_deref(), *full))]
    Status {
        /// The action, for people.
        action: String,
        /// Its exit status.
        status: i32,
        /// What such a status usually means.
        hint: Option<String>,
        /// How full the image was, if that may be why.
        full: Option<Space>,
        /// The last lines it printed.
        tail: Vec<String>,
    },
    /// The image is not as the action needs it.
    #[error("{action}: {message}")]
    Unfit {
        /// The action, for people.
        action: String,
        /// What is wrong.
        message: String,
    },
    /// A program of the image ended well, and what it was to do is not done.
    #[error("{action}: {message}")]
    Undone {
        /// The action, for people.
        action: String,
        /// What was found when its effect was looked at.
        message: String,
        /// The last lines it printed.
        tail: Vec<String>,
    },
    /// A package is in no repository.
    #[error("package {package} is in no repository of the image (wanted by {})", wanted_by.join(", "))]
    PackageNotFound {
        /// Name of the package.
        package: String,
        /// Elements that ask for it.
        wanted_by: Vec<String>,
    },
    /// A file of the host cannot be read or written.
    #[error(transparent)]
    Host(#[from] crate::fsx::PathError),
}

impl ActionError {
    /// The guest's own error, where that is the cause.
    pub fn guest(&self) -> Option<&GuestError> {
        match self {
            Self::Guest { source, .. } => Some(source),
            _ => None,
        }
    }

    /// The error with secrets hidden in what a program printed.
    pub(super) fn redacted(mut self, redactor: &Redactor) -> Self {
        if let Self::Status { tail, .. } | Self::Undone { tail, .. } = &mut self {
            tail.iter_mut().for_each(|line| *line = redactor.redact(line));
        }
        self
    }

    /// The last lines a failed program printed.
    pub fn tail(&self) -> &[String] {
        match self {
            Self::Status { tail, .. } | Self::Undone { tail, .. } => tail,
            _ => &[],
        }
    }
}

/// Why a program may have ended as it did, in parentheses.
fn reason(hint: Option<&str>, full: Option<Space>) -> String {
    let size = crate::units::ByteSize::bytes;
    match (full, hint) {
        (Some(full), _) => {
            format!(" (no space left in the image: {} of {} are free)", size(full.available), size(full.total))
        }
        (None, Some(hint)) => format!(" ({hint})"),
        (None, None) => String::new(),
    }
}

/// Says which action a guest's error belongs to.
pub(super) trait ForAction<T> {
    fn for_action(self, action: &str) -> Result<T, ActionError>;
}

impl<T> ForAction<T> for Result<T, GuestError> {
    fn for_action(self, action: &str) -> Result<T, ActionError> {
        self.map_err(|source| ActionError::Guest { action: action.to_owned(), source })
    }
}
