//! Artifacts: bytes → file. Nothing else in the program names, writes or checks an output file.
//!
//! ```text
//!  Output ── fetch ──▶ temporary file, whole and verified     (the ledger commits size and hash)
//!                 place ──▶ final name, never replacing anything
//!                      write_sidecar ──▶ NAME.json                      (the ledger commits done)
//! ```
//!
//! After a crash [`Artifacts::adopt`] finds a recorded file again, wherever it got to. What comes
//! from the network is a stranger's: its address, length, type and end are checked here.

pub mod address;
mod client;
mod error;
mod fetch;
#[cfg_attr(unix, path = "folder_unix.rs")]
#[cfg_attr(not(unix), path = "folder_std.rs")]
mod folder;
mod mp4;
mod naming;
mod part;
mod probe;
mod relpath;
mod shown;
mod sidecar;
mod sniff;
mod store;
mod tree;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::domain::{Endpoint, Output};

pub use error::{Error, FetchError};
pub use fetch::Fetched;
pub use naming::{Naming, NamingError, batch_folder};
pub use probe::Media;
pub use relpath::{NotBelow, RelPath};
pub use sidecar::{FoundSidecar, Sidecar, SidecarMedia, results_of};
pub use sniff::{Format, Kind, sniff};
pub use store::{Adopted, Check, Content, Draft, Placed};

/// The bounds of a download.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// The API's base URL is loopback: plain http and loopback addresses are allowed.
    pub allow_loopback: bool,
    /// A proxy for everything; none is taken from the environment. Behind one, names are resolved
    /// by the proxy, so only addresses written as numbers can be checked here.
    pub proxy: Option<Url>,
    /// The most bytes a file may have.
    pub max_bytes: u64,
    /// Bytes of the disk that no download may take.
    pub reserve: u64,
    /// How long a download may take.
    pub total_timeout: Duration,
    /// The least bytes that must arrive in each window of that length; an answer must begin
    /// within one window.
    pub min_speed: (u64, Duration),
    /// How long connecting may take.
    pub connect_timeout: Duration,
}

/// Free bytes that are left alone: room for the ledger's log, the logs and the journal.
pub const RESERVE: u64 = 16 << 20;

/// 2 GiB, 30 minutes, 1 KiB in 30 seconds, 10 seconds to connect (reliability.md, S6 and 3.7).
impl Default for FetchSettings {
    fn default() -> Self {
        Self {
            allow_loopback: false,
            proxy: None,
            max_bytes: 2 << 30,
            reserve: RESERVE,
            total_timeout: Duration::from_mins(30),
            min_speed: (1024, Duration::from_secs(30)),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// What kind of file a job's model makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// A video, or another medium that comes with one.
    Video,
    /// An image or a 3D model.
    Image,
    /// A sound; or a transcript, where it is text in the API's answer itself.
    Audio,
    /// Whatever comes.
    Any,
}

impl Expect {
    fn noun(self) -> &'static str {
        match self {
            Self::Video => "a video",
            Self::Image => "an image",
            Self::Audio => "a sound",
            Self::Any => "a file",
        }
    }
}

impl From<Endpoint> for Expect {
    fn from(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::Video => Self::Video,
            Endpoint::Image => Self::Image,
            Endpoint::Audio => Self::Audio,
        }
    }
}

/// An output that shall become a file.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// What the API gave.
    pub output: &'a Output,
    /// Where the temporary file goes: the folder of the final one.
    pub folder: &'a RelPath,
    /// Unique for each attempt and output, and the same after a restart, so that a download can be
    /// resumed. Safe in a file name; the temporary file is `.nightreel-STEM.part`.
    pub stem: &'a str,
    /// What it should be.
    pub expect: Expect,
}

/// The output folder, and the client that fills it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Artifacts {
    store: Arc<store::Store>,
    fetcher: fetch::Fetcher,
}

impl Artifacts {
    /// Makes the output folder if need be, and proves that it can be written to before anything is
    /// paid for.
    pub fn open(root: &Path, settings: FetchSettings) -> Result<Self, Error> {
        let store = Arc::new(store::Store::open(root)?);
        let client = client::Client::new(&settings).map_err(|error| {
            let cause = std::io::Error::other(error.without_url());
            Error::io("build the download client for", root, cause)
        })?;
        let fetcher = fetch::Fetcher::new(client, settings, Arc::clone(&store));
        Ok(Self { store, fetcher })
    }

