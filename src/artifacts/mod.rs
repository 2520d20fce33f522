//! artifacts: see docs/ARCHITECTURE.md.
