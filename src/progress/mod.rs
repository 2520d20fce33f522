//! progress: see docs/ARCHITECTURE.md.
