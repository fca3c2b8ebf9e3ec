//! What the request's parameters are called.

/// What the parameters are called that the network's admin typed in under "Request Params". There are no fixed
/// names.
///
/// ```
/// use postback::source::phonexa::Names;
///
/// let names = Names::new("player", "conversion_id").goal("goal").payout("payout").status("status");
/// # let _ = names;
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Names {
    pub(super) player: String,
    pub(super) conversion: String,
    pub(super) goal: Option<String>,
    pub(super) payout: Option<String>,
    pub(super) currency: Option<String>,
    pub(super) status: Option<String>,
}

impl Names {
    /// The names of the parameters that bring the player and the conversion's id.
    pub fn new(player: impl Into<String>, conversion: impl Into<String>) -> Self {
        Self {
            player: player.into(),
            conversion: conversion.into(),
            goal: None,
            payout: None,
            currency: None,
            status: None,
        }
    }

    /// The name of the parameter that brings the goal. A postback where it is absent or empty is about the
    /// conversion without a goal.
    pub fn goal(mut self, name: impl Into<String>) -> Self {
        self.goal = Some(name.into());
        self
    }

    /// The name of the parameter that brings the payout: what is paid for `Done`.
    pub fn payout(mut self, name: impl Into<String>) -> Self {
        self.payout = Some(name.into());
        self
    }

    /// The name of the parameter that brings the payout's currency. For information.
    pub fn currency(mut self, name: impl Into<String>) -> Self {
        self.currency = Some(name.into());
        self
    }

    /// The name of the parameter that brings the status, whether it is a macro or a text that the admin typed
    /// into each row.
    pub fn status(mut self, name: impl Into<String>) -> Self {
        self.status = Some(name.into());
        self
    }

    /// Each name with what it stands for.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [
            ("player", Some(&self.player)),
            ("conversion", Some(&self.conversion)),
            ("goal", self.goal.as_ref()),
            ("payout", self.payout.as_ref()),
            ("currency", self.currency.as_ref()),
            ("status", self.status.as_ref()),
        ]
        .into_iter()
        .filter_map(|(what, name)| Some((what, name?.as_str())))
    }
}
