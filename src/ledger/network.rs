//! Whether a folder is on a network file system, where SQLite's write-ahead log does not work and locks
//! may be lies (sqlite.org/useovernet.html, sqlite.org/wal.html).

use std::path::Path;

/// `f_type` of statfs(2), with the names people know (linux/magic.h).
const NETWORK: [(u32, &str); 12] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "CIFS"),
    (0xfe53_4d42, "SMB"),
    (0x5346_414f, "AFS"),
    (0x6b41_4653, "AFS"),
    (0x7375_7245, "Coda"),
    (0x564c, "NCP"),
    (0x0102_1997, "9P"),
    (0x00c3_6400, "Ceph"),
    (0x0bd0_0bd0, "Lustre"),
    (0x0116_1970, "GFS2"),
];

/// The network file system a folder is on; `None` where it is local, or where nobody can tell.
#[must_use]
pub fn network_file_system(folder: &Path) -> Option<&'static str> {
    name_of(kind_of(folder)?)
}

fn name_of(kind: u32) -> Option<&'static str> {
    NETWORK.iter().find(|(magic, _)| *magic == kind).map(|(_, name)| *name)
}

#[cfg(target_os = "linux")]
fn kind_of(folder: &Path) -> Option<u32> {
    let kind = rustix::fs::statfs(folder).ok()?.f_type;
    // The field is signed on some machines; the magic numbers have 32 bits.
    u32::try_from(kind & 0xffff_ffff).ok()
}

#[cfg(not(target_os = "linux"))]
fn kind_of(_folder: &Path) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_and_local_ones_are_none() {
        assert_eq!(name_of(0x6969), Some("NFS"));
        assert_eq!(name_of(0xff53_4d42), Some("CIFS"));
        for local in [0xef53, 0x0102_1994, 0x9123_683e, 0x5846_5342, 0x794c_7630] {
            assert_eq!(name_of(local), None, "ext4, tmpfs, btrfs, xfs, overlay");
        }
        assert_eq!(network_file_system(tempfile::tempdir().unwrap().path()), None);
    }
}
