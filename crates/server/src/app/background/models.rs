//! Follower of the embedding models: loads what is needed, has missing vectors made when the model changes, and lets the new one answer
//! once they are complete.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use library::embed;
use library::search::ModelState;

use crate::app::App;

/// Interval at which the similarity of unrelated passages is measured while there are too few.
const MEASURE: Duration = Duration::from_mins(1);

/// Follower of the embedding models of a node. Each step can be repeated, and every node does the same.
pub(super) struct ModelFollower {
    app: App,
    /// Model that passages are to have vectors of, as it was last seen.
    target: Option<String>,
    /// Model that answers, as it was last seen.
    answering: Option<String>,
    measured_at: Option<Instant>,
    is_first: bool,
}

impl ModelFollower {
    pub(super) fn new(app: App) -> Self {
        Self { app, target: None, answering: None, measured_at: None, is_first: true }
    }

    /// Takes a step, and returns whether there is a model to embed with.
    pub(super) async fn follow(&mut self) -> bool {
        match self.step().await {
            Ok(has_target) => has_target,
            Err(error) => {
                tracing::warn!(error = %format!("{error:#}"), "failed to follow the embedding models");
                false
            }
        }
    }

    async fn step(&mut self) -> anyhow::Result<bool> {
        self.app.load_model().await;
        let models = self.app.engine.models().await?;
        let ModelState::Ready(target) = models.target else {
            self.target = None;
            return Ok(false);
        };
        let is_first = std::mem::replace(&mut self.is_first, false);
        let is_answering = models.answering_id == target.id();
        if self.target.as_deref() != Some(target.id()) {
            // At a start the missing vectors have their jobs, unless the setting was changed.
            if !is_first || !is_answering {
                let mut transaction = store::postgres::begin(self.app.pool()).await?;
                embed::enqueue_missing(&mut transaction, &target).await?;
                transaction.commit().await?;
            }
            self.target = Some(target.id().to_owned());
        }
        if !is_answering {
            embed::switch_if_complete(self.app.pool(), &target).await?;
        } else if models.is_unmeasured && self.measured_at.is_none_or(|at| at.elapsed() > MEASURE) {
            self.measured_at = Some(Instant::now());
            embed::measure_unrelated(self.app.pool(), &target).await?;
        }
        self.embed_others(&self.app.engine.models().await?.answering).await?;
        Ok(true)
    }

    /// Has files of chats and groups of the work list embedded by the model that answers, when it is another one.
    async fn embed_others(&mut self, answering: &ModelState) -> anyhow::Result<()> {
        let ModelState::Ready(model) = answering else { return Ok(()) };
        if self.answering.as_deref() == Some(model.id()) {
            return Ok(());
        }
        let mut transaction = store::postgres::begin(self.app.pool()).await?;
        chat::worklist::enqueue_regroup(&mut transaction).await.context("the database failed")?;
        chat::files::enqueue_embedding(&mut transaction, model).await?;
        transaction.commit().await?;
        self.answering = Some(model.id().to_owned());
        Ok(())
    }
}
