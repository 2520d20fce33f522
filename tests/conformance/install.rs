//! The client's package: installed once for all tests, as its lock file has it.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// The client's program.
pub(crate) static CLIENT: LazyLock<PathBuf> = LazyLock::new(install);

/// Whether the suite runs.
pub(crate) fn wanted() -> bool {
    static WANTED: LazyLock<bool> = LazyLock::new(|| {
        let wanted = std::env::var_os("NIGHTREEL_CONFORMANCE").is_some();
        if !wanted {
            // Not by a macro: the harness would keep it to itself.
            let skipped = b"!!! SKIPPED: NIGHTREEL_CONFORMANCE is not set; \
                            the vendor's client was NOT run !!!\n";
            std::io::stderr().write_all(skipped).unwrap();
        }
        wanted
    });
    *WANTED
}

/// A file of this suite.
pub(crate) fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance").join(file)
}

/// Installs the client as its lock file has it, without running any script of a package.
fn install() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("conformance");
    fs::create_dir_all(&folder).unwrap();
    for file in ["package.json", "package-lock.json"] {
        fs::copy(here("npm").join(file), folder.join(file)).unwrap();
    }
    let npm = Command::new("timeout")
        .args(["120", "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&npm.stderr);
    assert!(npm.status.success(), "npm cannot install the client ({}):\n{said}", npm.status);
    folder.join("node_modules/atlascloud-mcp/dist/index.js")
}
