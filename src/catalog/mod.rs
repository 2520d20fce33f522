//! What models exist, what they take and what they cost: a built-in, dated table of the `MiniMax`
//! Hailuo family, and the API's own catalogue for everything else.

mod builtin;
mod quotes;

use std::collections::{BTreeSet, HashMap};

use crate::atlas::{Api, Error};
use crate::domain::{Endpoint, Request};

pub use builtin::{BUILTIN_DATE, Facts, builtin};
pub use quotes::{Price, Prices};

/// What a request lacks, in words; `None` where it has all that is known to be needed.
///
/// For a model outside the table only a prompt or some other parameter is asked for: what else it
/// needs, its schema says.
#[must_use]
pub fn lacks(request: &Request) -> Option<String> {
    let Some(facts) = builtin(&request.model) else {
        return request.params.is_empty().then(|| {
            format!("{} needs a `prompt` or an input file; neither is given", request.model)
        });
    };
    let missing: Vec<String> = facts
        .required
        .iter()
        .filter(|name| !request.params.contains_key(**name))
        .map(|name| format!("`{name}`"))
        .collect();
    (!missing.is_empty()).then(|| format!("{} needs {}", request.model, missing.join(" and ")))
}

/// Which endpoint each model belongs to: the table first, then the API's catalogue, asked once.
/// Models that neither knows, or that are no media models, are in the second list.
pub async fn endpoints(
    api: &Api,
    models: &BTreeSet<String>,
) -> Result<(HashMap<String, Endpoint>, Vec<String>), Error> {
    let (known, others): (Vec<_>, Vec<_>) =
        models.iter().partition(|model| builtin(model).is_some());
    let mut endpoints: HashMap<String, Endpoint> = known
        .into_iter()
        .filter_map(|model| builtin(model).map(|facts| (model.clone(), facts.endpoint)))
        .collect();
    if others.is_empty() {
        return Ok((endpoints, Vec::new()));
    }
    let catalogue: HashMap<String, Endpoint> = api
        .models()
        .await?
        .into_iter()
        .filter_map(|model| model.endpoint().map(|endpoint| (model.id, endpoint)))
        .collect();
    let mut unknown = Vec::new();
    for model in others {
        match catalogue.get(model) {
            Some(endpoint) => {
                endpoints.insert(model.clone(), *endpoint);
            }
            None => unknown.push(model.clone()),
        }
    }
    Ok((endpoints, unknown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Micros;

    fn request(json: &str) -> Request {
        Request::from_canonical(json).unwrap()
    }

    #[test]
    fn what_a_model_needs_is_said_by_name() {
        let fast = request(r#"{"model":"minimax/hailuo-02/fast","prompt":"a"}"#);
        assert_eq!(lacks(&fast).unwrap(), "minimax/hailuo-02/fast needs `image`");
        let whole = request(r#"{"model":"minimax/hailuo-02/fast","image":"https://x/y.png"}"#);
        assert_eq!(lacks(&whole), None);
        let nothing = request(r#"{"model":"somebody/else"}"#);
        assert!(lacks(&nothing).unwrap().contains("prompt"));
    }

    #[test]
    fn only_prices_that_were_seen_are_in_the_table() {
        let price = |model: &str| builtin(model).and_then(|facts| facts.price);
        assert_eq!(price("minimax/hailuo-02/fast"), Some(Micros(100_000)));
        assert_eq!(price("minimax/hailuo-02/standard"), Some(Micros(230_000)));
        assert_eq!(price("minimax/hailuo-2.3/i2v-standard"), Some(Micros(280_000)));
        assert_eq!(price("minimax/hailuo-02/pro"), None);
        assert_eq!(price("somebody/else"), None);
    }
}
