//! A path that is below the output folder, whoever wrote it.

use std::fmt;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization as _;

use crate::domain::Digest;

/// The most bytes one component may have: what common file systems take.
pub(super) const COMPONENT_LIMIT: usize = 255;

/// The most bytes a whole relative path may have.
pub(super) const PATH_LIMIT: usize = 1024;

/// The longest ending that still counts as an extension, in bytes.
const EXTENSION_LIMIT: usize = 16;

/// A path relative to the output folder: components joined by `/`, none of them empty, `.`, `..`,
/// reserved by Windows, longer than 255 bytes or with a control character, `\` or `:`.
/// The empty path is the output folder itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelPath(String);

/// A text that is no such path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a path below the output folder: {reason}", crate::domain::text::visible(.path))]
pub struct NotBelow {
    /// The text.
    pub path: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl RelPath {
    /// A name at the root that nothing else has, for a file that no template gives a name.
    #[must_use]
    pub fn unique(extension: &str) -> Self {
        let letters = extension.chars().filter(char::is_ascii_alphanumeric);
        let extension: String = letters.collect();
        Self(format!("nightreel-{}.{extension}", uuid::Uuid::now_v7().simple()))
    }

    /// The output folder itself.
    #[must_use]
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// Checks a path as it stands in the ledger. The empty text is no path.
    pub fn parse(path: &str) -> Result<Self, NotBelow> {
        let wrong = |reason| NotBelow { path: path.to_owned(), reason };
        if path.len() > PATH_LIMIT {
            return Err(wrong("it is longer than 1024 bytes"));
        }
        for component in path.split('/') {
            check_component(component).map_err(wrong)?;
        }
        Ok(Self(path.to_owned()))
    }

    /// The path of `name` in this folder.
    pub fn join(&self, name: &str) -> Result<Self, NotBelow> {
        if self.0.is_empty() {
            return Self::parse(name);
        }
        Self::parse(&format!("{}/{name}", self.0))
    }

    /// The path as text, with `/`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its components; none for the output folder itself.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').filter(|component| !component.is_empty())
    }

    /// The folder it is in.
    #[must_use]
    pub fn parent(&self) -> Self {
        Self(self.0.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned())
    }

    /// Its last component.
    #[must_use]
    pub fn file_name(&self) -> &str {
        self.0.rsplit_once('/').map_or(&self.0, |(_, name)| name)
    }

    /// Where it is when the output folder is `root`.
    #[must_use]
    pub fn below(&self, root: &Path) -> PathBuf {
        let mut path = root.to_owned();
        path.extend(self.components());
        path
    }

    /// The same path with `-suffix` before its extension, its name cut where it gets too long.
    /// Of `suffix` only ASCII letters, digits, `-` and `_` are used.
    #[must_use]
    pub fn with_suffix(&self, suffix: &str) -> Self {
        let suffix: String = suffix
            .chars()
            .filter(|&c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            .take(64)
            .collect();
        let (stem, extension) = split_extension(self.file_name());
        self.renamed(stem, &format!("-{suffix}{extension}"))
    }

    /// Where its sidecar is: `a/b.mp4` has `a/b.json`, and `a/b.json` has `a/b.json.json`.
    #[must_use]
    pub fn sidecar(&self) -> Self {
        let (stem, extension) = split_extension(self.file_name());
        if extension.eq_ignore_ascii_case(".json") {
            return self.renamed(self.file_name(), ".json");
        }
        self.renamed(stem, ".json")
    }

    fn renamed(&self, stem: &str, ending: &str) -> Self {
        let stem = shorten(stem, COMPONENT_LIMIT - ending.len());
        let parent = self.parent();
        if parent.0.is_empty() {
            return Self(format!("{stem}{ending}"));
        }
        Self(format!("{}/{stem}{ending}", parent.0))
    }

    /// What two paths share that must not both be used: equal without regard to case, Unicode
    /// composition, dots and blanks at a component's end, and the extension (`a.mp4` and `a.png`
    /// would have one sidecar). For a unique index in the ledger.
    #[must_use]
    pub fn folded(&self) -> String {
        let (stem, _) = split_extension(self.file_name());
        let parent = self.parent();
        let folded: Vec<String> = parent
            .components()
            .chain([stem])
            .map(|component| fold(component.trim_end_matches(['.', ' '])))
            .collect();
        folded.join("/")
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn check_component(component: &str) -> Result<(), &'static str> {
    match component {
        "" => return Err("a part of it is empty"),
        "." | ".." => return Err("it leads out of the folder"),
        _ => {}
    }
    if component.len() > COMPONENT_LIMIT {
        return Err("a part of it is longer than 255 bytes");
    }
    if component.contains(|c: char| c.is_control() || c == '\\' || c == ':') {
        return Err("it holds a control character, `\\` or `:`");
    }
    if is_reserved(component) {
        return Err("a part of it is a name that Windows reserves");
    }
    Ok(())
}

/// Whether Windows takes a file of this name for a device: `CON`, `nul.txt`, `COM¹`.
pub(super) fn is_reserved(component: &str) -> bool {
    let stem = component.split('.').next().unwrap_or_default();
    let stem = stem.trim_end_matches(' ').to_ascii_uppercase();
    if let Some(number) = stem.strip_prefix("COM").or(stem.strip_prefix("LPT")) {
        let mut digits = number.chars();
        let first = digits.next();
        return digits.next().is_none()
            && first.is_some_and(|c| c.is_ascii_digit() || matches!(c, '¹' | '²' | '³'));
    }
    matches!(stem.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$" | "CLOCK$")
}

/// `name` as what stands before its extension, and the extension with its dot.
pub(super) fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(dot) if dot > 0 && name.len() - dot <= EXTENSION_LIMIT => name.split_at(dot),
        _ => (name, ""),
    }
}

/// `name` in at most `limit` bytes: where it is longer its middle gives way to a hash of the whole,
/// so that long names stay distinct and keep their ending.
pub(super) fn shorten(name: &str, limit: usize) -> String {
    if name.len() <= limit {
        return name.to_owned();
    }
    let mark = format!("~{}~", &Digest::of(name.as_bytes()).short()[..10]);
    let room = limit.saturating_sub(mark.len());
    let tail = room / 3;
    let head = name.floor_char_boundary(room - tail);
    let tail = name.ceil_char_boundary(name.len() - tail);
    format!("{}{mark}{}", &name[..head], &name[tail..])
}

/// Full case folding, near enough: through upper case, so that `ß` meets `SS` and `ς` meets `σ`.
fn fold(component: &str) -> String {
    component.nfc().flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::parse(text).unwrap()
    }

