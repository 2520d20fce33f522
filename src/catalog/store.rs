//! What the catalogue keeps in the state folder: the list of models and schema documents, as files
//! that appear whole and that only their owner reads. Each API has its own.

use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::atlas::Model;
use crate::domain::{Digest, Origin, Timestamp};

/// The form of the files; others are as good as none.
const VERSION: u32 = 1;
/// The most bytes read of one file.
const FILE_LIMIT: u64 = 8 << 20;

/// The folder of one API.
#[derive(Clone, Debug)]
pub(super) struct Store {
    state: PathBuf,
    origin: String,
    /// Simulators take another port at each start: what one said is nothing to the next.
    base: String,
    /// Whether the state folder is made where there is none.
    pub(super) makes_folder: bool,
}

/// The models an API offered at some time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listing {
    version: u32,
    origin: String,
    base: String,
    /// When the API was asked.
    pub fetched_at: Timestamp,
    /// What it offered, internal models too.
    pub models: Vec<Model>,
}

/// A schema document as the API gave it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Kept {
    version: u32,
    base: String,
    pub(super) url: String,
    pub(super) fetched_at: Timestamp,
    pub(super) document: Value,
}

impl Store {
    /// For the API at `base`, in the state folder.
    pub(super) fn new(state: &Path, base: &url::Url) -> Self {
        Self {
            state: state.to_owned(),
            origin: Origin::of(base).as_str().to_owned(),
            base: base.as_str().trim_end_matches('/').to_owned(),
            makes_folder: false,
        }
    }

    /// The models as a file will have them.
    pub(super) fn listing(&self, models: Vec<Model>, fetched_at: Timestamp) -> Listing {
        let (origin, base) = (self.origin.clone(), self.base.clone());
        Listing { version: VERSION, origin, base, fetched_at, models }
    }

    /// A schema as a file will have it.
    pub(super) fn schema(&self, url: &str, document: Value, fetched_at: Timestamp) -> Kept {
        Kept {
            version: VERSION,
            base: self.base.clone(),
            url: url.to_owned(),
            fetched_at,
            document,
        }
    }

    /// The models that were kept, if they are this API's.
    pub(super) fn read_listing(&self) -> Option<Listing> {
        let listing: Listing = read(&self.listing_path())?;
        let own = listing.origin == self.origin && listing.base == self.base;
        (own && listing.version == VERSION).then_some(listing)
    }

    /// The schema of a model that was kept, if it is this API's.
    pub(super) fn read_schema(&self, model: &str) -> Option<Kept> {
        let kept: Kept = read(&self.schema_path(model))?;
        (kept.base == self.base && kept.version == VERSION).then_some(kept)
    }

    /// Keeps the models. Where there is no state folder, it does nothing unless one is to be made:
    /// looking makes none.
    pub(super) fn write_listing(&self, listing: &Listing) -> io::Result<()> {
        self.write(&self.listing_path(), &serde_json::to_vec(listing)?)
    }

    /// Keeps the schema of a model in the same way.
    pub(super) fn write_schema(&self, model: &str, kept: &Kept) -> io::Result<()> {
        self.write(&self.schema_path(model), &serde_json::to_vec(kept)?)
    }

    /// Where the models are kept.
    pub(super) fn listing_path(&self) -> PathBuf {
        self.folder().join(format!("models-{}.json", self.slug()))
    }

    fn schema_path(&self, model: &str) -> PathBuf {
        let name = format!("{}.json", Digest::of(model.as_bytes()).short());
        self.folder().join("schemas").join(self.slug()).join(name)
    }

    fn folder(&self) -> PathBuf {
        self.state.join("catalog")
    }

    fn slug(&self) -> String {
        let safe = |c: char| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' };
        let name: String = self.origin.chars().map(safe).collect();
        // Two origins that are one name when made safe are still two.
        format!("{name}-{}", &Digest::of(self.origin.as_bytes()).short()[..8])
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.makes_folder || self.state.is_dir() { write_whole(path, bytes) } else { Ok(()) }
    }
}

impl Listing {
    /// The model of that id.
    #[must_use]
    pub fn find(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|model| model.id == id)
    }
}

/// Writes a file that appears whole or not at all, for its owner alone, in a folder that is made where
/// there is none.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    let temporary = folder.join(format!(".{}.part", uuid::Uuid::now_v7().simple()));
    let written = put(&temporary, bytes).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // It may not even have come about.
        let _ = std::fs::remove_file(&temporary);
    }
    written
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// What a file holds; a file that is damaged is as good as none, and is written anew.
fn read<T: DeserializeOwned>(path: &Path) -> Option<T> {
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(FILE_LIMIT).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}
