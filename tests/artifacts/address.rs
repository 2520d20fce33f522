//! Addresses that nothing may be sent to, asked for directly or by a redirect.

use std::net::UdpSocket;

use nightreel::artifacts::{FetchError, FetchSettings};

use crate::media::mp4;
use crate::server::{Reply, Server};
use crate::{fetch, files, local, open};

#[tokio::test]
async fn this_machine_is_never_connected_to_under_any_of_its_names() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = open(folder.path(), FetchSettings::default());
    let sink = Server::start(|_, _| Reply::whole(&mp4(10, 1))).await;
    let port = sink.address.port();
    for host in [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "a.localhost",
        "0x7f.1",
        "2130706433",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
    ] {
        for scheme in ["https", "http", "ftp"] {
            let url = format!("{scheme}://{host}:{port}/a.mp4?Signature=canary");
            let error = fetch(&artifacts, &url).await.unwrap_err();
            assert!(matches!(error, FetchError::Refused { .. }), "{url}: {error}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
    assert_eq!(sink.requests().len(), 0);
    assert_eq!(files(folder.path()), Vec::<String>::new());
}

#[tokio::test]
async fn other_schemes_and_what_is_no_address_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = open(folder.path(), local());
    for url in ["file:///etc/passwd", "gopher://x/", "https://a:b@x.example/", "https://[", "x:y"] {
        let error = fetch(&artifacts, url).await.unwrap_err();
        assert!(matches!(error, FetchError::Refused { .. }), "{url}: {error}");
    }
}

async fn redirected(location: String) -> (FetchError, usize) {
    let folder = tempfile::tempdir().unwrap();
    let artifacts = open(folder.path(), local());
    let server = Server::start(move |_, _| {
        let location = format!("Location: {location}");
        Reply::raw("302 Found", &[&location, "Content-Length: 0"], b"")
    })
    .await;
    let error = fetch(&artifacts, &server.url()).await.unwrap_err();
    (error, server.requests().len())
}

#[tokio::test]
async fn redirects_are_followed_three_times_and_never_to_where_outputs_may_not_be() {
    let (error, requests) = redirected("/again?Signature=canary".into()).await;
    assert!(matches!(error, FetchError::Refused { .. }), "{error}");
    assert_eq!(requests, 4);
    for location in [
        "file:///etc/passwd",
        "ftp://127.0.0.1/a",
        "gopher://127.0.0.1/a",
        "http://10.0.0.1/a",
        "http://169.254.169.254/latest/meta-data",
        "http://[::ffff:127.0.0.1]/a",
        "//192.168.0.1/a",
        "http://user:word@127.0.0.1:8080/a",
    ] {
        let (error, requests) = redirected(location.into()).await;
        assert!(matches!(error, FetchError::Refused { .. }), "{location}: {error}");
        assert_eq!(requests, 1, "{location}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_private_address_of_this_machine_reaches_nobody() {
    let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
    // Connecting a UDP socket sends nothing; it only tells which address would be used.
    let own = socket.connect("192.0.2.1:9").and_then(|()| socket.local_addr());
    let Some(own) = own.ok().filter(|own| !own.ip().is_loopback()) else { return };
    let sink = Server::start_on(&format!("{}:0", own.ip()), |_, _| Reply::whole(b"secret")).await;
    let (error, _) = redirected(format!("http://{}/a", sink.address)).await;
    if !nightreel::artifacts::address::is_public(own.ip()) {
        assert!(matches!(error, FetchError::Refused { .. }), "{error}");
        assert_eq!(sink.requests().len(), 0);
    }
}

#[tokio::test]
async fn a_proxy_is_used_for_others_and_is_no_way_to_private_addresses() {
    let folder = tempfile::tempdir().unwrap();
    let proxy = Server::start(|_, _| Reply::whole(&mp4(10, 1))).await;
    let address = format!("http://{}", proxy.address).parse().unwrap();
    let artifacts = open(folder.path(), FetchSettings { proxy: Some(address), ..local() });
    fetch(&artifacts, "http://cdn.example/a.mp4").await.unwrap();
    assert!(proxy.requests()[0].starts_with("get http://cdn.example/a.mp4 "));
    let error = fetch(&artifacts, "http://10.0.0.1/a.mp4").await.unwrap_err();
    assert!(matches!(error, FetchError::Refused { .. }), "{error}");
    assert_eq!(proxy.requests().len(), 1);

    let server = Server::start(|_, _| Reply::whole(&mp4(10, 1))).await;
    fetch(&artifacts, &server.url()).await.unwrap();
    assert_eq!((proxy.requests().len(), server.requests().len()), (1, 1));
}
