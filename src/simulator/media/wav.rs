//! A WAV file of our own making: eight soft notes from the seed, 8,000 samples a second, 16 bit.

use crate::domain::Digest;

const RATE: u32 = 8_000;
const NOTES: usize = 8;
/// Samples of one note: a quarter of a second.
const NOTE: u32 = RATE / 4;
/// A pentatonic scale in hertz: any order of it sounds well.
const SCALE: [u32; 5] = [262, 294, 330, 392, 440];
/// The loudest sample.
const PEAK: i32 = 9_000;

/// The tune of a seed.
pub(super) fn tune(seed: &Digest) -> Vec<u8> {
    let samples: Vec<u8> = seed.0[..NOTES]
        .iter()
        .flat_map(|byte| note(SCALE[usize::from(*byte) % SCALE.len()]))
        .flat_map(i16::to_le_bytes)
        .collect();
    let mut wav = head(u32::try_from(samples.len()).unwrap_or(0));
    wav.extend(samples);
    // A chunk players skip: it makes the file distinct even where the notes are the same.
    wav.extend(b"id  ");
    wav.extend(32_u32.to_le_bytes());
    wav.extend(seed.0);
    wav
}

/// RIFF, format and data heads around `length` bytes of samples and the 40 bytes of the last chunk.
fn head(length: u32) -> Vec<u8> {
    let mut head = Vec::from(*b"RIFF");
    head.extend((36 + length + 40).to_le_bytes());
    head.extend(b"WAVEfmt ");
    head.extend(16_u32.to_le_bytes());
    // PCM, one channel.
    head.extend([1, 0, 1, 0]);
    head.extend(RATE.to_le_bytes());
    head.extend((RATE * 2).to_le_bytes());
    head.extend([2, 0, 16, 0]);
    head.extend(b"data");
    head.extend(length.to_le_bytes());
    head
}

/// A triangle wave that fades out.
fn note(hertz: u32) -> impl Iterator<Item = i16> {
    let period = i32::try_from(RATE / hertz).unwrap_or(1).max(4);
    let length = i32::try_from(NOTE).unwrap_or(1);
    (0..length).map(move |at| {
        let phase = at % period;
        let rising = (2 * phase - period).abs();
        let wave = PEAK * (period - 2 * rising) / period;
        i16::try_from(wave * (length - at) / length).unwrap_or(0)
    })
}
