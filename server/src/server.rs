//! The state of a running server.

use metrics_exporter_prometheus::PrometheusHandle;
use postback::Timestamp;

use crate::endpoint::ConfiguredEndpoint;
use crate::intake::Intake;
use crate::shutdown::Shutdown;

/// Everything that requests need.
pub(crate) struct Server {
    pub(crate) intake: Intake,
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
