//! temp
#![allow(missing_docs, clippy::all)]
use crate::domain::Event;
use indicatif::MultiProgress;
use std::io::Write;
pub enum Mode {
    Bar,
    Plain,
    None,
}
pub struct Sinks {
    pub mode: Mode,
    pub screen: Box<dyn Write + Send>,
    pub events: Option<Box<dyn Write + Send>>,
    pub bars: Option<MultiProgress>,
}
pub async fn show(mut receiver: tokio::sync::mpsc::Receiver<Event>, mut sinks: Sinks) {
    while let Some(e) = receiver.recv().await {
        let line = serde_json::to_string(&e).unwrap_or_default();
        if let Some(events) = &mut sinks.events {
            let _ = writeln!(events, "{line}");
        }
        let _ = writeln!(sinks.screen, "{line}");
    }
}
