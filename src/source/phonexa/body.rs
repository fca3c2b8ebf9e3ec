//! What a body is, by its content type.

use crate::source::OpenError;
use crate::wire::Request;

/// How the parameters are written in a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Form,
    Json,
}

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";
const UNSUPPORTED: OpenError = OpenError::UnsupportedMediaType {
    accepted: "application/x-www-form-urlencoded or application/json, in UTF-8",
};

impl Format {
    /// The format of a request's body: from its only content type.
    pub(super) fn of(request: &Request<'_>) -> Result<Self, OpenError> {
        let value = request.header("content-type").ok_or(UNSUPPORTED)?;
        let value = std::str::from_utf8(value).map_err(|_| UNSUPPORTED)?;
        let mut parts = value.split(';').map(str::trim);
        let media_type = parts.next().unwrap_or_default();
        let format = if media_type.eq_ignore_ascii_case(FORM) {
            Self::Form
        } else if media_type.eq_ignore_ascii_case(JSON) {
            Self::Json
        } else {
            return Err(UNSUPPORTED);
        };
        if parts.all(is_utf8_or_no_charset) {
            Ok(format)
        } else {
            Err(UNSUPPORTED)
        }
    }
}

fn is_utf8_or_no_charset(parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let value = value.trim();
    let unquoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'))
        .unwrap_or(value);
    !name.trim().eq_ignore_ascii_case("charset") || unquoted.eq_ignore_ascii_case("utf-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> Result<Format, OpenError> {
        let headers: Vec<_> = values
            .iter()
            .map(|value| ("Content-Type", *value))
            .collect();
        Format::of(&Request::new("POST", "/").with_headers(&headers))
    }

    #[test]
    fn content_types_are_read_in_any_case_and_utf_8_is_the_only_charset() {
        for value in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;CHARSET=UTF-8",
            "application/json ; charset=\"Utf-8\" ; v=1",
            "application/json;",
        ] {
            assert_eq!(of(&[value]), Ok(Format::Json), "{value}");
        }
        assert_eq!(
            of(&["application/X-WWW-form-urlencoded;charset=utf-8"]),
            Ok(Format::Form)
        );
    }

    #[test]
    fn every_other_content_type_is_unsupported() {
        for values in [
            [].as_slice(),
            &[""],
            &["text/plain"],
            &["application/jsonx"],
            &["application/json+ld"],
            &["application/json, application/json"],
            &["application/json; charset=latin1"],
            &["application/json; charset"],
            &["application/json; charset=utf-8; charset=utf-16"],
            &["multipart/form-data; boundary=x"],
            &["application/json", "application/json"],
            &["application/json", "application/x-www-form-urlencoded"],
        ] {
            assert_eq!(of(values), Err(UNSUPPORTED), "{values:?}");
        }
    }
}
