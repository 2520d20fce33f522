//! Small media made by hand, as whole as a reader of their structure can tell.

fn boxed(name: [u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).unwrap();
    [size.to_be_bytes().as_slice(), &name, body].concat()
}

/// An mp4 with `length` bytes of content that no two places share.
pub(crate) fn mp4(length: usize, seed: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(seed);
    let content: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(length).collect();
    let mut header = vec![0; 100];
    header[12..16].copy_from_slice(&1000_u32.to_be_bytes());
    header[16..20].copy_from_slice(&6000_u32.to_be_bytes());
    [
        boxed(*b"ftyp", b"isom\0\0\x02\0isomavc1"),
        boxed(*b"moov", &boxed(*b"mvhd", &header)),
        boxed(*b"mdat", &content),
    ]
    .concat()
}

/// A JPEG's beginning: a format that does not tell where it ends.
pub(crate) const JPEG: &[u8] = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x02\0\0\x01\0\x01\0\0";
