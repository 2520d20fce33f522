//! manifest: see docs/ARCHITECTURE.md.
