//! What a file is by its first bytes. Names, content types and extensions of others are not asked.

use serde::{Deserialize, Serialize};

/// How many of a file's first bytes [`sniff`] wants to see.
pub(super) const HEAD: usize = 4096;

/// The broad kind of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Moving pictures.
    Video,
    /// A still or animated picture.
    Image,
    /// Sound.
    Audio,
    /// A 3D model.
    Model,
    /// Text of any kind: transcripts, pages, JSON, error messages.
    Text,
    /// A document with a layout.
    Document,
    /// Several files in one.
    Archive,
    /// Bytes that nothing here knows.
    Unknown,
}

/// A file format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    /// Its broad kind.
    pub kind: Kind,
    /// Its media type.
    pub mime: &'static str,
    /// Its usual extension, without the dot.
    pub extension: &'static str,
}

const fn format(kind: Kind, mime: &'static str, extension: &'static str) -> Format {
    Format { kind, mime, extension }
}

/// MPEG-4 video.
pub(super) const MP4: Format = format(Kind::Video, "video/mp4", "mp4");
/// `QuickTime` video.
pub(super) const MOV: Format = format(Kind::Video, "video/quicktime", "mov");
/// MPEG-4 audio.
pub(super) const M4A: Format = format(Kind::Audio, "audio/mp4", "m4a");
/// AV1 image.
pub(super) const AVIF: Format = format(Kind::Image, "image/avif", "avif");
/// HEVC image.
pub(super) const HEIC: Format = format(Kind::Image, "image/heic", "heic");
/// PNG image.
pub(super) const PNG: Format = format(Kind::Image, "image/png", "png");
/// Vector image, a text.
pub(super) const SVG: Format = format(Kind::Image, "image/svg+xml", "svg");
/// WebP image.
pub(super) const WEBP: Format = format(Kind::Image, "image/webp", "webp");
/// RIFF audio.
pub(super) const WAV: Format = format(Kind::Audio, "audio/wav", "wav");
/// Plain text.
pub(super) const TEXT: Format = format(Kind::Text, "text/plain", "txt");
/// Anything.
pub(super) const UNKNOWN: Format = format(Kind::Unknown, "application/octet-stream", "bin");

const HTML: Format = format(Kind::Text, "text/html", "html");
const XML: Format = format(Kind::Text, "application/xml", "xml");
const JSON: Format = format(Kind::Text, "application/json", "json");
const AVI: Format = format(Kind::Video, "video/x-msvideo", "avi");
const WEBM: Format = format(Kind::Video, "video/webm", "webm");
const MKV: Format = format(Kind::Video, "video/x-matroska", "mkv");
const MPEG_TS: Format = format(Kind::Video, "video/mp2t", "ts");
const MP3: Format = format(Kind::Audio, "audio/mpeg", "mp3");
const AAC: Format = format(Kind::Audio, "audio/aac", "aac");
const OPUS: Format = format(Kind::Audio, "audio/ogg", "opus");
const OGG: Format = format(Kind::Audio, "audio/ogg", "ogg");
const OGV: Format = format(Kind::Video, "video/ogg", "ogv");

/// Formats told by fixed bytes at the start.
const MAGIC: [(&[u8], Format); 15] = [
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", format(Kind::Image, "image/jpeg", "jpg")),
    (b"GIF87a", format(Kind::Image, "image/gif", "gif")),
    (b"GIF89a", format(Kind::Image, "image/gif", "gif")),
    (b"II*\0", format(Kind::Image, "image/tiff", "tiff")),
    (b"MM\0*", format(Kind::Image, "image/tiff", "tiff")),
    (b"ID3", MP3),
    (b"fLaC", format(Kind::Audio, "audio/flac", "flac")),
    (b"glTF", format(Kind::Model, "model/gltf-binary", "glb")),
    (b"Kaydara FBX Binary", format(Kind::Model, "application/octet-stream", "fbx")),
    (b"ply\n", format(Kind::Model, "application/octet-stream", "ply")),
    (b"ply\r\n", format(Kind::Model, "application/octet-stream", "ply")),
    (b"PK\x03\x04", format(Kind::Archive, "application/zip", "zip")),
    (b"%PDF-", format(Kind::Document, "application/pdf", "pdf")),
    (b"FLV\x01", format(Kind::Video, "video/x-flv", "flv")),
];

