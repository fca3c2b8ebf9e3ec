//! Every server under load: how it is started, and what is missing where it cannot be.

mod php;

use std::error::Error;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::callbacks::{ORIGIN, SECRET, URL_PREFIX};
use crate::processes::{Running, free_address, pinned};

/// A server under load.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "kebab-case")]
pub enum ServerName {
    AxumHello,
    ActixHello,
    AxumMemory,
    ActixMemory,
    AxumSqlite,
    AxumHandwritten,
    /// As it is usually written and installed.
    Express,
    /// Set up for speed, and verifying only; so with the other peers.
    ExpressTuned,
    Fastapi,
    FastapiTuned,
    Php,
    PhpTuned,
}

impl ServerName {
    pub const ALL: [Self; 12] = [
        Self::AxumHello,
        Self::ActixHello,
        Self::AxumMemory,
        Self::ActixMemory,
        Self::AxumSqlite,
        Self::AxumHandwritten,
        Self::Express,
        Self::ExpressTuned,
        Self::Fastapi,
        Self::FastapiTuned,
        Self::Php,
        Self::PhpTuned,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::AxumHello => "axum-hello",
            Self::ActixHello => "actix-hello",
            Self::AxumMemory => "axum-memory",
            Self::ActixMemory => "actix-memory",
            Self::AxumSqlite => "axum-sqlite",
            Self::AxumHandwritten => "axum-handwritten",
            Self::Express => "express",
            Self::ExpressTuned => "express-tuned",
            Self::Fastapi => "fastapi",
            Self::FastapiTuned => "fastapi-tuned",
            Self::Php => "php",
            Self::PhpTuned => "php-tuned",
        }
    }

    /// What it is, for a table.
    pub fn title(self) -> &'static str {
        match self {
            Self::AxumHello => "axum, answers OK without looking",
            Self::ActixHello => "actix-web, answers OK without looking",
            Self::AxumMemory => "axum + postback, memory store",
            Self::ActixMemory => "actix-web + postback, memory store",
            Self::AxumSqlite => "axum + postback, SQLite with the wallet",
            Self::AxumHandwritten => "axum, receiver written by hand",
            Self::Express => "Express 5 on Node 20",
            Self::ExpressTuned => "Express 5 on Node 20, tuned",
            Self::Fastapi => "FastAPI on uvicorn",
            Self::FastapiTuned => "FastAPI on uvicorn, tuned",
            Self::Php => "PHP on nginx and php-fpm",
            Self::PhpTuned => "PHP on nginx and php-fpm, tuned",
        }
    }

    /// What it does with a callback.
    pub fn does(self) -> &'static str {
        match self {
            Self::AxumHello | Self::ActixHello => "nothing",
            Self::AxumMemory | Self::ActixMemory => {
                "verifies, types, decides, remembers, pays once"
            }
            Self::AxumSqlite => {
                "all of that, on disk before the answer, with the wallet in one transaction"
            }
            Self::AxumHandwritten => "verifies, parses, pays every time",
            Self::Express | Self::Fastapi | Self::Php => {
                "as usually written and installed: verifies, reads the parameters, remembers transactions in memory, pays once"
            }
            Self::ExpressTuned | Self::FastapiTuned | Self::PhpTuned => "verifies only",
        }
    }

    /// Whether it is a receiver of this crate.
    pub fn is_ours(self) -> bool {
        matches!(
            self,
            Self::AxumMemory | Self::ActixMemory | Self::AxumSqlite
        )
    }

    /// Whether it remembers what it paid, and says `settled` or `duplicate`.
    pub fn pays_once(self) -> bool {
        self.is_ours() || matches!(self, Self::Express | Self::Fastapi | Self::Php)
    }

    /// The same web framework without a receiver.
    pub fn hello(self) -> Self {
        match self {
            Self::ActixHello | Self::ActixMemory => Self::ActixHello,
            _ => Self::AxumHello,
        }
    }

    /// What it lacks to be started, and what to do about it.
    pub fn missing(self) -> Option<String> {
        let lacks =
            |program: &str| (!is_installed(program)).then(|| format!("{program} is not installed"));
        match self {
            Self::Express | Self::ExpressTuned => lacks("node").or_else(|| {
                let modules = folder("express").join("node_modules/express");
                (!modules.exists()).then(|| "run peers/install.sh".to_owned())
            }),
            Self::Fastapi | Self::FastapiTuned => {
                let uvicorn = folder("fastapi").join(".venv/bin/uvicorn");
                (!uvicorn.exists()).then(|| "run peers/install.sh".to_owned())
            }
            Self::Php => lacks("nginx").or_else(|| php::lacks(&["apcu"])),
            Self::PhpTuned => lacks("nginx").or_else(|| php::lacks(&[])),
            _ => None,
        }
    }

    /// Starts it on this core alone. `room` is a folder of its own.
    pub fn start(self, core: usize, room: &Path) -> Result<(Running, SocketAddr), Box<dyn Error>> {
        let address = free_address()?;
        let port = address.port().to_string();
        let mut running = Running::default();
        match self {
            Self::Express | Self::ExpressTuned => {
                let script = match self {
                    Self::Express => "receiver.js",
                    _ => "tuned.js",
                };
                let mut command = pinned(core, "node");
                command.arg(folder("express").join(script));
                command.env("NODE_ENV", "production").env("PORT", port);
                running.start(with_secret(&mut command))?;
            }
            Self::Fastapi | Self::FastapiTuned => {
                let mut command = pinned(core, folder("fastapi").join(".venv/bin/uvicorn"));
                command.args(["--port", &port]);
                command.current_dir(folder("fastapi"));
                if self == Self::Fastapi {
                    // What uvicorn takes where it was installed without extras; its log goes into a file.
                    command.args(["receiver:app", "--loop", "asyncio", "--http", "h11"]);
                    let log = File::create(room.join("uvicorn.log"))?;
                    command.stderr(log.try_clone()?).stdout(log);
                } else {
                    command.args(["tuned:app", "--loop", "uvloop", "--http", "httptools"]);
                    command.args(["--no-access-log", "--log-level", "warning"]);
                }
                running.start(with_secret(&mut command))?;
            }
            Self::Php => php::start("", &mut running, core, room, &port)?,
            Self::PhpTuned => php::start("tuned-", &mut running, core, room, &port)?,
            own => {
                let mut command = pinned(core, std::env::current_exe()?);
                command.args(["serve", own.name(), "--port", &port, "--database"]);
                running.start(command.arg(room.join("game.db")))?;
            }
        }
        running.wait_for(address)?;
        Ok((running, address))
    }
}

fn with_secret(command: &mut Command) -> &mut Command {
    command
        .env("APP_SECRET", SECRET)
        .env("URL_PREFIX", URL_PREFIX)
        .env("ORIGIN", ORIGIN)
}

fn folder(peer: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("peers")
        .join(peer)
}

pub fn is_installed(program: &str) -> bool {
    let mut command = Command::new("which");
    let found = command
        .arg(program)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    found.is_ok_and(|status| status.success())
}
