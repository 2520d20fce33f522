//! Output files: ranges, validators, lifetimes, and each fault of a download.

use std::time::{Duration, Instant};

use reqwest::Response;

use crate::support::{AT_ONCE, Sim};

async fn ranged(sim: &Sim, link: &str, range: &str, if_range: Option<&str>) -> Response {
    let request = sim.get(link).header("range", range);
    let request = match if_range {
        Some(tag) => request.header("if-range", tag),
        None => request,
    };
    request.send().await.unwrap()
}

#[tokio::test]
async fn a_file_can_be_fetched_in_parts_under_one_strong_validator() {
    let sim = Sim::start(&format!("{AT_ONCE}[output]\nbytes = 300_000\n")).await;
    let link = sim.link("x").await;
    let whole = sim.get(&link).send().await.unwrap();
    let tag = whole.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with('"'));
    assert_eq!(whole.headers()["accept-ranges"], "bytes");
    let whole = whole.bytes().await.unwrap();
    assert_eq!(whole.len(), 300_000);
    let part = ranged(&sim, &link, "bytes=100000-", Some(&tag)).await;
    assert_eq!(part.status(), 206);
    assert_eq!(part.headers()["content-range"], "bytes 100000-299999/300000");
    assert_eq!(part.headers()["etag"], tag.as_str());
    assert_eq!(part.bytes().await.unwrap(), whole.slice(100_000..));
    let middle = ranged(&sim, &link, "bytes=70000-70009", None).await;
    assert_eq!(middle.bytes().await.unwrap(), whole.slice(70_000..70_010));
    let other = ranged(&sim, &link, "bytes=100000-", Some("\"other\"")).await;
    assert_eq!((other.status().as_u16(), other.content_length()), (200, Some(300_000)));
    let beyond = ranged(&sim, &link, "bytes=300000-", None).await;
    assert_eq!(beyond.status(), 416);
    assert_eq!(beyond.headers()["content-range"], "bytes */300000");
}