/// The format of the file that begins with `head` (its first 4096 bytes, or all).
#[must_use]
pub fn sniff(head: &[u8]) -> Format {
    MAGIC
        .iter()
        .find(|(magic, _)| head.starts_with(magic))
        .map(|(_, format)| *format)
        .or_else(|| iso_media(head))
        .or_else(|| riff(head))
        .or_else(|| ebml(head))
        .or_else(|| ogg(head))
        .or_else(|| bitmap(head))
        .or_else(|| transport_stream(head))
        .or_else(|| text(head))
        .or_else(|| mpeg_audio(head))
        .unwrap_or(UNKNOWN)
}

/// ISO base media files begin with a box `ftyp` that names a brand; old `QuickTime` files do not.
fn iso_media(head: &[u8]) -> Option<Format> {
    match head.get(4..8)? {
        b"ftyp" => {}
        b"moov" | b"mdat" | b"wide" => return Some(MOV),
        _ => return None,
    }
    Some(match head.get(8..12)? {
        b"qt  " => MOV,
        b"M4A " | b"M4B " | b"M4P " => M4A,
        b"avif" | b"avis" => AVIF,
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" | b"mif1" | b"msf1" => {
            // A general brand; the compatible ones say which codec it is.
            let compatible = head.get(16..head.len().min(64)).unwrap_or_default();
            let is_av1 = compatible.chunks(4).any(|brand| brand == b"avif");
            if is_av1 { AVIF } else { HEIC }
        }
        b"3gp4" | b"3gp5" | b"3gp6" | b"3g2a" => format(Kind::Video, "video/3gpp", "3gp"),
        _ => MP4,
    })
}

fn riff(head: &[u8]) -> Option<Format> {
    if !head.starts_with(b"RIFF") {
        return None;
    }
    match head.get(8..12)? {
        b"WAVE" => Some(WAV),
        b"WEBP" => Some(WEBP),
        b"AVI " => Some(AVI),
        _ => None,
    }
}

/// `WebM` is Matroska with the document type `webm`.
fn ebml(head: &[u8]) -> Option<Format> {
    let header = head.starts_with(b"\x1a\x45\xdf\xa3").then(|| &head[..head.len().min(64)])?;
    Some(if header.windows(4).any(|word| word == b"webm") { WEBM } else { MKV })
}

fn ogg(head: &[u8]) -> Option<Format> {
    let first_page = head.starts_with(b"OggS").then(|| &head[..head.len().min(64)])?;
    let holds = |name: &[u8]| first_page.windows(name.len()).any(|word| word == name);
    Some(if holds(b"OpusHead") {
        OPUS
    } else if holds(b"theora") {
        OGV
    } else {
        OGG
    })
}

/// `BM`, and the size of a known header after 14 bytes, for two letters alone prove little.
fn bitmap(head: &[u8]) -> Option<Format> {
    let header = head.get(14..18)?;
    let known = matches!(header, [12 | 40 | 52 | 56 | 64 | 108 | 124, 0, 0, 0]);
    (head.starts_with(b"BM") && known).then(|| format(Kind::Image, "image/bmp", "bmp"))
}

/// Packets of 188 bytes, each of which begins with `G`.
fn transport_stream(head: &[u8]) -> Option<Format> {
    let synced = head.len() > 376 && [0, 188, 376].iter().all(|&at| head[at] == b'G');
    synced.then_some(MPEG_TS)
}

/// An MPEG audio frame's header, with no field in it that the standard forbids; layer 0 is AAC.
fn mpeg_audio(head: &[u8]) -> Option<Format> {
    let &[0xff, second, third, ..] = head else {
        return None;
    };
    if second & 0xf6 == 0xf0 {
        return Some(AAC);
    }
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    let (bitrate, rate) = (third >> 4, third >> 2 & 3);
    let valid = second & 0xe0 == 0xe0
        && version != 1
        && matches!(layer, 1 | 2)
        && !matches!(bitrate, 0 | 15)
        && rate != 3;
    valid.then_some(MP3)
}

