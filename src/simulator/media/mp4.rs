//! Real H.264 clips (docs in dependencies.md section 6), with their length patched and their name
//! written into them.
//!
//! Made with ffmpeg: a box gliding over a plain ground, 8 frames a second, 6 s, `-crf 40 -bf 0
//! -pix_fmt yuv420p -movflags +faststart -video_track_timescale 2400`, without x264's settings SEI.

/// The size of a box's head in bytes.
pub(super) const BOX_HEAD: u64 = 8;
/// The embedded clips' length in seconds.
const CLIP_SECONDS: u64 = 6;

struct Clip {
    aspect: &'static str,
    bytes: &'static [u8],
}

const CLIPS: [Clip; 6] = [
    Clip { aspect: "16:9", bytes: include_bytes!("night-16x9.mp4") },
    Clip { aspect: "16:9", bytes: include_bytes!("dawn-16x9.mp4") },
    Clip { aspect: "1:1", bytes: include_bytes!("moss-1x1.mp4") },
    Clip { aspect: "1:1", bytes: include_bytes!("ember-1x1.mp4") },
    Clip { aspect: "9:16", bytes: include_bytes!("tower-9x16.mp4") },
    Clip { aspect: "9:16", bytes: include_bytes!("rain-9x16.mp4") },
];

/// Where in a clip a 32-bit length stands: the box (innermost last), its header's size, the field's
/// offset behind it. All boxes are of version 0.
const LENGTHS: [(&[&[u8; 4]], usize); 5] = [
    (&[b"moov", b"mvhd"], 16),
    (&[b"moov", b"trak", b"tkhd"], 20),
    (&[b"moov", b"trak", b"edts", b"elst"], 8),
    (&[b"moov", b"trak", b"mdia", b"mdhd"], 16),
    (&[b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stts"], 12),
];

/// One of the clips, chosen by shape (any where it is not known) and number, `seconds` long.
pub(super) fn clip(aspect: Option<&str>, number: u8, seconds: u64) -> Vec<u8> {
    let fitting: Vec<_> =
        CLIPS.iter().filter(|clip| aspect.is_none_or(|aspect| aspect == clip.aspect)).collect();
    let among = if fitting.is_empty() { CLIPS.iter().collect() } else { fitting };
    let chosen = among[usize::from(number) % among.len()];
    let mut bytes = chosen.bytes.to_vec();
    if seconds != CLIP_SECONDS {
        for (path, offset) in LENGTHS {
            stretch(&mut bytes, path, offset, seconds);
        }
    }
    bytes
}

/// A box that players skip, holding the name of the output.
pub(super) fn name_box(name: &str) -> Vec<u8> {
    let mut named = free_head(BOX_HEAD + u64::try_from(name.len()).unwrap_or(0));
    named.extend(name.as_bytes());
    named
}

/// The head of a `free` box of `size` bytes in all.
pub(super) fn free_head(size: u64) -> Vec<u8> {
    let mut head = Vec::from(u32::try_from(size).unwrap_or(0).to_be_bytes());
    head.extend(b"free");
    head
}

fn stretch(bytes: &mut [u8], path: &[&[u8; 4]], offset: usize, seconds: u64) {
    let Some(at) = find(bytes, path).map(|body| body + offset) else {
        return;
    };
    let Some(field) = bytes.get_mut(at..at + 4) else {
        return;
    };
    let mut length = [0; 4];
    length.copy_from_slice(field);
    let stretched = u64::from(u32::from_be_bytes(length)) * seconds / CLIP_SECONDS;
    let stretched = u32::try_from(stretched).unwrap_or(u32::MAX);
    field.copy_from_slice(&stretched.to_be_bytes());
}

/// Where the content of the innermost box of `path` begins.
fn find(bytes: &[u8], path: &[&[u8; 4]]) -> Option<usize> {
    let (mut at, mut end) = (0, bytes.len());
    for name in path {
        loop {
            let head = bytes.get(at..at + 8).filter(|_| at + 8 <= end)?;
            let size =
                usize::try_from(u32::from_be_bytes([head[0], head[1], head[2], head[3]])).ok()?;
            if &&head[4..8] == name {
                end = at + size;
                at += 8;
                break;
            }
            at += size.max(8);
        }
    }
    Some(at)
}
