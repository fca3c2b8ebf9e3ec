//! A URL that is signed up to its end: what all sources share whose network signs in this way.

use memchr::memchr;

use super::OpenError;
use crate::wire::params::Places;
use crate::wire::template::{Parameter, Value};
use crate::wire::{
    KeyId, KeyNumber, KeyRing, Limits, Params, Request, SignatureScheme, Template, Verifier,
};

/// The configured URL, and what its requests are verified with.
pub(super) struct SignedUrl {
    template: Template,
    /// The names of the configured parameters, then the signature's, then that of the network's flag.
    names: Vec<Box<str>>,
    /// The places of the static ones, with their values.
    statics: Vec<(usize, Box<str>)>,
    verifier: Verifier,
    limits: Limits,
}

/// The parameters of a request that is genuine.
pub(super) struct Opened {
    /// All of them.
    pub(super) params: Params,
    /// Where the configured ones stand.
    pub(super) places: Places,
    /// The key that signed.
    pub(super) key: KeyNumber,
}

impl SignedUrl {
    /// `flag` is a parameter that the network adds to some requests, so that it stands in no template.
    pub(super) fn new(
        template: Template,
        scheme: SignatureScheme,
        keys: &KeyRing,
        limits: Limits,
        flag: Option<&str>,
    ) -> Self {
        let configured = template.parameters().iter().map(Parameter::name);
        let names = configured
            .chain([scheme.parameter()])
            .chain(flag)
            .map(Box::from)
            .collect();
        let statics = template
            .parameters()
            .iter()
            .enumerate()
            .filter_map(|(slot, parameter)| match parameter.value() {
                Value::Static(value) => Some((slot, value.clone())),
                Value::Macro(_) => None,
            })
            .collect();
        let verifier = Verifier::new(scheme, keys, template.signed_prefixes());
        Self {
            template,
            names,
            statics,
            verifier,
            limits,
        }
    }

    /// The name of a key that signed.
    pub(super) fn key(&self, number: KeyNumber) -> &KeyId {
        self.verifier.key(number)
    }

    pub(super) fn template(&self) -> &Template {
        &self.template
    }

    /// Verifies a request, decodes what was signed, and finds the configured parameters in it.
    pub(super) fn open(&self, request: &Request<'_>) -> Result<Opened, OpenError> {
        if request.method() != "GET" {
            return Err(OpenError::Method { allowed: "GET" });
        }
        let limit = self.limits.most_url_bytes();
        if request.target().len() > limit {
            return Err(OpenError::TooLong { limit });
        }
        if memchr(b'#', request.target().as_bytes()).is_some() {
            return Err(OpenError::Fragment);
        }
        let query = request.query().ok_or(OpenError::SignatureMissing)?;
        // Nothing is allocated before this line returns.
        let (signed, key) = self.verifier.find(query)?;
        let params = Params::decode(signed, self.limits)?;
        let places = params.locate(&self.names, Box::as_ref)?;
        self.refuse_second_signature(&params, &places)?;
        self.check_static(&params, &places)?;
        Ok(Opened {
            params,
            places,
            key,
        })
    }

    /// A player can add parameters to the offer wall's URL, and they are signed like the others: one called
    /// like the signature is never the network's.
    fn refuse_second_signature(&self, params: &Params, places: &Places) -> Result<(), OpenError> {
        match params.value_at(places, self.template.parameters().len()) {
            None => Ok(()),
            Some(_) => Err(OpenError::Repeated {
                name: self.verifier.scheme().parameter().to_owned(),
            }),
        }
    }

    /// The value of the network's flag; `None` where it is absent.
    pub(super) fn flag<'p>(&self, params: &'p Params, places: &Places) -> Option<&'p str> {
        params.value_at(places, self.template.parameters().len() + 1)
    }

    fn check_static(&self, params: &Params, places: &Places) -> Result<(), OpenError> {
        for (slot, expected) in &self.statics {
            let name = || {
                let name = self.names.get(*slot);
                name.map(|name| String::from(&**name)).unwrap_or_default()
            };
            match params.value_at(places, *slot) {
                None => return Err(OpenError::Missing { name: name() }),
                Some(value) if value != &**expected => {
                    return Err(OpenError::StaticChanged { name: name() });
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}
