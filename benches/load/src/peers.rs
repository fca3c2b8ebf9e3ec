//! Every server under load: how it is started, and what is missing where it cannot be.

mod php;

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use crate::callbacks::{SECRET, URL_PREFIX};
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
    Express,
    Fastapi,
    Php,
}

impl ServerName {
    pub const ALL: [Self; 9] = [
        Self::AxumHello,
        Self::ActixHello,
        Self::AxumMemory,
        Self::ActixMemory,
        Self::AxumSqlite,
        Self::AxumHandwritten,
        Self::Express,
        Self::Fastapi,
        Self::Php,
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
            Self::Fastapi => "fastapi",
            Self::Php => "php",
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
            Self::Express => "Node 20, Express 5",
            Self::Fastapi => "Python, FastAPI on uvicorn",
            Self::Php => "nginx + php-fpm",
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
            Self::Express | Self::Fastapi | Self::Php => "verifies",
        }
    }

    /// Whether it is a receiver of this crate.
    pub fn is_ours(self) -> bool {
        matches!(
            self,
            Self::AxumMemory | Self::ActixMemory | Self::AxumSqlite
        )
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
            Self::Express => lacks("node").or_else(|| {
                let modules = folder("express").join("node_modules/express");
                (!modules.exists()).then(|| "run peers/install.sh".to_owned())
            }),
            Self::Fastapi => {
                let uvicorn = folder("fastapi").join(".venv/bin/uvicorn");
                (!uvicorn.exists()).then(|| "run peers/install.sh".to_owned())
            }
            Self::Php => lacks("nginx").or_else(|| {
                php::program()
                    .is_none()
                    .then(|| "php-fpm is not installed".to_owned())
            }),
            _ => None,
        }
    }

    /// Starts it on this core alone. `room` is a folder of its own.
    pub fn start(self, core: usize, room: &Path) -> Result<(Running, SocketAddr), Box<dyn Error>> {
        let address = free_address()?;
        let port = address.port().to_string();
        let mut running = Running::default();
        match self {
            Self::Express => {
                let mut command = pinned(core, "node");
                command.arg(folder("express").join("server.js"));
                command.env("NODE_ENV", "production").env("PORT", port);
                running.start(with_secret(&mut command))?;
            }
            Self::Fastapi => {
                let mut command = pinned(core, folder("fastapi").join(".venv/bin/uvicorn"));
                command.args([
                    "server:app",
                    "--no-access-log",
                    "--log-level",
                    "warning",
                    "--port",
                    &port,
                ]);
                command.args(["--loop", "uvloop", "--http", "httptools"]);
                command.current_dir(folder("fastapi"));
                running.start(with_secret(&mut command))?;
            }
            Self::Php => php::start(&mut running, core, room, &port)?,
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
