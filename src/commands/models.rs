//! `models`: what the API offers, what it costs, and what each model takes.

use serde_json::{Value, json};

use super::context::{Context, Wrong};
use super::knowledge;
use super::simulate::Simulation;
use super::table::Table;
use crate::atlas::Model;
use crate::catalog::{Age, BUILTIN_DATE, Catalog, Facts, Found, Listing, builtin, builtins};
use crate::cli::ModelsArgs;
use crate::domain::schema::Param;
use crate::domain::{Endpoint, Micros, Schema, clock, text};
use crate::exit::Exit;

/// How much of a text of the catalogue is shown, in bytes.
const TEXT_LIMIT: usize = 100;

/// One model as it is told: from the catalogue, from the built-in table, or from both.
struct Offer<'a> {
    id: &'a str,
    listed: Option<&'a Model>,
    builtin: Option<&'a Facts>,
}

/// Lists models, finds some of them by words, or shows one.
pub(super) async fn models(
    cx: &mut Context,
    args: &ModelsArgs,
    simulation: Option<&Simulation>,
) -> anyhow::Result<Exit> {
    let (mut catalog, simulator) = knowledge::catalog(cx, simulation).await?;
    if simulation.is_none() {
        catalog = catalog.making_its_folder();
    }
    let result = answer(cx, args, &mut catalog).await;
    if let Some(simulator) = simulator {
        simulator.stop().await;
    }
    result
}

async fn answer(
    cx: &mut Context,
    args: &ModelsArgs,
    catalog: &mut Catalog,
) -> anyhow::Result<Exit> {
    if let ([word, id], false) = (args.words.as_slice(), args.refresh)
        && word == "show"
    {
        refuse_slip(catalog, id).await?;
    }
    let age = if args.refresh { Age::Now } else { Age::Day };
    let listing = match catalog.listing(age).await {
        Ok((listing, trouble)) => {
            if let Some(trouble) = trouble {
                writeln!(cx.err, "note: {trouble}; this is the kept catalogue")?;
            }
            Some(listing.clone())
        }
        Err(error) => {
            writeln!(cx.err, "note: {error}; this is the built-in table of {BUILTIN_DATE} only")?;
            None
        }
    };
    match args.words.as_slice() {
        [word, id] if word == "show" => show(cx, catalog, listing.as_ref(), id).await,
        [word, ..] if word == "show" => Err(Wrong(
            "`models show` takes one model, for example minimax/hailuo-02/fast".to_owned(),
        )
        .into()),
        words => list(cx, listing.as_ref(), words),
    }
}

/// A name that is nearly one of those known is a slip of the finger: the API is not asked about it.
async fn refuse_slip(catalog: &mut Catalog, id: &str) -> Result<(), Wrong> {
    let kept = catalog.listing(Age::Any).await.ok().map(|(listing, _)| listing.clone());
    let all = offers(kept.as_ref());
    if all.iter().any(|offer| offer.id == id) {
        return Ok(());
    }
    match nearest(&all, kept.as_ref(), id) {
        Some(near) => Err(Wrong(format!(
            "no model `{}` is known here; did you mean `{near}`? `nightreel models show {0} --refresh` \
             asks the API",
            text::visible(id)
        ))),
        None => Ok(()),
    }
}

/// Every model on offer, in the order of names.
fn offers(listing: Option<&Listing>) -> Vec<Offer<'_>> {
    let listed = listing.map(|listing| listing.models.as_slice()).unwrap_or_default();
    let hidden = |id: &str| listed.iter().any(|model| model.id == id && !model.display_console);
    let mut offers: Vec<Offer<'_>> = listed
        .iter()
        .filter(|model| model.display_console)
        .map(|model| Offer { id: &model.id, listed: Some(model), builtin: builtin(&model.id) })
        .collect();
    let known = builtins().iter().filter(|facts| !hidden(facts.id));
    for facts in known {
        if !offers.iter().any(|offer| offer.id == facts.id) {
            offers.push(Offer { id: facts.id, listed: None, builtin: Some(facts) });
        }
    }
    offers.sort_by(|a, b| a.id.cmp(b.id));
    offers.dedup_by(|a, b| a.id == b.id);
    offers
}