    /// The output folder: absolute, without links.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.store.tree().path()
    }

    /// Brings an output into a temporary file that is whole, synced and what it should be. What a
    /// failed download leaves is gone on with by the next call with the same stem, where the
    /// server's answers allow it.
    pub async fn fetch(&self, wanted: &Wanted<'_>) -> Result<Fetched, FetchError> {
        self.fetcher.fetch(wanted).await
    }

    /// Gives a fetched file its final name. Nothing is ever replaced.
    pub async fn place(&self, fetched: &Fetched, name: &RelPath) -> Result<Placed, Error> {
        let content = Content { bytes: fetched.bytes, sha256: fetched.sha256 };
        let (temp, name) = (fetched.temp.clone(), name.clone());
        self.on_disk(move |store| store.place(&temp, &content, &name)).await
    }

    /// Finds a file again whose `content` the ledger recorded before a crash, and places it if it
    /// was not yet.
    pub async fn adopt(
        &self,
        name: &RelPath,
        temp: &RelPath,
        content: Content,
    ) -> Result<Adopted, Error> {
        let (temp, name) = (temp.clone(), name.clone());
        self.on_disk(move |store| store.adopt(&temp, &content, &name)).await
    }

    /// Compares a file to its record, byte by byte.
    pub async fn check(&self, name: &RelPath, content: Content) -> Result<Check, Error> {
        let name = name.clone();
        self.on_disk(move |store| store.check(&name, &content)).await
    }

    /// Takes an altered file out of the way of the right one; nothing is deleted. Returns where it is.
    pub async fn move_aside(&self, name: &RelPath) -> Result<RelPath, Error> {
        let name = name.clone();
        self.on_disk(move |store| store.move_aside(&name)).await
    }

    /// Writes the sidecar of the artifact `name` beside it, in the place of an older one.
    pub async fn write_sidecar(&self, name: &RelPath, sidecar: &Sidecar) -> Result<(), Error> {
        let at = name.sidecar();
        let json = sidecar
            .json()
            .map_err(|error| Error::io("write", &at.below(self.root()), error.into()))?;
        self.on_disk(move |store| store.write_small(&at, &json, sidecar::is_sidecar)).await
    }

    /// What stands where the sidecar of the artifact `name` belongs.
    pub async fn find_sidecar(&self, name: &RelPath) -> Result<FoundSidecar, Error> {
        let at = name.sidecar();
        self.on_disk(move |store| {
            let bytes = store.small(&at)?;
            Ok(bytes.map_or(FoundSidecar::Missing, |bytes| FoundSidecar::read(&bytes)))
        })
        .await
    }

    /// Begins the page `name`, which appears under its name by [`Artifacts::publish_page`] only.
    pub async fn draft_page(&self, name: &RelPath) -> Result<Draft, Error> {
        let name = name.clone();
        self.on_disk(move |store| store.draft(&name)).await
    }

    /// Gives a page its name, durably, in the place of an older page, which begins with `mark`. Any
    /// other file that has the name stays.
    pub async fn publish_page(&self, draft: Draft, mark: &'static str) -> Result<(), Error> {
        let full = draft.name().below(self.root());
        let published = self
            .on_disk(move |store| store.publish(draft, |bytes| bytes.starts_with(mark.as_bytes())))
            .await?;
        if published { Ok(()) } else { Err(Error::NotAPage(full)) }
    }

    /// Removes a temporary file that is of no use any more.
    pub async fn discard(&self, temp: &RelPath) -> Result<(), Error> {
        let temp = temp.clone();
        self.on_disk(move |store| store.discard(&temp)).await
    }

    /// Refuses where less than the reserve is free: before anything is paid for.
    pub async fn require_room(&self) -> Result<(), Error> {
        self.on_disk(|store| store.require_room(0, RESERVE)).await
    }

    /// Refuses where something else has the place of a folder below: before anything is paid for.
    pub async fn require_folder(&self, folder: &RelPath) -> Result<(), Error> {
        let folder = folder.clone();
        self.on_disk(move |store| store.tree().find(&folder).map(|_| ())).await
    }

    /// Bytes that may still be written to the output folder's disk.
    pub async fn free_space(&self) -> Result<u64, Error> {
        self.on_disk(store::Store::free_space).await
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&store::Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = Arc::clone(&self.store);
        blocking(move || work(&store)).await?
    }
}

/// Bytes that may still be written where a folder is, or will be. Touches nothing; `None` where the
/// system does not say.
pub async fn free_space_at(folder: &Path) -> Option<u64> {
    let whole = std::path::absolute(folder).ok()?;
    let free = move || {
        let existing = whole.ancestors().find_map(|above| above.canonicalize().ok())?;
        folder::Folder::open(&existing).ok()?.free_bytes().ok()
    };
    blocking(free).await.ok().flatten()
}

/// Runs `work` where it may wait for the disk.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        let path = PathBuf::from("the output folder");
        Error::io("work on", &path, std::io::Error::other(error))
    })
}
