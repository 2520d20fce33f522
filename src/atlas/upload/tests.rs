//! What an upload's answer means, and that only the file the manifest saw is sent.

use std::fmt::Write as _;

use futures_util::StreamExt as _;

use super::*;
use crate::atlas::tests::{fixtures, status_table};
use crate::domain::MediaKey;

fn line(answer: &Answer) -> String {
    match uploaded(answer) {
        Ok(url) => url,
        Err(UploadError::Changed { .. }) => "changed".to_owned(),
        Err(UploadError::Refused { class, .. }) => format!("refused {class}"),
        Err(UploadError::StopKey { .. }) => "stop key".to_owned(),
        Err(UploadError::Transient { class, .. }) => format!("transient {class}"),
    }
}

fn media(folder: &std::path::Path, content: &[u8]) -> MediaFile {
    let path = folder.join("cat.png");
    std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), content).unwrap();
    MediaFile {
        key: MediaKey { sha256: Digest::of(content), extension: "png".into() },
        path,
        bytes: content.len() as u64,
    }
}

#[test]
fn an_upload_means_this_for_every_status() {
    insta::assert_snapshot!(status_table(line));
}

#[test]
fn an_upload_means_this_for_every_documented_body() {
    let mut table = String::new();
    for (name, answer) in fixtures("upload-") {
        writeln!(table, "{name} ({}): {}", answer.status, line(&answer)).unwrap();
    }
    insta::assert_snapshot!(table);
}

#[tokio::test]
async fn a_file_that_changed_is_not_sent() {
    let folder = tempfile::tempdir().unwrap();
    let file = media(folder.path(), b"one cat");
    assert!(unchanged(&file).await.is_ok());

    for content in [&b"two cat"[..], b"a longer cat"] {
        media(folder.path(), content);
        let error = unchanged(&file).await.unwrap_err();
        let said = error.to_string();
        assert!(said.contains("changed since the manifest was read"), "{said}");
    }
    std::fs::remove_file(&file.path).unwrap();
    let error = unchanged(&file).await.unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
}

#[tokio::test]
async fn a_change_while_the_bytes_leave_breaks_the_request_off() {
    let folder = tempfile::tempdir().unwrap();
    let file = media(folder.path(), b"one cat");
    let content = unchanged(&file).await.unwrap();
    media(folder.path(), b"two cat");
    let pieces: Vec<_> = hashed(content, file.key.sha256).collect().await;
    assert!(pieces.last().unwrap().is_err());
}
