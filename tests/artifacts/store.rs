//! Files under their final names: never replaced, found again after a crash, checked later.

use std::fs;
use std::path::Path;

use nightreel::artifacts::{
    Adopted, Artifacts, Check, Content, Error, Expect, FetchError, Fetched, Kind, Media, Placed,
    RelPath, Sidecar, SidecarMedia, Wanted,
};
use nightreel::domain::{Digest, Output, PredictionId, clock};

use crate::media::JPEG;
use crate::{files, local, open, path};

struct Shelf {
    folder: tempfile::TempDir,
    artifacts: Artifacts,
}

impl Shelf {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = open(&folder.path().join("outputs"), local());
        Self { folder, artifacts }
    }

    fn root(&self) -> &Path {
        self.artifacts.root()
    }

    async fn image(&self, stem: &str, tail: &str) -> Result<Fetched, FetchError> {
        let output = Output::Inline([JPEG, tail.as_bytes()].concat());
        let folder = path("demo");
        let wanted = Wanted { output: &output, folder: &folder, stem, expect: Expect::Image };
        self.artifacts.fetch(&wanted).await
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.root().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::io::Write::write_all(&mut fs::File::create(path).unwrap(), bytes).unwrap();
    }
}

fn content(fetched: &Fetched) -> Content {
    Content { bytes: fetched.bytes, sha256: fetched.sha256 }
}

#[tokio::test]
async fn a_name_in_use_is_never_given_away() {
    let shelf = Shelf::new();
    let name = path("demo/a.jpg");
    shelf.put("demo/a.jpg", b"somebody's own");
    let fetched = shelf.image("1", "one").await.unwrap();
    let placed = shelf.artifacts.place(&fetched, &name).await.unwrap();
    assert_eq!(placed, Placed::AlreadyExists { same: false });
    assert_eq!(fs::read(name.below(shelf.root())).unwrap(), b"somebody's own");

    let other = name.with_suffix("1f");
    assert_eq!(shelf.artifacts.place(&fetched, &other).await.unwrap(), Placed::New);
    let again = shelf.image("2", "one").await.unwrap();
    let placed = shelf.artifacts.place(&again, &other).await.unwrap();
    assert_eq!(placed, Placed::AlreadyExists { same: true });
    assert_eq!(files(shelf.root()), ["demo/a-1f.jpg", "demo/a.jpg"]);
}

#[tokio::test]
async fn a_recorded_file_is_found_wherever_a_crash_left_it() {
    let shelf = Shelf::new();
    let name = path("demo/a.jpg");
    let fetched = shelf.image("1", "one").await.unwrap();
    let (temp, record) = (fetched.temp.clone(), content(&fetched));
    let adopt = async || shelf.artifacts.adopt(&name, &temp, record).await.unwrap();
    assert_eq!(adopt().await, Adopted::Placed);
    assert_eq!(adopt().await, Adopted::InPlace);
    assert_eq!(files(shelf.root()), ["demo/a.jpg"]);

    shelf.put("demo/a.jpg", b"edited by hand");
    assert_eq!(adopt().await, Adopted::Gone);
    shelf.image("1", "one").await.unwrap();
    assert_eq!(adopt().await, Adopted::Occupied);
    assert_eq!(fs::read(shelf.root().join("demo/a.jpg")).unwrap(), b"edited by hand");

    fs::remove_file(shelf.root().join("demo/a.jpg")).unwrap();
    shelf.put(".x", b"");
    shelf.put(temp.as_str(), b"torn");
    assert_eq!(adopt().await, Adopted::Gone);
    fs::remove_dir_all(shelf.root().join("demo")).unwrap();
    assert_eq!(adopt().await, Adopted::Gone);
}

#[tokio::test]
async fn a_deleted_a_cut_and_a_changed_file_are_told_apart_from_a_sound_one() {
    let shelf = Shelf::new();
    let name = path("demo/a.jpg");
    let fetched = shelf.image("1", "one").await.unwrap();
    shelf.artifacts.place(&fetched, &name).await.unwrap();
    let check = async || shelf.artifacts.check(&name, content(&fetched)).await.unwrap();
    assert_eq!(check().await, Check::Sound);
    let mut bytes = fs::read(shelf.root().join("demo/a.jpg")).unwrap();
    bytes[5] ^= 1;
    shelf.put("demo/a.jpg", &bytes);
    let expected = Check::Differs { bytes: fetched.bytes, sha256: Digest::of(&bytes) };
    assert_eq!(check().await, expected);
    shelf.put("demo/a.jpg", b"");
    assert!(matches!(check().await, Check::Differs { bytes: 0, .. }));
    fs::remove_file(shelf.root().join("demo/a.jpg")).unwrap();
    assert_eq!(check().await, Check::Missing);
}

