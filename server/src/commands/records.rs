//! `postback show`, `retry` and `replay`: what the store holds.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use postback::store::{KeptId, Record, Retention as _};
use postback::{DedupStore as _, PlayerId, ReceiveError, RecordKey};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{StoreOption, note, open_for_reading, print};
use crate::admin::{conversions, decided, says};
use crate::config::{self, Config};
use crate::serve;
use crate::store::AnyStore;
use crate::text::rfc3339;

/// How many keys are listed at a time.
const PAGE: usize = 256;

/// Shows what happened to a player, a transaction or a record, or what is pending or unusable.
///
/// It only reads. Exit status: 0 something was found, 1 nothing was found, 2 the store could not be read.
#[derive(Args)]
pub(crate) struct Show {
    #[command(flatten)]
    store: StoreOption,
    /// Print records as JSON, one a line.
    #[arg(long)]
    json: bool,
    /// Show at most this many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// The network of a transaction, if no configuration says so.
    #[arg(long, value_name = "NAME")]
    network: Option<String>,
    /// The app of a transaction, if no configuration says so.
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Show decisions that the backend has not taken.
    #[arg(long, conflicts_with_all = ["unusable", "subject"])]
    pending: bool,
    /// Show genuine callbacks that could not be used.
    #[arg(long, conflicts_with = "subject")]
    unusable: bool,
    /// A player, a transaction, or a record's key.
    #[arg(required_unless_present_any = ["pending", "unusable"])]
    subject: Option<String>,
}

