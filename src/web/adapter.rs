//! What the adapters share: extractors, rejection, and the way from an opened request to its answer.
//!
//! An adapter reads its framework's request, calls what stands here, and writes its framework's response.

mod carried;
mod delivery;
mod opening;
mod route;
mod verified;

pub use delivery::Settled;
pub(super) use delivery::delivery_and_rejection;
pub(super) use opening::open;
pub(super) use route::Route;
pub use verified::Verified;
