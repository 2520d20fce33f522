//! The bytes of outputs: small media that play, distinct for each prediction and made anew from its
//! id whenever they are asked for.

mod mp4;
mod png;
mod segments;
mod wav;

pub(super) use segments::Segments;

use axum::body::Bytes;

use crate::domain::{Digest, Endpoint};

/// A file as it is served.
pub(super) struct Media {
    pub(super) content_type: &'static str,
    pub(super) content: Segments,
    /// A strong validator, quoted: equal bytes, equal tag.
    pub(super) etag: String,
}

/// What an output is of.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) prediction: &'a str,
    pub(super) index: u64,
    pub(super) endpoint: Endpoint,
    /// Seconds of a video; 6 and 10 are what the models take.
    pub(super) seconds: u64,
    /// A shape like `9:16`, where the request named one.
    pub(super) aspect: Option<&'a str>,
    /// Pads a video to this size.
    pub(super) bytes: Option<u64>,
}

impl Wanted<'_> {
    /// The file.
    pub(super) fn make(&self) -> Media {
        let seed = Digest::of(format!("{}/{}", self.prediction, self.index).as_bytes());
        let (content_type, content) = match self.endpoint {
            Endpoint::Video => ("video/mp4", self.video(&seed)),
            Endpoint::Image => ("image/png", Segments::of(png::picture(&seed, self.prediction))),
            Endpoint::Audio => ("audio/wav", Segments::of(wav::tune(&seed))),
        };
        let identity = format!("{}/{}/{}", seed.hex(), self.seconds, content.len());
        Media {
            content_type,
            content,
            etag: format!("\"{}\"", Digest::of(identity.as_bytes()).short()),
        }
    }

    fn video(&self, seed: &Digest) -> Segments {
        let mut head = mp4::clip(self.aspect, seed.0[0], self.seconds);
        head.extend(mp4::name_box(&format!("{}/{}", self.prediction, self.index)));
        let length = u64::try_from(head.len()).unwrap_or(u64::MAX);
        let missing = self.bytes.unwrap_or(0).saturating_sub(length);
        let mut content = Segments::of(Bytes::new());
        if missing >= mp4::BOX_HEAD {
            head.extend(mp4::free_head(missing));
            content.fill(seed, missing - mp4::BOX_HEAD);
        }
        content.prepend(head.into());
        content
    }
}

/// The extension of an endpoint's outputs.
pub(super) fn extension(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Video => "mp4",
        Endpoint::Image => "png",
        Endpoint::Audio => "wav",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(prediction: &str) -> Wanted<'_> {
        Wanted {
            prediction,
            index: 0,
            endpoint: Endpoint::Video,
            seconds: 6,
            aspect: None,
            bytes: None,
        }
    }

    #[test]
    fn every_prediction_has_a_file_of_its_own_that_never_changes() {
        for endpoint in [Endpoint::Video, Endpoint::Image, Endpoint::Audio] {
            let make = |id| Wanted { endpoint, ..wanted(id) }.make();
            assert_eq!(make("one").content.bytes(), make("one").content.bytes());
            assert_eq!(make("one").etag, make("one").etag);
            assert_ne!(make("one").content.bytes(), make("two").content.bytes());
            assert_ne!(make("one").etag, make("two").etag);
        }
    }

    #[test]
    fn a_video_is_padded_to_the_size_asked_for() {
        for bytes in [10, 20_000, 3_000_000] {
            let padded = Wanted { bytes: Some(bytes), ..wanted("one") };
            let content = padded.make().content.bytes();
            let parsed = re_mp4::Mp4::read_bytes(&content).unwrap();
            assert_eq!(parsed.tracks().len(), 1);
            let plain = wanted("one").make().content.len();
            assert_eq!(content.len() as u64, bytes.max(plain));
        }
    }

    #[test]
    fn a_video_is_as_long_and_as_high_as_asked_for() {
        for (aspect, size) in [("16:9", (640, 360)), ("9:16", (360, 640)), ("1:1", (512, 512))] {
            let wanted = Wanted { seconds: 10, aspect: Some(aspect), ..wanted("one") };
            let parsed = re_mp4::Mp4::read_bytes(&wanted.make().content.bytes()).unwrap();
            let track = parsed.tracks().values().next().unwrap();
            assert_eq!((track.width, track.height), size);
            assert_eq!(track.duration, 10 * track.timescale);
            let last = track.samples.last().unwrap();
            assert_eq!(
                last.decode_timestamp + last.duration.cast_signed(),
                10 * track.timescale.cast_signed()
            );
        }
    }

    #[test]
    fn images_are_large_enough_to_be_inputs_themselves() {
        let wanted = Wanted { endpoint: Endpoint::Image, ..wanted("one") };
        let size = imagesize::blob_size(&wanted.make().content.bytes()).unwrap();
        assert!(size.width > 300 && size.height > 300);
    }
}
