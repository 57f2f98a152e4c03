//! The states of units, as `systemctl is-enabled` names them.

/// The state of a unit, by the words of `systemctl is-enabled`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Links of the image's own configuration start it.
    Enabled,
    /// Links start it that are gone after the next boot.
    EnabledRuntime,
    /// Its file lies outside of the directories of units.
    Linked,
    /// Likewise until the next boot.
    LinkedRuntime,
    /// It is another name of a unit.
    Alias,
    /// It cannot be started.
    Masked,
    /// It cannot be started until the next boot.
    MaskedRuntime,
    /// It cannot be enabled: it has no `[Install]` section, or is an instance that its package starts.
    Static,
    /// It can be enabled and is not.
    Disabled,
    /// It can be enabled only with another unit.
    Indirect,
    /// A generator made it.
    Generated,
    /// A program made it until the next boot.
    Transient,
    /// Its file, or a link to it, is not understood.
    Bad,
    /// There is no unit of this name.
    NotFound,
}

impl State {
    /// The word of `systemctl`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::EnabledRuntime => "enabled-runtime",
            Self::Linked => "linked",
            Self::LinkedRuntime => "linked-runtime",
            Self::Alias => "alias",
            Self::Masked => "masked",
            Self::MaskedRuntime => "masked-runtime",
            Self::Static => "static",
            Self::Disabled => "disabled",
            Self::Indirect => "indirect",
            Self::Generated => "generated",
            Self::Transient => "transient",
            Self::Bad => "bad",
            Self::NotFound => "not-found",
        }
    }
}