impl Show {
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let mut outline = self.store.outline()?;
        if let (Some(network), Some(app)) = (&self.network, &self.app) {
            outline.apps.push((network.clone(), app.clone()));
        }
        let store = open_for_reading(&outline.store).await?;
        let limit = usize::from(self.limit);
        if self.unusable {
            return self.show_unusable(&store, limit).await;
        }
        let keys = match &self.subject {
            Some(text) => find(&store, &outline.apps, text, limit).await?,
            None => store.list_pending(None, limit).await?,
        };
        let mut found = 0;
        for key in keys.iter().take(limit) {
            match store.load(key).await {
                Ok(Some(stored)) => {
                    found += 1;
                    self.show_record(&stored.record)?;
                }
                Ok(None) => {}
                Err(error) if error.is_about_one_record() => {
                    found += 1;
                    note(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if found == 0 {
            note(if self.pending { "nothing is pending" } else { "nothing was found" });
        } else if keys.len() >= limit {
            note(format_args!("only the first {limit} are shown: see --limit"));
        }
        Ok(found > 0)
    }

    async fn show_unusable(&self, store: &AnyStore, limit: usize) -> anyhow::Result<bool> {
        let kept = store.list_unusable(None::<&KeptId>, limit).await?;
        for kept in &kept {
            if self.json {
                print(serde_json::to_string(kept)?)?;
                continue;
            }
            let callback = &kept.callback;
            print(format_args!(
                "{}  {}/{} {} at {}: {}",
                rfc3339(kept.received),
                callback.network,
                callback.app,
                callback.endpoint,
                callback.path,
                callback.problem
            ))?;
            print(format_args!("  {}", callback.query))?;
        }
        if kept.is_empty() {
            note("no callback is kept as unusable");
        }
        Ok(!kept.is_empty())
    }

    fn show_record(&self, record: &Record) -> anyhow::Result<()> {
        if self.json {
            return print(crate::admin::record_json(record));
        }
        let player = record.lookup_player().map_or("(erased)", |player| player.as_str());
        print(format_args!(
            "{}  player {player}  {}  balance {}",
            record.key(),
            record.status().as_str(),
            record.balance().normalize()
        ))?;
        if let Some(closed) = record.closed() {
            print(format_args!("  closed {}: {}", rfc3339(closed.at), closed.reason))?;
        }
        for entry in record.entries() {
            print(format_args!(
                "  {}  {}: {}",
                rfc3339(entry.received()),
                entry.event().endpoint,
                says(entry.event())
            ))?;
            let decision = entry.action().map_or_else(|| "kept: the conversion was closed".to_owned(), decided);
            let state = match (entry.delivered(), entry.declined()) {
                (_, Some(reason)) => format!("declined: {reason}"),
                (Some(_), _) if entry.is_imported() => "imported".to_owned(),
                (Some(at), _) => format!("delivered {}", rfc3339(at)),
                (None, None) => "not delivered".to_owned(),
            };
            print(format_args!("    {decision}, {state}"))?;
        }
        if let Some(retry) = record.retry() {
            print(format_args!(
                "  {} failed attempts, the last {}: {}",
                retry.attempts,
                rfc3339(retry.failed_at),
                retry.error
            ))?;
        }
        Ok(())
    }
}

/// The keys that a text may mean. Never lists the whole store.
async fn find(store: &AnyStore, apps: &[(String, String)], text: &str, limit: usize) -> anyhow::Result<Vec<RecordKey>> {
    if let Ok(key) = text.parse::<RecordKey>() {
        return Ok(vec![key]);
    }
    let apps = apps.iter().map(|(network, app)| (network.as_str(), app.as_str()));
    let mut keys = conversions(store, apps, text).await?;
    if let Ok(player) = PlayerId::new(text) {
        keys.extend(store.list_by_player(&player, None, limit).await?);
    }
    keys.sort();
    keys.dedup();
    Ok(keys)
}

/// Delivers what is pending now, whatever the backoff says. Safe while servers run.
///
/// Exit status: 0 nothing is pending any more, 1 something still is, 2 there is no such record, or the command could not
/// be carried out.
#[derive(Args)]
pub(crate) struct Retry {
    /// The server's configuration.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    config: PathBuf,
    /// The record to deliver. Without one, all are.
    key: Option<RecordKey>,
}

impl Retry {
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let config = Config::read(&self.config)?;
        let store = config.store.open_existing().await?;
        if let Some(key) = &self.key {
            let Some(stored) = store.load(key).await? else {
                anyhow::bail!("no such record: {key}");
            };
            if !stored.record.is_pending() {
                print("nothing is pending")?;
                return Ok(true);
            }
        }
        let receiver = serve::receiver(&config, store.clone())?;
        let permits = Arc::new(Semaphore::new(config.backend.concurrency));
        let mut running = JoinSet::new();
        let mut summary = Retried::default();
        let mut after = None;
        loop {
            let keys = match &self.key {
                Some(key) => vec![key.clone()],
                None => store.list_pending(after.as_ref(), PAGE).await?,
            };
            for key in &keys {
                let permit = Arc::clone(&permits).acquire_owned().await?;
                let (receiver, key) = (receiver.clone(), key.clone());
                running.spawn(async move {
                    let result = receiver.deliver(key.clone()).await;
                    drop(permit);
                    (key, result.map(drop))
                });
                while let Some(Ok((key, result))) = running.try_join_next() {
                    summary.count(&key, result);
                }
            }
            if self.key.is_some() || keys.len() < PAGE {
                break;
            }
            after = keys.last().cloned();
        }
        while let Some(Ok((key, result))) = running.join_next().await {
            summary.count(&key, result);
        }
        let Retried { delivered, busy, failed } = summary;
        print(format_args!("{delivered} delivered, {busy} in delivery elsewhere, {failed} failed"))?;
        store.close().await;
        Ok(busy == 0 && failed == 0)
    }
}

#[derive(Default)]
struct Retried {
    delivered: usize,
    busy: usize,
    failed: usize,
}

impl Retried {
    /// How many errors are printed at most.
    const PRINTED: usize = 20;

    fn count(&mut self, key: &RecordKey, result: Result<(), ReceiveError>) {
        match result {
            Ok(()) => self.delivered += 1,
            Err(ReceiveError::Busy { .. }) => self.busy += 1,
            Err(error) => {
                self.failed += 1;
                if self.failed <= Self::PRINTED {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    note(format_args!("{}: {error}: {}", key.redacted(), source.unwrap_or_default()));
                }
            }
        }
    }
}

/// Replays genuine callbacks that could not be used, under the present configuration.
///
/// They take the normal path, so each pays at most once. A running server delivers the decisions within seconds.
/// Exit status: 0 none is left, 1 some are, 2 the command could not be carried out.
#[derive(Args)]
pub(crate) struct Replay {
    /// The server's configuration.
    #[arg(long, value_name = "FILE", default_value = config::DEFAULT_FILE)]
    config: PathBuf,
}

impl Replay {
    pub(crate) async fn run(self) -> anyhow::Result<bool> {
        let config = Config::read(&self.config)?;
        let store = config.store.open_existing().await?;
        let receiver = serve::receiver(&config, store.clone())?;
        let (mut replayed, mut unusable, mut failed) = (0, 0, 0);
        for endpoint in &config.endpoints {
            let summary = endpoint.replay(&receiver).await?;
            replayed += summary.replayed;
            unusable += summary.unusable;
            failed += summary.failed;
        }
        print(format_args!("{replayed} replayed, {unusable} still unusable, {failed} failed"))?;
        let is_done = store.list_unusable(None, 1).await?.is_empty();
        if !is_done && unusable == 0 && failed == 0 {
            note("others were kept at paths that no endpoint has: see `postback show --unusable`");
        }
        store.close().await;
        Ok(is_done)
    }
}
