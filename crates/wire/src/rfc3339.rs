//! RFC 3339 date-times as instants, strictly by its grammar (section 5.6).
//!
//! Strict, and written here, because what an event's time means must not depend on how lenient the
//! present version of a library is: two instances would count the same event differently.

use prost_types::Timestamp;

/// The instant of a date-time with its offset, `2025-03-31T23:30:00.5+01:00`; none if the text is not one.
///
/// Digits of the fraction beyond nanoseconds are cut off. A leap second (`:60`) counts as the second
/// before it, which keeps its month. The year zero, which protobuf cannot express, is refused.
pub(crate) fn parse(text: &[u8]) -> Option<Timestamp> {
    let (date_time, rest) = text.split_first_chunk::<19>()?;
    let year = digits(&date_time[0..4])?;
    let month = digits(&date_time[5..7])?;
    let day = digits(&date_time[8..10])?;
    let hour = digits(&date_time[11..13])?;
    let minute = digits(&date_time[14..16])?;
    let second = digits(&date_time[17..19])?;
    let separators = [
        date_time[4],
        date_time[7],
        date_time[10],
        date_time[13],
        date_time[16],
    ];
    if !matches!(separators, [b'-', b'-', b'T' | b't', b':', b':']) || second > 60 || year == 0 {
        return None;
    }
    let (nanos, rest) = fraction(rest)?;
    let mut instant = Timestamp::date_time_nanos(
        i64::from(year),
        u8::try_from(month).ok()?,
        u8::try_from(day).ok()?,
        u8::try_from(hour).ok()?,
        u8::try_from(minute).ok()?,
        u8::try_from(second.min(59)).ok()?,
        nanos,
    )
    .ok()?;
    instant.seconds -= offset_seconds(rest)?;
    Some(instant)
}

/// Nanoseconds of an optional `.digits`, and what follows.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some((b'.', text)) = text.split_first() else {
        return Some((0, text));
    };
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (fraction, rest) = text.split_at(count);
    if fraction.is_empty() {
        return None;
    }
    let kept = &fraction[..count.min(9)];
    let scale = 10_u32.pow(9 - u32::try_from(kept.len()).ok()?);
    Some((digits(kept)? * scale, rest))
}

/// Seconds east of Greenwich of `Z` or `+01:00`.
fn offset_seconds(text: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match text {
        [b'Z' | b'z'] => return Some(0),
        [b'+', h1, h2, b':', m1, m2] => (1, [*h1, *h2], [*m1, *m2]),
        [b'-', h1, h2, b':', m1, m2] => (-1, [*h1, *h2], [*m1, *m2]),
        _ => return None,
    };
    let (hours, minutes) = (digits(&hours)?, digits(&minutes)?);
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 3600 + minutes * 60))
}

/// The number of at most nine decimal digits.
fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit()
            .then(|| number * 10 + u32::from(byte - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds_and_nanos(text: &str) -> Option<(i64, i32)> {
        parse(text.as_bytes()).map(|instant| (instant.seconds, instant.nanos))
    }

    #[test]
    fn offsets_and_fractions_are_taken_into_account() {
        assert_eq!(seconds_and_nanos("1970-01-01T00:00:00Z"), Some((0, 0)));
        assert_eq!(
            seconds_and_nanos("2025-03-31t23:30:00.5z"),
            Some((1_743_463_800, 500_000_000))
        );
        assert_eq!(
            seconds_and_nanos("2025-04-01T00:30:00+01:00"),
            Some((1_743_463_800, 0))
        );
        assert_eq!(
            seconds_and_nanos("2025-03-31T20:00:00-03:30"),
            Some((1_743_463_800, 0))
        );
        assert_eq!(
            seconds_and_nanos("1969-12-31T23:59:59.1234567899Z"),
            Some((-1, 123_456_789))
        );
        assert_eq!(
            seconds_and_nanos("2016-12-31T23:59:60Z"),
            Some((1_483_228_799, 0))
        );
        assert_eq!(
            seconds_and_nanos("2024-02-29T00:00:00Z"),
            Some((1_709_164_800, 0))
        );
        assert_eq!(
            seconds_and_nanos("9999-12-31T23:59:59Z"),
            Some((253_402_300_799, 0))
        );
    }

    #[test]
    fn what_is_not_of_the_grammar_is_refused() {
        for text in [
            "",
            "2025-03-31",
            "2025-03-31T23:30:00",
            "2025-03-31 23:30:00Z",
            "2025-03-31T23:30Z",
            "20250331T233000Z",
            "2025-03-31T23:30:00.Z",
            "2025-03-31T23:30:00,5Z",
            "2025-03-31T23:30:00+0100",
            "2025-03-31T23:30:00+24:00",
            "2025-03-31T23:30:00+01:60",
            "2025-03-31T23:30:00Z[Europe/London]",
            "2025-03-31T24:00:00Z",
            "2025-03-31T23:60:00Z",
            "2025-03-31T23:30:61Z",
            "2025-02-29T00:00:00Z",
            "2025-04-31T00:00:00Z",
            "2025-00-01T00:00:00Z",
            "2025-13-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "+2025-03-31T23:30:00Z",
            "2025-03-31T23:30:-1Z",
        ] {
            assert_eq!(seconds_and_nanos(text), None, "{text}");
        }
    }

    proptest! {
        // For every instant t and offset o: parse(t written with o) = t, as jiff writes it.
        #[test]
        fn it_agrees_with_an_independent_calendar(
            seconds in -62_135_500_000_i64..253_402_000_000,
            nanos in 0..1_000_000_000,
            minutes in -1439_i32..1440,
        ) {
            let instant = jiff::Timestamp::new(seconds, 0).unwrap();
            let offset = jiff::tz::Offset::from_seconds(minutes * 60).unwrap();
            let local = offset.to_datetime(instant);
            prop_assume!((1..=9999).contains(&local.year()));
            let sign = if minutes < 0 { '-' } else { '+' };
            let text = format!(
                "{local}.{nanos:09}{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60
            );
            prop_assert_eq!(seconds_and_nanos(&text), Some((seconds, nanos)), "{}", text);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn almost_right_text_never_panics(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,12})?(Z|[+-][0-9]{2}:[0-9]{2})") {
            let _ = parse(text.as_bytes());
        }
    }
}
