//! nginx in front of php-fpm: two programs with a configuration each.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::folder;
use crate::callbacks::{ORIGIN, SECRET, URL_PREFIX};
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

/// What is missing of php-fpm and of these extensions.
pub fn lacks(extensions: &[&str]) -> Option<String> {
    let Some(program) = program() else {
        return Some("php-fpm is not installed".to_owned());
    };
    let output = Command::new(program).arg("-m").output();
    let installed = output.map_or(String::new(), |output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    let missing = extensions
        .iter()
        .find(|name| !installed.lines().any(|line| line == **name))?;
    Some(format!("PHP's extension {missing} is not installed"))
}

/// `kind` stands before the names of script and configurations.
pub fn start(
    kind: &str,
    running: &mut Running,
    core: usize,
    room: &Path,
    port: &str,
) -> Result<(), Box<dyn Error>> {
    let id = Command::new("id").arg("-un").output()?;
    let user = String::from_utf8(id.stdout)?;
    let script = match kind {
        "" => "receiver.php",
        _ => "tuned.php",
    };
    let script = folder("php").join(script);
    let values = [
        ("@ROOM@", &*room.to_string_lossy()),
        ("@SCRIPT@", &*script.to_string_lossy()),
        ("@PORT@", port),
        ("@SECRET@", SECRET),
        ("@PREFIX@", URL_PREFIX),
        ("@ORIGIN@", ORIGIN),
        ("@USER@", user.trim()),
    ];
    let written = |name: &str| -> Result<PathBuf, Box<dyn Error>> {
        let template = fs::read_to_string(folder("php").join(format!("{kind}{name}")))?;
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
