//! What must be known of the models of a manifest before its rows are read.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt as _};

use super::{Age, BUILTIN_DATE, Catalog, Found, Listing, builtin, builtins};
use crate::atlas::{Error, Model};
use crate::domain::schema::Known;
use crate::domain::{Endpoint, Inputs, clock, text};

/// Schemas asked for at a time.
const AT_A_TIME: usize = 4;
/// A model that the kept list does not have may be newer than the list.
const LATELY: std::time::Duration = std::time::Duration::from_mins(5);

/// What is known of the models of a manifest.
#[derive(Clone, Debug, Default)]
pub struct Knowledge {
    /// What rows are read and checked by.
    pub inputs: Arc<Inputs>,
    /// Where each model is submitted to.
    pub endpoints: HashMap<String, Endpoint>,
    /// What the user should know about it, a sentence each.
    pub notes: Vec<String>,
    /// Models of which nothing is known, since the catalogue could not be read.
    pub unheard: Vec<String>,
    /// Why it could not.
    pub trouble: Option<Error>,
}

impl Catalog {
    /// Learns what is to be known of these models, their schemas too unless they are not wanted.
    /// Models of the built-in table cause no request.
    pub async fn learn(&mut self, models: &BTreeSet<String>, schemas: bool) -> Knowledge {
        let mut known = Knowledge::default();
        let others: Vec<&str> =
            models.iter().map(String::as_str).filter(|id| builtin(id).is_none()).collect();
        self.look_up(&others, &mut known).await;
        let mut inputs = Inputs::default();
        let mut taken = Vec::new();
        for id in models {
            match self.standing(id) {
                Some(Ok(endpoint)) => {
                    known.endpoints.insert(id.clone(), endpoint);
                    taken.push(id.as_str());
                }
                Some(Err(why)) => inputs.insert(id.clone(), Known::Refused(why)),
                None => known.unheard.push(id.clone()),
            }
        }
        if schemas {
            self.learn_schemas(&taken, &mut inputs, &mut known.notes).await;
        }
        known.inputs = Arc::new(inputs);
        known
    }

    /// Has the list of models at hand where a model is not built in.
    async fn look_up(&mut self, others: &[&str], known: &mut Knowledge) {
        let age = if others.is_empty() { Age::Any } else { Age::Day };
        let mut found = self.listing(age).await.err();
        let lacks = |listing: &Listing| others.iter().any(|id| listing.find(id).is_none());
        let is_old = self.listing.as_ref().is_some_and(|listing| {
            lacks(listing) && clock::between(listing.fetched_at, clock::now()) > LATELY
        });
        if is_old && self.trouble.is_none() {
            found = self.listing(Age::Now).await.err();
        }
        if others.is_empty() {
            return;
        }
        if let (Some(error), Some(listing)) = (&self.trouble, &self.listing) {
            known.notes.push(format!(
                "{error}; going by the catalogue of {}",
                clock::local(listing.fetched_at)
            ));
        }
        known.trouble = found;
    }

    /// Where a model is submitted to, or why it is not; `None` where that is not known.
    fn standing(&self, id: &str) -> Option<Result<Endpoint, String>> {
        let listed = self.listing.as_ref().and_then(|listing| listing.find(id));
        match (listed, builtin(id)) {
            (Some(model), _) => Some(offered(model)),
            (None, Some(facts)) => Some(Ok(facts.endpoint)),
            (None, None) => self.listing.as_ref().map(|listing| Err(unknown(id, listing))),
        }
    }

    async fn learn_schemas(&self, ids: &[&str], inputs: &mut Inputs, notes: &mut Vec<String>) {
        let found = stream::iter(ids)
            .map(|id| async move { (*id, self.schema(id, builtin(id).is_none()).await) })
            .buffered(AT_A_TIME)
            .collect::<Vec<_>>()
            .await;
        for (id, found) in found {
            match found {
                Ok(Found::Api(schema, _) | Found::Builtin(schema)) => {
                    inputs.insert(id.to_owned(), Known::Schema(Arc::new(schema)));
                }
                Err(why) => notes
                    .push(format!("{}: its parameters are not checked: {why}", text::visible(id))),
            }
        }
    }
}

/// Where a model of the catalogue is submitted to.
fn offered(model: &Model) -> Result<Endpoint, String> {
    let id = &model.id;
    if !model.display_console {
        return Err(format!("`{id}` is internal to the API and not on offer"));
    }
    model.endpoint().ok_or_else(|| match model.kind.to_lowercase().as_str() {
        "text" => format!("`{id}` is a text model; nightreel makes videos, images and sounds"),
        _ => format!(
            "`{id}` is of the type `{}`, which nightreel does not know; it makes videos, images and sounds",
            model.kind
        ),
    })
}

fn unknown(id: &str, listing: &Listing) -> String {
    let shown = text::cut(&text::visible(id), 120);
    let near = nearest(id, listing);
    let hint = near.map_or_else(
        || "`nightreel models WORDS` finds models".to_owned(),
        |near| format!("did you mean `{near}`?"),
    );
    let at = clock::local(listing.fetched_at);
    format!("there is no model `{shown}` in the catalogue of {at}; {hint}")
}

/// The model on offer that was most likely meant.
pub(super) fn nearest<'a>(id: &str, listing: &'a Listing) -> Option<&'a str> {
    let listed = listing.models.iter().filter(|model| offered(model).is_ok());
    let all: Vec<&str> =
        listed.map(|model| model.id.as_str()).chain(builtins().iter().map(|f| f.id)).collect();
    let wrong = id.to_lowercase();
    let is_tail = |known: &&&str| known.to_lowercase().ends_with(&format!("/{wrong}"));
    all.iter().find(is_tail).copied().or_else(|| text::nearest(&wrong, all.iter().copied()))
}

impl Listing {
    /// The model on offer that `id` was most likely meant to be.
    #[must_use]
    pub fn nearest(&self, id: &str) -> Option<&str> {
        nearest(id, self)
    }
}

impl Knowledge {
    /// What is missing to plan or run: a sentence where a model is known to nobody.
    #[must_use]
    pub fn lack(&self) -> Option<String> {
        let trouble = self.trouble.as_ref().filter(|_| !self.unheard.is_empty())?;
        let built_in = || builtins().iter().map(|facts| facts.id);
        let named = |id: &String| match text::nearest(&id.to_lowercase(), built_in()) {
            Some(near) => format!("{} (did you mean {near}?)", text::visible(id)),
            None => text::visible(id),
        };
        let models: Vec<String> = self.unheard.iter().map(named).collect();
        Some(format!(
            "{} not in the built-in table of {BUILTIN_DATE}, and the catalogue of models cannot be read: {trouble}",
            match models.as_slice() {
                [one] => format!("{one} is"),
                several => format!("{} are", several.join(", ")),
            }
        ))
    }
}
