//! One output into one verified temporary file: asked for, counted, timed, digested and looked at.
//!
//! The network side runs on the async threads and hands its pieces through a short channel to a
//! thread that does everything with the disk.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::sync::Arc;

use hyper::body::Bytes;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::domain::{Digest, Output, text};

use super::client::{Answer, Client, Start};
use super::error::{Error, FetchError};
use super::part::{self, Part, Spot};
use super::probe::{self, Media, Wholeness};
use super::relpath::RelPath;
use super::sniff::{self, Kind};
use super::store::{Content, Store};
use super::watch::Watch;
use super::{Expect, FetchSettings, Wanted, blocking, shown};

/// Pieces that may wait for the disk.
const WAITING_PIECES: usize = 16;

/// A complete, synced and verified temporary file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Where it is.
    pub temp: RelPath,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256.
    pub sha256: Digest,
    /// What it is.
    pub media: Media,
    /// The host it came from, where it came from one.
    pub source_host: Option<String>,
    /// Whether its end is known to be its end: by a length, by the transfer's framing or by the
    /// file's own structure.
    pub verified_length: bool,
}

/// What the network side tells the disk side.
enum Piece {
    /// The next bytes.
    Bytes(Bytes),
    /// That was all of it.
    End,
    /// What came is of no use, now or later.
    Useless,
}

/// What a file must be like to be accepted.
#[derive(Clone, Debug)]
struct Terms {
    spot: Spot,
    expect: Expect,
    is_text: bool,
    framed: bool,
    host: Option<String>,
    origin: String,
}

/// Fetches outputs.
#[derive(Clone, Debug)]
pub(super) struct Fetcher {
    client: Client,
    settings: Arc<FetchSettings>,
    store: Arc<Store>,
}

impl Fetcher {
    pub(super) fn new(client: Client, settings: FetchSettings, store: Arc<Store>) -> Self {
        Self { client, settings: Arc::new(settings), store }
    }

    pub(super) async fn fetch(&self, wanted: &Wanted<'_>) -> Result<Fetched, FetchError> {
        let spot = Spot::new(wanted.folder, wanted.stem)?;
        let (bytes, is_text) = match wanted.output {
            Output::Url(url) => return self.download(url, spot, wanted.expect).await,
            Output::Inline(bytes) => (bytes.clone(), false),
            Output::Text(text) => (text.clone().into_bytes(), true),
        };
        let origin = "the API's answer".to_owned();
        if bytes.len() as u64 > self.settings.max_bytes {
            return Err(self.too_large(origin));
        }
        let terms =
            Terms { spot, expect: wanted.expect, is_text, framed: true, host: None, origin };
        let store = Arc::clone(&self.store);
        blocking(move || {
            let mut part = Part::fresh(store.tree(), &terms.spot, None)?;
            match part.write(&bytes) {
                Ok(()) => accept(part, &terms),
                Err(error) => Err(give_up(part, error)),
            }
        })
        .await?
    }

    async fn download(&self, raw: &str, spot: Spot, expect: Expect) -> Result<Fetched, FetchError> {
        let deadline = Instant::now() + self.settings.total_timeout;
        let url = self.client.check(raw)?;
        let (store, digest) = (Arc::clone(&self.store), part::url_digest(&url));
        let left = {
            let spot = spot.clone();
            blocking(move || spot.beginning(store.tree(), &digest)).await??
        };
        let answer = self.client.get(&url, left, deadline).await?;
        if answer.total.is_some_and(|total| total > self.settings.max_bytes) {
            return Err(self.too_large(answer.shown));
        }
        let (store, reserve) = (Arc::clone(&self.store), self.settings.reserve);
        let due = answer.total.unwrap_or(0);
        blocking(move || store.require_room(due, reserve)).await??;
        let terms = Terms {
            spot,
            expect,
            is_text: false,
            framed: answer.framed,
            host: answer.host.clone(),
            origin: answer.shown.clone(),
        };
        self.transfer(answer, terms, deadline).await
    }

    /// Runs both sides; the disk's error explains the network's, so it goes first.
    async fn transfer(
        &self,
        answer: Answer,
        terms: Terms,
        deadline: Instant,
    ) -> Result<Fetched, FetchError> {
        let (pieces, arriving) = mpsc::channel(WAITING_PIECES);
        let store = Arc::clone(&self.store);
        let start = answer.start.clone();
        let writer = spawn_blocking(move || write(&store, start, arriving, &terms));
        let sent = self.pump(answer, pieces, deadline).await;
        let written = writer.await.map_err(|error| {
            FetchError::transient(format!("the download was interrupted: {error}"))
        })?;
        match (written?, sent) {
            (Some(fetched), _) => Ok(fetched),
            (None, Err(error)) => Err(error),
            (None, Ok(())) => Err(FetchError::transient("the download was given up")),
        }
    }

