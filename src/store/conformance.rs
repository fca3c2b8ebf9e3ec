//! One suite for every store, ours and anybody's.
//!
//! ```
//! use postback::store::{MemoryStore, conformance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! conformance::all(async || MemoryStore::new()).await;
//! # }
//! ```
//!
//! A case panics, with a message that names the promise, when a store breaks it. The cases need no
//! particular runtime. Each is given a store that holds nothing under the source name `conformance`; a store
//! that several handles or processes share should also pass [`shared`].

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::arithmetic_side_effects,
    reason = "a suite fails by panicking"
)]

mod fixtures;
mod protocol;
mod retention;
mod swapping;
mod together;

pub use protocol::{
    a_conflict_moves_nothing, a_failed_decision_is_resumed_unchanged, a_sleeper_cannot_settle,
    an_expired_lease_is_taken_over,
};
pub use retention::{
    a_forgotten_player_is_still_not_paid_twice, a_record_is_removed_only_in_the_expected_version,
    forgetting_removes_bans_and_leaves_open_decisions, long_listings_are_paged_completely,
    pruning_takes_what_is_old_and_leaves_what_is_open, retention,
};
pub use swapping::{
    a_key_is_exact, a_stale_version_loses_and_changes_nothing, absent_is_none,
    records_come_back_as_they_were, the_first_swap_makes_version_one,
    unsettled_lists_the_open_ones_in_order,
};
pub use together::{
    one_of_many_claimers_wins, shared, unsettled_is_complete_under_concurrent_writes,
};

use super::DedupStore;

/// Runs every case, each on a store of its own, empty one.
///
/// # Panics
/// When the store breaks a promise of [`DedupStore`].
pub async fn all<S: DedupStore>(open: impl AsyncFn() -> S) {
    absent_is_none(&open().await).await;
    the_first_swap_makes_version_one(&open().await).await;
    a_stale_version_loses_and_changes_nothing(&open().await).await;
    records_come_back_as_they_were(&open().await).await;
    a_key_is_exact(&open().await).await;
    unsettled_lists_the_open_ones_in_order(&open().await).await;
    one_of_many_claimers_wins(&open().await).await;
    unsettled_is_complete_under_concurrent_writes(&open().await).await;
    an_expired_lease_is_taken_over(&open().await).await;
    a_sleeper_cannot_settle(&open().await).await;
    a_failed_decision_is_resumed_unchanged(&open().await).await;
    a_conflict_moves_nothing(&open().await).await;
}