#[tokio::test]
async fn links_are_signed_and_end() {
    let scenario =
        format!("time_scale = 0.001\n{AT_ONCE}[output]\nlink_lifetime = \"200s\"\ncount = 3\n");
    let sim = Sim::start(&scenario).await;
    let id = sim.submit("x").await.id();
    let outputs = sim.poll(&id).await.json()["data"]["outputs"].clone();
    assert_eq!(outputs.as_array().unwrap().len(), 3);
    let link = outputs[0].as_str().unwrap();
    let begun = Instant::now();
    assert_eq!(sim.read(link.split_once('?').unwrap().0).await.status, 403);
    assert_eq!(sim.read(&link.replace("expires=1", "expires=2")).await.status, 403);
    while sim.read(link).await.status != 404 {
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    let fresh = sim.poll(&id).await.json()["data"]["outputs"][0].clone();
    let fresh = sim.get(fresh.as_str().unwrap()).send().await.unwrap();
    assert_eq!(fresh.status(), 200);
}

#[tokio::test]
async fn answers_that_http_clients_can_read_but_should_not_trust() {
    for (fault, status, content_type) in [
        ("kind = \"status_403\"", 403, "application/json"),
        ("kind = \"status_410\"", 410, "application/json"),
        ("kind = \"expired\"", 404, "application/xml"),
        ("kind = \"html\"", 200, "text/html; charset=utf-8"),
        ("kind = \"wrong_magic\"", 200, "video/mp4"),
        ("kind = \"wrong_type\"", 200, "text/plain"),
        ("kind = \"wrong_type\"\ncontent_type = \"image/png\"", 200, "image/png"),
        ("kind = \"wrong_range\"", 206, "video/mp4"),
    ] {
        let sim = Sim::faulty("download", fault).await;
        let link = sim.link("x").await;
        let file = sim.get(&link).send().await.unwrap();
        assert_eq!(file.status(), status, "{fault}");
        assert_eq!(file.headers()["content-type"], content_type, "{fault}");
    }
}

#[tokio::test]
async fn validators_lie() {
    for (kind, holds) in [
        ("changed_etag", (|tag, other| tag != other) as fn(Option<&str>, Option<&str>) -> bool),
        ("weak_etag", |tag, _| tag.is_some_and(|tag| tag.starts_with("W/"))),
        ("no_etag", |tag, _| tag.is_none()),
    ] {
        let sim = Sim::faulty("download", &format!("kind = \"{kind}\"")).await;
        let link = sim.link("x").await;
        let tags = [sim.get(&link).send().await.unwrap(), sim.get(&link).send().await.unwrap()];
        let [one, two] = tags.map(|file| file.headers().get("etag").cloned());
        let text = |tag: &Option<reqwest::header::HeaderValue>| {
            tag.as_ref().map(|tag| tag.to_str().unwrap().to_owned())
        };
        assert!(holds(text(&one).as_deref(), text(&two).as_deref()), "{kind}");
    }
    let sim = Sim::faulty("download", "kind = \"range_ignored\"").await;
    let link = sim.link("x").await;
    assert_eq!(ranged(&sim, &link, "bytes=5-", None).await.status(), 200);
}

/// What a download's bytes look like on the wire: head, body.
async fn wire(fault: &str) -> (String, Vec<u8>) {
    let sim = Sim::faulty("download", fault).await;
    let link = sim.link("x").await;
    let path = link.split_once("//").unwrap().1;
    let path = path[path.find('/').unwrap()..].to_owned();
    let bytes = sim.raw("GET", &path, "").await;
    let at = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(bytes[..at].to_vec()).unwrap();
    (head, bytes[at + 4..].to_vec())
}

fn lengths(head: &str) -> Vec<usize> {
    let lines = head.lines().filter_map(|line| line.strip_prefix("content-length: "));
    lines.map(|length| length.parse().unwrap()).collect()
}

#[tokio::test]
async fn bodies_are_shorter_longer_or_of_no_known_length() {
    for kind in ["truncated", "reset", "stall"] {
        let (head, body) = wire(&format!("kind = \"{kind}\"\nfor = \"20ms\"")).await;
        let whole = kind == "stall";
        let expected = if whole { lengths(&head)[0] } else { lengths(&head)[0] / 2 };
        assert_eq!(body.len(), expected, "{kind}");
    }
    let (head, body) = wire("kind = \"longer\"").await;
    assert!(body.len() > lengths(&head)[0]);
    let (head, body) = wire("kind = \"two_lengths\"").await;
    assert_eq!(lengths(&head), [body.len(), body.len() / 2]);
    let (head, whole) = wire("kind = \"no_length\"").await;
    assert_eq!(lengths(&head), Vec::<usize>::new());
    let (head, half) = wire("kind = \"no_length_cut\"").await;
    assert_eq!(lengths(&head), Vec::<usize>::new());
    assert!(half.len() < whole.len());
}

#[tokio::test]
async fn slow_bodies_take_their_time_and_endless_ones_never_end() {
    let begun = Instant::now();
    let (head, body) = wire("kind = \"slow\"\nfor = \"300ms\"").await;
    assert_eq!(lengths(&head), [body.len()]);
    assert!(begun.elapsed() >= Duration::from_millis(300));

    let sim = Sim::faulty("download", "kind = \"oversize\"\nbytes = 1_000_000").await;
    let link = sim.link("x").await;
    let file = sim.get(&link).send().await.unwrap();
    assert_eq!(file.content_length(), None);
    assert_eq!(file.bytes().await.unwrap().len(), 15 * 65_536);

    let sim = Sim::faulty("download", "kind = \"oversize\"").await;
    let link = sim.link("x").await;
    let mut file = sim.get(&link).send().await.unwrap();
    let mut read = 0;
    while read < 20_000_000 {
        read += file.chunk().await.unwrap().unwrap().len();
    }
}

#[tokio::test]
async fn redirects_lead_on_round_and_astray() {
    let sim = Sim::faulty("download", "kind = \"redirect\"\nhops = 3").await;
    let mut link = sim.link("x").await;
    for _ in 0..3 {
        let file = sim.get(&link).send().await.unwrap();
        assert_eq!(file.status(), 302);
        file.headers()["location"].to_str().unwrap().clone_into(&mut link);
    }
    assert_eq!(sim.get(&link).send().await.unwrap().status(), 200);
    for (fault, target) in [
        ("kind = \"redirect_private\"", "http://169.254.169.254/latest/meta-data/"),
        ("kind = \"redirect_to\"\nurl = \"file:///etc/passwd\"", "file:///etc/passwd"),
    ] {
        let sim = Sim::faulty("download", fault).await;
        let link = sim.link("x").await;
        let file = sim.get(&link).send().await.unwrap();
        assert_eq!(file.headers()["location"], target);
    }
    let sim = Sim::faulty("download", "kind = \"redirect_loop\"").await;
    let link = sim.link("x").await;
    let first = sim.get(&link).send().await.unwrap().headers()["location"].clone();
    let second = sim.get(first.to_str().unwrap()).send().await.unwrap();
    assert_eq!(second.headers()["location"], first);
}
