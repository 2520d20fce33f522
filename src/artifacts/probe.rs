//! What a stored file says about itself: picture size, duration, and whether its end is there.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use super::mp4;
use super::sniff::{self, Format, Kind};

/// What is known of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Media {
    /// Video, image, audio …
    pub kind: Kind,
    /// Media type, by the file's first bytes.
    pub mime: &'static str,
    /// Usual extension, without the dot.
    pub extension: &'static str,
    /// Width in pixels, where there is a picture.
    pub width: Option<u32>,
    /// Height in pixels, where there is a picture.
    pub height: Option<u32>,
    /// How long it lasts, where it lasts and says so.
    pub duration_millis: Option<u32>,
}

impl Media {
    /// A file of this format about which nothing else is known.
    #[must_use]
    pub fn of(format: Format) -> Self {
        Self {
            kind: format.kind,
            mime: format.mime,
            extension: format.extension,
            width: None,
            height: None,
            duration_millis: None,
        }
    }
}

/// How much of a file is there, by its own structure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wholeness {
    /// All of it.
    Whole,
    /// The format does not tell.
    Untold,
    /// A part is missing: which, in words.
    Cut(String),
}

/// Looks into a file of `length` bytes and the given format.
pub(super) fn probe(file: &File, length: u64, format: Format) -> io::Result<(Media, Wholeness)> {
    let mut reader = BufReader::with_capacity(1024, file);
    let mut media = Media::of(format);
    let wholeness = match format {
        sniff::MP4 | sniff::MOV | sniff::M4A => movie(&mut reader, length, &mut media)?,
        sniff::AVIF | sniff::HEIC => boxes(&mut reader, length)?,
        sniff::PNG => png(&mut reader, length)?,
        sniff::WEBP => riff(&mut reader, length)?,
        sniff::WAV => wav(&mut reader, length, &mut media)?,
        _ => Wholeness::Untold,
    };
    if format.kind == Kind::Image && format != sniff::SVG && !matches!(wholeness, Wholeness::Cut(_))
    {
        reader.rewind()?;
        if let Ok(size) = imagesize::reader_size(&mut reader) {
            media.width = u32::try_from(size.width).ok();
            media.height = u32::try_from(size.height).ok();
        }
    }
    Ok((media, wholeness))
}

fn movie(reader: &mut (impl Read + Seek), length: u64, media: &mut Media) -> io::Result<Wholeness> {
    Ok(match mp4::read(reader, length) {
        Ok(movie) if movie.has_index => {
            media.width = movie.width;
            media.height = movie.height;
            media.duration_millis = movie.millis;
            Wholeness::Whole
        }
        Ok(_) => Wholeness::Cut("it has no box `moov`, without which it cannot be played".into()),
        Err(mp4::Broken::Io(error)) => return Err(error),
        Err(broken) => Wholeness::Cut(broken.to_string()),
    })
}

fn boxes(reader: &mut (impl Read + Seek), length: u64) -> io::Result<Wholeness> {
    Ok(match mp4::read(reader, length) {
        Ok(_) => Wholeness::Whole,
        Err(mp4::Broken::Io(error)) => return Err(error),
        Err(broken) => Wholeness::Cut(broken.to_string()),
    })
}

/// Chunks of length, type, data and checksum, up to `IEND`.
fn png(reader: &mut (impl Read + Seek), length: u64) -> io::Result<Wholeness> {
    let mut at = 8;
    while at + 12 <= length {
        reader.seek(SeekFrom::Start(at))?;
        let mut header = [0; 8];
        reader.read_exact(&mut header)?;
        let [a, b, c, d, name @ ..] = header;
        at += 12 + u64::from(u32::from_be_bytes([a, b, c, d]));
        if &name == b"IEND" && at <= length {
            return Ok(Wholeness::Whole);
        }
    }
    Ok(Wholeness::Cut("its last chunk `IEND` is missing".into()))
}

fn riff(reader: &mut (impl Read + Seek), length: u64) -> io::Result<Wholeness> {
    let said = 8 + u64::from(little(reader, 4)?);
    if said > length {
        return Ok(Wholeness::Cut(format!("it says that it has {said} bytes and has {length}")));
    }
    Ok(Wholeness::Whole)
}

