//! Continuous archiving of the write-ahead log: rounds of [`ops::archive`], what is logged of them, and their metrics. A failure never
//! keeps the server from serving.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use kernel::chain::Chain;
use ops::archive::{self, Archiver, Round};
use ops::keys::Recipients;
use ops::repository::Repository;
use store::postgres::Cluster;

use super::{key_file, repository_folder};
use crate::app::App;

/// Interval at which a failure that goes on is logged again.
const REMIND: Duration = Duration::from_mins(10);

/// Archiver with the settings of this server.
pub(crate) struct Archiving {
    app: App,
    archiver: Archiver,
    /// Whether anything was archived: before the first backup there is no repository, and that is no failure.
    has_begun: bool,
    /// When a failure that goes on was last logged.
    logged_failure: Option<Instant>,
}

impl Archiving {
    pub(crate) fn new(app: &App, cluster: Cluster) -> Self {
        let archiver = Archiver::new(cluster, app.objects.clone());
        Self { app: app.clone(), archiver, has_begun: false, logged_failure: None }
    }

    /// Stores what was written since the last round.
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    pub(crate) async fn round(&mut self) {
        let mut kept = 0;
        let archived = match self.archiver.keep().await {
            Ok(bytes) => {
                kept = bytes;
                metrics::gauge!("wenyuan_backup_wal_kept_bytes").set(bytes as f64);
                self.store().await
            }
            Err(error) => Err(error.into()),
        };
        match archived {
            Ok(round) => {
                if self.logged_failure.take().is_some() {
                    tracing::info!("write-ahead log is archived again");
                }
                self.record(round);
            }
            Err(error) => {
                metrics::counter!("wenyuan_backup_wal_failures_total").increment(1);
                if self.logged_failure.is_none_or(|logged| logged.elapsed() > REMIND) {
                    self.logged_failure = Some(Instant::now());
                    tracing::warn!(
                        error = %Chain(error.as_ref()),
                        kept_bytes = kept,
                        "failed to archive the write-ahead log; PostgreSQL keeps it, up to WENYUAN_BACKUP_WAL_LIMIT_MIB"
                    );
                }
            }
        }
    }

    async fn store(&mut self) -> anyhow::Result<Round> {
        let settings = &self.app.settings;
        let folder = repository_folder(None, settings)?;
        if !self.has_begun && !folder.join("repository.json").is_file() {
            return Ok(Round::NoBackup);
        }
        let recipients = if settings.backup.unencrypted() {
            Recipients::none()
        } else {
            let recipients = key_file(settings).recipients()?;
            if recipients.is_none() {
                return Err(ops::Error::NoRecipient.into());
            }
            recipients
        };
        let repository = Repository::open(folder).await.context("the repository cannot be reached")?;
        Ok(self.archiver.round(&repository, &recipients).await?)
    }

    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
    fn record(&mut self, round: Round) {
        let Round::Archived { until, segments, lost } = round else { return };
        if !self.has_begun {
            self.has_begun = true;
            tracing::info!("archiving the write-ahead log");
        }
        metrics::gauge!("wenyuan_backup_wal_timestamp_seconds").set(until.timestamp() as f64);
        metrics::counter!("wenyuan_backup_wal_segments_total").increment(segments);
        if let Some(segment) = lost {
            metrics::counter!("wenyuan_backup_wal_gaps_total").increment(1);
            tracing::error!(
                segment,
                "write-ahead log was given up before it was archived: recovery to a moment behind it begins with the next backup; \
                 run one now (wenyuan backup run)"
            );
        }
    }
}

/// Lets PostgreSQL remove what it keeps for an archiver of before.
pub(crate) async fn turn_off(cluster: Cluster) {
    if let Err(error) = archive::end(&cluster).await {
        tracing::warn!(error = %Chain(&error), "failed to end the archiving of the write-ahead log");
    }
}
