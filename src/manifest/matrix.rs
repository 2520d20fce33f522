//! `[matrix]`: axes of values, crossed into every job as template variables.

use serde_json::{Map, Value};

/// The most crossings one job may be multiplied by.
pub(super) const LIMIT: u64 = 1_000_000;

/// The axes in the order of the manifest; the first changes slowest.
#[derive(Debug, Default)]
pub(super) struct Axes(Vec<Axis>);

/// One axis.
#[derive(Debug)]
pub(super) struct Axis {
    /// The variable it gives.
    pub(super) name: String,
    /// What the variable is, one after the other; never empty.
    pub(super) values: Vec<Value>,
}

impl Axes {
    /// These axes; `None` where they cross more than [`LIMIT`] times.
    pub(super) fn new(axes: Vec<Axis>) -> Option<Self> {
        let crossings = axes
            .iter()
            .try_fold(1_u64, |product, axis| product.checked_mul(axis.values.len() as u64));
        crossings.is_some_and(|crossings| crossings <= LIMIT).then_some(Self(axes))
    }

    /// How many jobs each job becomes; 1 without axes.
    pub(super) fn crossings(&self) -> u64 {
        self.0.iter().map(|axis| axis.values.len() as u64).product()
    }

    /// Whether a variable of that name is an axis.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|axis| axis.name == name)
    }

    /// Puts the variables of crossing number `crossing` (from 0) into `vars`.
    pub(super) fn put(&self, mut crossing: u64, vars: &mut Map<String, Value>) {
        for axis in self.0.iter().rev() {
            let size = axis.values.len() as u64;
            let chosen = usize::try_from(crossing % size).unwrap_or(0);
            vars.insert(axis.name.clone(), axis.values[chosen].clone());
            crossing /= size;
        }
    }

    /// A template that makes of one `id` a different one for each crossing.
    pub(super) fn id_template(&self, id: &str) -> String {
        self.0.iter().filter(|axis| axis.values.len() > 1).fold(id.to_owned(), |id, axis| {
            format!("{id}-{{{{ {}{} }}}}", axis.name, axis.first_field())
        })
    }
}

impl Axis {
    /// `.name` for an axis of tables.
    fn first_field(&self) -> String {
        let table = self.values.first().and_then(Value::as_object);
        table
            .and_then(|table| table.keys().next())
            .map_or(String::new(), |field| format!(".{field}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(name: &str, values: &str) -> Axis {
        Axis { name: name.to_owned(), values: serde_json::from_str(values).unwrap() }
    }

    #[test]
    fn the_first_axis_changes_slowest() {
        let axes = Axes::new(vec![axis("a", "[1,2]"), axis("b", r#"["x","y","z"]"#)]).unwrap();
        let crossed: Vec<String> = (0..axes.crossings())
            .map(|crossing| {
                let mut vars = Map::new();
                axes.put(crossing, &mut vars);
                format!("{}{}", vars["a"], vars["b"].as_str().unwrap())
            })
            .collect();
        assert_eq!(crossed, ["1x", "1y", "1z", "2x", "2y", "2z"]);
    }

    #[test]
    fn no_axes_leave_every_job_single() {
        assert_eq!(Axes::default().crossings(), 1);
    }

    #[test]
    fn a_template_is_proposed_for_the_id() {
        let axes = Axes::new(vec![axis("a", "[1,2]"), axis("s", r#"[{"name":1},{"name":2}]"#)]);
        assert_eq!(axes.unwrap().id_template("cat"), "cat-{{ a }}-{{ s.name }}");
    }

    #[test]
    fn a_matrix_beyond_all_measure_is_refused() {
        let wide = format!("[{}0]", "0,".repeat(1000));
        let axes = vec![axis("a", &wide), axis("b", &wide)];
        assert!(Axes::new(axes).is_none());
    }
}
