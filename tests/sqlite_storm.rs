//! Two receivers on one SQLite file, killed again and again: nothing is lost and nothing is paid twice.
//!
//! `POSTBACK_STORM_SECONDS` makes it longer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]
#![cfg(all(feature = "sqlite", feature = "axum"))]

mod storm;

use postback::store::sqlite::rusqlite::Connection;
use rust_decimal::Decimal;
use storm::{Receivers, Storm};

/// The sum of a column of decimal texts.
fn sum(db: &Connection, select: &str) -> Decimal {
    let mut statement = db.prepare(select).unwrap();
    let texts = statement
        .query_map([], |row| row.get::<_, String>(0))
        .unwrap();
    texts
        .map(|text| text.unwrap().parse::<Decimal>().unwrap())
        .sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_receivers_on_one_file_killed_again_and_again_pay_each_reward_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("game.db");
    let place = ("POSTBACK_DB", file.to_str().unwrap());
    let receivers = Receivers::start("axum_receiver", "axum,sqlite", place);
    let storm = Storm::rage(&receivers).await;
    storm.check(&receivers).await;

    let db = Connection::open(&file).unwrap();
    let open = "SELECT count(*) FROM postback_records WHERE status = 'open'";
    let open: i64 = db.query_row(open, [], |row| row.get(0)).unwrap();
    assert_eq!(open, 0, "nothing is left open");
    let settled = sum(&db, "SELECT settled FROM postback_records");
    assert_eq!(
        settled,
        sum(&db, "SELECT balance FROM game_players"),
        "records and wallet agree"
    );
    assert_eq!(settled, Decimal::from(storm.total()));
}
