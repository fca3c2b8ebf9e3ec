//! Amounts as the network writes them.

use rust_decimal::Decimal;

/// Reads a plain decimal: `500`, `0.25`, `-1.5`. Floats read more than that (`1e400`, `NaN`, `+5`,
/// `.5`), and none of it is an amount of money.
pub(super) fn parse(text: &str) -> Result<Decimal, &'static str> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let mut number: i128 = 0;
    let mut count = 0;
    // How many digits stood before the point.
    let mut whole = None;
    for character in digits.bytes() {
        match character {
            b'0'..=b'9' => {
                let next = number.checked_mul(10);
                number = next.ok_or(TOO_LONG)? + i128::from(character - b'0');
                count += 1;
            }
            b'.' if whole.is_none() => {
                if number >= LIMIT {
                    return Err(TOO_LARGE);
                }
                whole = Some(count);
            }
            _ => return Err(NOT_PLAIN),
        }
    }
    let scale = whole.map_or(0, |whole| count - whole);
    if count == 0 || whole == Some(0) || (whole.is_some() && scale == 0) {
        return Err(NOT_PLAIN);
    }
    if whole.is_none() && number >= LIMIT {
        return Err(TOO_LARGE);
    }
    // Zero is never negative.
    let number = if digits.len() < text.len() {
        -number
    } else {
        number
    };
    let amount = Decimal::try_from_i128_with_scale(number, scale).map_err(|_| TOO_LONG)?;
    Ok(if number == 0 { Decimal::ZERO } else { amount })
}

const LIMIT: i128 = 1_000_000_000_000_000;
const NOT_PLAIN: &str = "it is not a plain decimal number such as 500 or -0.25";
const TOO_LARGE: &str = "it is 10^15 or more";
const TOO_LONG: &str = "it has more decimal places than can be kept exactly";

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
