//! The table at the end.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Duration;

use nightreel::domain::text;

use crate::case::{Ran, Verdict};
use crate::figures::Figures;

/// Prints the rows, the counts of verdicts and the five figures. Returns the rows that failed.
pub(crate) fn print(ran: &[Ran]) -> Vec<u8> {
    let mut lines = vec![
        String::new(),
        "| row | fault | expected | seen | verdict | ms |".to_owned(),
        "|---|---|---|---|---|---|".to_owned(),
    ];
    let mut figures = Figures::default();
    let mut verdicts = BTreeMap::<Verdict, usize>::new();
    for ran in ran {
        let (seen, took) = (text::visible(&ran.seen), ran.took.as_millis());
        let verdict = name(ran.verdict);
        lines.push(format!(
            "| {} | {} | {} | {seen} | {verdict} | {took} |",
            ran.row, ran.name, ran.expected
        ));
        figures.add(ran.figures);
        *verdicts.entry(ran.verdict).or_default() += 1;
    }
    let counts: Vec<String> =
        verdicts.iter().map(|(verdict, rows)| format!("{rows} {}", name(*verdict))).collect();
    let work: Duration = ran.iter().map(|ran| ran.took).sum();
    lines.push(format!(
        "\n{} rows: {}; {} ms of cases",
        ran.len(),
        counts.join(", "),
        work.as_millis()
    ));
    lines.push(format!("fault matrix: {figures}\n"));
    // Not by the macros: libtest would keep it to itself where nothing failed.
    std::io::stdout().lock().write_all(lines.join("\n").as_bytes()).unwrap();
    ran.iter().filter(|ran| ran.verdict == Verdict::Fails).map(|ran| ran.row).collect()
}

fn name(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Holds => "holds",
        Verdict::Elsewhere => "holds, by another suite",
        Verdict::NotCovered => "NOT COVERED",
        Verdict::Fails => "FAILS",
    }
}
