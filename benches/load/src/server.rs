//! The servers under load that are written in Rust.

mod actix;
mod axum;
mod game;
mod handwritten;

pub use game::PAID;

use std::error::Error;
use std::path::PathBuf;

use crate::peers::ServerName;

/// Serves until it is told to end.
pub fn serve(name: ServerName, port: u16, database: Option<PathBuf>) -> Result<(), Box<dyn Error>> {
    match name {
        ServerName::AxumHello => axum::run(port, axum::hello()),
        ServerName::AxumHandwritten => axum::run(port, handwritten::router()),
        ServerName::AxumMemory => axum::run(port, axum::memory()?),
        ServerName::AxumSqlite => {
            let database = database.ok_or("name the database with --database")?;
            axum::run_with_sqlite(port, &database)
        }
        ServerName::ActixHello => actix::hello(port),
        ServerName::ActixMemory => actix::memory(port),
        _ => Err("that one is not written in Rust".into()),
    }
}
