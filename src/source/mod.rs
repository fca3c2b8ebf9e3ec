//! Who calls: one folder a network.
//!
//! A [`Source`] is one endpoint of one network's app. It turns a raw request into the network's own typed
//! callback, or refuses it; a [`Callback`] says what it means as an [`Event`]. A new network is a new
//! implementation of these two traits and touches nothing else.
//!
//! | network | source |
//! |---|---|
//! | BitLabs | [`bitlabs`] |
//! | Phonexa, GET, form and JSON | `phonexa`, with the feature of that name |
//! | any that signs its URL with a keyed hash in the last parameter | [`trailing_hash`]: described, not programmed |
//!
//! # A source of your own
//!
//! A network that sends `?player=…&tx=…&coins=…&key=…` and proves by the key alone that it is the network:
//!
//! ```
//! # #[cfg(feature = "tokio")] {
//! use postback::decision::Decision;
//! use postback::event::{Effect, Event, EventKind, PlayerId, TestCallback, TransactionId};
//! use postback::handler::HandlerError;
//! use postback::receiver::Receiver;
//! use postback::source::{Callback, EndpointNames, OpenError, Source};
//! use postback::store::MemoryStore;
//! use postback::wire::{Limits, Params, Request, Secret};
//!
//! struct Acme { key: Secret }
//! #[derive(Debug)]
//! struct Reward { event: Event }
//!
//! fn value<'p>(params: &'p Params, name: &str) -> Result<&'p str, OpenError> {
//!     params.once(name).ok_or_else(|| OpenError::Missing { name: name.into() })
//! }
//!
//! impl Source for Acme {
//!     type Callback = Reward;
//!
//!     fn open(&self, request: &Request<'_>) -> Result<Reward, OpenError> {
//!         // The key comes last, and what is kept must not hold it.
//!         let cut = request.query().and_then(|query| query.rsplit_once("&key="));
//!         let (kept, _) = cut.filter(|(_, key)| self.key.is_presented_by(key))
//!             .ok_or(OpenError::Credentials { challenge: None })?;
//!         let params = Params::decode(kept, Limits::default())?;
//!         let unusable = |name: &str| { let name = name.into(); |source| OpenError::Identifier { name, source } };
//!         let coins: u32 = value(&params, "coins")?.parse()
//!             .map_err(|_| OpenError::Malformed { name: "coins".into(), reason: "not a whole number" })?;
//!         let kind = EventKind::Conversion {
//!             transaction: TransactionId::new(value(&params, "tx")?).map_err(unusable("tx"))?,
//!             original: None,
//!             effect: Effect::Completed { amount: coins.into(), milestone: None, reinstates: false },
//!         };
//!         let source = "acme".parse().map_err(unusable("source"))?;
//!         let app = "my-game".parse().map_err(unusable("app"))?;
//!         let player = PlayerId::new(value(&params, "player")?).map_err(unusable("player"))?;
//!         let mut event = Event::new(source, app, player, kind);
//!         event.endpoint = "rewards".into();
//!         event.signed = kept.into();
//!         Ok(Reward { event })
//!     }
//!
//!     fn names(&self) -> EndpointNames<'_> { EndpointNames::new("acme", "my-game", "rewards") }
//! }
//!
//! impl Callback for Reward {
//!     type Source = Acme;
//!     fn event(&self) -> Event { self.event.clone() }
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # use std::sync::atomic::{AtomicU32, Ordering};
//! # let paid = AtomicU32::new(0);
//! let acme = Acme { key: Secret::new("a-long-random-text")? };
//! let receiver = Receiver::new(MemoryStore::new());
//! let pay = |decision: &Decision| {
//!     println!("{} gets {}", decision.player(), decision.balance_change());
//! #   paid.fetch_add(1, Ordering::SeqCst);
//!     async { Ok::<(), HandlerError>(()) }
//! };
//! for _ in 0..2 { // the network repeats itself; the player is paid once
//!     let callback = acme.open(&Request::get("/acme?player=p1&tx=t1&coins=500&key=a-long-random-text"))?;
//!     receiver.receive(callback.event(), &pay).await?;
//! }
//! # assert_eq!(paid.load(Ordering::SeqCst), 1);
//! # assert!(acme.open(&Request::get("/acme?player=p1&tx=t1&coins=500&key=guessed")).is_err());
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(example()).unwrap();
//! # }
//! ```

use std::fmt::Debug;

use crate::event::Event;
use crate::wire::Request;

mod amount;
pub mod bitlabs;
mod field;
mod open_error;
#[cfg(feature = "phonexa")]
pub mod phonexa;
mod signed_url;
pub mod trailing_hash;

pub use field::Field;
pub use open_error::{Fault, OpenError};

/// One endpoint of a network: verifies requests and types them.
///
/// Synchronous, without I/O, and the only way to a callback: what it returns is genuine.
pub trait Source: Send + Sync + 'static {
    /// What the endpoint receives.
    type Callback: Callback;

    /// Verifies the request and types it.
    ///
    /// # Errors
    /// [`OpenError`]: what is wrong with the request and whose fault that is. Nothing was remembered.
    fn open(&self, request: &Request<'_>) -> Result<Self::Callback, OpenError>;

    /// The most bytes of a body that [`open`](Self::open) looks at. Zero, unless a source says otherwise:
    /// then an adapter does not read the body at all.
    fn body_limit(&self) -> usize {
        0
    }

    /// What log lines about refused requests call this endpoint; the same names as in its events. Empty, unless a
    /// source says otherwise.
    fn names(&self) -> EndpointNames<'_> {
        EndpointNames::default()
    }
}

/// Which endpoint it is, in the words of its events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointNames<'a> {
    /// The network.
    pub source: &'a str,
    /// The app of that network.
    pub app: &'a str,
    /// The endpoint: `offers`, `postbacks` …
    pub endpoint: &'a str,
}

impl<'a> EndpointNames<'a> {
    /// These names.
    pub const fn new(source: &'a str, app: &'a str, endpoint: &'a str) -> Self {
        Self {
            source,
            app,
            endpoint,
        }
    }
}

/// A genuine callback of some network, typed.
pub trait Callback: Debug + Send + Sync + 'static {
    /// The kind of endpoint that receives it.
    type Source: Source<Callback = Self>;

    /// What it means, in the vocabulary that all networks share.
    fn event(&self) -> Event;
}
