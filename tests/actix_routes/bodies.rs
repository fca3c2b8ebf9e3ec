//! A source unlike `BitLabs` behind actix-web: methods, headers and bodies, in whole, in part and too large.

use actix_web::test::TestRequest;
use postback::web::actix::callbacks;

use crate::bitlabs_game::Game;
use crate::http::{self, Connection};
use crate::posted::{LIMIT, Posted};
use crate::{Answer, paying, play, serve};

fn post(body: impl Into<String>) -> TestRequest {
    let request = TestRequest::post().uri("/posts").set_payload(body.into());
    request.insert_header(("X-WORD", "open sesame"))
}

#[tokio::test]
async fn method_headers_and_body_reach_the_source() {
    let game = Game::new();
    let receiver = game.receiver.clone().with_handler(paying(&game));
    let answers = play(
        |app| {
            app.route("/posts", callbacks(Posted, receiver));
        },
        [
            post("t1"),
            post("t1"),
            post("t2").insert_header(("x-word", "sesame")),
            // Twice is not once.
            post("t2").append_header(("x-word", "open sesame")),
            TestRequest::post().uri("/posts").set_payload("t2"),
            TestRequest::get().uri("/posts"),
        ],
    )
    .await;
    let said = answers.each_ref().map(Answer::status_and_body);
    let (forbidden, not_allowed) = ((403, "forbidden"), (405, "method not allowed"));
    assert_eq!(said[..2], [(200, "settled"), (200, "duplicate")]);
    assert_eq!(said[2..], [forbidden, forbidden, forbidden, not_allowed]);
    assert_eq!(answers[5].header("allow"), Some("POST"));
    assert_eq!(game.balance(), 5.into());
}

#[tokio::test]
async fn a_body_is_read_up_to_the_limit_whatever_is_announced() {
    let game = Game::new();
    let receiver = game.receiver.clone().with_handler(paying(&game));
    let announced = |length: &str| post("t3").insert_header(("content-length", length));
    let answers = play(
        |app| {
            // What the app has set for its own extractors does not count.
            app.app_data(actix_web::web::PayloadConfig::new(1))
                .route("/posts", callbacks(Posted, receiver));
        },
        [
            post("t".repeat(LIMIT)),
            post("t".repeat(LIMIT + 1)),
            post("t".repeat(10_000_000)),
            announced("65"),
            announced("18446744073709551615"),
            announced("64"),
        ],
    )
    .await;
    let statuses = answers.each_ref().map(|answer| answer.status);
    assert_eq!(statuses, [200, 413, 413, 413, 413, 200]);
    assert_eq!(answers[1].body, "body too large");
    assert_eq!(game.balance(), 10.into());
}

#[test]
fn a_body_that_is_cut_off_is_no_callback() {
    let game = Game::new();
    let receiver = game.receiver.clone().with_handler(paying(&game));
    let server = serve(move || callbacks(Posted, receiver.clone()));
    let head = "POST /posts HTTP/1.1\r\nHost: x\r\nX-Word: open sesame\r\n";
    for cut_off in [
        "Content-Length: 20\r\n\r\nt1",
        "Transfer-Encoding: chunked\r\n\r\n2\r\nt1\r\n",
        "Transfer-Encoding: chunked\r\n\r\n20\r\nt1",
    ] {
        let mut connection = Connection::open(server.address()).unwrap();
        connection
            .write(format!("{head}{cut_off}").as_bytes())
            .unwrap();
        drop(connection);
    }
    let broken = format!("{head}Transfer-Encoding: chunked\r\n\r\nno number\r\n");
    let answer = http::send(server.address(), broken.as_bytes()).unwrap();
    assert_eq!(answer.status_and_body(), (400, "bad callback"));
    assert_eq!(game.balance(), 0.into());

    let whole = format!("{head}Transfer-Encoding: chunked\r\n\r\n1\r\nt\r\n1\r\n1\r\n0\r\n\r\n");
    let answer = http::send(server.address(), whole.as_bytes()).unwrap();
    assert_eq!(answer.status_and_body(), (200, "settled"));
    assert_eq!(game.balance(), 5.into());
}
