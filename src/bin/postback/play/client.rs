//! Sends requests as networks do, the target byte for byte.

use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

use http_body_util::{BodyExt, Full, Limited};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use postback::testing::phonexa::Sent;
use tokio::net::TcpStream;

use crate::ending::{Failure, about};

/// A receiver that answers no sooner is taken for one that does not answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// More of a body is not read.
const MOST_BODY: usize = 1 << 20;

/// Where a receiver listens.
#[derive(Clone)]
pub(crate) struct Client {
    authority: String,
    address: SocketAddr,
    base: String,
}

/// A request, ready to be sent.
pub(crate) struct Outgoing {
    method: &'static str,
    target: String,
    headers: Vec<(String, String)>,
    body: Bytes,
}

impl Outgoing {
    pub(crate) fn get(target: &str) -> Self {
        Self {
            method: "GET",
            target: target.to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }
}

impl From<&Sent> for Outgoing {
    fn from(sent: &Sent) -> Self {
        Self {
            method: sent.method(),
            target: sent.target().to_owned(),
            headers: sent.headers().clone(),
            body: Bytes::copy_from_slice(sent.body()),
        }
    }
}

/// What a receiver answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    pub(crate) took: Duration,
}

impl Client {
    /// A client of `http://host:port`, with a path that is put before every target, if there is one. `argument` is
    /// what the user called it.
    pub(crate) fn new(argument: &str, to: &str, allow_remote: bool) -> Result<Self, Failure> {
        let rest = to.strip_prefix("http://").ok_or_else(|| {
            format!("{argument} must begin with http://: give the receiver itself, not the proxy that ends TLS before it")
        })?;
        let (authority, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let with_port = if authority
            .rsplit_once(':')
            .is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        {
            authority.to_owned()
        } else {
            format!("{authority}:80")
        };
        let found: Vec<SocketAddr> = with_port
            .to_socket_addrs()
            .map_err(|error| about(format!("{argument}: no address for {authority}"), error))?
            .collect();
        let address = *found
            .first()
            .ok_or_else(|| format!("{argument}: no address for {authority}"))?;
        if !allow_remote && !address.ip().is_loopback() {
            return Err(format!(
                "{argument} is not on this machine ({}): these callbacks are made up, and a receiver that believes them \
                 pays real players; with --allow-remote it is done all the same",
                address.ip()
            )
            .into());
        }
        Ok(Self {
            authority: authority.to_owned(),
            address,
            base: base.trim_end_matches('/').to_owned(),
        })
    }

    /// One request, on a connection of its own.
    pub(crate) async fn send(&self, request: &Outgoing) -> Result<Answer, Failure> {
        let started = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, self.exchange(request));
        let (status, body) = answer
            .await
            .map_err(|_| format!("no answer within {} s", PATIENCE.as_secs()))??;
        Ok(Answer {
            status,
            body,
            took: started.elapsed(),
        })
    }

    async fn exchange(&self, outgoing: &Outgoing) -> Result<(u16, Bytes), Failure> {
        let stream = TcpStream::connect(self.address)
            .await
            .map_err(|error| about(format!("nobody listens on {}", self.authority), error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(connection);
        let mut request = Request::builder()
            .method(outgoing.method)
            .uri(format!("{}{}", self.base, outgoing.target))
            .header(hyper::header::HOST, &self.authority)
            .header(hyper::header::USER_AGENT, "postback-play");
        for (name, value) in &outgoing.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(outgoing.body.clone()))?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), MOST_BODY)
            .collect()
            .await?
            .to_bytes();
        drop(sender);
        driver.abort();
        Ok((status, body))
    }
}
