//! plan: see docs/ARCHITECTURE.md.
