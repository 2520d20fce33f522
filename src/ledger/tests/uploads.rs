//! Uploads: once for each content and host, and only while they are young enough.

use std::time::Duration;

use super::*;
use crate::domain::{MediaFile, MediaKey};

fn cat() -> MediaKey {
    MediaKey { sha256: Digest::of(b"cat"), extension: "png".to_owned() }
}

#[tokio::test]
async fn an_upload_is_found_by_host_and_content_until_it_is_too_old() {
    let desk = Desk::open().await;
    let start = clock::now();
    let find =
        async |host, key: MediaKey, since| desk.ledger.upload(host, &key, since).await.unwrap();
    assert_eq!(find("api.example", cat(), start).await, None);
    desk.ledger.record_upload("api.example", &cat(), "https://u/1.png").await.unwrap();
    assert_eq!(find("api.example", cat(), start).await.as_deref(), Some("https://u/1.png"));
    assert_eq!(find("other.example", cat(), start).await, None);
    let jpg = MediaKey { extension: "jpg".to_owned(), ..cat() };
    assert_eq!(find("api.example", jpg, start).await, None);
    let tomorrow = clock::after(start, Duration::from_hours(24));
    assert_eq!(find("api.example", cat(), tomorrow).await, None);
    desk.ledger.record_upload("api.example", &cat(), "https://u/2.png").await.unwrap();
    assert_eq!(find("api.example", cat(), start).await.as_deref(), Some("https://u/2.png"));
}

#[tokio::test]
async fn a_local_file_is_remembered_once_and_where_it_was_last() {
    let desk = Desk::open().await;
    let row = |key: &str, folder: &str| {
        let mut row = new_job(key);
        let path = Path::new(folder).join("cat.png");
        row.spec.media = vec![MediaFile { key: cat(), path, bytes: 3 }];
        row
    };
    let said = desk.ledger.media(&cat()).await.unwrap_err().to_string();
    assert!(said.contains("no sound media file upload:sha256-"), "{said}");
    let rows = vec![row("a", "/pictures"), row("b", "/pictures")];
    desk.ledger.enqueue(desk.batch, rows).await.unwrap();
    assert_eq!(desk.ledger.media(&cat()).await.unwrap().path, Path::new("/pictures/cat.png"));
    let [job] = desk.jobs(["c"]).await;
    desk.ledger.rewrite(job, row("c", "/moved")).await.unwrap();
    let found = desk.ledger.media(&cat()).await.unwrap();
    assert_eq!((found.path.as_path(), found.bytes), (Path::new("/moved/cat.png"), 3));
    assert_eq!(number(&mut desk.raw().await, "SELECT count(*) FROM media").await, 1);
}
