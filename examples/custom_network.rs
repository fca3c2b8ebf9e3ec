//! A network that is not built in, described in a few lines of TOML.
//!
//! ```console
//! $ ACME_SECRET=… cargo run --example custom_network --features axum
//! ```
//!
//! Listens on `POSTBACK_LISTEN` (127.0.0.1:8080). The fictional network Acme signs player, transaction, amount and status with
//! SHA-256, and takes a reward back with the status `2`.

use postback::MemoryStore;
use postback::network::Description;

const ACME: &str = r#"
name     = "acme"
title    = "Acme"
docs     = "https://acme.example/docs/postbacks"
evidence = "official"

[request]
macro = "{NAME}"
url   = "?user={user}&tx={tx}&coins={coins}&status={status}&sig={sig}"

[macros]
user   = "the player"
tx     = "the transaction"
coins  = "the reward in your currency"
status = "1: completed, 2: reversed"
sig    = "the signature"

[fields]
player      = "user"
transaction = "tx"
amount      = "coins"
status      = "status"

[authentication]
kind     = "message"
hash     = "sha256"
encoding = "hex"
in       = "sig"
message  = "{user}:{tx}:{coins}:{status}:{secret}"

[meaning]
status = { "1" = "completed", "2" = "reversed" }

[reversal]
original   = "same-transaction"
takes_back = "everything"

[response]
settled   = "OK"
duplicate = "DUP"
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let acme = Description::from_toml(ACME)?.app("my-game").secret(std::env::var("ACME_SECRET")?)?;
    println!("paste into Acme's dashboard: {}", acme.dashboard_url("https://game.example")?);
    let endpoint = acme.build()?;

    // For tests: it forgets everything at the end. Keep real records in SQLite, Postgres or Redis.
    let receiver = MemoryStore::new().receiver(|tx, decision| {
        tx.add(decision.player(), decision.balance_change());
        println!("{}: {} has {}", decision.action().as_str(), decision.player(), tx.balance(decision.player()));
        Ok(())
    });
    let app = axum::Router::new().route(endpoint.path(), postback::axum::callbacks(&endpoint, &receiver));
    let listen = std::env::var("POSTBACK_LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(listen).await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, app).await?)
}
