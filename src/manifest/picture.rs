//! Pictures beside what their model takes: format, size and form, by reading the header only.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use imagesize::ImageType;

use super::field::quoted;
use crate::domain::schema::Picture;
use crate::domain::text;

/// What stands in a picture's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    format: Format,
    width: u64,
    height: u64,
}

/// How a picture is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Jpeg,
    Png,
    Other,
}

/// Reads the header; the error says why there is none.
pub(super) fn header(path: &Path) -> Result<Header, String> {
    let mut beginning = [0; 16];
    let read = std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read(&mut file, &mut beginning));
    let read = read.map_err(|error| format!("cannot be read: {error}"))?;
    let format = format_of(&beginning[..read]).map_err(broken)?;
    let size = imagesize::size(path).map_err(broken)?;
    Ok(Header { format, width: size.width as u64, height: size.height as u64 })
}

/// What is wrong with a picture that stands in the manifest itself, as a `data:` URI. Nothing is said
/// of other texts.
pub(super) fn unfit_inline(value: &str, wanted: &Picture) -> Option<String> {
    let head = value.get(..5).filter(|head| head.eq_ignore_ascii_case("data:"))?;
    let (kind, content) = value[head.len()..].split_once(',')?;
    let said = |problem: String| Some(format!("the picture in the `data:` URI {problem}"));
    let kind = kind.to_ascii_lowercase();
    let Some(kind) = kind.strip_suffix(";base64") else {
        return said("is not in base64; write `data:image/png;base64,…`".to_owned());
    };
    let bytes = match STANDARD.decode(content.trim()) {
        Ok(bytes) => bytes,
        Err(error) => return said(format!("is not in base64: {error}")),
    };
    let header = match header_of(&bytes) {
        Ok(header) => header,
        Err(problem) => return said(problem),
    };
    let called = match header.format {
        Format::Jpeg => ["image/jpeg", "image/jpg"].contains(&kind),
        Format::Png => kind == "image/png",
        Format::Other => true,
    };
    if !called {
        return said(format!("is called {} and is something else", quoted(kind)));
    }
    said(beyond(header, bytes.len() as u64, wanted)?)
}

fn header_of(bytes: &[u8]) -> Result<Header, String> {
    let format = format_of(bytes).map_err(broken)?;
    let size = imagesize::blob_size(bytes).map_err(broken)?;
    Ok(Header { format, width: size.width as u64, height: size.height as u64 })
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn broken(error: imagesize::ImageError) -> String {
    if let imagesize::ImageError::IoError(error) = &error
        && error.kind() == std::io::ErrorKind::UnexpectedEof
    {
        return "is no picture that can be read: it ends within its header".to_owned();
    }
    format!("is no picture that can be read: {error}")
}

fn format_of(beginning: &[u8]) -> Result<Format, imagesize::ImageError> {
    Ok(match imagesize::image_type(beginning)? {
        ImageType::Jpeg => Format::Jpeg,
        ImageType::Png => Format::Png,
        _ => Format::Other,
    })
}

/// What is wrong with the picture `name` of so many bytes.
pub(super) fn unfit(header: Header, name: &str, bytes: u64, wanted: &Picture) -> Option<String> {
    let named =
        Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    let problem = match header.format {
        Format::Jpeg if named => {
            "holds a JPEG; the API goes by the name, so call it .jpg".to_owned()
        }
        Format::Png if !named => {
            "holds a PNG; the API goes by the name, so call it .png".to_owned()
        }
        _ => beyond(header, bytes, wanted)?,
    };
    Some(format!("the picture {} {problem}", quoted(name)))
}

/// Which bound of the vendor a picture passes.
fn beyond(header: Header, bytes: u64, wanted: &Picture) -> Option<String> {
    let Header { width, height, format } = header;
    let (short, long) = (width.min(height), width.max(height));
    let (narrow, wide) = wanted.aspect;
    Some(match format {
        Format::Other => "is neither JPEG nor PNG; convert it".to_owned(),
        _ if bytes > wanted.bytes => {
            format!("has {}; at most {} are taken", text::bytes(bytes), text::bytes(wanted.bytes))
        }
        _ if short < wanted.short_side => format!(
            "has {width} × {height} pixels; the shorter side must have {} at least",
            wanted.short_side
        ),
        _ if long * narrow > short * wide => format!(
            "has {width} × {height} pixels; its form must lie between {narrow}:{wide} and {wide}:{narrow}"
        ),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: Picture = Picture { short_side: 300, aspect: (2, 5), bytes: 20_000_000 };

    fn said(format: Format, size: (u64, u64), name: &str, bytes: u64) -> Option<String> {
        unfit(Header { format, width: size.0, height: size.1 }, name, bytes, &WANTED)
    }

    #[test]
    fn pictures_within_the_bounds_are_taken() {
        for size in [(300, 300), (750, 300), (300, 750), (1920, 1080)] {
            assert_eq!(said(Format::Jpeg, size, "a.jpg", 20_000_000), None, "{size:?}");
        }
        assert_eq!(said(Format::Png, (512, 512), "a.PNG", 1), None);
    }

    #[test]
    fn a_picture_in_the_manifest_itself_is_held_to_the_same_bounds() {
        let town = include_bytes!("../../jobs/images/town.jpg");
        let uri = |kind: &str, bytes: &[u8]| format!("data:{kind},{}", STANDARD.encode(bytes));
        assert_eq!(unfit_inline(&uri("image/jpeg;base64", town), &WANTED), None);
        assert_eq!(unfit_inline("https://x.example/a.png", &WANTED), None);
        for (value, words) in [
            (uri("image/png;base64", town), "called `image/png` and is something else"),
            (uri("image/jpeg", town), "not in base64"),
            ("data:image/png;base64,A%".to_owned(), "not in base64"),
            (uri("image/png;base64", b"neither"), "no picture that can be read"),
        ] {
            let said = unfit_inline(&value, &WANTED).unwrap();
            assert!(said.contains(words), "{said}");
        }
        let strict = Picture { short_side: 10_000, ..WANTED };
        let said = unfit_inline(&uri("image/jpeg;base64", town), &strict).unwrap();
        assert!(said.contains("shorter side"), "{said}");
    }

    #[test]
    fn each_bound_is_told_with_what_was_found() {
        let told = |said: Option<String>, words: &str| {
            let said = said.unwrap();
            assert!(said.contains(words), "{said}");
        };
        told(said(Format::Jpeg, (299, 500), "a.jpg", 1), "299 × 500 pixels");
        told(said(Format::Jpeg, (751, 300), "a.jpg", 1), "between 2:5 and 5:2");
        told(said(Format::Jpeg, (300, 751), "a.jpeg", 1), "between 2:5 and 5:2");
        told(said(Format::Png, (512, 512), "a.png", 20_000_001), "at most 20.0 MB");
        told(said(Format::Other, (512, 512), "a.png", 1), "neither JPEG nor PNG");
        told(said(Format::Jpeg, (512, 512), "a.png", 1), "call it .jpg");
        told(said(Format::Png, (512, 512), "a.jpg", 1), "call it .png");
    }
}
