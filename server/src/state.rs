//! What the admin port and the public port share.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use postback::Timestamp;

use crate::delivery::{Delivery, ServerReceiver};
use crate::endpoint::ConfiguredEndpoint;
use crate::feed::Feed;
use crate::shutdown::Shutdown;

/// Everything that requests need.
pub(crate) struct Server {
    pub(crate) receiver: ServerReceiver,
    pub(crate) delivery: Delivery,
    pub(crate) feed: Arc<Feed>,
    pub(crate) endpoints: Vec<ConfiguredEndpoint>,
    pub(crate) store_kind: &'static str,
    pub(crate) started: Timestamp,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) shutdown: Shutdown,
}

impl Server {
    /// Network and app of every endpoint.
    pub(crate) fn apps(&self) -> impl Iterator<Item = (&str, &str)> {
        self.endpoints.iter().map(|endpoint| {
            let labels = endpoint.labels();
            (labels.network, labels.app)
        })
    }
}