/// UTF-8 (the last character may be cut), without control characters that texts do not have.
fn text(head: &[u8]) -> Option<Format> {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return Some(TEXT);
    }
    let valid = match std::str::from_utf8(head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&head[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    let odd = |c: char| c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r' | '\x0c' | '\x1b');
    if valid.is_empty() || valid.contains(odd) {
        return None;
    }
    Some(kind_of_text(valid))
}

fn kind_of_text(text: &str) -> Format {
    const PAGES: [&str; 7] =
        ["<!doctype html", "<html", "<head", "<body", "<script", "<title", "<!--"];
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let start = text[..text.floor_char_boundary(256)].to_ascii_lowercase();
    if PAGES.iter().any(|tag| start.starts_with(tag)) {
        return HTML;
    }
    if start.starts_with("<svg") || start.starts_with("<?xml") && text.contains("<svg") {
        return SVG;
    }
    if start.starts_with("<?xml") || start.starts_with("<error") {
        return XML;
    }
    if is_json(text) { JSON } else { TEXT }
}

/// A whole object or array, or the beginning of one that was cut where the head ends.
/// `[Verse 1]` is none.
fn is_json(text: &str) -> bool {
    if !text.starts_with(['{', '[']) {
        return false;
    }
    match serde_json::from_str::<serde::de::IgnoredAny>(text) {
        Ok(_) => true,
        Err(error) => error.is_eof(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extension(head: &[u8]) -> &'static str {
        sniff(head).extension
    }

    #[test]
    fn media_are_known_by_their_first_bytes() {
        let table: [(&[u8], &str); 30] = [
            (b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41", "mp4"),
            (b"\0\0\0\x14ftypqt  \0\0\x02\0", "mov"),
            (b"\0\0\0\x08wide\0\0\0\0mdat", "mov"),
            (b"\0\0\0\x20ftypM4A \0\0\0\0", "m4a"),
            (b"\0\0\0\x20ftypavif\0\0\0\0", "avif"),
            (b"\0\0\0\x20ftypmif1\0\0\0\0mif1avif", "avif"),
            (b"\0\0\0\x20ftypheic\0\0\0\0", "heic"),
            (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\x82\x84webm", "webm"),
            (b"\x1a\x45\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska", "mkv"),
            (b"RIFF\0\0\0\0AVI LIST", "avi"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "jpg"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
            (b"GIF89a", "gif"),
            (b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "bmp"),
            (b"<?xml version=\"1.0\"?>\n<svg xmlns=\"\">", "svg"),
            (b"  <svg>", "svg"),
            (b"ID3\x04\0", "mp3"),
            (b"\xff\xfb\x90\x64", "mp3"),
            (b"\xff\xf1\x50\x80", "aac"),
            (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
            (b"fLaC\0", "flac"),
            (b"OggS\0\x02\0\0\0\0\0\0\0\0OpusHead", "opus"),
            (b"OggS\0\x02\0\0\0\0\0\0\0\0\x01vorbis", "ogg"),
            (b"glTF\x02\0\0\0", "glb"),
            (b"PK\x03\x04", "zip"),
            (b"%PDF-1.7", "pdf"),
            (b"\0\x01\x02\x03", "bin"),
            (b"\xff\xff\xff\xff", "bin"),
            (b"", "bin"),
        ];
        for (head, expected) in table {
            assert_eq!(extension(head), expected, "{head:?}");
        }
    }

    #[test]
    fn pages_and_messages_are_text() {
        for (head, expected) in [
            ("\u{feff}\n<!DOCTYPE html><svg>", "html"),
            ("<HTML>", "html"),
            ("<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>", "xml"),
            ("{\"code\":404}", "json"),
            ("[{\"a\":1", "json"),
            ("[Verse 1]\nla la", "txt"),
            ("BM is not a bitmap", "txt"),
            ("Hello, é", "txt"),
        ] {
            assert_eq!(extension(head.as_bytes()), expected, "{head}");
            assert!(matches!(sniff(head.as_bytes()).kind, Kind::Text));
        }
        assert_eq!(extension(&"é".as_bytes()[..1]), "bin");
        assert_eq!(extension(&"aé".as_bytes()[..2]), "txt");
        assert_eq!(extension(b"\xff\xfeh\0i\0"), "txt");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(head: Vec<u8>) {
            let _ = sniff(&head);
        }
    }
}
