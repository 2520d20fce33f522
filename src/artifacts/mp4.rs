//! Walks the boxes of an ISO base media file (mp4, mov, m4a, avif): whether it is whole, how large
//! its picture is and how long it lasts.
//!
//! A walk of our own, since the file is a stranger's: it reads headers only, bounds every size by
//! the box around it, and allocates nothing. Source: ISO/IEC 14496-12, sections 4.2 and 8.

use std::io::{self, Read, Seek, SeekFrom};

/// More boxes than any real file has at one level; a walk through more is not worth its time.
const MOST_BOXES: u32 = 200_000;

/// What the boxes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Movie {
    /// Whether there is a box `moov`.
    pub(super) has_index: bool,
    /// Width of the first track that has a picture, in pixels.
    pub(super) width: Option<u32>,
    /// Its height.
    pub(super) height: Option<u32>,
    /// How long the movie lasts, where its header says it.
    pub(super) millis: Option<u32>,
}

/// Why a file cannot be walked.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    /// A box says that it goes on behind the end of what holds it, or it has no room for itself.
    #[error("its box `{name}` at byte {at} does not fit in it")]
    Box {
        /// The type of the box, made visible.
        name: String,
        /// Where it begins.
        at: u64,
    },
    /// The disk failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A box: its type, where its content begins, and where it ends.
struct Frame {
    name: [u8; 4],
    body: u64,
    end: u64,
}

/// Reads the movie in a file of `length` bytes. The sizes of its top-level boxes must add up to
/// exactly that.
pub(super) fn read(file: &mut (impl Read + Seek), length: u64) -> Result<Movie, Broken> {
    let mut movie = Movie::default();
    let mut at = 0;
    let mut boxes = 0;
    while at < length {
        let frame = frame(file, at, length)?;
        if &frame.name == b"moov" {
            movie.has_index = true;
            children(file, &frame, &mut |file, child| index(file, child, &mut movie))?;
        }
        at = frame.end;
        bound(&mut boxes, &frame)?;
    }
    Ok(movie)
}

/// What `moov` holds.
fn index<R: Read + Seek>(file: &mut R, frame: &Frame, movie: &mut Movie) -> Result<(), Broken> {
    match &frame.name {
        b"mvhd" => movie.millis = duration(file, frame)?,
        b"trak" if movie.width.is_none() => children(file, frame, &mut |file, child| {
            if &child.name == b"tkhd" {
                (movie.width, movie.height) = picture(file, child)?;
            }
            Ok(())
        })?,
        _ => {}
    }
    Ok(())
}

/// Calls `each` with the boxes in `parent`.
fn children<R: Read + Seek>(
    file: &mut R,
    parent: &Frame,
    each: &mut dyn FnMut(&mut R, &Frame) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let mut at = parent.body;
    let mut boxes = 0;
    // QuickTime may end a list of boxes with 32 bits of zero.
    while at + 8 <= parent.end {
        let child = frame(file, at, parent.end)?;
        each(file, &child)?;
        at = child.end;
        bound(&mut boxes, &child)?;
    }
    Ok(())
}

fn bound(boxes: &mut u32, last: &Frame) -> Result<(), Broken> {
    *boxes += 1;
    if *boxes > MOST_BOXES {
        return Err(broken(last.name, last.body));
    }
    Ok(())
}

fn broken(name: [u8; 4], at: u64) -> Broken {
    Broken::Box { name: name.escape_ascii().to_string(), at }
}

/// The box at `at`, which must end at `limit` or before it.
fn frame(file: &mut (impl Read + Seek), at: u64, limit: u64) -> Result<Frame, Broken> {
    if limit - at < 8 {
        return Err(broken(*b"????", at));
    }
    file.seek(SeekFrom::Start(at))?;
    let size = u64::from(u32::from_be_bytes(array(file)?));
    let name: [u8; 4] = array(file)?;
    let (header, size) = match size {
        0 => (8, limit - at),
        1 if limit - at >= 16 => (16, u64::from_be_bytes(array(file)?)),
        size => (8, size),
    };
    if size < header || size > limit - at {
        return Err(broken(name, at));
    }
    Ok(Frame { name, body: at + header, end: at + size })
}

fn array<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// The 32-bit number `offset` bytes into a box; `None` where the box is shorter.
fn number(file: &mut (impl Read + Seek), frame: &Frame, offset: u64) -> io::Result<Option<u32>> {
    if frame.body + offset + 4 > frame.end {
        return Ok(None);
    }
    file.seek(SeekFrom::Start(frame.body + offset))?;
    Ok(Some(u32::from_be_bytes(array(file)?)))
}

