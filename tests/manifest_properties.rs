//! What holds for every CSV manifest.
#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::collections::BTreeMap;
use std::fs;

use nightreel::domain::JobSpec;
use nightreel::manifest::{self, Source};
use proptest::prelude::*;

fn jobs(rows: &[(String, String)]) -> Vec<JobSpec> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m.csv");
    let mut writer = csv::Writer::from_writer(fs::File::create(&path).unwrap());
    writer.write_record(["model", "prompt", "style"]).unwrap();
    for (prompt, style) in rows {
        writer.write_record(["m", prompt, style]).unwrap();
    }
    drop(writer);
    let manifest = manifest::open(&Source::Path(path)).unwrap();
    manifest.rows().unwrap().map(Result::unwrap).collect()
}

/// Texts without templates; a style begins with a letter, so that it is no number.
fn rows() -> impl Strategy<Value = Vec<(String, String)>> {
    let prompt = "[^{]{0,20}[\",\r\n;é日{]?";
    prop::collection::vec((prompt, "(s[\",\r\na-z ]{0,9})?"), 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn what_the_csv_crate_writes_reads_back(rows in rows()) {
        let jobs = jobs(&rows);
        prop_assert_eq!(jobs.len(), rows.len());
        for (job, (prompt, style)) in jobs.iter().zip(&rows) {
            let given = |text: &str| Some(text.to_owned()).filter(|t| !t.trim().is_empty());
            let found = |name: &str| {
                job.request.params.get(name).and_then(|v| v.as_str()).map(str::to_owned)
            };
            prop_assert_eq!(found("prompt"), given(prompt));
            prop_assert_eq!(found("style"), given(style));
        }
    }

    #[test]
    fn moving_rows_changes_no_key(rows in rows(), turn in 0..20_usize) {
        let keyed = |rows: &[(String, String)]| -> BTreeMap<String, String> {
            jobs(rows).into_iter().map(|job| (job.key, job.request.canonical())).collect()
        };
        let before = keyed(&rows);
        let mut moved = rows.clone();
        moved.rotate_left(turn % rows.len());
        moved.reverse();
        prop_assert_eq!(before.len(), rows.len());
        prop_assert_eq!(keyed(&moved), before);
    }

    #[test]
    fn no_text_makes_it_panic(text in "[a-z{}%\",;\r\n\\[.é=]{0,80}", toml: bool) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(if toml { "m.toml" } else { "m.csv" });
        let beginning = if toml { "[[job]]\nmodel='m'\n" } else { "model,prompt\nm," };
        std::io::Write::write_all(
            &mut fs::File::create(&path).unwrap(),
            format!("{beginning}{text}").as_bytes(),
        ).unwrap();
        if let Ok(manifest) = manifest::open(&Source::Path(path)) {
            for row in manifest.rows().unwrap() {
                prop_assert!(row.is_ok() || row.is_err_and(|unread| !unread.mistakes.is_empty()));
            }
        }
    }
}
