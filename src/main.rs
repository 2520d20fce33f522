//! The thin shell.

fn main() {}
