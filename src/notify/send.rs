//! Telling: a POST that is tried three times, and a command that has a minute. Neither can hold up a
//! run or fail it; what cannot be told is a line in the log.

use std::process::Stdio;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, ClientBuilder};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::Word;
use crate::domain::text;
use crate::settings::{KEY_VARIABLE, Notify, Webhook};

/// How long one try may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Pauses before the tries.
const PAUSES: [Duration; 3] = [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(8)];
/// How long a command may run.
const COMMAND: Duration = Duration::from_mins(1);
/// Bytes of an error shown.
const SHOWN: usize = 200;

/// Why somebody was not told. Never names more of an address than its host.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("{host} answered {status}")]
    Refused { host: String, status: u16 },
    #[error("{host} cannot be told: {why}")]
    Unreached { host: String, why: String },
    #[error("the command `{program}` {why}")]
    Command { program: String, why: String },
}

/// Tells everybody there is to tell.
pub(super) async fn tell(notify: Notify, word: Word) {
    let by_webhook = async {
        if let Some(webhook) = &notify.webhook {
            warn(post(webhook, &word).await);
        }
    };
    let by_command = async {
        if let Some((program, arguments)) = notify.command.split_first() {
            warn(call(program, arguments, &word).await);
        }
    };
    tokio::join!(by_webhook, by_command);
}

fn warn(told: Result<(), Error>) {
    if let Err(error) = told {
        tracing::warn!("a notification did not arrive: {}", text::visible(&error.to_string()));
    }
}

async fn post(webhook: &Webhook, word: &Word) -> Result<(), Error> {
    let mut last = Ok(());
    for pause in PAUSES {
        tokio::time::sleep(pause).await;
        last = post_once(webhook, word).await;
        match &last {
            Ok(()) => return last,
            // What is wrong with the request itself stays wrong.
            Err(Error::Refused { status, .. }) if (400..429).contains(status) => return last,
            Err(_) => {}
        }
    }
    last
}

async fn post_once(webhook: &Webhook, word: &Word) -> Result<(), Error> {
    let host = webhook.host().to_owned();
    let unreached = |error: reqwest::Error| {
        let why = text::cut(&text::causes(&error.without_url()), SHOWN);
        Error::Unreached { host: host.clone(), why }
    };
    let (body, kind) = word.body(webhook.shape);
    let request = client().map_err(unreached)?.post(webhook.url.clone());
    let request = request.header("content-type", kind).header("x-title", "nightreel").body(body);
    let status = request.send().await.map_err(unreached)?.status();
    if status.is_success() {
        return Ok(());
    }
    Err(Error::Refused { host, status: status.as_u16() })
}

fn client() -> reqwest::Result<Client> {
    let builder = || -> ClientBuilder {
        Client::builder()
            .user_agent(concat!("nightreel/", env!("CARGO_PKG_VERSION")))
            .timeout(PATIENCE)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
    };
    // Hosts without CA files cannot build even a client for plain http (dependencies.md 5.2).
    builder().build().or_else(|_| builder().tls_certs_only([]).build())
}

async fn call(program: &str, arguments: &[String], word: &Word) -> Result<(), Error> {
    let failed = |why: String| Error::Command { program: program.to_owned(), why };
    let mut command = Command::new(program);
    // Ctrl-C is for the run; what is told of it goes on.
    #[cfg(unix)]
    command.process_group(0);
    let mut child = command
        .args(arguments)
        .env_remove(KEY_VARIABLE)
        .env("NIGHTREEL_MOMENT", word.moment.as_str())
        .env("NIGHTREEL_TEXT", &word.text)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {error}")))?;
    let input = child.stdin.take();
    let body = format!("{}\n", word.whole);
    let ended = tokio::time::timeout(COMMAND, async {
        if let Some(mut input) = input {
            // Who does not read it is told by its environment.
            let _ = input.write_all(body.as_bytes()).await;
        }
        child.wait().await
    });
    match ended.await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(failed(format!("ended with {status}"))),
        Ok(Err(error)) => Err(failed(format!("cannot be waited for: {error}"))),
        Err(_) => Err(failed(format!("did not end within {} seconds", COMMAND.as_secs()))),
    }
}