    /// Moves the content from the network to the disk side, within all limits.
    async fn pump(
        &self,
        mut answer: Answer,
        pieces: mpsc::Sender<Piece>,
        deadline: Instant,
    ) -> Result<(), FetchError> {
        let mut received = match &answer.start {
            Start::Fresh(_) => 0,
            Start::Behind(beginning) => beginning.durable,
        };
        let mut watch = Watch::new(self.settings.min_speed, deadline);
        loop {
            let next = watch.next(&mut answer).await?;
            let Some(bytes) = next else { break };
            received += bytes.len() as u64;
            let most = answer.total.unwrap_or(self.settings.max_bytes);
            if received > most.min(self.settings.max_bytes) {
                // The writer may be gone; then its own error is the one that counts.
                let _ = pieces.send(Piece::Useless).await;
                return Err(self.too_large(answer.shown));
            }
            watch.pause();
            if pieces.send(Piece::Bytes(bytes)).await.is_err() {
                return Ok(());
            }
            watch.go_on();
        }
        if let Some(total) = answer.total.filter(|&total| received != total) {
            let url = &answer.shown;
            return Err(FetchError::transient(format!("{url} sent {received} of {total} bytes")));
        }
        let _ = pieces.send(Piece::End).await;
        Ok(())
    }

    fn too_large(&self, url: String) -> FetchError {
        FetchError::TooLarge { limit: self.settings.max_bytes, url }
    }
}

/// The disk side. `None` where the network side stopped early: what came is kept if it can be gone
/// on with.
fn write(
    store: &Store,
    start: Start,
    mut arriving: mpsc::Receiver<Piece>,
    terms: &Terms,
) -> Result<Option<Fetched>, FetchError> {
    let mut part = match start {
        Start::Fresh(source) => Part::fresh(store.tree(), &terms.spot, source)?,
        Start::Behind(beginning) => Part::resumed(store.tree(), &terms.spot, beginning)?,
    };
    while let Some(piece) = arriving.blocking_recv() {
        match piece {
            Piece::Bytes(bytes) => {
                if let Err(error) = part.write(&bytes) {
                    return Err(give_up(part, error));
                }
            }
            Piece::End => return accept(part, terms).map(Some),
            Piece::Useless => {
                part.discard()?;
                return Ok(None);
            }
        }
    }
    part.keep()?;
    Ok(None)
}

/// Takes a complete file for what it is, sets it aside for people, or removes it.
fn accept(mut part: Part, terms: &Terms) -> Result<Fetched, FetchError> {
    match examine(&mut part, terms) {
        Ok(fetched) => Ok(fetched),
        Err(error) => Err(match error {
            FetchError::NotMedia { expected, found, beginning, .. } if part.has_bytes() => {
                let kept = format!("kept as {}", part.set_aside()?);
                FetchError::NotMedia { expected, found, beginning, kept }
            }
            error => {
                part.discard()?;
                error
            }
        }),
    }
}

fn examine(part: &mut Part, terms: &Terms) -> Result<Fetched, FetchError> {
    let content = part.finish()?;
    let unread = |cause| Error::io("read", part.full(), cause);
    let head = head(part.file()).map_err(unread)?;
    let (media, wholeness) = if terms.is_text {
        (Media::of(sniff::TEXT), Wholeness::Whole)
    } else {
        let format = sniff::sniff(&head);
        probe::probe(part.file(), content.bytes, format).map_err(unread)?
    };
    judge(terms, &content, &media, &head)?;
    if let Wholeness::Cut(how) = &wholeness {
        return Err(FetchError::transient(format!(
            "{} gave a {} file that was cut short: {how}",
            terms.origin, media.extension
        )));
    }
    Ok(Fetched {
        temp: terms.spot.temp().clone(),
        bytes: content.bytes,
        sha256: content.sha256,
        media,
        source_host: terms.host.clone(),
        verified_length: terms.framed || wholeness == Wholeness::Whole,
    })
}

/// Whether the file may be what the model made: no page, message or unknown bytes in the place of
/// a video, image or sound, and no empty file. A transcript comes as plain text in the answer.
fn judge(terms: &Terms, content: &Content, media: &Media, head: &[u8]) -> Result<(), FetchError> {
    let fine = match terms.expect {
        Expect::Any => terms.is_text || content.bytes > 0,
        Expect::Audio if terms.is_text => true,
        Expect::Video | Expect::Image | Expect::Audio => {
            !matches!(media.kind, Kind::Text | Kind::Unknown)
        }
    };
    if fine {
        return Ok(());
    }
    let found = match (content.bytes, media.kind) {
        (0, _) => "an empty file".to_owned(),
        (bytes, Kind::Unknown) => format!("{} of an unknown format", text::bytes(bytes)),
        (bytes, _) => format!("{} of {}", text::bytes(bytes), media.mime),
    };
    Err(FetchError::NotMedia {
        expected: terms.expect.noun(),
        found: format!("{found} from {}", terms.origin),
        beginning: shown::beginning(head),
        kept: "which is not kept".to_owned(),
    })
}

fn head(mut file: &File) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut head = Vec::with_capacity(sniff::HEAD);
    file.take(sniff::HEAD as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// After a failed write nothing of the file is used again; a full disk needs its room back.
fn give_up(part: Part, error: Error) -> FetchError {
    // The write's error is the one to tell, whatever becomes of the removal.
    let _ = part.discard();
    error.into()
}
