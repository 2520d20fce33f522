//! The temporary file of one output, and the small control file beside it that lets a later
//! attempt, or a later process, go on where this one stopped.
//!
//! The control file says how many bytes are known to be on the disk, so that not even a power cut
//! can make a resume join the new bytes to a hole. Everything here blocks.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};

use serde::{Deserialize, Serialize};

use crate::domain::Digest;
use crate::domain::digest::Hasher;
use crate::domain::kill_point;

use super::error::Error;
use super::folder::Folder;
use super::relpath::RelPath;
use super::store::Content;
use super::tree::Tree;

/// After how many bytes the file is synced and the control file brought up to date.
const CHECKPOINT: u64 = 8 << 20;

/// No control file is larger.
const CONTROL_LIMIT: u64 = 4096;

/// What must be the same for the bytes of two answers to be joined (RFC 9110, 15.3.7.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    /// The strong entity tag, with its quotes.
    pub(super) etag: String,
    /// The length of the whole.
    pub(super) total: u64,
    /// SHA-256 of the first URL without its query, which may be a signature and change.
    pub(super) url: String,
}

/// A beginning on the disk that can be gone on with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Beginning {
    /// Of what.
    #[serde(flatten)]
    pub(super) source: Source,
    /// So many bytes are there, durably.
    pub(super) durable: u64,
}

/// Where a temporary file is.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    temp: RelPath,
}

impl Spot {
    /// The temporary file for `stem` in `folder`.
    pub(super) fn new(folder: &RelPath, stem: &str) -> Result<Self, Error> {
        let temp = folder.join(&format!(".nightreel-{stem}.part"))?;
        if stem.is_empty() || stem.contains('/') {
            return Err(Error::Path(super::relpath::NotBelow {
                path: temp.to_string(),
                reason: "a temporary file has one name",
            }));
        }
        Ok(Self { temp })
    }

    /// The path of the temporary file.
    pub(super) fn temp(&self) -> &RelPath {
        &self.temp
    }

    fn control(&self) -> String {
        format!("{}.meta", self.temp.file_name())
    }

    /// What an earlier attempt left of the same URL, if it can be gone on with.
    pub(super) fn beginning(&self, tree: &Tree, url: &str) -> Result<Option<Beginning>, Error> {
        let Some(folder) = tree.find(&self.temp.parent())? else {
            return Ok(None);
        };
        // Whatever is odd about them, the answer is to begin anew.
        let Ok(beginning) = self.read_control(&folder) else {
            return Ok(None);
        };
        let there = folder
            .read(self.temp.file_name())
            .and_then(|file| file.metadata())
            .map_or(0, |metadata| metadata.len());
        let usable = beginning.source.url == url
            && beginning.durable > 0
            && beginning.durable <= there
            && beginning.durable < beginning.source.total;
        Ok(usable.then_some(beginning))
    }

    fn read_control(&self, folder: &Folder) -> io::Result<Beginning> {
        let mut json = Vec::new();
        folder.read(&self.control())?.take(CONTROL_LIMIT).read_to_end(&mut json)?;
        Ok(serde_json::from_slice(&json)?)
    }
}

/// A temporary file that is being written.
pub(super) struct Part {
    spot: Spot,
    folder: Folder,
    full: std::path::PathBuf,
    file: File,
    hasher: Hasher,
    bytes: u64,
    durable: u64,
    /// Where there is none, nothing can be resumed and no control file is kept.
    source: Option<Source>,
}

impl Part {
    /// An empty file, in the place of whatever an earlier attempt left.
    pub(super) fn fresh(tree: &Tree, spot: &Spot, source: Option<Source>) -> Result<Self, Error> {
        let folder = tree.make(&spot.temp.parent())?;
        let full = tree.full(&spot.temp);
        let name = spot.temp.file_name();
        let file = folder
            .remove(&spot.control())
            .and_then(|()| folder.remove(name))
            .and_then(|()| folder.create_new(name))
            .map_err(|cause| Error::io("create", &full, cause))?;
        Ok(Self {
            spot: spot.clone(),
            folder,
            full,
            file,
            hasher: Hasher::default(),
            bytes: 0,
            durable: 0,
            source,
        })
    }

