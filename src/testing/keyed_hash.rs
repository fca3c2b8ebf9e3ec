//! HMAC written out by RFC 2104, so that signer and verifier share no code and cannot share a mistake.

use sha1::Digest;

/// The keyed hash of a message. Both digests that are used have blocks of 64 bytes.
pub(super) fn hmac<D: Digest>(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mut block = if key.len() > 64 {
        D::digest(key).to_vec()
    } else {
        key.to_vec()
    };
    block.resize(64, 0);
    let padded = |pad: u8| block.iter().map(|byte| byte ^ pad).collect::<Vec<u8>>();
    let inner = D::new()
        .chain_update(padded(0x36))
        .chain_update(message)
        .finalize();
    D::new()
        .chain_update(padded(0x5c))
        .chain_update(inner)
        .finalize()
        .to_vec()
}
