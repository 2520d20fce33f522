//! The built-in table: facts of atlas-api.md 4.2, so that the Hailuo family works offline.

use serde_json::{Map, Value, json};

use crate::domain::schema::{NoSchema, Picture};
use crate::domain::{Endpoint, Micros, Schema};

/// When the table was last compared with the vendor's pages.
pub const BUILTIN_DATE: &str = "2026-11-23";

/// What the vendor's nodes state of the family's first frames: JPEG or PNG, 300 pixels, 2:5 to 5:2, 20 MB.
const FRAME: Picture = Picture { short_side: 300, aspect: (2, 5), bytes: 20_000_000 };

/// What is known of a model without asking.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The model's id.
    pub id: &'static str,
    /// Where it is submitted.
    pub endpoint: Endpoint,
    /// What goes into it.
    inputs: &'static [Input],
    /// The price of one run, where a model page states it.
    pub price: Option<Micros>,
}

/// A parameter.
#[derive(Clone, Copy, Debug)]
enum Input {
    /// The first frame; whether it must be there.
    Image(bool),
    /// The prompt; whether it must be there, and its most characters where they are stated.
    Prompt(bool, Option<u32>),
    /// The lengths in seconds, the first being the default.
    Duration(&'static [i64]),
    /// A switch and how it stands by default.
    Switch(&'static str, bool),
}

use Input::{Duration, Image, Prompt, Switch};

const EXPANSION: &str = "enable_prompt_expansion";
const GO_FAST: Input = Switch("go_fast", true);
const BOTH: Input = Duration(&[6, 10]);

const fn video(id: &'static str, inputs: &'static [Input], price: Option<i64>) -> Facts {
    let price = match price {
        Some(micros) => Some(Micros(micros)),
        None => None,
    };
    Facts { id, endpoint: Endpoint::Video, inputs, price }
}

const TABLE: [Facts; 12] = [
    video(
        "minimax/hailuo-02/fast",
        &[Image(true), Prompt(false, None), BOTH, Switch(EXPANSION, false), GO_FAST],
        Some(100_000),
    ),
    video(
        "minimax/hailuo-02/standard",
        &[Image(true), Prompt(true, None), BOTH, Switch(EXPANSION, false)],
        Some(230_000),
    ),
    video(
        "minimax/hailuo-02/pro",
        &[Prompt(true, Some(2000)), Image(false), Duration(&[6]), Switch(EXPANSION, false)],
        None,
    ),
    video(
        "minimax/hailuo-02/t2v-standard",
        &[Prompt(true, None), BOTH, Switch(EXPANSION, false)],
        None,
    ),
    video("minimax/hailuo-02/t2v-pro", &[Prompt(true, Some(2000)), Switch(EXPANSION, false)], None),
    video(
        "minimax/hailuo-02/i2v-standard",
        &[Image(true), Prompt(true, None), BOTH, Switch(EXPANSION, false)],
        None,
    ),
    video(
        "minimax/hailuo-02/i2v-pro",
        &[Image(true), Prompt(true, None), Switch(EXPANSION, false)],
        None,
    ),
    // Its llms.txt says 0.19 "per second", its page a figure per run: not stated here, quote it.
    video(
        "minimax/hailuo-2.3/fast",
        &[Image(true), Prompt(false, None), BOTH, Switch(EXPANSION, true), GO_FAST],
        None,
    ),
    video(
        "minimax/hailuo-2.3/i2v-standard",
        &[Image(true), Prompt(false, None), BOTH, Switch(EXPANSION, false)],
        Some(280_000),
    ),
    video(
        "minimax/hailuo-2.3/i2v-pro",
        &[Image(true), Prompt(false, None), BOTH, Switch(EXPANSION, true)],
        None,
    ),
    video(
        "minimax/hailuo-2.3/t2v-standard",
        &[Prompt(true, None), BOTH, Switch(EXPANSION, true)],
        None,
    ),
    video("minimax/hailuo-2.3/t2v-pro", &[Prompt(true, None), BOTH, Switch(EXPANSION, true)], None),
];

/// The facts of a model, where it is in the table.
#[must_use]
pub fn builtin(id: &str) -> Option<&'static Facts> {
    TABLE.iter().find(|facts| facts.id == id)
}

/// All models of the table.
#[must_use]
pub fn builtins() -> &'static [Facts] {
    &TABLE
}

/// What is stated of a model's pictures and stands in no schema.
pub(super) fn picture(id: &str) -> Option<Picture> {
    builtin(id).map(|_| FRAME)
}

impl Facts {
    /// The schema of its inputs.
    pub fn schema(&self) -> Result<Schema, NoSchema> {
        Schema::read(&self.document()).map(|schema| schema.with_picture(Some(FRAME)))
    }

    /// The schema in the form in which the API gives them.
    fn document(&self) -> Value {
        let properties: Map<String, Value> =
            self.inputs.iter().map(|input| (input.name().to_owned(), input.shape())).collect();
        let order: Vec<&str> = self.inputs.iter().map(Input::name).collect();
        let required = self.inputs.iter().filter(|input| input.is_required());
        let required: Vec<&str> = required.map(Input::name).collect();
        json!({ "components": { "schemas": { "Input": {
            "type": "object", "properties": properties, "required": required,
            "x-order-properties": order,
        } } } })
    }

    /// What goes in: `image`, `text`.
    #[must_use]
    pub fn modalities(&self) -> Vec<&'static str> {
        let media = self.inputs.iter().filter_map(|input| match input {
            Image(_) => Some("image"),
            Prompt(..) => Some("text"),
            _ => None,
        });
        media.collect()
    }
}

impl Input {
    const fn name(&self) -> &'static str {
        match self {
            Image(_) => "image",
            Prompt(..) => "prompt",
            Duration(_) => "duration",
            Switch(name, _) => name,
        }
    }

    const fn is_required(&self) -> bool {
        matches!(self, Image(true) | Prompt(true, _))
    }

    fn shape(&self) -> Value {
        match self {
            Image(_) => json!({
                "type": "string", "format": "uri", "x-accept": "image/*",
                "description": "First frame: JPEG or PNG, shorter side 300 pixels at least, \
                                form between 2:5 and 5:2, 20 MB at most",
            }),
            Prompt(_, most) => {
                let mut shape = json!({ "type": "string", "description": "What happens" });
                if let Some(most) = most {
                    shape["maxLength"] = json!(most);
                }
                shape
            }
            Duration(seconds) => json!({
                "type": "integer", "enum": seconds, "default": seconds.first(),
                "description": "Length in seconds",
            }),
            Switch(_, default) => json!({ "type": "boolean", "default": default }),
        }
    }
}
