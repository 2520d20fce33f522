//! Money as integer micro-dollars. No floating-point number ever holds an amount.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount in millionths of a US dollar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Micros(pub i64);

/// An amount that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not an amount of dollars; write for example 12.50 (at most six decimals, no sign, no exponent)"
)]
pub struct NotMoney(pub String);

impl Micros {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The most one amount may be: a hundred million dollars, far from overflow in any sum.
    pub const MAX: Self = Self(100_000_000_000_000);

    /// Reads `0.1`, `12`, `$12.50` or `1e-1` exactly. Digits beyond the sixth decimal must be
    /// zeros, so that nothing is ever rounded unseen.
    pub fn parse(text: &str) -> Result<Self, NotMoney> {
        parse_decimal(text.trim().trim_start_matches('$')).ok_or_else(|| NotMoney(text.to_owned()))
    }

    /// Reads an amount as a person types it for a cap: digits and a point and nothing else, since
    /// `1e3` is easily another amount than was meant.
    pub fn typed(text: &str) -> Result<Self, NotMoney> {
        let is_plain = text.trim().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if is_plain { Self::parse(text) } else { Err(NotMoney(text.to_owned())) }
    }

    /// Reads an amount from JSON, where the API writes numbers or numeric strings.
    /// Unlike [`Micros::parse`] it rounds up beyond six decimals: a price may only grow.
    #[must_use]
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        let text = match value {
            serde_json::Value::String(text) => text.trim().to_owned(),
            serde_json::Value::Number(number) => number.to_string(),
            _ => return None,
        };
        parse_rounded_up(&text)
    }

    /// The sum, or `None` beyond [`Micros::MAX`] in size.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let sum = self.0.checked_add(other.0)?;
        (sum.abs() <= Self::MAX.0.saturating_mul(1_000)).then_some(Self(sum))
    }

    /// The sum, held at the ends of the range: for figures that are only shown.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// This amount `count` times, held at the end of the range: for figures that are only shown.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX)))
    }

    /// For people: `$0.10`, with more decimals only where they matter.
    #[must_use]
    pub fn human(self) -> String {
        let full = self.to_string();
        let kept = full.trim_end_matches('0');
        let decimals = kept.len() - kept.find('.').map_or(0, |dot| dot + 1);
        let end = full.len() - 6 + decimals.max(2);
        let (sign, digits) =
            full[..end].strip_prefix('-').map_or(("", &full[..end]), |digits| ("-", digits));
        format!("{sign}${digits}")
    }
}

/// `0.100000`: the form of the contract's JSON.
impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let size = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:06}", size / 1_000_000, size % 1_000_000)
    }
}

impl Serialize for Micros {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Micros {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let text = match value {
            serde_json::Value::String(text) => text,
            serde_json::Value::Number(number) => number.to_string(),
            other => other.to_string(),
        };
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The digits of a decimal number as `(whole and fraction digits, number of fraction digits)`.
fn digits(text: &str) -> Option<(String, i32)> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let sane = !all.is_empty() && all.len() <= 40 && all.bytes().all(|b| b.is_ascii_digit());
    let decimals = i32::try_from(fraction.len()).ok()?.checked_sub(exponent)?;
    (sane && decimals.abs() <= 60).then_some((all, decimals))
}

/// Micro-dollars of a decimal text, and whether anything non-zero was cut off below them.
fn scaled(text: &str) -> Option<(i64, bool)> {
    let (mut all, decimals) = digits(text)?;
    let mut rest = false;
    if decimals <= 6 {
        all.extend(std::iter::repeat_n('0', usize::try_from(6 - decimals).ok()?));
    } else {
        let cut = usize::try_from(decimals - 6).ok()?.min(all.len());
        rest = all.split_off(all.len() - cut).bytes().any(|b| b != b'0');
    }
    let value = if all.is_empty() { 0 } else { all.parse::<i64>().ok()? };
    (value <= Micros::MAX.0).then_some((value, rest))
}

fn parse_decimal(text: &str) -> Option<Micros> {
    let (value, rest) = scaled(text)?;
    (!rest).then_some(Micros(value))
}

fn parse_rounded_up(text: &str) -> Option<Micros> {
    let (value, rest) = scaled(text)?;
    Some(Micros(value + i64::from(rest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_exactly_or_refused() {
        assert_eq!(Micros::parse("0.1"), Ok(Micros(100_000)));
        assert_eq!(Micros::parse("$12.50"), Ok(Micros(12_500_000)));
        assert_eq!(Micros::parse("1e-1"), Ok(Micros(100_000)));
        assert_eq!(Micros::parse("0.1000000"), Ok(Micros(100_000)));
        for wrong in ["", ".", "-1", "0.0000001", "ten", "1e99", "1,5", "99999999999"] {
            assert!(Micros::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_typed_amount_is_digits_and_a_point() {
        assert_eq!(Micros::typed(" 12.50"), Ok(Micros(12_500_000)));
        for wrong in ["1e3", "$5", "+5", "-1", "", "5 USD"] {
            assert!(Micros::typed(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn prices_of_the_api_round_up() {
        let price = |text: &str| Micros::from_json(&serde_json::from_str(text).unwrap());
        assert_eq!(price("0.1"), Some(Micros(100_000)));
        assert_eq!(price("\"0.19\""), Some(Micros(190_000)));
        assert_eq!(price("0.00000001"), Some(Micros(1)));
        assert_eq!(price("null"), None);
        assert_eq!(price("\"NaN\""), None);
    }

    #[test]
    fn amounts_are_written_for_machines_and_for_people() {
        assert_eq!(Micros(100_000).to_string(), "0.100000");
        assert_eq!(Micros(-1).to_string(), "-0.000001");
        assert_eq!(Micros(100_000).human(), "$0.10");
        assert_eq!(Micros(1_234_567).human(), "$1.234567");
        assert_eq!(Micros(-2_500_000).human(), "-$2.50");
        assert_eq!(Micros::ZERO.human(), "$0.00");
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(value in 0..Micros::MAX.0) {
            let money = Micros(value);
            proptest::prop_assert_eq!(Micros::parse(&money.to_string()), Ok(money));
            proptest::prop_assert_eq!(Micros::parse(&money.human()), Ok(money));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,60}") {
            let _ = Micros::parse(&text);
        }
    }
}
