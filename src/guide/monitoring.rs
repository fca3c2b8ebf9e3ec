//! Monitoring: what to watch, and what each number and line means.
//!
//! Every name is listed in [`observe`](crate::observe) and, word by word, in the repository's
//! `docs/observability.md`. They are kept as carefully as function names are.
//!
//! # The log
//!
//! The crate writes by [`tracing`]; install a subscriber as for the rest of your program. `info` shows each callback
//! that changed something, `warn` what a person should know of, `debug` the duplicates, too:
//!
//! ```text
//! INFO postback::callback: callback settled source=bitlabs app=my-game endpoint="offers" conversion="o233" kind="completed" outcome="reward"
//! WARN postback::request: request refused source="bitlabs" app="my-game" endpoint="offers" cause="signature_wrong" fault="sender" error=the signature is wrong under every key: …
//! ERROR postback::request: genuine callback refused: what it says is lost unless this is mended … endpoint="offers" cause="parameter_missing" fault="configuration" error=parameter "gems" is missing: …
//! WARN postback::request: refused requests were not logged cause="signature_wrong" suppressed=99990
//! ```
//!
//! It holds neither players nor secrets, hashes or URLs. What your handler logs stands in the span `callback` and so
//! says which conversion it is about. What your handler returns as an error is logged as it is: keep secrets out of it.
//!
//! A flood of forged requests writes ten lines a minute for each cause, and then one with the number of the rest.
//! [`limit_refusals`](crate::observe::limit_refusals) changes that; a tool that blocks addresses by the log may want
//! all of them:
//!
//! ```
//! use std::time::Duration;
//!
//! postback::observe::limit_refusals(u32::MAX, Duration::from_secs(60));
//! ```
//!
//! # Metrics
//!
//! With the feature `metrics`, the crate counts and times by the facade of that name. Which exporter there is, if any, is
//! your program's choice; install it before the first callback, and describe the metrics once:
//!
//! ```
//! # #[cfg(feature = "metrics")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
//!
//! let seconds = Matcher::Suffix("_seconds".to_owned());
//! let exporter = PrometheusBuilder::new()
//!     .set_buckets_for_metric(seconds, &[0.0005, 0.002, 0.01, 0.05, 0.25, 1.0, 5.0])?
//!     .install_recorder()?;
//! postback::observe::describe();
//! let page = exporter.render(); // to be answered at /metrics, to your monitoring alone
//! # let _ = page;
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "metrics"))]
//! # fn main() {}
//! ```
//!
//! The example `metrics_receiver` is a whole backend with such a page.
//!
//! # Alerts that are worth their noise
//!
//! | when | then |
//! |---|---|
//! | `postback_open_decisions` stays above zero | players wait for rewards: the handler fails. The log says why (`postback::decision`, ERROR) |
//! | `postback_callbacks_total{outcome="handler_failed"}` rises | the same, sooner |
//! | `…{outcome="store_failed"}` rises | the database is down or too slow; the network comes again, and nothing is lost as long as it does |
//! | `…{outcome="conflict"}` rises | the network says two things about one conversion; no money moved. Ask it |
//! | `…{outcome="closed"}` rises | something came of a conversion that your game refused, or that was imported without its amount: perhaps a reversal to make by hand |
//! | `postback_requests_refused_total{fault="configuration"}` rises | the dashboard was changed and this program was not: real callbacks are refused |
//! | `…{cause=~"parameter_(missing\|empty\|malformed\|not_an_id)\|static_changed\|other_state"}` rises | the same, and whatever else makes a genuine callback unusable: the network gives up after some repetitions. The log names the parameter (`postback::request`, ERROR) |
//! | `…{cause="signature_wrong"}` rises and no callback succeeds | the secret or the configured URL is wrong; if others succeed, it is a forger |
//! | no callback for longer than ever before | the network, DNS, TLS, the proxy: send a signed one of your own and see |
//!
//! In the language of Prometheus, for two of them:
//!
//! ```text
//! max(postback_open_decisions) > 0                                   for: 10m
//! sum(increase(postback_callbacks_total{outcome="conflict"}[1h])) > 0
//! ```
//!
//! The gauge is set at each [`resume`](crate::receiver::Resume::resume): let
//! [`spawn_resume`](crate::receiver::spawn_resume) run. Processes that share a store see the same open decisions, so
//! take their maximum.
