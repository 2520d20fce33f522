//! `Retry-After`: how long the API asks us to wait, in either of its forms (RFC 9110, 10.2.3).

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::domain::Timestamp;
use crate::domain::clock;

/// The longest wait that is believed (reliability.md, fault 3).
const CAP: Duration = Duration::from_mins(15);

/// The three forms of an HTTP date, the present one first.
const DATE_FORMS: [&str; 3] =
    ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// The wait asked for, seen from `now`; of several headers the longest. Nonsense counts as absent.
pub(super) fn read(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    headers
        .get_all(RETRY_AFTER)
        .iter()
        .filter_map(|value| parse(value.to_str().ok()?.trim(), now))
        .max()
}

fn parse(text: &str, now: Timestamp) -> Option<Duration> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        // Digits too long for a number are a very long wait all the same.
        let seconds = text.parse().unwrap_or(u64::MAX);
        return Some(Duration::from_secs(seconds).min(CAP));
    }
    Some(clock::between(now, date(text)?).min(CAP))
}

/// An HTTP date (RFC 9110, 5.6.7).
pub(super) fn date(text: &str) -> Option<Timestamp> {
    DATE_FORMS.iter().find_map(|form| {
        let civil = DateTime::strptime(form, text).ok()?;
        Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
    })
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    /// 1994-11-06T08:49:37Z, the example of RFC 9110.
    fn now() -> Timestamp {
        clock::from_millis(784_111_777_000)
    }

    fn wait(values: &[&'static str]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(RETRY_AFTER, HeaderValue::from_static(value));
        }
        read(&headers, now())
    }

    #[test]
    fn seconds_and_all_three_forms_of_a_date_are_honoured() {
        assert_eq!(wait(&["7"]), Some(Duration::from_secs(7)));
        assert_eq!(wait(&["0"]), Some(Duration::ZERO));
        for date in [
            "Sun, 06 Nov 1994 08:50:07 GMT",
            "Sunday, 06-Nov-94 08:50:07 GMT",
            "Sun Nov  6 08:50:07 1994",
        ] {
            assert_eq!(wait(&[date]), Some(Duration::from_secs(30)), "{date}");
        }
    }

    #[test]
    fn a_past_date_means_now_and_a_far_one_is_capped() {
        let past = wait(&["Sat, 05 Nov 1994 08:49:37 GMT"]);
        assert_eq!(past, Some(Duration::ZERO));
        for far in ["Sat, 06 Nov 2004 08:49:37 GMT", "1000000000", "99999999999999999999999"] {
            assert_eq!(wait(&[far]), Some(CAP), "{far}");
        }
    }

    #[test]
    fn nonsense_counts_as_absent() {
        for nonsense in ["-1", "abc", "1e9", "", "7.5", "+3", "tomorrow"] {
            assert_eq!(wait(&[nonsense]), None, "{nonsense}");
        }
        assert_eq!(wait(&[]), None);
    }

    #[test]
    fn of_two_headers_the_longer_wait_counts() {
        assert_eq!(wait(&["3", "9"]), Some(Duration::from_secs(9)));
        assert_eq!(wait(&["abc", "9"]), Some(Duration::from_secs(9)));
    }
}
