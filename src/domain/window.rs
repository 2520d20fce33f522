//! Times of the week in which something may happen: `mon-fri 22:00-07:00`, local time.

use std::fmt;

use jiff::civil::Weekday;
use jiff::{Span, Zoned};

use super::text;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Minutes of a fortnight: a clock that is set forward in spring can skip a week's only time.
const FORTNIGHT: u32 = 14 * DAY as u32;

/// One time of some days.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    /// The days it begins on, from Monday.
    days: [bool; 7],
    /// Minutes after midnight.
    from: u16,
    /// Minutes after midnight; on the next day where it is not after `from`.
    to: u16,
    written: String,
}

/// Several of them; none at all is always.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Windows(Vec<Window>);

impl Windows {
    /// Reads each of `texts`: days (`mon`, `sat,sun`, `mon-fri`; none for every day), a blank, and
    /// `HH:MM-HH:MM`.
    pub fn parse<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Self, String> {
        texts.into_iter().map(Window::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether there are any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it may happen at this moment.
    #[must_use]
    pub fn holds(&self, at: &Zoned) -> bool {
        self.0.is_empty() || self.0.iter().any(|window| window.holds(at))
    }

    /// The minute in which it may happen again, within a fortnight; `None` where it may now, or never.
    #[must_use]
    pub fn opens(&self, now: &Zoned) -> Option<Zoned> {
        if self.holds(now) {
            return None;
        }
        let whole = now.with().second(0).subsec_nanosecond(0).build().ok()?;
        let minutes =
            (1..=FORTNIGHT).filter_map(|n| whole.checked_add(Span::new().minutes(n)).ok());
        minutes.into_iter().find(|at| self.holds(at))
    }
}

impl fmt::Display for Windows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let written: Vec<&str> = self.0.iter().map(|window| window.written.as_str()).collect();
        f.write_str(&written.join("; "))
    }
}

impl Window {
    fn parse(written: &str) -> Result<Self, String> {
        let wrong = || {
            let shown = text::visible(written);
            format!(
                "`{shown}` is not a time of the week; write `mon-fri 22:00-07:00`, or `22:00-07:00`"
            )
        };
        let mut words = written.split_whitespace().rev();
        let (from, to) = words.next().and_then(|times| times.split_once('-')).ok_or_else(wrong)?;
        let days = match (words.next(), words.next()) {
            (None, _) => Some([true; 7]),
            (Some(days), None) => days_of(days),
            _ => None,
        };
        let (from, to) = (minutes(from).filter(|from| *from < DAY), minutes(to));
        match (days, from, to) {
            (Some(days), Some(from), Some(to)) if from != to => {
                Ok(Self { days, from, to, written: written.trim().to_owned() })
            }
            _ => Err(wrong()),
        }
    }

    fn holds(&self, at: &Zoned) -> bool {
        let minute =
            u16::from(at.hour().unsigned_abs()) * 60 + u16::from(at.minute().unsigned_abs());
        let today = place(at.weekday());
        let begun_today = self.days[today] && minute >= self.from;
        if self.to > self.from {
            return begun_today && minute < self.to;
        }
        begun_today || (self.days[(today + 6) % 7] && minute < self.to)
    }
}

fn place(day: Weekday) -> usize {
    usize::from(day.to_monday_zero_offset().unsigned_abs())
}

fn days_of(written: &str) -> Option<[bool; 7]> {
    let day = |word: &str| {
        let word = word.to_ascii_lowercase();
        DAYS.iter().position(|day| *day == word)
    };
    let mut days = [false; 7];
    for part in written.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (day(first)?, day(last)?);
        let length = (last + 7 - first) % 7;
        (0..=length).for_each(|n| days[(first + n) % 7] = true);
    }
    Some(days)
}

/// `HH:MM` as minutes after midnight, up to 24:00.
fn minutes(written: &str) -> Option<u16> {
    let (hour, minute) = written.split_once(':')?;
    let number = |digits: &str| {
        let is_plain = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_plain.then(|| digits.parse::<u16>().ok()).flatten()
    };
    let (hour, minute) = (number(hour)?, number(minute).filter(|minute| *minute < 60)?);
    Some(hour * 60 + minute).filter(|all| *all <= DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(written: &str) -> Zoned {
        format!("{written}[Europe/Berlin]").parse().unwrap()
    }

    fn windows(texts: &[&str]) -> Windows {
        Windows::parse(texts.iter().copied()).unwrap()
    }

    #[test]
    fn a_night_belongs_to_the_day_it_begins_on() {
        let nights = windows(&["mon-fri 22:00-07:00"]);
        // 23 November 2026 is a Monday.
        for (moment, holds) in [
            ("2026-11-23T21:59", false),
            ("2026-11-23T22:00", true),
            ("2026-11-24T06:59", true),
            ("2026-11-24T07:00", false),
            ("2026-11-28T06:00", true),
            ("2026-11-28T22:30", false),
            ("2026-11-23T06:00", false),
        ] {
            assert_eq!(nights.holds(&at(moment)), holds, "{moment}");
        }
        assert!(windows(&[]).holds(&at("2026-11-23T12:00")));
    }

    #[test]
    fn it_is_known_when_it_opens_again() {
        let both = windows(&["fri-mon 00:00-24:00", "23:30-00:30"]);
        assert_eq!(both.opens(&at("2026-11-24T01:00:30")), Some(at("2026-11-24T23:30")));
        assert_eq!(both.opens(&at("2026-11-27T12:00")), None);
        let sundays = windows(&["sun 02:15-02:45"]);
        // The hour that the clocks skip in spring is not there to open in.
        assert_eq!(sundays.opens(&at("2026-03-28T12:00")), Some(at("2026-04-05T02:15")));
    }

    #[test]
    fn what_is_no_time_of_the_week_is_refused() {
        for wrong in [
            "",
            "22:00",
            "22:00-22:00",
            "mon 22-07",
            "never 22:00-07:00",
            "24:00-01:00",
            "a b 22:00-07:00",
        ] {
            assert!(Windows::parse([wrong]).is_err(), "{wrong}");
        }
        assert_eq!(windows(&[" sat,sun 00:00-24:00 "]).to_string(), "sat,sun 00:00-24:00");
    }
}
