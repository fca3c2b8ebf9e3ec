//! How much an endpoint reads of a request.

/// Limits on what a request may bring. What goes beyond has errors of its own.
///
/// ```
/// use postback::wire::Limits;
///
/// let limits = Limits::default().url_bytes(4096).parameters(32);
/// # let _ = limits;
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    url_bytes: usize,
    parameters: usize,
}

/// Longest query that is ever read, whatever the limit says: positions in it are kept in 32 bits.
const MOST_URL_BYTES: usize = 1 << 20;
/// Most parameters that are ever read: numbers of parameters are kept in 16 bits.
const MOST_PARAMETERS: usize = 4096;

impl Limits {
    /// The longest request target, in bytes; 8192 unless set. At most 1 MiB.
    #[must_use]
    pub fn url_bytes(mut self, bytes: usize) -> Self {
        self.url_bytes = bytes.min(MOST_URL_BYTES);
        self
    }

    /// The most parameters, the signature not counted; 64 unless set. At most 4096.
    #[must_use]
    pub fn parameters(mut self, count: usize) -> Self {
        self.parameters = count.min(MOST_PARAMETERS);
        self
    }

    pub(crate) fn most_url_bytes(self) -> usize {
        self.url_bytes
    }

    pub(crate) fn most_parameters(self) -> usize {
        self.parameters
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            url_bytes: 8192,
            parameters: 64,
        }
    }
}
