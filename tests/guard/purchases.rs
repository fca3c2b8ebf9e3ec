//! Purchase data.

use super::*;

#[test]
fn purchase_data_is_handed_on_and_never_pays_in_either_order() {
    let reward = completed("o1", "500");
    let same_amount = with_purchase(completed("o1", "500"), "4.99");
    let no_amount = with_purchase(completed("o1", "0"), "4.99");
    for data in [&same_amount, &no_amount] {
        let (kinds, paid) = outcome(&[reward.clone(), data.clone(), data.clone()]);
        assert_eq!(
            (kinds, paid),
            (vec![Kind::Reward, Kind::Purchase], decimal("500"))
        );
    }
    let (kinds, paid) = outcome(&[no_amount, reward.clone()]);
    assert_eq!(
        (kinds, paid),
        (vec![Kind::Purchase, Kind::Reward], decimal("500"))
    );
    let (kinds, paid) = outcome(&[same_amount, reward]);
    assert_eq!(
        (kinds, paid),
        (vec![Kind::Reward], decimal("500")),
        "the purchase came with the reward"
    );
}

#[test]
fn purchase_data_does_not_hide_another_amount() {
    let events = [
        completed("o1", "500"),
        with_purchase(completed("o1", "900"), "4.99"),
    ];
    assert_eq!(conflict(&events), Some(ConflictKind::OtherContent));
}

#[test]
fn purchase_data_alone_completes_nothing() {
    let data = with_purchase(completed("o1", "0"), "4.99");
    assert_eq!(
        outcome(&[data.clone(), pending("o1", "5")]).0,
        [Kind::Purchase, Kind::Pending]
    );
    assert_eq!(
        outcome(&[data, reconciled("o1", "5")]).0,
        [Kind::Purchase, Kind::Rejected]
    );
}