    /// The file with `beginning` in it, cut to what is durable.
    pub(super) fn resumed(tree: &Tree, spot: &Spot, beginning: Beginning) -> Result<Self, Error> {
        let folder = tree.make(&spot.temp.parent())?;
        let full = tree.full(&spot.temp);
        let failed = |cause| Error::io("go on with", &full, cause);
        let file = folder.write(spot.temp.file_name()).map_err(failed)?;
        let hasher = read_beginning(&file, beginning.durable).map_err(failed)?;
        Ok(Self {
            spot: spot.clone(),
            folder,
            full,
            file,
            hasher,
            bytes: beginning.durable,
            durable: beginning.durable,
            source: Some(beginning.source),
        })
    }

    /// Adds bytes. After an error the file is only good to be discarded.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(|cause| Error::io("write", &self.full, cause))?;
        self.hasher.update(bytes);
        self.bytes += bytes.len() as u64;
        kill_point("download_begun");
        if self.bytes - self.durable >= CHECKPOINT {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Keeps what there is for a resume, or removes it where nothing could be resumed.
    pub(super) fn keep(mut self) -> Result<(), Error> {
        if self.source.is_none() {
            return self.discard();
        }
        self.checkpoint()
    }

    /// Removes the file and its control file.
    pub(super) fn discard(self) -> Result<(), Error> {
        self.folder
            .remove(&self.spot.control())
            .and_then(|()| self.folder.remove(self.spot.temp.file_name()))
            .map_err(|cause| Error::io("remove", &self.full, cause))
    }

    /// Keeps what arrived for people to look at, under a name that no program opens; it takes the
    /// place of what the same output gave before. Returns where it is.
    pub(super) fn set_aside(self) -> Result<RelPath, Error> {
        let temp = &self.spot.temp;
        let stem = temp.file_name().trim_start_matches(".nightreel-").trim_end_matches(".part");
        let suspect = temp.parent().join(&format!("attempt-{stem}.suspect"))?;
        self.folder
            .remove(&self.spot.control())
            .and_then(|()| self.folder.replace(temp.file_name(), suspect.file_name()))
            .map_err(|cause| Error::io("set aside", &self.full, cause))?;
        Ok(suspect)
    }

    /// Syncs the whole file; it stays under its temporary name, without a control file.
    pub(super) fn finish(&mut self) -> Result<Content, Error> {
        self.file.sync_all().map_err(|cause| Error::io("sync", &self.full, cause))?;
        kill_point("file_synced");
        self.folder
            .remove(&self.spot.control())
            .map_err(|cause| Error::io("remove", &self.full, cause))?;
        Ok(Content { bytes: self.bytes, sha256: self.hasher.clone().finish() })
    }

    /// The open file.
    pub(super) fn has_bytes(&self) -> bool {
        self.bytes > 0
    }

    /// The open file.
    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Where it is.
    pub(super) fn full(&self) -> &std::path::Path {
        &self.full
    }

    /// First the bytes, then the word that they are there.
    fn checkpoint(&mut self) -> Result<(), Error> {
        let Some(source) = self.source.clone() else {
            return Ok(());
        };
        self.file.sync_data().map_err(|cause| Error::io("sync", &self.full, cause))?;
        let beginning = Beginning { source, durable: self.bytes };
        self.write_control(&beginning)
            .map_err(|cause| Error::io("write the control file of", &self.full, cause))?;
        self.durable = self.bytes;
        Ok(())
    }

    /// A control file that was torn is not read back, so it needs no care of its own.
    fn write_control(&self, beginning: &Beginning) -> io::Result<()> {
        let name = self.spot.control();
        self.folder.remove(&name)?;
        let json = serde_json::to_vec(beginning)?;
        self.folder.create_new(&name)?.write_all(&json)
    }
}

/// Digests the first `durable` bytes, cuts the rest off and stands behind them.
fn read_beginning(mut file: &File, durable: u64) -> io::Result<Hasher> {
    file.set_len(durable)?;
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 << 10];
    let mut left = durable;
    while left > 0 {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        file.read_exact(&mut buffer[..most])?;
        hasher.update(&buffer[..most]);
        left -= most as u64;
    }
    Ok(hasher)
}

/// SHA-256 of a URL without its query and fragment.
pub(super) fn url_digest(url: &url::Url) -> String {
    let mut bare = url.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    Digest::of(bare.as_str().as_bytes()).hex()
}
