//! Reports of posts and comments, and what moderators decide.

use async_graphql::{Context, Error, ID, Object};
use social::ids::ReportId;
use social::reports;

use super::discussion::PostOrCommentInput;
use super::{CHANGE, Done, DonePayload, change};
use crate::graphql::operation::Resolution;
use crate::graphql::request::id;

/// Reports of posts and comments, and what moderators decide.
#[derive(Default)]
pub(crate) struct ModerationMutation;

/// Reports of posts and comments, and what moderators decide.
#[Object]
impl ModerationMutation {
    /// Reports a post or a comment to its moderators. A repeated report is one report.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn report(
        &self,
        context: &Context<'_>,
        target: PostOrCommentInput,
        reason: String,
    ) -> Result<DonePayload, Error> {
        let target = target.target()?;
        change!(context, reports::add, target, &reason => |report: ReportId| Done::of(report.0.into()))
    }

    /// Decides on a report, and on all others of the same text.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn resolve_report(
        &self,
        context: &Context<'_>,
        id: ID,
        resolution: Resolution,
    ) -> Result<DonePayload, Error> {
        let report = ReportId(self::id(&id)?);
        change!(context, reports::resolve, report, resolution.into() => |()| Done::of(id))
    }

    /// Hides a post or a comment, or shows it again: for owners of the library and administrators.
    #[graphql(complexity = "child_complexity + CHANGE")]
    async fn hide(
        &self,
        context: &Context<'_>,
        target: PostOrCommentInput,
        #[graphql(default = true)] hidden: bool,
    ) -> Result<DonePayload, Error> {
        let target = target.target()?;
        change!(context, reports::hide, target, hidden => |()| Done { id: None })
    }
}
