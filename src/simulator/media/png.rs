//! A PNG of our own making: a mirrored pattern from the seed, four colours, stored uncompressed.

use crate::domain::Digest;

/// Width and height in pixels; above the 300 that image inputs must have.
const SIDE: usize = 384;
/// The pattern is a grid of so many cells a side.
const CELLS: usize = 8;
/// Bytes of a row: a filter byte and two bits a pixel.
const ROW: usize = 1 + SIDE / 4;

/// The picture of a seed, with `name` in a text chunk.
pub(super) fn picture(seed: &Digest, name: &str) -> Vec<u8> {
    let side = u32::try_from(SIDE).unwrap_or(0).to_be_bytes();
    let mut head = [side, side].concat();
    // Two bits a pixel, palette, default compression and filter, not interlaced.
    head.extend([2, 3, 0, 0, 0]);
    let mut png = Vec::from(*b"\x89PNG\r\n\x1a\n");
    chunk(&mut png, *b"IHDR", &head);
    chunk(&mut png, *b"PLTE", &palette(seed));
    chunk(&mut png, *b"tEXt", format!("Title\0{name}").as_bytes());
    chunk(&mut png, *b"IDAT", &stored(&rows(seed)));
    chunk(&mut png, *b"IEND", &[]);
    png
}

/// A dark ground and three lighter colours.
fn palette(seed: &Digest) -> Vec<u8> {
    let mut colours: Vec<u8> = seed.0[..3].iter().map(|byte| byte / 4).collect();
    colours.extend(seed.0[3..12].iter().map(|byte| 96 + byte / 2));
    colours
}

fn rows(seed: &Digest) -> Vec<u8> {
    let cell = SIDE / CELLS;
    let colour = |x: usize, y: usize| {
        let (column, row) = (x / cell, y / cell);
        let mirrored = column.min(CELLS - 1 - column);
        seed.0[(row * CELLS / 2 + mirrored) % 32] & 3
    };
    let mut rows = Vec::with_capacity(ROW * SIDE);
    for y in 0..SIDE {
        rows.push(0);
        for x in (0..SIDE).step_by(4) {
            let four = (x..x + 4).fold(0, |bits, x| bits << 2 | colour(x, y));
            rows.push(four);
        }
    }
    rows
}

/// A zlib stream of stored blocks (RFC 1950, RFC 1951 3.2.4).
fn stored(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = data.chunks(0xffff).peekable();
    while let Some(block) = blocks.next() {
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.push(u8::from(blocks.peek().is_none()));
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(data).to_be_bytes());
    stream
}

fn adler32(data: &[u8]) -> u32 {
    let (a, b) = data.iter().fold((1_u32, 0_u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65_521;
        (a, (b + a) % 65_521)
    });
    b << 16 | a
}

fn chunk(png: &mut Vec<u8>, kind: [u8; 4], data: &[u8]) {
    png.extend(u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    let begin = png.len();
    png.extend(kind);
    png.extend(data);
    let check = crc32(&png[begin..]);
    png.extend(check.to_be_bytes());
}

/// The checksum of PNG's chunks (ISO 3309), four bits at a time.
fn crc32(data: &[u8]) -> u32 {
    const TABLE: [u32; 16] = [
        0x0000_0000,
        0x1db7_1064,
        0x3b6e_20c8,
        0x26d9_30ac,
        0x76dc_4190,
        0x6b6b_51f4,
        0x4db2_6158,
        0x5005_713c,
        0xedb8_8320,
        0xf00f_9344,
        0xd6d6_a3e8,
        0xcb61_b38c,
        0x9b64_c2b0,
        0x86d3_d2d4,
        0xa00a_e278,
        0xbdbd_f21c,
    ];
    let step = |crc: u32, bits: u32| TABLE[((crc ^ bits) & 15) as usize] ^ (crc >> 4);
    !data.iter().fold(!0, |crc, byte| {
        let byte = u32::from(*byte);
        step(step(crc, byte), byte >> 4)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(adler32(b"Wikipedia"), 0x11e6_0398);
    }
}
