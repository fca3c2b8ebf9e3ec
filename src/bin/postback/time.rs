//! Moments, in UTC.

use postback::clock::Timestamp;

/// `2026-11-21 04:10:23.123`
pub(crate) fn shown(moment: Timestamp) -> String {
    let millis = moment.as_millis();
    let (seconds, millis) = (millis / 1000, millis % 1000);
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}.{millis:03}")
}

/// `2026-11-21 04:10:23`, `2026-11-21T04:10:23.123Z`, `2026-11-21`, or seconds or milliseconds since 1970; all UTC.
/// Another time zone is not guessed at.
pub(crate) fn read(text: &str) -> Option<Timestamp> {
    if !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit()) {
        let number: u64 = text.parse().ok()?;
        // Of today, seconds have ten digits and milliseconds thirteen.
        let millis = match text.len() {
            9 | 10 => number.checked_mul(1000)?,
            12 | 13 => number,
            _ => return None,
        };
        return Some(Timestamp::from_millis(millis));
    }
    let (day, clock) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
    let clock = clock.strip_suffix('Z').unwrap_or(clock);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let [year, month, day] = numbers(day, '-')?;
    let [hour, minute, second] = numbers(clock, ':')?;
    let is_time = hour < 24 && minute < 60 && second < 60;
    if !is_time || !(1970..=9999).contains(&year) || fraction.len() > 9 {
        return None;
    }
    let millis: u64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let days = days(year, month, day)?;
    let seconds = ((days * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp::from_millis(seconds * 1000 + millis))
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let mut parts = text.split(between).map(|part| {
        let is_number = part.bytes().all(|digit| digit.is_ascii_digit());
        part.parse().ok().filter(|_| is_number)
    });
    let three = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(three)
}

/// The days from 1970 to a date, if there is such a date: the other way round of [`date`].
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    // No month is longer than 31 days, and no year than 366.
    let first = (year.checked_sub(1970)?) * 365;
    (first..first + 366 + year / 4).find(|days| date(*days) == (year, month, day))
}

/// Year, month and day of a day since 1970 (Howard Hinnant's `civil_from_days`).
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from the 1st of March of the year 0, so that the leap day is a year's last.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (20_513, (2026, 3, 1)),
            (47_540, (2100, 2, 28)),
            (47_541, (2100, 3, 1)),
        ] {
            assert_eq!(date(days), expected);
        }
        for text in [
            "2025-11-30 23:59:59.007",
            "2025-11-30T23:59:59.007Z",
            "1764547199007",
        ] {
            assert_eq!(
                read(text),
                Some(Timestamp::from_millis(1_764_547_199_007)),
                "{text}"
            );
        }
        for (text, expected) in [
            ("1970-01-01", "1970-01-01 00:00:00.000"),
            ("2000-02-29 12:00:00", "2000-02-29 12:00:00.000"),
            ("2100-02-28T01:02:03.5", "2100-02-28 01:02:03.500"),
            ("1764547199", "2025-11-30 23:59:59.000"),
        ] {
            assert_eq!(shown(read(text).unwrap()), expected, "{text}");
        }
        for text in [
            "",
            "0",
            "yesterday",
            "2025-02-29",
            "2025-13-01",
            "2025-11-30 24:00:00",
            "30.11.2025",
            "2025-11-30 23:59:59+01:00",
            "2025-11-30 23:59",
            "+2025-11-30",
            "1969-12-31",
            "17645471990071",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        let moment = Timestamp::from_millis(1_764_547_199_007);
        assert_eq!(shown(moment), "2025-11-30 23:59:59.007");
    }
}
