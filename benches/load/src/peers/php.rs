//! nginx in front of php-fpm: two programs with a configuration each.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::folder;
use crate::callbacks::{SECRET, URL_PREFIX};
use crate::processes::{Running, pinned};

/// php-fpm, whose name holds its version on Debian.
pub fn program() -> Option<PathBuf> {
    let folders = ["/usr/sbin", "/usr/local/sbin", "/usr/bin"];
    let entries = folders
        .iter()
        .filter_map(|folder| fs::read_dir(folder).ok())
        .flatten();
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut found: Vec<_> = paths
        .filter(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("php-fpm"))
        })
        .collect();
    found.sort();
    found.pop()
}

pub fn start(
    running: &mut Running,
    core: usize,
    room: &Path,
    port: &str,
) -> Result<(), Box<dyn Error>> {
    let id = Command::new("id").arg("-un").output()?;
    let user = String::from_utf8(id.stdout)?;
    let script = folder("php").join("index.php");
    let values = [
        ("@ROOM@", &*room.to_string_lossy()),
        ("@SCRIPT@", &*script.to_string_lossy()),
        ("@PORT@", port),
        ("@SECRET@", SECRET),
        ("@PREFIX@", URL_PREFIX),
        ("@USER@", user.trim()),
    ];
    let written = |name: &str| -> Result<PathBuf, Box<dyn Error>> {
        let template = fs::read_to_string(folder("php").join(name))?;
        let text = values
            .iter()
            .fold(template, |text, (mark, value)| text.replace(mark, value));
        let path = room.join(name);
        fs::write(&path, text)?;
        Ok(path)
    };
    let mut php = pinned(core, program().ok_or("php-fpm is not installed")?);
    // `--allow-to-run-as-root`: the folder may be root's alone.
    php.args(["--nodaemonize", "--allow-to-run-as-root", "--fpm-config"]);
    running.start(php.arg(written("php-fpm.conf")?))?;
    let begin = Instant::now();
    while !room.join("php.sock").exists() && begin.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut nginx = pinned(core, "nginx");
    nginx
        .arg("-p")
        .arg(room)
        .arg("-c")
        .arg(written("nginx.conf")?);
    if user.trim() == "root" {
        nginx.args(["-g", "user root;"]);
    }
    running.start(&mut nginx)
}
