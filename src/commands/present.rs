//! Whether the files of done jobs are still there: a look at names and sizes, which costs little;
//! `verify` reads them.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::ledger::{BatchId, JobId, Ledger};

/// Files looked at between two looks at the ledger.
const PAGE: u32 = 500;
/// A run does not wait longer for it, however many files there are.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many files of done jobs are missing or have another size, as far as there was time to look.
pub(super) async fn missing(
    output_dir: &Path,
    ledger: &Ledger,
    batches: impl IntoIterator<Item = BatchId>,
) -> anyhow::Result<u64> {
    let begun = Instant::now();
    let mut missing = 0;
    for batch in batches {
        let mut after = JobId(0);
        while begun.elapsed() < PATIENCE {
            let page = ledger.artifacts(Some(batch), after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.job;
            let gone = |path: &str, bytes: u64| {
                let found = std::fs::symlink_metadata(output_dir.join(path));
                !found.is_ok_and(|found| found.is_file() && found.len() == bytes)
            };
            missing += page.iter().filter(|file| gone(&file.path, file.bytes)).count() as u64;
        }
    }
    Ok(missing)
}
