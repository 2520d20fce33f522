//! nightreel turns a manifest of prompts into a folder of finished AI videos and images.
//!
//! ```text
//!  manifest ──▶ plan ──▶ ledger ──▶ runner (submit · poll · collect · reconcile) ──▶ artifacts
//!                           │                        │
//!                           ▼                        ▼
//!                 status, list, report        events ──▶ progress
//! ```
//!
//! `docs/ARCHITECTURE.md` walks through the rooms and follows one job through them.

pub mod artifacts;
pub mod atlas;
pub mod catalog;
pub mod cli;
pub mod commands;
pub mod dashboard;
pub mod domain;
pub mod exit;
pub mod ledger;
pub mod manifest;
pub mod notify;
pub mod plan;
pub mod progress;
pub mod report;
pub mod runner;
pub mod settings;
pub mod simulator;
pub mod telemetry;
