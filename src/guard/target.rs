//! What should have been paid by now.

use rust_decimal::Decimal;

use super::record::Record;
use crate::event::Effect;

/// Amounts so far apart that their sum has no exact decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sum of the amounts has no exact decimal")]
pub struct OutOfRange;

/// What should have been paid by now, by the messages of this record that count: nothing without a
/// completed event, never more than was completed, never less than nothing.
///
/// # Errors
/// [`OutOfRange`], when the amounts cannot be added exactly. The guard puts a message aside that would
/// bring this about.
pub fn target(record: &Record) -> Result<Decimal, OutOfRange> {
    target_of(record.counted_effects())
}

/// The same, should one more message count.
pub(super) fn target_with(record: &Record, effect: &Effect) -> Result<Decimal, OutOfRange> {
    target_of(record.counted_effects().chain([effect]))
}

fn target_of<'a>(effects: impl Iterator<Item = &'a Effect>) -> Result<Decimal, OutOfRange> {
    let mut completed = Decimal::ZERO;
    let mut adjusted = Decimal::ZERO;
    let mut is_revoked = false;
    for effect in effects {
        match effect {
            Effect::Completed { amount, .. } => completed = exact_sum(completed, *amount)?,
            Effect::Adjusted { by, .. } => adjusted = exact_sum(adjusted, *by)?,
            Effect::Revoked => is_revoked = true,
            Effect::Pending { .. } | Effect::Noted { .. } => {}
        }
    }
    if is_revoked {
        return Ok(Decimal::ZERO);
    }
    // Without a completed event `completed` is zero, and so is everything clamped to it.
    let net = exact_sum(completed, adjusted)?;
    Ok(net.clamp(Decimal::ZERO, completed))
}

/// The sum, unless it had to be rounded: `Decimal` drops digits silently when 28 do not suffice.
pub(super) fn exact_sum(a: Decimal, b: Decimal) -> Result<Decimal, OutOfRange> {
    let (a, b) = (a.normalize(), b.normalize());
    let sum = a.checked_add(b).ok_or(OutOfRange)?;
    if sum.scale() >= a.scale().max(b.scale()) {
        Ok(sum)
    } else {
        Err(OutOfRange)
    }
}
