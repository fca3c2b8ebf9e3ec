//! Surveys and bans.

use postback::bitlabs::Family;

use super::super::cast::Cast;
use super::super::scenario::Act;
use super::act;

pub(in super::super) fn survey_reversed_and_restored(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.url(Family::Surveys)?;
    let correction = |number, gems| {
        cast.survey(number, "RECONCILIATION", gems)
            .original(cast.transaction("", 1))
    };
    Some(vec![
        act(
            "COMPLETE 200",
            cast.survey(1, "COMPLETE", "200"),
            200,
            "a completed survey is paid",
        ),
        act(
            "RECONCILIATION -200",
            correction(2, "-200"),
            0,
            "the value is signed: below zero takes back, and is answered 200",
        ),
        act(
            "RECONCILIATION +200",
            correction(3, "200"),
            200,
            "above zero takes an earlier correction back",
        ),
    ])
}

pub(in super::super) fn ban_unban(cast: &Cast<'_>) -> Option<Vec<Act>> {
    cast.url(Family::Bans)?;
    let ban = |status: &str, banned| Act {
        banned: Some(banned),
        ..act(
            status,
            cast.ban(status),
            0,
            "a ban says how the player stands, and moves no money",
        )
    };
    Some(vec![
        ban("BANNED", true),
        ban("BANNED", true),
        ban("ACTIVE", false),
    ])
}
