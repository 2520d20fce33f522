//! What a request costs: the manifest's word, else the API's own quote, else the built-in table.
//!
//! The API quotes a submit body for free (atlas-api.md 1.8). What does not change a price, the words
//! of the prompt and the content of pictures, is left out of the comparison, so that a thousand rows
//! of one shape ask once. Quotes are kept in the state folder with their time.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::builtin;
use super::store::write_whole;
use crate::atlas::Api;
use crate::domain::shape::Texts;
use crate::domain::{Charges, JobSpec, Micros, Origin, Request, Timestamp, clock};

/// How long a quote is taken for the price of today.
const FRESH: std::time::Duration = std::time::Duration::from_hours(24);
/// Distinct bodies one plan asks about; a manifest of random parameters must not ask a million times.
const MOST_QUESTIONS: usize = 500;
/// Questions under way at a time.
const AT_A_TIME: usize = 8;
/// The largest file of quotes that is read.
const MOST_BYTES: u64 = 16 << 20;
/// Stands for a local file that was not uploaded yet (a name of RFC 2606).
const STAND_IN: &str = "https://example.com/input.";

/// What a request costs, and who says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Price {
    /// The price; `None` where nobody knows.
    pub amount: Option<Micros>,
    /// `manifest`, `quote`, `built-in`, `charged` where the API was seen to charge more, or `unpriced`.
    pub source: &'static str,
}

/// One answer of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Quote {
    price: Micros,
    at: Timestamp,
}

/// The file in the state folder.
#[derive(Debug, Default, Serialize, Deserialize)]
struct File {
    /// By origin, then by the hash of what makes the price.
    quotes: BTreeMap<String, BTreeMap<String, Quote>>,
}

/// Prices of one origin, and the questions that are still open.
#[derive(Debug)]
pub struct Prices {
    path: PathBuf,
    origin: Origin,
    quotes: HashMap<String, Quote>,
    /// What the API was seen to charge above its price.
    charged: Charges,
    open: BTreeMap<String, (String, String)>,
    /// The model, and what was said.
    refused: HashMap<String, (String, String)>,
    left_out: u64,
    changed: bool,
}

impl Prices {
    /// Reads the quotes kept in a state folder. A file that cannot be read is as good as none.
    #[must_use]
    pub fn read(state_dir: &Path, origin: Origin) -> Self {
        let path = state_dir.join("catalog").join("quotes.json");
        let kept = read_file(&path).quotes.remove(origin.as_str()).unwrap_or_default();
        Self {
            path,
            origin,
            quotes: kept.into_iter().collect(),
            charged: Charges::default(),
            open: BTreeMap::new(),
            refused: HashMap::new(),
            left_out: 0,
            changed: false,
        }
    }

    /// Charges that were above what was reserved for them (see `Ledger::dearer`): whatever anybody
    /// says, no less is planned for the same request.
    pub fn know_charges(&mut self, charged: Charges) {
        self.charged = charged;
    }

    /// What a row costs as far as is known now; where a quote would tell better, remembers to ask.
    pub fn of(&mut self, spec: &JobSpec) -> Price {
        let told = self.told(spec);
        let charged = self.charged.of(&spec.request);
        if charged > told.amount { Price { amount: charged, source: "charged" } } else { told }
    }

    fn told(&mut self, spec: &JobSpec) -> Price {
        if let Some(price) = spec.price {
            return Price { amount: Some(price), source: "manifest" };
        }
        let key = spec.request.shape(Texts::ByLength).hex();
        let quote = self.quotes.get(&key).copied();
        if quote.is_none_or(|quote| clock::between(quote.at, clock::now()) > FRESH) {
            self.remember(key, &spec.request);
        }
        if let Some(quote) = quote {
            return Price { amount: Some(quote.price), source: "quote" };
        }
        match builtin(&spec.request.model).and_then(|facts| facts.price) {
            Some(price) => Price { amount: Some(price), source: "built-in" },
            None => Price { amount: None, source: "unpriced" },
        }
    }

    fn remember(&mut self, key: String, request: &Request) {
        if self.refused.contains_key(&key) || self.open.contains_key(&key) {
            return;
        }
        if self.open.len() + self.refused.len() >= MOST_QUESTIONS {
            self.left_out += 1;
            return;
        }
        self.open.insert(key, (request.model.clone(), asked(request)));
    }

    /// Whether there is anything to ask.
    #[must_use]
    pub fn wants(&self) -> bool {
        !self.open.is_empty()
    }

