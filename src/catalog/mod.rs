//! What models exist, what they take and what they cost: a built-in, dated table of the `MiniMax`
//! Hailuo family, and the API's own catalogue and schemas for everything else, kept in the state folder.

mod builtin;
mod learn;
mod quotes;
mod store;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::atlas::{Api, Error, class};
use crate::domain::schema::NoSchema;
use crate::domain::{Schema, clock};

pub use builtin::{BUILTIN_DATE, Facts, builtin, builtins};
pub use learn::Knowledge;
pub use quotes::{Price, Prices};
pub use store::Listing;

use store::{Kept, Store};

/// For so long what was kept is taken for what the API offers: the catalogue changes daily.
const FRESH: Duration = Duration::from_hours(24);
/// How long all tries of one question to the API may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How old the list of models may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// As it is kept: the API is not asked.
    Any,
    /// A day; the API is asked beyond it, and an older list is better than none.
    Day,
    /// None: the API is asked.
    Now,
}

/// The catalogue of one API.
#[derive(Debug)]
pub struct Catalog {
    api: Api,
    store: Store,
    /// Whether anything is read from the state folder, or written to it.
    keeps: bool,
    listing: Option<Listing>,
    /// Why the list is older than it should be.
    trouble: Option<Error>,
}

/// The schema of a model, and where it is from.
#[derive(Debug)]
pub enum Found {
    /// The API's, from that time.
    Api(Schema, crate::domain::Timestamp),
    /// The built-in table's.
    Builtin(Schema),
}

/// Why there is no schema.
#[derive(Debug, thiserror::Error)]
pub enum Unfound {
    /// The catalogue names none.
    #[error("the catalogue names no schema for it")]
    Unnamed,
    /// Its document could not be had.
    #[error(transparent)]
    Unanswered(Error),
    /// Its document says nothing.
    #[error("its schema cannot be used: {0}")]
    Unusable(#[from] NoSchema),
}

impl Catalog {
    /// The catalogue of an API, kept in the state folder. Asks nothing yet.
    #[must_use]
    pub fn new(api: Api, state: &Path) -> Self {
        let store = Store::new(state, api.base_url());
        Self { api, store, keeps: true, listing: None, trouble: None }
    }

    /// The catalogue of an API that is gone soon: nothing is kept.
    #[must_use]
    pub fn passing(api: Api) -> Self {
        Self { keeps: false, ..Self::new(api, Path::new("")) }
    }

    /// The same, keeping what it learns also where there is no state folder yet: one is made then.
    #[must_use]
    pub fn making_its_folder(mut self) -> Self {
        self.store.makes_folder = true;
        self
    }

    /// The models on offer, and why the list is older than it should be, if it is.
    pub async fn listing(&mut self, age: Age) -> Result<(&Listing, Option<&Error>), Error> {
        if self.listing.is_none() && self.keeps {
            self.listing = self.store.read_listing();
        }
        let is_due = match (age, &self.listing) {
            (Age::Any, _) => false,
            (Age::Now, _) | (Age::Day, None) => true,
            (Age::Day, Some(listing)) => {
                self.trouble.is_none() && clock::between(listing.fetched_at, clock::now()) > FRESH
            }
        };
        if is_due {
            match patiently("model catalogue", self.api.models()).await {
                Ok(models) => self.take(models),
                Err(error) if self.listing.is_none() => return Err(error),
                Err(error) => self.trouble = Some(error),
            }
        }
        match &self.listing {
            Some(listing) => Ok((listing, self.trouble.as_ref())),
            None => Err(Error::Unanswered {
                what: "model catalogue",
                class: class::UNREACHABLE,
                message: "it was never asked for".to_owned(),
            }),
        }
    }

    fn take(&mut self, models: Vec<crate::atlas::Model>) {
        let listing = self.store.listing(models, clock::now());
        if self.keeps
            && let Err(error) = self.store.write_listing(&listing)
        {
            tracing::warn!(%error, "the catalogue cannot be kept");
        }
        self.listing = Some(listing);
        self.trouble = None;
    }

    /// Where the list is kept.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.store.listing_path()
    }

    /// The schema of a model. The API's own comes first; the built-in table is asked about models
    /// whose schema was never fetched, and `ask` has it fetched for these too.
    pub async fn schema(&self, id: &str, ask: bool) -> Result<Found, Unfound> {
        let own = self.api_schema(id, ask).await;
        match (own, builtin(id)) {
            (Ok((schema, at)), _) => Ok(Found::Api(schema.with_picture(builtin::picture(id)), at)),
            (Err(_), Some(facts)) => Ok(Found::Builtin(facts.schema()?)),
            (Err(unfound), None) => Err(unfound),
        }
    }

    async fn api_schema(
        &self,
        id: &str,
        ask: bool,
    ) -> Result<(Schema, crate::domain::Timestamp), Unfound> {
        let listed = self.listing.as_ref().and_then(|listing| listing.find(id));
        let url = listed.and_then(|model| model.schema.as_deref()).ok_or(Unfound::Unnamed)?;
        let kept = if self.keeps { self.store.read_schema(id) } else { None };
        let kept = kept.filter(|kept| kept.url == url);
        let is_fresh = |kept: &Kept| clock::between(kept.fetched_at, clock::now()) <= FRESH;
        let kept = match kept {
            Some(kept) if is_fresh(&kept) || !ask => kept,
            None if !ask => return Err(Unfound::Unnamed),
            old => match (patiently("model schema", self.api.schema(url)).await, old) {
                (Ok(document), _) => self.keep(id, self.store.schema(url, document, clock::now())),
                (Err(_), Some(old)) => old,
                (Err(error), None) => return Err(Unfound::Unanswered(error)),
            },
        };
        Ok((Schema::read(&kept.document)?, kept.fetched_at))
    }

    fn keep(&self, id: &str, kept: Kept) -> Kept {
        if self.keeps
            && let Err(error) = self.store.write_schema(id, &kept)
        {
            tracing::warn!(%error, "a schema cannot be kept");
        }
        kept
    }

    /// Why the list in hand is older than it should be.
    #[must_use]
    pub fn trouble(&self) -> Option<&Error> {
        self.trouble.as_ref()
    }
}

/// An answer within [`PATIENCE`].
async fn patiently<T>(
    what: &'static str,
    answer: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| {
        let message = format!("no answer within {}", clock::human(PATIENCE));
        Err(Error::Unanswered { what, class: class::TIMEOUT, message })
    })
}

#[cfg(test)]
mod tests;
