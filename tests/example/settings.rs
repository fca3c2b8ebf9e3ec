//! Settings that cannot be used: no start, and a message that names the variable and says what to type.
//! And the settings that nobody has to make.

use std::ffi::OsStr;
use std::net::TcpListener;

use crate::backend::{
    Backend, OFFERS, Place, SECRET, bare_command, command, program, run_to_its_end,
};

/// With this variable set so, the start must fail and the message hold these words; returns the message.
fn refuses(variable: &str, value: impl AsRef<OsStr>, words: &[&str]) -> String {
    let place = Place::new();
    let mut command = command(&place.file());
    command.env(variable, &value);
    let ended = run_to_its_end(command);
    let value = value.as_ref().display();
    assert_eq!(ended.status.code(), Some(1), "{value}: {ended:?}");
    assert!(
        !ended.output.contains("Listening"),
        "{value}: {}",
        ended.output
    );
    assert!(
        !ended.errors.contains("panicked"),
        "{value}: {}",
        ended.errors
    );
    for word in words.iter().chain([&variable]) {
        let said = &ended.errors;
        assert!(said.contains(word), "{value}: no {word:?}: {said}");
    }
    ended.errors
}

#[test]
fn a_dashboard_url_that_cannot_be_safe_is_refused_with_what_to_type() {
    const OFFERS_URL: &str = "BITLABS_OFFERS_URL";
    let without = |part: &str| OFFERS.replace(part, "");
    refuses(OFFERS_URL, "", &[]);
    refuses(OFFERS_URL, "not a URL", &[]);
    refuses(OFFERS_URL, "ftp://game.example/?a=[%TX%]", &["http"]);
    refuses(
        OFFERS_URL,
        OFFERS.replace("USER:UID", "USER:UDI"),
        &["USER:UDI", "did you mean [%USER:UID%]?"],
    );
    refuses(
        OFFERS_URL,
        OFFERS.replace("[%TX%]", "[%TX]"),
        &["\"tx\"", "[%TX%]"],
    );
    refuses(
        OFFERS_URL,
        without("&tx=[%TX%]"),
        &["no transaction", "tx=[%TX%]"],
    );
    refuses(
        OFFERS_URL,
        without("player=[%USER:UID%]&"),
        &["no player", "player=[%USER:UID%]"],
    );
    refuses(
        OFFERS_URL,
        without("&gems=[%VALUE:CURRENCY%]"),
        &["no amount", "[%VALUE:CURRENCY%]"],
    );
    refuses(OFFERS_URL, format!("{OFFERS}&tx=[%TX%]"), &["\"tx\""]);
}

#[test]
fn every_dashboard_url_is_checked_and_the_wrong_one_named() {
    for name in [
        "OFFERS", "SURVEYS", "RECEIPTS", "CASHBACK", "REWARDS", "BANS",
    ] {
        let url = "https://game.example/callbacks/x?player=[%USER:UID%]";
        refuses(&format!("BITLABS_{name}_URL"), url, &["has no", "add "]);
    }
}

#[test]
fn an_empty_secret_or_one_with_white_space_is_refused_and_not_shown() {
    let secret = "BITLABS_APP_SECRET";
    refuses(secret, "", &["is empty"]);
    refuses(secret, "  ", &["white space"]);
    refuses(secret, "one,,three", &["number 2", "is empty"]);
    let said = refuses(secret, "hunter1,hunter2\n", &["number 2", "white space"]);
    assert!(!said.contains("hunter"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_text_is_refused_and_not_taken_for_unset() {
    use std::os::unix::ffi::OsStrExt;
    let no_text = OsStr::from_bytes(b"secret-\xff");
    for variable in ["BITLABS_APP_SECRET", "BITLABS_BANS_URL", "POSTBACK_DB"] {
        let said = refuses(variable, no_text, &["not to UTF-8 text"]);
        assert!(!said.contains("secret-"), "{said}");
    }
}

#[test]
fn an_address_that_cannot_be_listened_on_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refuses("POSTBACK_LISTEN", &address, &["cannot listen on", &address]);
    refuses("POSTBACK_LISTEN", "nonsense", &["nonsense"]);
}

#[test]
fn several_secrets_are_taken_while_one_is_being_replaced() {
    let place = Place::new();
    let mut command = command(&place.file());
    command.env("BITLABS_APP_SECRET", format!("old-one,{SECRET}"));
    let backend = Backend::spawn(command, &place.file().with_extension("log"));
    for (number, secret) in ["old-one", SECRET].into_iter().enumerate() {
        let network = postback::testing::bitlabs::Network::new(secret);
        let callback = network.callback(OFFERS).player("p1");
        let callback = callback
            .transaction(format!("o{number}"))
            .state("COMPLETED")
            .amount("1");
        let answer = backend.get(callback.sign().target());
        assert_eq!(answer.status_and_body(), (200, "settled"), "{number}");
    }
}

/// Port 8080 may be taken on this machine: then the message tells which port it wanted.
#[test]
fn without_any_setting_it_listens_on_8080_with_its_file_beside_it_and_the_demo_secret() {
    let place = Place::new();
    let mut command = bare_command(&program());
    command.current_dir(place.directory());
    let is_free = TcpListener::bind("127.0.0.1:8080").is_ok();
    if is_free {
        let backend = Backend::spawn(command, &place.directory().join("log"));
        assert_eq!(backend.address().to_string(), "127.0.0.1:8080");
        assert!(backend.line("Listening on").contains("postback.db"));
        backend.line("BITLABS_APP_SECRET is not set");
        backend.line("Never let a real network call this");
        backend.line("Ctrl-C ends it.");
    } else {
        let ended = run_to_its_end(command);
        assert_eq!(ended.status.code(), Some(1));
        assert!(ended.errors.contains("127.0.0.1:8080"), "{ended:?}");
    }
    assert!(place.directory().join("postback.db").is_file());
}
