use std::path::PathBuf;
use std::process::Command;

use crate::give_away;

/// A small file system. Unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    place: PathBuf,
    mebibytes: usize,
}

impl SmallDisk {
    /// One of this many MiB at a path where nothing is yet. `None`, and says so: this user cannot mount one.
    pub fn mount(place: PathBuf, mebibytes: usize) -> Option<Self> {
        std::fs::create_dir(&place).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"])
            .arg(&place)
            .output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            eprintln!("SKIPPED: a small tmpfs cannot be mounted here, so the disk cannot be filled");
            return None;
        }
        let disk = Self { place, mebibytes };
        std::fs::create_dir(disk.directory()).unwrap();
        give_away(&disk.directory());
        Some(disk)
    }

    /// An empty directory on it, owned by the user that servers run as.
    pub fn directory(&self) -> PathBuf {
        self.place.join("data")
    }

    /// Fills it, but for this many KiB, with a file, whose path is returned.
    pub fn fill_but(&self, kibibytes: usize) -> PathBuf {
        let file = self.place.join("ballast");
        let mut size = (self.mebibytes << 20).saturating_sub(kibibytes << 10);
        while size > 4096 && std::fs::write(&file, vec![0; size]).is_err() {
            size = size.saturating_sub(64 << 10);
        }
        file
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server may still have files open on it.
        let _ = Command::new("umount").arg("--lazy").arg(&self.place).output();
    }
}
