//! Amounts as text, in stored and in shown forms. The form that `Decimal` has by itself depends on the features of
//! `rust_decimal`, which any crate of a program can switch on: with `serde-float`, amounts are rounded.

use std::borrow::Cow;

use rust_decimal::Decimal;
use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::Serializer;

pub(crate) fn serialize<S: Serializer>(amount: &Decimal, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(amount)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Decimal, D::Error> {
    read(&Cow::<str>::deserialize(from)?)
}

fn read<E: Error>(text: &str) -> Result<Decimal, E> {
    Decimal::from_str_exact(text).map_err(E::custom)
}

/// The same for an amount that may be absent.
pub(crate) mod option {
    use super::{Cow, Decimal, Deserialize, Deserializer, Serializer, read};

    #[expect(clippy::ref_option, reason = "serde calls it with the field")]
    pub(crate) fn serialize<S: Serializer>(amount: &Option<Decimal>, to: S) -> Result<S::Ok, S::Error> {
        match amount {
            Some(amount) => super::serialize(amount, to),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Decimal>, D::Error> {
        Option::<Cow<'_, str>>::deserialize(from)?.map(|text| read(&text)).transpose()
    }
}
