//! The example, started as its header says and used from outside.

use postback::testing::bitlabs::Signer;
use postback_test_servers::{Example, Postgres};

#[test]
fn example_pays_once_and_survives_being_killed() {
    let Some(server) = Postgres::shared() else { return };
    let database = server.create_database();
    let offer = |state: &str, gems: &str| {
        let query = format!("player=p1&tx=o1&gems={gems}&state={state}&ref=&offer=&task=");
        let url = format!("https://game.example/callbacks/offers?{query}");
        Signer::new("secret", &url).sign_url(&url).target()
    };
    let environment = [("DATABASE_URL", &*database), ("BITLABS_APP_SECRET", "secret")];
    let example = Example::start("axum_postgres", &environment);
    assert_eq!(example.get(&offer("PENDING", "500")).0, 200);
    assert_eq!(example.get("/players/p1"), (200, "0".into()));
    assert_eq!(example.get(&offer("COMPLETED", "500")), (200, "settled".into()));
    drop(example);

    let example = Example::start("axum_postgres", &environment);
    assert_eq!(example.get(&offer("COMPLETED", "500")), (200, "duplicate".into()));
    assert_eq!(example.get(&offer("COMPLETED", "500").replace("500", "900")).0, 403);
    assert_eq!(example.get(&offer("RECONCILED", "0.5")), (200, "settled".into()));
    assert_eq!(example.get("/players/p1"), (200, "499.5".into()));
}
