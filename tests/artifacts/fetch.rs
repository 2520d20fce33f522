//! Outputs that arrive as they should, of every kind.

use nightreel::artifacts::{Expect, FetchError, Kind, Placed, RelPath, Wanted};
use nightreel::domain::{Digest, Output};

use crate::media::{JPEG, mp4};
use crate::server::{Reply, Server};
use crate::{fetch, files, local, open, path};

#[tokio::test]
async fn a_video_becomes_a_file_with_size_hash_and_picture() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = open(folder.path(), local());
    let video = mp4(300_000, 1);
    let body = video.clone();
    let server = Server::start(move |_, _| Reply::whole(&body)).await;

    let fetched = fetch(&artifacts, &server.url()).await.unwrap();
    assert_eq!(fetched.bytes, video.len() as u64);
    assert_eq!(fetched.sha256, Digest::of(&video));
    assert_eq!((fetched.media.kind, fetched.media.extension), (Kind::Video, "mp4"));
    assert_eq!(fetched.media.duration_millis, Some(6000));
    assert_eq!(fetched.source_host.as_deref(), Some("127.0.0.1"));
    assert!(fetched.verified_length);
    assert_eq!(files(folder.path()), ["demo/.nightreel-7-1.part"]);

    let name = path("demo/deep/cat.mp4");
    assert_eq!(artifacts.place(&fetched, &name).await.unwrap(), Placed::New);
    assert_eq!(files(folder.path()), ["demo/deep/cat.mp4"]);
    assert_eq!(std::fs::read(name.below(folder.path())).unwrap(), video);
}

#[tokio::test]
async fn a_download_carries_nothing_that_it_need_not() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = open(folder.path(), local());
    let server = Server::start(|number, _| match number {
        0 => Reply::raw("302 Found", &["Location: /moved?x=1", "Set-Cookie: a=b"], b""),
        _ => Reply::whole(&mp4(10, 1)),
    })
    .await;
    fetch(&artifacts, &server.url()).await.unwrap();
    let requests = server.requests();
    assert!(requests[0].starts_with("get /out/a.mp4?signature=canary "), "{}", requests[0]);
    assert!(requests[1].starts_with("get /moved?x=1 "), "{}", requests[1]);
    for request in requests {
        let mut names: Vec<&str> =
            request.lines().skip(1).filter_map(|line| Some(line.split_once(':')?.0)).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent"]);
        assert!(request.contains("accept-encoding: identity\r\n"));
        assert!(request.contains(&format!("user-agent: nightreel/{}", env!("CARGO_PKG_VERSION"))));
    }
}

async fn inline(output: Output, expect: Expect) -> Result<(String, Vec<u8>), FetchError> {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = open(folder.path(), local());
    let root = RelPath::root();
    let wanted = Wanted { output: &output, folder: &root, stem: "1-1", expect };
    let fetched = artifacts.fetch(&wanted).await.inspect_err(|_| {
        let left = files(folder.path());
        assert!(left.iter().all(|name| name == "attempt-1-1.suspect"), "{left:?}");
    })?;
    assert!(fetched.verified_length && fetched.source_host.is_none());
    let bytes = std::fs::read(fetched.temp.below(folder.path())).unwrap();
    Ok((fetched.media.extension.to_owned(), bytes))
}

#[tokio::test]
async fn content_in_the_answer_itself_is_stored_like_any_other() {
    let image = Output::Inline(JPEG.to_vec());
    assert_eq!(inline(image, Expect::Image).await.unwrap(), ("jpg".into(), JPEG.to_vec()));
    let words = || Output::Text("[Verse 1]\nla".into());
    let (extension, bytes) = inline(words(), Expect::Audio).await.unwrap();
    assert_eq!((extension.as_str(), bytes.as_slice()), ("txt", b"[Verse 1]\nla".as_slice()));
    assert!(inline(words(), Expect::Any).await.is_ok());
    for expect in [Expect::Video, Expect::Image] {
        let refused = inline(words(), expect).await;
        assert!(matches!(refused, Err(FetchError::NotMedia { .. })), "{refused:?}");
    }
    let page = Output::Inline(b"<html>sorry</html>".to_vec());
    assert!(matches!(inline(page, Expect::Image).await, Err(FetchError::NotMedia { .. })));
    let cut = Output::Inline(mp4(100, 1)[..150].to_vec());
    assert!(matches!(inline(cut, Expect::Video).await, Err(FetchError::Transient { .. })));
}

#[tokio::test]
async fn a_content_that_ends_by_close_counts_as_verified_only_if_its_format_says_so() {
    for (body, verified) in [(mp4(5000, 1), true), (JPEG.to_vec(), false)] {
        let folder = tempfile::tempdir().unwrap();
        let artifacts = open(folder.path(), local());
        let server = Server::start(move |_, _| Reply::raw("200 OK", &[], &body)).await;
        let fetched = fetch(&artifacts, &server.url()).await.unwrap();
        assert_eq!(fetched.verified_length, verified, "{:?}", fetched.media);
    }
    let folder = tempfile::tempdir().unwrap();
    let artifacts = open(folder.path(), local());
    let server = Server::start(|_, _| Reply::raw("200 OK", &[], &mp4(5000, 1)[..3000])).await;
    let error = fetch(&artifacts, &server.url()).await.unwrap_err();
    assert!(error.to_string().contains("cut short"), "{error}");
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn many_downloads_at_once_share_one_folder() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = open(folder.path(), local());
    let server = Server::start(|_, _| Reply::whole(&mp4(20_000, 3))).await;
    let output = Output::Url(server.url());
    let each = (0..200).map(|number| {
        let (artifacts, output) = (artifacts.clone(), output.clone());
        tokio::spawn(async move {
            let (folder, stem) = (path("demo"), format!("{number}-1"));
            let expect = Expect::Video;
            let wanted = Wanted { output: &output, folder: &folder, stem: &stem, expect };
            let fetched = artifacts.fetch(&wanted).await.unwrap();
            artifacts.place(&fetched, &path(&format!("demo/{number}.mp4"))).await.unwrap()
        })
    });
    for placed in futures_util::future::join_all(each).await {
        assert_eq!(placed.unwrap(), Placed::New);
    }
    assert_eq!(files(folder.path()).len(), 200);
}
