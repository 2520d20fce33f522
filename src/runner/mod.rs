//! runner: see docs/ARCHITECTURE.md.
