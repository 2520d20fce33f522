//! Servers that speak TLS, well or badly, and HTTP/2, well or badly.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// An authority that a run may be told to trust.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its certificate, for `SSL_CERT_FILE`.
    pub(crate) pem: String,
}

/// What is wrong with a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    WrongName,
    Expired,
    SelfSigned,
}

/// How a server spoils an HTTP/2 request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Spoilt {
    /// The stream is refused: by the letter, it was not worked on.
    Refused,
    /// The connection goes away with the request on it.
    GoAway,
    /// Headers of an answer, then a reset.
    AfterHeaders,
}

impl Authority {
    pub(crate) fn new() -> Self {
        rustls::crypto::ring::default_provider().install_default().ok();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    fn config(&self, flaw: Flaw, protocol: &[u8]) -> Arc<ServerConfig> {
        let name = if flaw == Flaw::WrongName { "elsewhere.test" } else { "localhost" };
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        if flaw == Flaw::Expired {
            params.not_before = rcgen::date_time_ymd(2000, 1, 1);
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = if flaw == Flaw::SelfSigned {
            params.self_signed(&key).unwrap()
        } else {
            params.signed_by(&key, &self.issuer).unwrap()
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = vec![protocol.to_vec()];
        Arc::new(config)
    }

    /// The simulator at `url` behind TLS; returns the address.
    pub(crate) fn in_front_of(&self, url: &str, flaw: Flaw) -> String {
        let upstream = url.trim_start_matches("http://").to_owned();
        let acceptor = TlsAcceptor::from(self.config(flaw, b"http/1.1"));
        serve(move |client| {
            let (acceptor, upstream) = (acceptor.clone(), upstream.clone());
            async move {
                let Ok(mut client) = acceptor.accept(client).await else { return };
                let mut server = TcpStream::connect(upstream).await.unwrap();
                tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
            }
        })
    }

    /// A server of HTTP/2 that spoils every POST. Returns the address, and counts the POSTs.
    pub(crate) fn spoiling(&self, spoilt: Spoilt) -> (String, Arc<AtomicUsize>) {
        let acceptor = TlsAcceptor::from(self.config(Flaw::None, b"h2"));
        let posts = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&posts);
        let url = serve(move |client| {
            let (acceptor, posts) = (acceptor.clone(), Arc::clone(&counted));
            async move {
                if let Ok(client) = acceptor.accept(client).await {
                    speak(client, spoilt, &posts).await.ok();
                }
            }
        });
        (url, posts)
    }
}

async fn speak(
    client: tokio_rustls::server::TlsStream<TcpStream>,
    spoilt: Spoilt,
    posts: &AtomicUsize,
) -> Result<(), h2::Error> {
    let mut connection = h2::server::handshake(client).await?;
    while let Some(next) = connection.accept().await {
        let (request, mut respond) = next?;
        let status = |code: u16| http_response(code);
        if request.method() != "POST" || !request.uri().path().contains("generate") {
            respond.send_response(status(404), true)?;
            continue;
        }
        posts.fetch_add(1, Ordering::SeqCst);
        match spoilt {
            Spoilt::Refused => respond.send_reset(h2::Reason::REFUSED_STREAM),
            Spoilt::GoAway => connection.abrupt_shutdown(h2::Reason::NO_ERROR),
            Spoilt::AfterHeaders => {
                respond.send_response(status(200), false)?.send_reset(h2::Reason::INTERNAL_ERROR);
            }
        }
    }
    Ok(())
}

fn http_response(code: u16) -> axum::http::Response<()> {
    axum::http::Response::builder().status(code).body(()).unwrap()
}

/// Gives each connection to `answer`, on a thread of its own until the process ends; returns where.
fn serve<F>(answer: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let (told, port) = mpsc::channel();
    thread::spawn(move || {
        crate::night::block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            told.send(listener.local_addr().unwrap().port()).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(answer(client));
            }
        });
    });
    format!("https://localhost:{}", port.recv().unwrap())
}

/// A server that reads what comes first, says these bytes and closes. Returns where it is.
pub(crate) fn saying(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let _ = client.read(&mut [0; 4096]);
            client.write_all(bytes).ok();
        }
    });
    format!("https://localhost:{port}")
}
