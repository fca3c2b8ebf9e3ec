//! Offers, with states and without.

use postback::bitlabs::Family;

use super::super::cast::Cast;
use super::super::scenario::Act;
use super::{act, completed};

pub(in super::super) fn offer_completed(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let offer = cast.offer(1, completed(cast)?, "500");
    Some(vec![act(
        "COMPLETED 500",
        offer,
        500,
        "a completed offer is paid",
    )])
}

pub(in super::super) fn offer_pending_completed(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.url(Family::Offers).map(|_| {
        vec![
            act(
                "PENDING 500",
                cast.offer(1, "PENDING", "500"),
                0,
                "PENDING never pays",
            ),
            act(
                "COMPLETED 500",
                cast.offer(1, "COMPLETED", "500"),
                500,
                "COMPLETED pays, though PENDING had the same TX: deduplicate on TX and state",
            ),
        ]
    })
}

pub(in super::super) fn offer_pending_reconciled(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.url(Family::Offers).map(|_| {
        vec![
            act(
                "PENDING 500",
                cast.offer(1, "PENDING", "500"),
                0,
                "PENDING never pays",
            ),
            act(
                "RECONCILED 500",
                cast.offer(1, "RECONCILED", "500"),
                0,
                "nothing was paid, so nothing is taken back",
            ),
        ]
    })
}

pub(in super::super) fn offer_reconciled_late(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.url(Family::Offers).map(|_| {
        vec![
            act(
                "COMPLETED 500",
                cast.offer(1, "COMPLETED", "500"),
                500,
                "a completed offer is paid",
            ),
            act(
                "RECONCILED 200",
                cast.offer(1, "RECONCILED", "200"),
                300,
                "RECONCILED of the same TX takes back its amount, which may be a part",
            ),
            act(
                "RECONCILED 200 again",
                cast.offer(1, "RECONCILED", "200"),
                300,
                "a repetition takes nothing back",
            ),
        ]
    })
}

pub(in super::super) fn offer_stateless_reconciled(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.has(Family::Offers, &["REF"]).then(|| {
        let reconciled = cast
            .offer(1, "NONE", "-300")
            .transaction(cast.transaction("or", 1))
            .original(cast.transaction("o", 1))
            .call_type("RECONCILIATION");
        vec![
            act(
                "completed 300",
                cast.offer(1, "NONE", "300"),
                300,
                "without states, a completed offer is paid",
            ),
            act(
                "-300, REF to it",
                reconciled,
                0,
                "a reconciliation takes back from the transaction in REF",
            ),
        ]
    })
}

pub(in super::super) fn reconciled_overtakes(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.url(Family::Offers).map(|_| {
        vec![
            act(
                "RECONCILED 500",
                cast.offer(1, "RECONCILED", "500"),
                0,
                "nothing was paid, so nothing is taken back",
            ),
            act(
                "COMPLETED 500, late",
                cast.offer(1, "COMPLETED", "500"),
                0,
                "a COMPLETED that its RECONCILED overtook does not pay",
            ),
        ]
    })
}

pub(in super::super) fn purchase_two_callbacks(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.has(Family::Offers, &["OFFER:TASK:IAP:USD"]).then(|| {
        let state = completed(cast).unwrap_or("COMPLETED");
        let bought = cast.offer(1, state, "50").purchase("4.99");
        vec![
            act(
                "COMPLETED 50",
                cast.offer(1, state, "50"),
                50,
                "the completion is paid",
            ),
            act(
                "the same, with $4.99",
                bought,
                50,
                "purchase data for a known transaction is no second reward",
            ),
        ]
    })
}

pub(in super::super) fn multi_conversion(cast: &Cast<'_>) -> Option<Vec<Act>> {
    let state = completed(cast)?;
    Some(vec![
        act(
            "COMPLETED 100",
            cast.offer(1, state, "100"),
            100,
            "a completed offer is paid",
        ),
        act(
            "same task, other TX",
            cast.offer(2, state, "100"),
            200,
            "the same task may convert several times: another TX is another reward",
        ),
    ])
}
