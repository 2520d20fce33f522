//! telemetry: see docs/ARCHITECTURE.md.
