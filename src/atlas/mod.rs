//! All HTTP to the API.

pub mod wire;
