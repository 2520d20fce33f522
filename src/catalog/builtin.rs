//! The built-in table: facts of atlas-api.md 4.2, so that the Hailuo family works offline.

use crate::domain::{Endpoint, Micros};

/// When the table was last compared with the vendor's pages.
pub const BUILTIN_DATE: &str = "2026-11-23";

/// What is known of a model without asking.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The model's id.
    pub id: &'static str,
    /// Where it is submitted.
    pub endpoint: Endpoint,
    /// Parameters a request must have.
    pub required: &'static [&'static str],
    /// The price of one run, where a model page states it.
    pub price: Option<Micros>,
}

const fn video(id: &'static str, required: &'static [&'static str], price: Option<i64>) -> Facts {
    let price = match price {
        Some(micros) => Some(Micros(micros)),
        None => None,
    };
    Facts { id, endpoint: Endpoint::Video, required, price }
}

const TABLE: &[Facts] = &[
    video("minimax/hailuo-02/fast", &["image"], Some(100_000)),
    video("minimax/hailuo-02/standard", &["image", "prompt"], Some(230_000)),
    video("minimax/hailuo-02/pro", &["prompt"], None),
    video("minimax/hailuo-02/t2v-standard", &["prompt"], None),
    video("minimax/hailuo-02/t2v-pro", &["prompt"], None),
    video("minimax/hailuo-02/i2v-standard", &["image", "prompt"], None),
    video("minimax/hailuo-02/i2v-pro", &["image", "prompt"], None),
    // Its llms.txt says 0.19 "per second", its page a figure per run: not stated here, quote it.
    video("minimax/hailuo-2.3/fast", &["image"], None),
    video("minimax/hailuo-2.3/i2v-standard", &["image"], Some(280_000)),
    video("minimax/hailuo-2.3/i2v-pro", &["image"], None),
    video("minimax/hailuo-2.3/t2v-standard", &["prompt"], None),
    video("minimax/hailuo-2.3/t2v-pro", &["prompt"], None),
];

/// The facts of a model, where it is in the table.
#[must_use]
pub fn builtin(id: &str) -> Option<&'static Facts> {
    TABLE.iter().find(|facts| facts.id == id)
}
