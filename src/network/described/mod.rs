//! Any network, from a description: names, authentication and meaning are data.
//!
//! ```
//! let lootably = postback::network::preset("lootably")?.app("my-game").secret("the postback secret")?;
//! // Paste this into the network's dashboard.
//! let url = lootably.dashboard_url("https://game.example")?;
//! assert!(url.starts_with("https://game.example/callbacks/lootably?userID={userID}&transactionID={transactionID}&"));
//! let endpoint = lootably.build()?;
//! # let _ = endpoint;
//! # Ok::<(), postback::network::ConfigError>(())
//! ```

mod authentication;
mod body;
mod builder;
mod callback;
mod compile;
mod description;
mod endpoint;
mod format;
mod signed_text;
mod url;

pub use authentication::Credential;
pub use builder::DescribedBuilder;
pub use callback::DescribedCallback;
pub use description::{Description, UrlFinding};
pub use endpoint::DescribedEndpoint;
pub use format::{Evidence, Meaning, Role};
pub use signed_text::Shape;
#[cfg(feature = "testing")]
pub(crate) use {
    format::{BodyFormat, Hash, Order, OriginalForm, Pairs, Place, Position, Scheme},
    signed_text::Part,
};

use super::ConfigError;

macro_rules! presets {
    ($($name:literal),* $(,)?) => {
        /// The presets' files, in the order of their names.
        const PRESETS: &[(&str, &str)] = &[
            $(($name, include_str!(concat!("../../../networks/", $name, ".toml"))),)*
        ];
    };
}

presets![
    "adgate",
    "adgem",
    "adgem-v3",
    "adjoe",
    "adscend",
    "affise",
    "applovin",
    "ayet",
    "bitcotasks",
    "cpalead",
    "cpx",
    "everflow",
    "fyber",
    "inbrain",
    "keitaro",
    "kiwiwall",
    "levelplay",
    "lootably",
    "monlix",
    "mychips",
    "notik",
    "phonexa",
    "pollfish",
    "pubscale",
    "superrewards",
    "tapjoy",
    "theoremreach",
    "timewall",
    "torox",
    "tune",
    "tyrads",
    "unityads",
    "vungle",
    "wannads",
];

/// The names of the presets.
pub fn presets() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|(name, _)| *name)
}

/// The description of a network that is compiled in, by its name or that of a member of its family.
///
/// # Errors
/// [`ConfigError::UnknownNetwork`], with the most similar name.
pub fn preset(name: &str) -> Result<Description, ConfigError> {
    if let Some((_, text)) = PRESETS.iter().find(|(known, _)| *known == name) {
        return Description::from_toml(text);
    }
    for (_, text) in PRESETS.iter().filter(|(_, text)| text.contains("\nfamily ")) {
        let description = Description::from_toml(text)?;
        if description.family().iter().any(|member| member == name) {
            return description.named(name);
        }
    }
    let nearest = presets().min_by_key(|known| strsim::levenshtein(known, name));
    let fix = match nearest {
        _ if matches!(name, "bitlabs" | "admob") => format!("use postback::network::{name}"),
        Some(known) if strsim::levenshtein(known, name) <= 2 => format!("did you mean {known:?}?"),
        _ => "use one of postback::network::presets(), or Description::from_file".to_owned(),
    };
    Err(ConfigError::UnknownNetwork { name: name.to_owned(), fix })
}
