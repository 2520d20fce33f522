//! Money questions: what is left, and what a body would cost (atlas-api.md 1.7 and 1.8).

use reqwest::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use super::Api;
use super::answer::{ANSWER_LIMIT, brief};
use super::error::Error;
use super::reads::read;
use super::wire::{Envelope, path};
use crate::domain::Micros;

impl Api {
    /// What the account may still spend; below zero where it is overdrawn.
    pub async fn balance(&self) -> Result<Micros, Error> {
        let url = self.url(path::BALANCE);
        let answer = read("balance", ANSWER_LIMIT, || self.read_request(url.clone())).await?;
        let available = answer.get("available").or_else(|| answer.data()?.get("available"));
        let Some(Value::Object(available)) = available else {
            return Err(bad("balance", "it has no `available` amount".to_owned()));
        };
        dollars("balance", available, "value")
    }

    /// What the API would charge for a submit body. Costs nothing.
    pub async fn quote(&self, body: &str) -> Result<Micros, Error> {
        let answer = read("price quote", ANSWER_LIMIT, || {
            self.post_request(path::CALCULATE)
                .header(CONTENT_TYPE, "application/json")
                .body(body.to_owned())
        });
        quoted(&answer.await?)
    }
}

fn quoted(answer: &Envelope) -> Result<Micros, Error> {
    let data = answer.data().ok_or_else(|| bad("price quote", "it has no `data`".to_owned()))?;
    dollars("price quote", data, "price")
}

/// An amount under `key`, with its `currency` beside it where there is one.
fn dollars(what: &'static str, map: &Map<String, Value>, key: &str) -> Result<Micros, Error> {
    if let Some(Value::String(currency)) = map.get("currency")
        && !currency.is_empty()
        && !currency.eq_ignore_ascii_case("usd")
    {
        let currency = brief(currency, 16);
        return Err(bad(what, format!("it is in `{currency}`, not in dollars")));
    }
    map.get(key).and_then(signed).ok_or_else(|| bad(what, format!("its `{key}` is no amount")))
}

fn signed(value: &Value) -> Option<Micros> {
    if let Some(amount) = Micros::from_json(value) {
        return Some(amount);
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let size = Value::from(text.trim().strip_prefix('-')?);
    Micros::from_json(&size).map(|amount| Micros(-amount.0))
}

fn bad(what: &'static str, message: String) -> Error {
    Error::BadAnswer { what, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quote(json: &str) -> Option<Micros> {
        quoted(&Envelope::parse(json.as_bytes()).unwrap()).ok()
    }

    #[test]
    fn a_quote_is_a_number_or_its_text_in_dollars() {
        let tenth = Some(Micros(100_000));
        assert_eq!(quote(r#"{"code":200,"data":{"price":0.1}}"#), tenth);
        assert_eq!(quote(r#"{"data":{"price":"0.10","currency":"USD"}}"#), tenth);
        assert_eq!(quote(r#"{"data":{"price":0.1,"currency":"eur"}}"#), None);
        assert_eq!(quote(r#"{"data":{"price":null}}"#), None);
        assert_eq!(quote(r#"{"code":200,"data":null}"#), None);
    }

    #[test]
    fn an_overdrawn_account_is_below_zero() {
        assert_eq!(signed(&Value::from("-1.500000")), Some(Micros(-1_500_000)));
        assert_eq!(signed(&Value::from(-1.5)), Some(Micros(-1_500_000)));
        assert_eq!(signed(&Value::from("--1")), None);
    }
}
