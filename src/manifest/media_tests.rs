//! What is a file, what is refused, and how often a file is read.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::domain::Digest;

fn put(folder: &Path, name: &str, bytes: &[u8]) {
    File::create(folder.join(name)).unwrap().write_all(bytes).unwrap();
}

fn find(folder: &Path, name: &str, value: &str) -> Result<Option<MediaFile>, String> {
    Files::new(folder).find(Name::of(name).unwrap(), value)
}

#[test]
fn names_tell_media_from_other_parameters() {
    assert_eq!(Name::of("seed"), None);
    assert_eq!(Name::of("imagery"), None);
    let plural = ["images", "reference_images", "image_urls"];
    assert!(plural.iter().all(|name| Name::of(name).unwrap().plural));
    assert!(!Name::of("first_frame_image").unwrap().plural);
}

#[test]
fn a_file_stands_for_its_content() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "cat.PNG", b"cat");
    let file = find(folder.path(), "image", "cat.PNG").unwrap().unwrap();
    assert_eq!(file.key.sha256, Digest::of(b"cat"));
    assert_eq!(file.key.extension, "png");
    assert_eq!(file.path, folder.path().join("cat.PNG"));
    assert_eq!(file.bytes, 3);
}

#[test]
fn urls_data_and_ordinary_words_are_sent_as_they_stand() {
    let folder = Path::new("/nowhere");
    for (name, value) in [
        ("image", "https://x.example/a?sig=1"),
        ("image", "HTTP://x.example/a"),
        ("image", "data:image/png;base64,AAAA"),
        ("audio_language", "en"),
        ("image_size", "1024x1024"),
        ("video_style", "see notes.txt"),
    ] {
        assert_eq!(find(folder, name, value), Ok(None), "{name} = {value}");
    }
}

#[test]
fn every_unusable_file_is_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    put(path, "empty.png", b"");
    put(path, "notes.xyz", b"x");
    std::fs::create_dir(path.join("dir.png")).unwrap();
    for (value, told) in [
        ("none.png", "the file `none.png` does not exist"),
        ("empty.png", "the file `empty.png` is empty"),
        ("dir.png", "the file `dir.png` is a folder, not a file"),
        ("notes.xyz", "of a kind the API takes"),
        ("notes", "of a kind the API takes"),
        ("file:///etc/passwd", "scheme `file`"),
        ("s3://bucket/a.png", "scheme `s3`"),
        ("http://", "not a URL"),
        ("data:image/png", "no comma"),
    ] {
        let error = find(path, "image", value).unwrap_err();
        assert!(error.contains(told), "{value}: {error}");
    }
}

#[test]
fn an_unreadable_file_is_named_so() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a.png", b"x");
    let path = folder.path().join("a.png");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    // The superuser may read everything.
    if File::open(&path).is_err() {
        let error = find(folder.path(), "image", "a.png").unwrap_err();
        assert!(error.contains("permission denied"), "{error}");
    }
}

#[test]
fn a_file_too_large_is_refused_unread() {
    let folder = tempfile::tempdir().unwrap();
    let file = File::create(folder.path().join("big.mp4")).unwrap();
    file.set_len(FILE_LIMIT + 1).unwrap();
    let error = find(folder.path(), "video", "big.mp4").unwrap_err();
    assert!(error.contains("at most 512.0 MB"), "{error}");
}

#[test]
fn a_file_is_read_once_in_a_pass() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "a.png", b"first");
    let mut files = Files::new(folder.path());
    let name = Name::of("image").unwrap();
    let first = files.find(name, "a.png").unwrap();
    put(folder.path(), "a.png", b"second");
    let again = files.find(name, "./a.png").unwrap().unwrap();
    assert_eq!(first.unwrap().key, again.key);
}
