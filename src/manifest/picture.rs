//! Pictures beside what their model takes: format, size and form, by reading the header only.

use std::path::Path;

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
    let broken = |error: imagesize::ImageError| format!("is no picture that can be read: {error}");
    let mut beginning = [0; 16];
    let read = std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read(&mut file, &mut beginning));
    let read = read.map_err(|error| format!("cannot be read: {error}"))?;
    let format = match imagesize::image_type(&beginning[..read]) {
        Ok(ImageType::Jpeg) => Format::Jpeg,
        Ok(ImageType::Png) => Format::Png,
        Ok(_) => Format::Other,
        Err(error) => return Err(broken(error)),
    };
    let size = imagesize::size(path).map_err(broken)?;
    Ok(Header { format, width: size.width as u64, height: size.height as u64 })
}

/// What is wrong with the picture `name` of so many bytes.
pub(super) fn unfit(header: Header, name: &str, bytes: u64, wanted: &Picture) -> Option<String> {
    let named =
        Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("png"));
    let Header { width, height, format } = header;
    let (short, long) = (width.min(height), width.max(height));
    let (narrow, wide) = wanted.aspect;
    let problem = match format {
        Format::Other => "is neither JPEG nor PNG; convert it".to_owned(),
        Format::Jpeg if named => {
            "holds a JPEG; the API goes by the name, so call it .jpg".to_owned()
        }
        Format::Png if !named => {
            "holds a PNG; the API goes by the name, so call it .png".to_owned()
        }
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
    };
    Some(format!("the picture {} {problem}", quoted(name)))
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