/// RIFF chunks; the duration is the data's size by the format's bytes a second. Encoders that
/// stream cannot know the sizes and write 0 or the largest number, so a size that does not fit
/// proves nothing.
fn wav(reader: &mut (impl Read + Seek), length: u64, media: &mut Media) -> io::Result<Wholeness> {
    let mut rate = None;
    let mut at = 12;
    while at + 8 <= length {
        reader.seek(SeekFrom::Start(at))?;
        let mut name = [0; 4];
        reader.read_exact(&mut name)?;
        let size = u64::from(little(reader, at + 4)?);
        let rest = length - at - 8;
        match &name {
            b"fmt " if rest >= 16 => rate = Some(u64::from(little(reader, at + 16)?)),
            b"data" => {
                let honest = size > 0 && size <= rest;
                let data = if honest { size } else { rest };
                media.duration_millis = rate
                    .and_then(|rate| (data * 1000).checked_div(rate))
                    .and_then(|millis| u32::try_from(millis).ok());
                return Ok(if honest { Wholeness::Whole } else { Wholeness::Untold });
            }
            _ => {}
        }
        // Chunks begin at even places.
        at += 8 + size + size % 2;
    }
    Ok(Wholeness::Untold)
}

/// The little-endian 32-bit number at `at`.
fn little(reader: &mut (impl Read + Seek), at: u64) -> io::Result<u32> {
    let mut bytes = [0; 4];
    reader.seek(SeekFrom::Start(at))?;
    reader.read_exact(&mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn look(bytes: &[u8]) -> (Media, Wholeness) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        probe(&file, bytes.len() as u64, sniff::sniff(bytes)).unwrap()
    }

    fn png_of(width: u32, height: u32) -> Vec<u8> {
        let sizes = [width.to_be_bytes(), height.to_be_bytes()].concat();
        let header = [b"\0\0\0\x0dIHDR", sizes.as_slice(), b"\x08\x02\0\0\0crc!"].concat();
        [b"\x89PNG\r\n\x1a\n", header.as_slice(), b"\0\0\0\0IENDcrc!"].concat()
    }

    #[test]
    fn an_image_tells_its_size_and_whether_it_was_cut() {
        let whole = png_of(640, 360);
        let (media, wholeness) = look(&whole);
        assert_eq!((media.width, media.height), (Some(640), Some(360)));
        assert_eq!(wholeness, Wholeness::Whole);
        let (_, wholeness) = look(&whole[..whole.len() - 1]);
        assert!(matches!(wholeness, Wholeness::Cut(_)));
    }

    #[test]
    fn a_video_without_its_index_was_cut() {
        let whole = mp4::tests::mp4(b"frames");
        assert_eq!(look(&whole).1, Wholeness::Whole);
        assert!(matches!(look(&whole[..38]).1, Wholeness::Cut(_)));
    }

    fn wav_of(data_size: u32, data: &[u8]) -> Vec<u8> {
        let rate = 16_000_u32.to_le_bytes();
        let format = [b"\x01\0\x01\0\x40\x1f\0\0", rate.as_slice(), b"\x02\0\x10\0"];
        [
            b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0",
            format.concat().as_slice(),
            b"data",
            &data_size.to_le_bytes(),
            data,
        ]
        .concat()
    }

    #[test]
    fn a_wav_tells_its_duration_even_where_its_sizes_were_never_filled_in() {
        let (media, wholeness) = look(&wav_of(24_000, &vec![0; 24_000]));
        assert_eq!(media.duration_millis, Some(1500));
        assert_eq!(wholeness, Wholeness::Whole);
        let (media, wholeness) = look(&wav_of(u32::MAX, &vec![0; 24_000]));
        assert_eq!(media.duration_millis, Some(1500));
        assert_eq!(wholeness, Wholeness::Untold);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(start in 0..4_usize, bytes: Vec<u8>) {
            let magic: [&[u8]; 4] = [b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WAVE", b"GIF89a", b"RIFF\0\0\0\0WEBP"];
            let _ = look(&[magic[start], bytes.as_slice()].concat());
        }
    }
}