fn list(cx: &mut Context, listing: Option<&Listing>, words: &[String]) -> anyhow::Result<Exit> {
    let all = offers(listing);
    let words: Vec<String> = words.iter().map(|word| word.to_lowercase()).collect();
    let found: Vec<&Offer<'_>> = all.iter().filter(|offer| offer.has(&words)).collect();
    if cx.json() {
        let models: Vec<Value> = found.iter().map(|offer| offer.json()).collect();
        writeln!(cx.out, "{}", json!({ "models": models, "catalogue": source_json(listing) }))?;
        return Ok(Exit::Done);
    }
    let mut table = Table::default();
    for offer in &found {
        table.row([
            text::visible(offer.id),
            offer.kind(),
            offer.price_words(),
            offer.inputs().join(" "),
        ]);
    }
    table.write(&mut cx.out, "")?;
    writeln!(cx.out, "{}", text::count(found.len() as u64, "model"))?;
    writeln!(cx.out, "{}", source_words(listing))?;
    Ok(Exit::Done)
}

async fn show(
    cx: &mut Context,
    catalog: &Catalog,
    listing: Option<&Listing>,
    id: &str,
) -> anyhow::Result<Exit> {
    let all = offers(listing);
    let Some(offer) = all.iter().find(|offer| offer.id == id) else {
        return Err(Wrong(missing(&all, listing, id)).into());
    };
    let schema = catalog.schema(id, true).await;
    let (found, source) = match schema {
        Ok(Found::Api(schema, at)) => (Some(schema), format!("schema of {}", clock::local(at))),
        Ok(Found::Builtin(schema)) => (Some(schema), format!("built-in table of {BUILTIN_DATE}")),
        Err(why) => (None, format!("its inputs are not known: {why}")),
    };
    if cx.json() {
        let mut model = offer.json();
        model["inputs"] = found.as_ref().map_or(Value::Null, inputs_json);
        model["source"] = json!(source);
        writeln!(cx.out, "{}", json!({ "model": model, "catalogue": source_json(listing) }))?;
        return Ok(Exit::Done);
    }
    writeln!(cx.out, "{}  {}  {}", text::visible(id), offer.kind(), offer.price_words())?;
    for line in
        offer.listed.iter().flat_map(|model| [&model.display_name, &model.profile]).flatten()
    {
        writeln!(cx.out, "{}", text::cut(line, TEXT_LIMIT))?;
    }
    if let Some(schema) = &found {
        writeln!(cx.out)?;
        inputs(schema).write(&mut cx.out, "  ")?;
        writeln!(cx.out)?;
    }
    writeln!(cx.out, "{}", text::visible(&source))?;
    let listed = source_words(listing);
    if listed != source {
        writeln!(cx.out, "{listed}")?;
    }
    Ok(Exit::Done)
}

/// Why nothing can be made with a model, where that is known: there is none, or it makes texts.
pub(super) fn refusal(listing: Option<&Listing>, id: &str) -> Option<String> {
    let all = offers(listing);
    match all.iter().find(|offer| offer.id == id) {
        None => Some(missing(&all, listing, id)),
        Some(offer) if offer.kind() == "text" => {
            Some(format!("{} makes texts, which nightreel does not", text::visible(id)))
        }
        Some(_) => None,
    }
}

fn nearest<'a>(all: &[Offer<'a>], listing: Option<&'a Listing>, id: &str) -> Option<&'a str> {
    let near = listing.and_then(|listing| listing.nearest(id));
    near.or_else(|| text::nearest(id, all.iter().map(|offer| offer.id)))
}