    /// Asks the API about every open question once. That it cannot say is no error: the next best
    /// price holds, and [`Prices::troubles`] tells.
    pub async fn ask(&mut self, api: &Api) {
        let open = self.open.clone();
        let answers = futures_util::stream::iter(open)
            .map(|(key, (model, body))| async move {
                let answer = api.quote(&body).await.map_err(|error| error.to_string());
                (key, model, answer)
            })
            .buffer_unordered(AT_A_TIME);
        let mut answers = std::pin::pin!(answers);
        while let Some((key, model, answer)) = answers.next().await {
            self.open.remove(&key);
            match answer {
                Ok(price) if price >= Micros::ZERO => {
                    self.quotes.insert(key, Quote { price, at: clock::now() });
                    self.changed = true;
                }
                Ok(_) => {
                    self.refused.insert(key, (model, "it is below zero".to_owned()));
                }
                Err(said) => {
                    self.refused.insert(key, (model, said));
                }
            }
        }
    }

    /// What is still open stays unanswered.
    pub fn give_up(&mut self, why: &str) {
        let open = std::mem::take(&mut self.open);
        let unanswered = open.into_iter().map(|(key, (model, _))| (key, (model, why.to_owned())));
        self.refused.extend(unanswered);
    }

    /// What could not be asked, in words: each reason once, with the models it is about.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let mut reasons: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (model, said) in self.refused.values() {
            reasons.entry(said).or_default().insert(model);
        }
        let name = |models: BTreeSet<&str>| models.into_iter().collect::<Vec<_>>().join(", ");
        let mut troubles: Vec<String> =
            reasons.into_iter().map(|(said, models)| format!("{}: {said}", name(models))).collect();
        if self.left_out > 0 {
            troubles.push(format!(
                "more than {MOST_QUESTIONS} different sets of parameters: the rest was not asked"
            ));
        }
        troubles
    }

    /// Keeps new quotes for later runs. A simulator's prices are its scenario's and are not kept.
    pub fn save(&mut self) -> std::io::Result<()> {
        if !self.changed || self.origin.is_loopback() {
            return Ok(());
        }
        let mut file = read_file(&self.path);
        let kept = self.quotes.iter().map(|(key, quote)| (key.clone(), *quote)).collect();
        file.quotes.insert(self.origin.as_str().to_owned(), kept);
        write_whole(&self.path, &serde_json::to_vec_pretty(&file)?)?;
        self.changed = false;
        Ok(())
    }
}

fn read_file(path: &Path) -> File {
    let small = std::fs::metadata(path).is_ok_and(|meta| meta.len() <= MOST_BYTES);
    let text = if small { std::fs::read(path).unwrap_or_default() } else { Vec::new() };
    serde_json::from_slice(&text).unwrap_or_default()
}

/// The body that is asked about: the submit body, with stand-ins for files not uploaded yet.
fn asked(request: &Request) -> String {
    let urls = request
        .media()
        .into_iter()
        .map(|key| {
            let url = format!("{STAND_IN}{}", key.extension);
            (key, url)
        })
        .collect();
    request.body(&urls).unwrap_or_else(|| request.canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_kept_for_the_api_and_not_for_simulators() {
        let folder = tempfile::tempdir().unwrap();
        let origin = |text: &str| Origin::from_ledger(text.to_owned());
        for (name, kept) in [("https://api.example", 1), ("loopback", 0)] {
            let mut prices = Prices::read(folder.path(), origin(name));
            let quote = Quote { price: Micros(120_000), at: clock::now() };
            prices.quotes.insert("k".to_owned(), quote);
            prices.changed = true;
            prices.save().unwrap();
            assert_eq!(Prices::read(folder.path(), origin(name)).quotes.len(), kept, "{name}");
        }
        assert_eq!(Prices::read(folder.path(), origin("https://other.example")).quotes.len(), 0);
    }

    #[test]
    fn a_damaged_file_of_quotes_is_as_good_as_none() {
        let folder = tempfile::tempdir().unwrap();
        let origin = || Origin::from_ledger("https://api.example".to_owned());
        std::fs::create_dir(folder.path().join("catalog")).unwrap();
        std::os::unix::fs::symlink("/dev/null", folder.path().join("catalog/quotes.json")).unwrap();
        assert!(Prices::read(folder.path(), origin()).quotes.is_empty());
    }
}
