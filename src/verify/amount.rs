//! Amounts of money as networks write them.

use rust_decimal::Decimal;

const NOT_A_NUMBER: &str = "not a decimal number such as 500, -0.25 or 1e-7";
const INEXACT: &str = "more digits than can be kept exactly";
const TOO_LARGE: &str = "10^15 or more";

/// Reads a decimal number exactly: `500`, `-0.25`, `5.0E-5`, `1e+06`. The form is
/// `[-]digits[.digits][e[+-]digits]`; the absolute value is below 10^15.
///
/// # Errors
/// What is wrong with it, without the text.
pub(crate) fn parse_amount(text: &str) -> Result<Decimal, &'static str> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) if is_digits(fraction) => (whole, fraction),
        Some(_) => return Err(NOT_A_NUMBER),
        None => (mantissa, ""),
    };
    if !is_digits(whole) {
        return Err(NOT_A_NUMBER);
    }
    let mut number: i128 = 0;
    for digit in whole.bytes().chain(fraction.bytes()) {
        let digit = i128::from(digit.wrapping_sub(b'0'));
        let next = number.checked_mul(10).and_then(|number| number.checked_add(digit));
        number = next.ok_or(if whole.len() > 30 { TOO_LARGE } else { INEXACT })?;
    }
    if number == 0 {
        return Ok(Decimal::ZERO); // never a negative zero
    }
    let places = i64::try_from(fraction.len()).map_err(|_| INEXACT)?;
    let places = places.saturating_sub(exponent);
    if i64::from(number.ilog10()).saturating_sub(places) >= 15 {
        return Err(TOO_LARGE);
    }
    let value = scaled(number, places)?;
    Ok(if is_negative { -value } else { value })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

fn parse_exponent(text: &str) -> Result<i64, &'static str> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !is_digits(digits) {
        return Err(NOT_A_NUMBER);
    }
    text.parse::<i32>().map(i64::from).map_err(|_| INEXACT)
}

/// `number` with its last `places` digits after the decimal point. `number` is above zero.
fn scaled(mut number: i128, mut places: i64) -> Result<Decimal, &'static str> {
    while places < 0 {
        number = number.checked_mul(10).ok_or(TOO_LARGE)?;
        places = places.saturating_add(1);
    }
    while places > i64::from(Decimal::MAX_SCALE) && number.checked_rem(10) == Some(0) {
        number = number.checked_div(10).unwrap_or_default();
        places = places.saturating_sub(1);
    }
    let places = u32::try_from(places).map_err(|_| INEXACT)?;
    Decimal::try_from_i128_with_scale(number, places)
        .map_err(|_| if places > Decimal::MAX_SCALE { INEXACT } else { TOO_LARGE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        for text in [
            "0",
            "500",
            "-500",
            "0.25",
            "-0.1",
            "999999999999999.99",
            "007",
            "0999999999999999",
            "00000000000000000500",
            "2.50",
        ] {
            assert_eq!(parse_amount(text), Ok(text.parse().unwrap()), "{text}");
        }
        assert!(!parse_amount("-0").unwrap().is_sign_negative());
        assert_eq!(parse_amount("2.50").unwrap().to_string(), "2.50");
    }

    #[test]
    fn scientific_notation_is_read_exactly() {
        for (text, plain) in [
            ("1e+06", "1000000"),
            ("1E2", "100"),
            ("5.0E-5", "0.00005"),
            ("1e-7", "0.0000001"),
            ("-2.5e3", "-2500"),
            ("1.2345e2", "123.45"),
            ("100e-30", "0.0000000000000000000000000001"),
            ("0e999999", "0"),
            ("9.99999999999999e14", "999999999999999"),
        ] {
            assert_eq!(parse_amount(text), Ok(plain.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn everything_else_is_malformed() {
        for text in [
            "",
            "-",
            "--5",
            "+5",
            "1e400",
            "1e15",
            "1e-400",
            "1e",
            "e5",
            "1e+",
            "1e1.5",
            "1e99999999999",
            "1e-29",
            "NaN",
            "inf",
            "-inf",
            "Infinity",
            ".5",
            "5.",
            "-.5",
            "1.e2",
            "1.2.3",
            "1,000",
            "1_000",
            "0x10",
            " 5",
            "5 ",
            "５",
            "5-",
            "1000000000000000",
            "-1000000000000000",
            "99999999999999999999999999999999999999",
            "9999999999999999999999999999999999999999999",
            "0.00000000000000000000000000000000001",
            "five",
            "null",
        ] {
            assert!(parse_amount(text).is_err(), "{text:?}");
        }
    }
}
