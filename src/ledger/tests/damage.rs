//! A damaged ledger is refused, or tells exactly what it told before (D9).

use super::*;

/// Everything that decides what is sent and paid.
async fn told(path: &Path) -> Result<Vec<String>> {
    let ledger = Ledger::open(path).await?;
    let told = async {
        let mut told = Vec::new();
        for job in ledger.due(BatchId(1), late(), 1000, &[]).await? {
            told.push(format!("{:?} {} {}", job.id, job.key, job.request.canonical()));
        }
        for paid in ledger.paid(JobState::Done, JobId(0), 1000).await? {
            told.push(format!("{:?} {} {:?}", paid.job.id, paid.prediction, paid.outputs));
        }
        Ok(told)
    }
    .await;
    ledger.close().await;
    told
}

/// A closed ledger of some hundred pages.
async fn closed() -> (TempDir, Vec<u8>) {
    let desk = Desk::open().await;
    let rows = (0..500).map(|n| {
        let mut row = new_job(&format!("row-{n}"));
        let prompt = format!("{n} ").repeat(200);
        row.spec.request.params.insert("prompt".to_owned(), prompt.into());
        row
    });
    desk.ledger.enqueue(desk.batch, rows.collect()).await.unwrap();
    let path = desk.path();
    let Desk { ledger, folder, .. } = desk;
    ledger.close().await;
    let bytes = std::fs::read(path).unwrap();
    (folder, bytes)
}

fn write_file(path: &Path, bytes: &[u8]) {
    use std::io::Write as _;
    std::fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

#[tokio::test]
async fn pages_overwritten_in_the_middle_are_noticed_or_harmless() {
    let (folder, sound) = closed().await;
    let path = ledger_path(folder.path());
    let before = told(&path).await.unwrap();
    assert_eq!(before.len(), 500);
    let pages = sound.len() / 4096;
    let mut noticed = 0;
    for page in (1..pages).step_by(7) {
        let mut bytes = sound.clone();
        for byte in &mut bytes[page * 4096..page * 4096 + 64] {
            *byte ^= 0xa5;
        }
        write_file(&path, &bytes);
        match told(&path).await {
            Ok(after) => assert_eq!(after, before, "page {page}"),
            Err(_) => noticed += 1,
        }
    }
    assert!(noticed > pages / 14, "{noticed} of {pages} pages");
}

#[tokio::test]
async fn a_prompt_that_changed_on_the_disk_is_not_sent() {
    let (folder, mut bytes) = closed().await;
    let path = ledger_path(folder.path());
    let prompt = b"123 123 123 123";
    let at = bytes.windows(prompt.len()).position(|window| window == prompt).unwrap();
    bytes[at] = b'9';
    write_file(&path, &bytes);
    let said = told(&path).await.unwrap_err().to_string();
    assert!(said.contains("no sound request of job 124"), "{said}");
}

#[tokio::test]
async fn after_an_unclean_end_the_whole_file_is_checked() {
    let (folder, sound) = closed().await;
    let path = ledger_path(folder.path());
    let ledger = Ledger::open(&path).await.unwrap();
    ledger.open_batch(new_batch("more")).await.unwrap();
    let log = std::fs::read(folder.path().join("ledger.db-wal")).unwrap();
    ledger.close().await;
    // The database as it was before the log went into it, damaged in its middle page.
    let mut bytes = sound.clone();
    let middle = sound.len() / 8192 * 4096;
    bytes[middle..middle + 64].fill(0xff);
    write_file(&path, &bytes);
    write_file(&folder.path().join("ledger.db-wal"), &log);
    let Err(error) = Ledger::open(&path).await else { panic!("it was opened") };
    assert!(matches!(error, Error::Damaged { .. }), "{error}");
    assert!(error.to_string().contains("it is not used, so that nothing is paid twice"));
}

/// A copy from before an attempt was begun would pay for it again.
#[tokio::test]
async fn an_older_copy_is_refused_until_somebody_says_that_it_is_wanted() {
    let mut desk = Desk::open().await;
    let [one, two] = desk.jobs(["one", "two"]).await;
    let path = desk.path();
    desk.begin(one).await;
    desk.ledger.close().await;
    let older = std::fs::read(&path).unwrap();
    desk.ledger = Ledger::open(&path).await.unwrap();
    desk.run = desk.ledger.begin_run("second").await.unwrap();
    desk.begin(two).await;
    desk.ledger.close().await;
    write_file(&path, &older);
    let refused = Ledger::open(&path).await.err().unwrap();
    assert!(matches!(refused, Error::Behind { has: 1, began: 2, .. }), "{refused}");
    let looked_at = Ledger::read(&path).await.unwrap().unwrap();
    assert!(matches!(looked_at.behind(), Some(Error::Behind { .. })), "it may be looked at");
    looked_at.close().await;
    let mark = path.with_file_name("ledger.db-last");
    write_file(&mark, b"not a number");
    Ledger::open(&path).await.unwrap().close().await;
    std::fs::remove_file(&mark).unwrap();
    Ledger::open(&path).await.unwrap().close().await;
}