/// Whether a full box has version 1, whose times take 64 bits.
fn is_long(file: &mut (impl Read + Seek), frame: &Frame) -> io::Result<bool> {
    Ok(number(file, frame, 0)?.is_some_and(|flags| flags >> 24 == 1))
}

/// `mvhd`: the movie's duration in units of its own. 0 and all ones mean that it is not known.
fn duration(file: &mut (impl Read + Seek), frame: &Frame) -> io::Result<Option<u32>> {
    let (scale, units) = if is_long(file, frame)? {
        let high = number(file, frame, 24)?.map(|high| u64::from(high) << 32);
        let low = number(file, frame, 28)?.map(u64::from);
        (number(file, frame, 20)?, high.zip(low).map(|(h, l)| h | l))
    } else {
        let units = number(file, frame, 16)?.filter(|&units| units != u32::MAX);
        (number(file, frame, 12)?, units.map(u64::from))
    };
    Ok(scale
        .zip(units.filter(|&units| units > 0))
        .and_then(|(scale, units)| units.checked_mul(1000)?.checked_div(u64::from(scale)))
        .and_then(|millis| u32::try_from(millis).ok()))
}

/// `tkhd`: width and height as 16.16 fixed-point numbers; zero for sound.
fn picture(file: &mut (impl Read + Seek), frame: &Frame) -> io::Result<(Option<u32>, Option<u32>)> {
    let at = if is_long(file, frame)? { 88 } else { 76 };
    let mut side = |at| {
        let fixed = number(file, frame, at)?;
        io::Result::Ok(fixed.map(|fixed| fixed >> 16).filter(|&side| side > 0))
    };
    Ok((side(at)?, side(at + 4)?))
}

#[cfg(test)]
pub(super) mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(name: [u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).unwrap();
        [size.to_be_bytes().as_slice(), &name, body].concat()
    }

    /// A whole mp4 of 320×180 and 5.84 s, with `payload` as its content.
    pub(crate) fn mp4(payload: &[u8]) -> Vec<u8> {
        let mut header = vec![0; 100];
        header[12..16].copy_from_slice(&1000_u32.to_be_bytes());
        header[16..20].copy_from_slice(&5840_u32.to_be_bytes());
        let sound = boxed(*b"trak", &boxed(*b"tkhd", &[0; 84]));
        let mut track = vec![0; 84];
        track[76..80].copy_from_slice(&(320_u32 << 16).to_be_bytes());
        track[80..84].copy_from_slice(&(180_u32 << 16).to_be_bytes());
        let picture = boxed(*b"trak", &boxed(*b"tkhd", &track));
        let moov = [boxed(*b"mvhd", &header), sound, picture].concat();
        [
            boxed(*b"ftyp", b"isom\0\0\x02\0isomavc1"),
            boxed(*b"mdat", payload),
            boxed(*b"moov", &moov),
        ]
        .concat()
    }

    fn movie(bytes: &[u8]) -> Result<Movie, Broken> {
        read(&mut Cursor::new(bytes), bytes.len() as u64)
    }

    #[test]
    fn a_whole_file_tells_its_picture_and_length() {
        let movie = movie(&mp4(b"frames")).unwrap();
        let expected =
            Movie { has_index: true, width: Some(320), height: Some(180), millis: Some(5840) };
        assert_eq!(movie, expected);
    }

    #[test]
    fn a_file_cut_anywhere_inside_a_box_is_broken() {
        let whole = mp4(&[7; 50]);
        let ends: Vec<usize> = vec![24, 24 + 58, whole.len()];
        for cut in 1..whole.len() {
            let result = movie(&whole[..cut]);
            assert_eq!(result.is_ok(), ends.contains(&cut), "{cut}");
            if let Ok(movie) = result {
                assert!(!movie.has_index, "{cut}");
            }
        }
        let longer = [whole, b"trailing".to_vec()].concat();
        assert!(movie(&longer).is_err());
    }

    #[test]
    fn sizes_of_64_bits_and_sizes_to_the_end_are_read() {
        let large =
            [&1_u32.to_be_bytes(), b"mdat".as_slice(), &17_u64.to_be_bytes(), b"x"].concat();
        assert!(movie(&large).is_ok());
        let open = [&0_u32.to_be_bytes(), b"mdat".as_slice(), b"to the end"].concat();
        assert!(movie(&open).is_ok());
        let lying = [&1_u32.to_be_bytes(), b"mdat".as_slice(), &[0xff; 8], b"x"].concat();
        assert!(movie(&lying).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>, at in 0..200_usize, flip: u8) {
            let _ = movie(&bytes);
            let mut changed = mp4(b"frames");
            let at = at % changed.len();
            changed[at] ^= flip;
            let _ = movie(&changed);
        }
    }
}
