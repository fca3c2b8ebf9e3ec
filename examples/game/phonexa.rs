//! The endpoint for Phonexa's postbacks, where a credential is set.

use postback::phonexa::{Credential, Endpoint, Names};
use postback::wire::Secret;

use super::BoxError;
use super::settings::Phonexa;

/// Under these names the network's admin is asked to send things.
fn names() -> Names {
    Names::new("player", "conversion_id")
        .goal("goal")
        .payout("payout")
        .status("status")
}

/// The endpoint; `None` without any credential.
pub(crate) fn endpoint(settings: &Phonexa) -> Result<Option<Endpoint>, BoxError> {
    let mut builder = Endpoint::builder("game", names());
    match (&settings.login, &settings.password) {
        (None, None) if settings.token.is_none() => return Ok(None),
        (None, None) => {}
        (Some(login), Some(password)) => {
            let password = secret("PHONEXA_PASSWORD", password)?;
            let credential = Credential::basic(login, &password);
            builder =
                builder.accept(credential.map_err(|error| super::about("PHONEXA_LOGIN", error))?);
        }
        (Some(_), None) => {
            return Err("PHONEXA_LOGIN is set without PHONEXA_PASSWORD: set both".into());
        }
        (None, Some(_)) => {
            return Err("PHONEXA_PASSWORD is set without PHONEXA_LOGIN: set both".into());
        }
    }
    if let Some(token) = &settings.token {
        builder = builder.accept(Credential::token(&secret("PHONEXA_TOKEN", token)?));
    }
    Ok(Some(builder.build()?))
}

fn secret(setting: &'static str, text: &str) -> Result<Secret, BoxError> {
    Ok(Secret::new(text).map_err(|error| super::about(setting, error))?)
}
