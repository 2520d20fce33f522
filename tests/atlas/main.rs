//! The API's clients against a server of raw TCP, which can break HTTP wherever it likes.

#![expect(clippy::unwrap_used, reason = "in a test, what cannot be had is a failure")]

mod reads;
mod server;
mod submit;

use std::time::Duration;

use nightreel::atlas::{Api, ApiSettings};

/// The key that must never be seen outside the API's own connections.
const CANARY: &str = "apikey-canary-7391";

fn settings(base: &str) -> ApiSettings {
    rustls::crypto::ring::default_provider().install_default().ok();
    ApiSettings {
        base_url: base.parse().unwrap(),
        key: Some(CANARY.into()),
        proxy: None,
        submit_timeout: Duration::from_secs(20),
        read_timeout: Duration::from_secs(20),
    }
}

fn api(base: &str) -> Api {
    Api::new(settings(base)).unwrap()
}
