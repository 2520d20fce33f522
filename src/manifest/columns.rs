//! The header of a CSV file: what each column is for.

use super::csv::Records;
use super::field::{Owned, Slot, quoted};
use super::matrix::Axes;
use crate::domain::Diagnostic;

/// The most columns a file may have; each name is compared with all others.
const LIMIT: usize = 1000;

/// The slots of the columns, or everything that is wrong with the header. `defaults` and `axes` are
/// those of the TOML manifest around the file.
pub(super) fn read(
    records: &Records,
    defaults: &[Owned],
    axes: &Axes,
) -> Result<Vec<Slot>, Vec<Diagnostic>> {
    let columns = records.header.len();
    if columns > LIMIT {
        let message = format!("the header names {columns} columns; at most {LIMIT} are read");
        return Err(vec![records.column(LIMIT).says(message)]);
    }
    let mut mistakes = Vec::new();
    let mut slots: Vec<Slot> = Vec::new();
    for (cell, name) in records.header.iter().enumerate() {
        match slot(name, &slots, axes) {
            Ok(slot) => slots.push(slot),
            Err(message) => mistakes.push(records.column(cell).says(message)),
        }
    }
    let given = |right: &str| {
        records.header.iter().any(|name| name == right)
            || defaults.iter().any(|field| field.slot.name() == right)
    };
    for (cell, name) in records.header.iter().enumerate() {
        if let Some(right) = Slot::named(name).misspelt(given) {
            let message = format!("unknown column {}, did you mean `{right}`?", quoted(name));
            mistakes.push(records.column(cell).says(message));
        }
    }
    if mistakes.is_empty() {
        return Ok(slots);
    }
    mistakes.sort();
    Err(mistakes)
}

fn slot(name: &str, before: &[Slot], axes: &Axes) -> Result<Slot, String> {
    if name.is_empty() {
        return Err("this column has no name".to_owned());
    }
    let slot = Slot::of_column(name)?;
    if before.contains(&slot) {
        return Err(format!("there are two columns {}", quoted(name)));
    }
    match &slot {
        Slot::Var(name) if axes.has(name) => {
            Err(format!("the variable `{name}` is an axis of [matrix] already"))
        }
        _ => Ok(slot),
    }
}
