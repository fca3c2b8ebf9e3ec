//! Signs callbacks as `AdMob` does, with a key of its own.
//!
//! ```
//! use postback::network::admob;
//! use postback::testing::admob::AdmobSigner;
//! use postback::{Endpoint, Request};
//!
//! let google = AdmobSigner::new(7);
//! let endpoint = admob::app("my-game", google.keys()).ad_units(["2747237135"]).build()?;
//! let query = "ad_unit=2747237135&reward_amount=5&reward_item=Gems&timestamp=1&transaction_id=t1&user_id=p1";
//! let target = format!("/callbacks/admob?{}", google.sign(query));
//! assert_eq!(endpoint.verify(&Request::get(&target)).expect("genuine").player, "p1");
//! # Ok::<(), postback::network::ConfigError>(())
//! ```

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};

use crate::network::ConfigError;
use crate::network::admob::{VerificationKeys, invalid_key};

/// Google, with a private key of your own.
#[derive(Clone)]
pub struct AdmobSigner {
    id: u64,
    key: SigningKey,
}

impl AdmobSigner {
    /// A key made from this id, which everybody knows. For tests whose endpoint nobody else can reach.
    #[expect(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "these bytes are below the curve's order and not zero"
    )]
    pub fn new(id: u64) -> Self {
        let mut bytes = [1; 32];
        for (place, byte) in bytes.iter_mut().skip(16).zip(id.to_be_bytes()) {
            *place = byte;
        }
        Self { id, key: SigningKey::from_slice(&bytes).expect("a valid scalar") }
    }

    /// A random key.
    pub fn random(id: u64) -> Self {
        Self { id, key: SigningKey::generate() }
    }

    /// A private key in PEM (PKCS #8).
    ///
    /// # Errors
    /// [`ConfigError::Keys`], if it is not a P-256 key.
    pub fn from_pem(id: u64, pem: &str) -> Result<Self, ConfigError> {
        let key = SigningKey::from_pkcs8_pem(pem).map_err(|_| invalid_key(id))?;
        Ok(Self { id, key })
    }

    /// The private key in PEM (PKCS #8).
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a valid key can be encoded")]
    pub fn to_pem(&self) -> String {
        self.key.to_pkcs8_pem(LineEnding::LF).expect("a valid key").to_string()
    }

    /// The public key.
    #[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "its own key has the right form")]
    pub fn keys(&self) -> VerificationKeys {
        VerificationKeys::new().with_base64(self.id, &self.base64()).expect("a P-256 key")
    }

    /// Google's list of keys, with this one.
    pub fn json(&self) -> String {
        format!("{{\"keys\":[{{\"keyId\":{},\"pem\":\"\",\"base64\":\"{}\"}}]}}", self.id, self.base64())
    }

    #[expect(clippy::expect_used, reason = "a valid key can be encoded")]
    fn base64(&self) -> String {
        let der = self.key.verifying_key().to_public_key_der().expect("a valid key");
        STANDARD.encode(der.as_bytes())
    }

    /// The query with signature and key id. Values are signed decoded, as Google does.
    pub fn sign(&self, query: &str) -> String {
        let decoded: Vec<u8> = percent_encoding::percent_decode_str(query).collect();
        let signature: Signature = self.key.sign(&decoded);
        let text = URL_SAFE_NO_PAD.encode(signature.to_der().as_bytes());
        format!("{query}&signature={text}&key_id={}", self.id)
    }
}

impl fmt::Debug for AdmobSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdmobSigner").field("id", &self.id).finish_non_exhaustive()
    }
}
