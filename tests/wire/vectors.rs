//! The published vectors, those derived from them, and a real callback.

use super::*;

#[test]
fn the_first_published_vector_is_genuine() {
    let verifier = verifier(
        "https://publisher.com/complete?uid=[%UID%]&val=[%VAL%]",
        KEY,
    );
    let query = "uid=8cc877ee-af19-488d-b28d-216fb866b996&val=500&hash=dbcd6bb8ca677344592842a52b4fca9bec36cd4b";
    assert!(verifier.verify(query).is_ok());
}

#[test]
fn the_second_published_vector_is_valid_under_the_empty_secret_only_and_that_is_refused() {
    let query = "param1=foo&param2=bar&hash=3171f6b78e06cadcec4c9c3b15f858b8400e8738";
    assert_eq!(
        Network::new("")
            .sign_url("http://url.com?param1=foo&param2=bar")
            .query(),
        query
    );
    assert_eq!(Secret::new("").unwrap_err(), SecretError::Empty);
    let refused = verifier("http://url.com?param1=foo&param2=bar", KEY).verify(query);
    assert_eq!(refused.unwrap_err(), OpenError::SignatureWrong);
}

#[test]
fn an_empty_path_is_signed_without_a_slash_and_a_lone_slash_both_ways() {
    let without = sign("http://url.com?param1=foo");
    let with = sign("http://url.com/?param1=foo");
    // An HTTP client sends the same target for both.
    assert_eq!(
        without.target().split("&hash").next(),
        with.target().split("&hash").next()
    );
    let typed_without = verifier("http://url.com?param1=[%TX%]", KEY);
    assert!(typed_without.verify(without.query()).is_ok());
    assert!(typed_without.verify(with.query()).is_err());
    let typed_with = verifier("http://url.com/?param1=[%TX%]", KEY);
    assert!(typed_with.verify(without.query()).is_ok());
    assert!(typed_with.verify(with.query()).is_ok());
}

#[test]
fn the_derived_vectors_are_opened_by_endpoints() {
    let cases = [
        (
            "https://publisher.com/cb?uid=[%UID%]&tx=[%TX%]&name=[%OFFER_NAME%]",
            Some(OfferState::Pending),
            "/cb?uid=u1&tx=o233&name=Lords%20Mobile&hash=1996a56fa42b700e58f91ab28152f5abd08e01e1",
            ("u1", "o233", Field::Given("Lords Mobile")),
        ),
        (
            "https://publisher.com/cb?uid=[%UID%]&tx=[%TX%]&name=[%OFFER_NAME%]",
            Some(OfferState::Pending),
            "/cb?uid=u1&tx=o233&name=Lords+Mobile&hash=dcb08ed828eddeeb32119dfa379b9aec4a237ae8",
            ("u1", "o233", Field::Given("Lords Mobile")),
        ),
        (
            "https://publisher.com?UID=[%UID%]&VAL=[%VAL%]&RAW=[%RAW%]&TXID=[%TX%]&my_custom_parameter=123",
            Some(OfferState::Completed),
            "/?UID=testuser&VAL=1000&RAW=1&TXID=101&my_custom_parameter=123&hash=cebbf9f4363f33e8dee18eed239d6fff15722fdc",
            ("testuser", "101", Field::Absent),
        ),
        (
            "https://publisher-backend.com/bitlabs/offer-state?tx=[%TX%]&raw=[%VAL%]&user=[%USER:UID%]&offer_state=[%OFFER_STATE%]",
            None,
            "/bitlabs/offer-state?tx=o1&raw=2.5&user=user-1&offer_state=COMPLETED&hash=549827146bb7ebcd3d518bd0834caed4eccd34e6",
            ("user-1", "o1", Field::Absent),
        ),
    ];
    for (url, only, target, (player, transaction, name)) in cases {
        let builder = app().offers(url);
        let builder = match only {
            Some(state) => builder.only(state),
            None => builder,
        };
        let callback = builder
            .build()
            .unwrap()
            .open(&Request::get(target))
            .unwrap();
        assert_eq!(callback.player(), player);
        assert_eq!(callback.transaction(), transaction);
        assert_eq!(callback.offer_name(), name);
    }
}

#[test]
fn a_real_callback_is_typed_by_its_template() {
    let rewards: Endpoint<RewardCallback> = app()
        .rewards(
            "https://pub.example/api/bit?uid=[%UID%]&amount=[%VAL%]&offer_name=[%OFFER_NAME%]&offer_id=[%OFFER_ID%]\
             &payout=[%RAW%]&ip_address=[%IP%]&trans_id=[%TX%]&country=[%COUNTRY%]&s_minuts=[%LOI%]&type=[%TYPE%]\
             &task_id=[%TASK_ID%]&pre_ref=[%REF%]",
        )
        .build()
        .unwrap();
    let signed = sign(
        "https://pub.example/api/bit?uid=28647&amount=8750&offer_name=&offer_id=&payout=1.75&ip_address=8750\
         &trans_id=434703502&country=IN&s_minuts=7&type=COMPLETE&task_id=&pre_ref=",
    );
    let callback = rewards.open(&Request::get(signed.target())).unwrap();
    assert_eq!(callback.player(), "28647");
    assert_eq!(callback.transaction(), "434703502");
    assert_eq!(callback.amount(), Field::Given("8750".parse().unwrap()));
    assert_eq!(callback.usd(), Field::Given("1.75".parse().unwrap()));
    assert_eq!(callback.country(), Field::Given("IN"));
    assert_eq!(callback.offer_name(), Field::Empty);
    assert_eq!(callback.original(), None);
}