    #[test]
    fn only_paths_below_the_folder_are_paths() {
        assert_eq!(path("a/b c/.d.mp4").to_string(), "a/b c/.d.mp4");
        for wrong in [
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "a/../b",
            "..",
            "a\\b",
            "C:x",
            "a\0",
            "a/CON",
            "nul.txt",
            "COM¹.png",
            "lpt9",
            &"x".repeat(256),
            &"x/".repeat(600),
        ] {
            assert!(RelPath::parse(wrong).is_err(), "{wrong:?}");
        }
        assert!(RelPath::parse("COM10").is_ok());
    }

    #[test]
    fn a_path_knows_its_parts() {
        assert_eq!(path("a/b/c.mp4").parent(), path("a/b"));
        assert_eq!(path("a/b/c.mp4").file_name(), "c.mp4");
        assert_eq!(path("c.mp4").parent(), RelPath::root());
        assert_eq!(RelPath::root().components().count(), 0);
        assert_eq!(RelPath::root().join("x"), Ok(path("x")));
        assert_eq!(path("a/b").below(Path::new("/r")), Path::new("/r/a/b"));
    }

    #[test]
    fn a_suffix_goes_before_the_extension_and_a_sidecar_is_called_json() {
        assert_eq!(path("a/b.mp4").with_suffix("1f/.."), path("a/b-1f.mp4"));
        assert_eq!(path("a/b.mp4").sidecar(), path("a/b.json"));
        assert_eq!(path("b.json").sidecar(), path("b.json.json"));
        assert_eq!(path(".b").sidecar(), path(".b.json"));
        let long = path(&format!("a/{}.mp4", "é".repeat(125)));
        let suffixed = long.with_suffix("0123abcd");
        assert!(suffixed.file_name().len() <= COMPONENT_LIMIT);
        assert!(suffixed.as_str().ends_with("-0123abcd.mp4"), "{suffixed}");
    }

    #[test]
    fn names_that_some_file_system_takes_for_one_are_folded_into_one() {
        for (one, two) in [
            ("a/Cat.png", "A/cat.png"),
            ("caf\u{e9}.png", "cafe\u{301}.png"),
            ("a/x..png", "a/x.png"),
            ("Straße.mp4", "STRASSE.mp4"),
            ("ΑΣ.mp4", "ας.mp4"),
            ("a.mp4", "a.png"),
        ] {
            assert_eq!(path(one).folded(), path(two).folded(), "{one} {two}");
        }
        assert_ne!(path("a/b.mp4").folded(), path("a-b.mp4").folded());
    }

    #[test]
    fn long_names_are_cut_in_the_middle_and_stay_distinct() {
        let name = |end: &str| shorten(&format!("{}{end}", "日".repeat(100)), 255);
        assert!(name("1.mp4").len() <= 255);
        assert!(name("1.mp4").ends_with("1.mp4"));
        assert_ne!(name("1.mp4"), name("2.mp4"));
    }
}
