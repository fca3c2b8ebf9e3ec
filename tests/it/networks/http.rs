//! What every network reads in response.

use std::fmt::Write as _;
use std::net::SocketAddr;

use super::{Network, SECRET, every_preset};
use crate::common::paying;
use crate::http::{FRAMEWORKS, Server};
use postback::MemoryStore;
use postback::network::{Description, preset};
use postback::testing::described::SentCallback;
use postback_test_servers::{Response, exchange};

/// Bodies for settled, duplicate and rejected, where a network expects others than the usual words.
const EXPECTED: [(&str, &str, &str, Option<&str>); 13] = [
    ("bitcotasks", "ok", "ok", None),
    ("cpx", "1", "1", None),
    ("kiwiwall", "1", "1", Some("0")),
    ("levelplay", "t1:OK", "t1:OK", None),
    ("lootably", "1", "1", None),
    ("notik", "1", "1", None),
    ("superrewards", "1", "1", Some("0")),
    ("theoremreach", "1", "1", Some("0")),
    ("torox", "1", "1", None),
    ("unityads", "1", "1", None),
    ("wannads", "OK", "DUP", None),
    ("adgem", "settled", "duplicate", None),
    ("tapjoy", "settled", "duplicate", None),
];

fn send(address: SocketAddr, method: &str, target: &str, sent: Option<&SentCallback>) -> Response {
    let mut request = format!("{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
    let body = sent.map_or(&[][..], SentCallback::body);
    for (name, value) in sent.map_or(&[][..], SentCallback::headers) {
        write!(request, "{name}: {value}\r\n").unwrap();
    }
    write!(request, "Content-Length: {}\r\n\r\n", body.len()).unwrap();
    exchange(address, &[request.as_bytes(), body].concat())
}

fn check(address: SocketAddr) {
    for network in every_preset() {
        let name = network.description.name();
        let expected = EXPECTED.iter().find(|(known, ..)| *known == name.as_str());
        let (settled, duplicate, rejected) = expected
            .map_or(("settled", "duplicate", None), |(_, settled, duplicate, rejected)| {
                (*settled, *duplicate, *rejected)
            });
        let respond = |sent: &SentCallback| send(address, sent.method(), sent.target(), Some(sent));

        let sent = network.draft("t1").sign();
        let response = respond(&sent);
        assert_eq!((response.status, &*response.body), (200, settled), "{name}");
        assert!(response.head.contains("content-type: text/plain"), "{name}: {}", response.head);
        assert!(response.head.contains(&format!("content-length: {}", settled.len())), "{name}");
        let response = respond(&sent);
        assert_eq!((response.status, &*response.body), (200, duplicate), "{name}");

        // A secret that is part of the path cannot be forged within this route.
        let other =
            Network::with(network.description.clone(), |builder| builder.secret("a-wrong-secret-text").unwrap());
        let forgery = postback::testing::described::DescribedSigner::new(&network.description, &other.url, "wrong");
        let response = respond(&forgery.callback().player("p1").transaction("t2").amount("500").sign());
        let has_credentials = network.endpoint.has_shared_secret() && name.as_str() != "tapjoy";
        let (status, usual) = if has_credentials { (401, "unauthorized") } else { (403, "forbidden") };
        assert_eq!((response.status, &*response.body), (status, rejected.unwrap_or(usual)), "{name}");

        // A genuine callback that cannot be used.
        let response = respond(&network.draft("t3").player("").sign());
        assert_eq!((response.status, &*response.body), (400, rejected.unwrap_or("unusable callback")), "{name}");
    }
    // Probes: only where the operator chose so, and nothing is processed.
    for (path, status) in [("/probe", 200), ("/callbacks/cpx", 403)] {
        assert_eq!(send(address, "GET", path, None).status, status, "{path}");
        let head = send(address, "HEAD", path, None);
        assert_eq!(head.status, if status == 200 { 200 } else { 405 }, "{path}");
        assert_eq!(head.body, "");
    }
}

const PROBED: &str = "https://game.example/probe?status={status}&trans_id={trans_id}&user_id={user_id}&amount_local={amount_local}&hash={secure_hash}&secret=long-random-text";

fn probed() -> Network {
    Network::with(preset("cpx").unwrap(), |builder| builder.url(PROBED).accept_probe(true))
}

#[test]
fn routes_respond_as_each_network_expects() {
    let toml = include_str!("../../../networks/mychips.toml").replace("\"mychips\"", "\"goals\"");
    let goals = Description::from_toml(&format!("{toml}\n[response]\nsettled = \"{{transaction}}:OK\"\n")).unwrap();
    for framework in FRAMEWORKS {
        let goals = Network::of(goals.clone());
        let sent = goals.draft("t:1").sign();
        let endpoints = every_preset().chain([probed(), goals]).map(|network| network.endpoint);
        let server = Server::start_with(framework, paying(&MemoryStore::new()), endpoints.collect());
        check(server.address);
        // The transaction as the network states it, and not with its goal as it is stored.
        let response = send(server.address, sent.method(), sent.target(), Some(&sent));
        assert_eq!((response.status, &*response.body), (200, "t:1:OK"));
    }
}

#[test]
fn secret_in_the_path_is_read_in_nested_routers() {
    let network = Network::preset("keitaro");
    let (outer, inner) = network.endpoint.path().split_at("/callbacks".len());
    let genuine = network.draft("t1").sign().target().to_owned();
    let wrong = genuine.replace(SECRET, "wrong");
    let through_axum = |target: &str| {
        let request = format!("GET {target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let route = postback::axum::callbacks(&network.endpoint, &paying(&MemoryStore::new()));
            let routes = axum::Router::new().nest(outer, axum::Router::new().route(inner, route));
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            tokio::spawn(async { axum::serve(listener, routes).await });
            tokio::task::spawn_blocking(move || exchange(address, request.as_bytes()).status).await.unwrap()
        })
    };
    let through_actix = |target: &str| {
        actix_web::rt::System::new().block_on(async {
            let route = postback::actix::callbacks(&network.endpoint, &paying(&MemoryStore::new()));
            let scope = actix_web::web::scope(outer).route(inner, route);
            let service = actix_web::test::init_service(actix_web::App::new().service(scope)).await;
            let request = actix_web::test::TestRequest::get().uri(target).to_request();
            actix_web::test::call_service(&service, request).await.status().as_u16()
        })
    };
    assert_eq!((through_axum(&genuine), through_actix(&genuine)), (200, 200));
    assert_eq!((through_axum(&wrong), through_actix(&wrong)), (401, 401));
}

/// Every character that a path may contain.
#[test]
fn every_path_that_may_be_typed_is_found() {
    let odd = "https://game.example/az/AZ09-._~!$&'()+,;=:@/a:";
    let probe = "https://game.example/probe";
    let cpx = Network::with(preset("cpx").unwrap(), |builder| builder.url(PROBED.replace(probe, odd)));
    let with_secret = format!("{odd}/{SECRET}/postback");
    let keitaro = Network::with(preset("keitaro").unwrap(), |builder| builder.url(with_secret));
    for framework in FRAMEWORKS {
        let endpoints = vec![cpx.endpoint.clone(), keitaro.endpoint.clone()];
        let server = Server::start_with(framework, paying(&MemoryStore::new()), endpoints);
        for network in [&cpx, &keitaro] {
            let sent = network.draft("t1").sign();
            let response = send(server.address, sent.method(), sent.target(), Some(&sent));
            assert_eq!(response.status, 200, "{framework:?} {}", sent.target());
        }
    }
}