fn sidecar(key: &str) -> Sidecar {
    let media = Media {
        kind: Kind::Image,
        mime: "image/jpeg",
        extension: "jpg",
        width: None,
        height: None,
        duration_millis: None,
    };
    Sidecar {
        key: key.into(),
        batch: "demo".into(),
        model: "m".into(),
        request: serde_json::json!({}),
        prediction_id: PredictionId::parse("p").unwrap(),
        cost: None,
        created_at: clock::now(),
        completed_at: clock::now(),
        seconds: 1,
        source_url_host: None,
        bytes: 1,
        sha256: Digest::of(b""),
        media: SidecarMedia::from(&media),
        nightreel: Sidecar::VERSION,
    }
}

#[tokio::test]
async fn a_sidecar_stands_beside_its_artifact_and_replaces_only_its_like() {
    let shelf = Shelf::new();
    let name = path("demo/a.jpg");
    shelf.artifacts.write_sidecar(&name, &sidecar("old")).await.unwrap();
    shelf.artifacts.write_sidecar(&name, &sidecar("new")).await.unwrap();
    assert_eq!(files(shelf.root()), ["demo/a.json"]);
    let json = fs::read_to_string(shelf.root().join("demo/a.json")).unwrap();
    assert!(json.contains("\"key\": \"new\""), "{json}");

    shelf.put("demo/b.json", b"{\"my\": \"notes\"}");
    let error = shelf.artifacts.write_sidecar(&path("demo/b.mp4"), &sidecar("x")).await;
    assert!(matches!(error, Err(Error::NotASidecar(_))), "{error:?}");
    assert_eq!(fs::read(shelf.root().join("demo/b.json")).unwrap(), b"{\"my\": \"notes\"}");
    assert_eq!(files(shelf.root()), ["demo/a.json", "demo/b.json"]);
}

#[cfg(unix)]
#[tokio::test]
async fn nothing_is_written_through_a_link() {
    use std::os::unix::fs::symlink;
    let shelf = Shelf::new();
    let outside = shelf.folder.path().join("outside");
    fs::create_dir(&outside).unwrap();
    symlink(&outside, shelf.root().join("demo")).unwrap();
    let error = shelf.image("1", "").await.unwrap_err();
    assert!(matches!(error, FetchError::Io(Error::Symlink(_))), "{error:?}");

    fs::remove_file(shelf.root().join("demo")).unwrap();
    let fetched = shelf.image("1", "").await.unwrap();
    symlink(outside.join("x.jpg"), shelf.root().join("demo/a.jpg")).unwrap();
    let placed = shelf.artifacts.place(&fetched, &path("demo/a.jpg")).await.unwrap();
    assert_eq!(placed, Placed::AlreadyExists { same: false });
    symlink(&outside, shelf.root().join("other")).unwrap();
    let error = shelf.artifacts.place(&fetched, &path("other/a.jpg")).await;
    assert!(matches!(error, Err(Error::Symlink(_))), "{error:?}");
    let error = shelf.artifacts.write_sidecar(&path("other/a.jpg"), &sidecar("x")).await;
    assert!(matches!(error, Err(Error::Symlink(_))), "{error:?}");
    assert_eq!(files(&outside), Vec::<String>::new());
}

#[cfg(unix)]
#[tokio::test]
async fn an_output_folder_that_is_swapped_or_gone_is_noticed() {
    let shelf = Shelf::new();
    let outside = shelf.folder.path().join("outside");
    fs::rename(shelf.root(), &outside).unwrap();
    let error = shelf.image("1", "").await.unwrap_err();
    assert!(matches!(error, FetchError::Io(Error::RootReplaced(_))), "{error:?}");
    std::os::unix::fs::symlink(&outside, shelf.root()).unwrap();
    let error = shelf.artifacts.free_space().await;
    assert!(matches!(error, Err(Error::RootReplaced(_))), "{error:?}");
    fs::remove_file(shelf.root()).unwrap();
    fs::create_dir(shelf.root()).unwrap();
    let error = shelf.artifacts.place(&dummy(), &path("a.jpg")).await;
    assert!(matches!(error, Err(Error::RootReplaced(_))), "{error:?}");
    assert_eq!(files(&outside), Vec::<String>::new());
}

fn dummy() -> Fetched {
    Fetched {
        temp: path("t"),
        bytes: 0,
        sha256: Digest::of(b""),
        media: Media {
            kind: Kind::Unknown,
            mime: "",
            extension: "bin",
            width: None,
            height: None,
            duration_millis: None,
        },
        source_host: None,
        verified_length: true,
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_known_at_once() {
    let shelf = Shelf::new();
    assert_eq!(shelf.artifacts.free_space().await.is_ok_and(|bytes| bytes > 0), cfg!(unix));
    shelf.put("file", b"");
    let error = Artifacts::open(&shelf.root().join("file"), local()).unwrap_err();
    assert!(error.to_string().contains("is a file, where a folder is needed"), "{error}");
    let root = RelPath::root();
    let output = Output::Text("x".into());
    for stem in ["", "a/b", "../x", "a\0"] {
        let wanted = Wanted { output: &output, folder: &root, stem, expect: Expect::Any };
        let error = shelf.artifacts.fetch(&wanted).await;
        assert!(matches!(error, Err(FetchError::Io(Error::Path(_)))), "{stem:?}");
    }
}
