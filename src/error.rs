//! Who is at fault when something goes wrong.

/// Who is at fault, and so who can fix it. Every error of this crate has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The caller: a forgery, or a request that is not a callback.
    Sender,
    /// The configuration here, or the one in the network's dashboard.
    Configuration,
    /// The store.
    Store,
    /// The game's handler.
    Handler,
}

impl Origin {
    /// One fixed word, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sender => "sender",
            Self::Configuration => "configuration",
            Self::Store => "store",
            Self::Handler => "handler",
        }
    }
}
