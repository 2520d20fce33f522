//! exit: see docs/ARCHITECTURE.md.
