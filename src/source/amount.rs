//! Amounts as the network writes them.

use rust_decimal::Decimal;

/// Reads a plain decimal: `500`, `0.25`, `-1.5`. Floats read more than that (`1e400`, `NaN`, `+5`,
/// `.5`), and none of it is an amount of money.
pub(super) fn parse(text: &str) -> Result<Decimal, &'static str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !fraction.is_none_or(is_number) {
        return Err("it is not a plain decimal number such as 500 or -0.25");
    }
    if whole.len() > 15 && whole.trim_start_matches('0').len() > 15 {
        return Err(TOO_LARGE);
    }
    let amount = Decimal::from_str_exact(text)
        .map_err(|_| "it has more decimal places than can be kept exactly")?;
    if amount.is_zero() {
        return Ok(Decimal::ZERO); // never a negative zero
    }
    Ok(amount)
}

const TOO_LARGE: &str = "it is 10^15 or more";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_decimals_are_kept_exactly() {
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
            let amount = parse(text).unwrap();
            assert_eq!(amount, text.parse().unwrap(), "{text}");
        }
        assert!(!parse("-0").unwrap().is_sign_negative());
        assert_eq!(parse("2.50").unwrap().to_string(), "2.50");
    }

    #[test]
    fn everything_else_is_malformed() {
        for text in [
            "",
            "-",
            "--5",
            "+5",
            "1e400",
            "1E2",
            "NaN",
            "nan",
            "inf",
            "-inf",
            "Infinity",
            ".5",
            "5.",
            "-.5",
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
            "0.00000000000000000000000000000000001",
            "five",
        ] {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }
}