fn missing(all: &[Offer<'_>], listing: Option<&Listing>, id: &str) -> String {
    let shown = text::visible(id);
    match nearest(all, listing, id) {
        Some(near) => format!("there is no model `{shown}`; did you mean `{near}`?"),
        None => format!("there is no model `{shown}`; `nightreel models WORDS` finds models"),
    }
}

/// The inputs as people read them.
fn inputs(schema: &Schema) -> Table {
    let mut table = Table::default();
    table.row(["name", "type", "required", "default", "allowed", "limits", ""].map(str::to_owned));
    for param in schema.params().iter().filter(|param| !param.is_hidden()) {
        let allowed: Vec<String> = param.allowed.iter().map(plain).collect();
        table.row([
            text::visible(&param.name),
            param.type_word(),
            if param.required { "required" } else { "" }.to_owned(),
            param.default().map(plain).unwrap_or_default(),
            text::cut(&allowed.join(", "), TEXT_LIMIT),
            param.limits(),
            text::cut(param.description().unwrap_or_default(), TEXT_LIMIT),
        ]);
    }
    table
}

fn inputs_json(schema: &Schema) -> Value {
    let input = |param: &Param| {
        json!({
            "name": param.name, "type": param.type_word(), "required": param.required,
            "default": param.default(), "allowed": param.allowed, "limits": param.limits(),
            "description": param.description(),
        })
    };
    schema.params().iter().map(input).collect()
}

fn plain(value: &Value) -> String {
    let words = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text::cut(&text::visible(&words), 40)
}

/// Where the list is from, and how old it is.
fn source_words(listing: Option<&Listing>) -> String {
    match listing {
        Some(listing) => format!(
            "catalogue of {}, {} old",
            clock::local(listing.fetched_at),
            clock::human(clock::between(listing.fetched_at, clock::now()))
        ),
        None => format!("built-in table of {BUILTIN_DATE}"),
    }
}

fn source_json(listing: Option<&Listing>) -> Value {
    match listing {
        Some(listing) => {
            let age = clock::between(listing.fetched_at, clock::now()).as_secs();
            json!({ "source": "api", "fetched_at": clock::utc(listing.fetched_at), "age_seconds": age })
        }
        None => json!({ "source": "built-in", "fetched_at": BUILTIN_DATE, "age_seconds": null }),
    }
}

impl Offer<'_> {
    /// `video`, `image`, `audio`, `text`.
    fn kind(&self) -> String {
        match (self.listed, self.builtin) {
            (Some(model), _) => model.kind.to_lowercase(),
            (None, facts) => facts.map_or_else(String::new, |facts| {
                match facts.endpoint {
                    Endpoint::Video => "video",
                    Endpoint::Image => "image",
                    Endpoint::Audio => "audio",
                }
                .to_owned()
            }),
        }
    }

    /// The price of one run where it is known, and else what the catalogue says, with its unit.
    fn price(&self) -> Option<(Micros, Option<&str>)> {
        let known = self.builtin.and_then(|facts| Some((facts.price?, Some("generation"))));
        known.or_else(|| {
            let model = self.listed?;
            Some((model.base_price?, model.price_unit.as_deref()))
        })
    }

    fn price_words(&self) -> String {
        match self.price() {
            Some((price, Some(unit))) => format!("{} a {unit}", price.human()),
            Some((price, None)) => format!("{} (for what is not said)", price.human()),
            None => "unknown".to_owned(),
        }
    }

    fn inputs(&self) -> Vec<String> {
        let listed = self.listed.map(|model| model.input_modalities.clone());
        let listed = listed.filter(|words| !words.is_empty());
        listed.unwrap_or_else(|| {
            let known = self.builtin.map(Facts::modalities).unwrap_or_default();
            known.into_iter().map(str::to_owned).collect()
        })
    }

    /// Whether every word stands somewhere in what is known of it.
    fn has(&self, words: &[String]) -> bool {
        let mut known = vec![self.id.to_lowercase(), self.kind(), self.inputs().join(" ")];
        if let Some(model) = self.listed {
            let texts = [&model.display_name, &model.profile, &model.organization];
            known.extend(texts.into_iter().flatten().map(|text| text.to_lowercase()));
            known.extend(model.categories.iter().map(|word| word.to_lowercase()));
        }
        words.iter().all(|word| known.iter().any(|text| text.contains(word.as_str())))
    }

    fn json(&self) -> Value {
        let price = self.price();
        json!({
            "id": self.id, "type": self.kind(),
            "price": price.map(|(price, _)| price),
            "unit": price.and_then(|(_, unit)| unit),
            "modalities": self.inputs(),
            "name": self.listed.and_then(|model| model.display_name.as_deref()),
            "built_in": self.builtin.is_some(),
        })
    }
}
