//! Audience rule: which posts, and with them comments and notifications, exist for an actor.
//!
//! A post exists for those who can read its library and all others that it cites; one without a library for every signed-in
//! actor that no API key confines to libraries. The posts of a person do not exist for those whom they block, except those who
//! moderate them: a block would take a text out of their reach. Muted people are left out of feeds and notifications only.
//!
//! Statements apply the rule to rows by arrays, in this form, where `$2` is [`Audience::libraries`], `$3` [`Audience::general`],
//! `$4` [`Audience::unseen`] and `$5` [`Audience::owned`]:
//!
//! ```sql
//! (post.library_id = any ($2) or (post.library_id is null and $3)) and post.other_libraries <@ $2
//!   and (post.author_id is null or post.author_id <> all ($4) or post.library_id = any ($5))
//! ```

use kernel::actor::{Actor, Role, Scope, UserId};
use library::access::{self, Level};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::Error;

/// An actor as a reader of posts.
#[derive(Debug)]
pub(crate) struct Audience {
    /// User, if the actor is one.
    pub(crate) viewer: Option<Uuid>,
    /// Libraries that exist for the actor.
    pub(crate) libraries: Vec<Uuid>,
    /// Those of them that the actor owns, so that they moderate the posts about them.
    pub(crate) owned: Vec<Uuid>,
    /// Whether posts without a library exist for the actor.
    pub(crate) general: bool,
    /// Whether the actor moderates posts without a library, too.
    pub(crate) admin: bool,
    /// People who block the actor.
    pub(crate) blockers: Vec<Uuid>,
    /// People whose texts do not exist for the actor: [`Self::blockers`], but nobody for an administrator.
    pub(crate) unseen: Vec<Uuid>,
    /// People whom the actor blocks.
    pub(crate) blocked: Vec<Uuid>,
    /// People whom the actor mutes or blocks, and those who block the actor.
    pub(crate) ignored: Vec<Uuid>,
}

impl Audience {
    /// Loads the audience of an actor by two statements.
    pub(crate) async fn of(connection: &mut PgConnection, actor: &Actor) -> Result<Self, Error> {
        let levels = access::visible_levels(&mut *connection, actor).await?;
        let viewer = actor.user_id().map(|user| user.0);
        let mut audience = Self {
            viewer,
            libraries: levels.iter().map(|(id, _)| id.0).collect(),
            owned: levels.iter().filter(|(_, level)| *level == Level::Own).map(|(id, _)| id.0).collect(),
            general: !actor.is_anonymous() && actor.key_libraries().is_none(),
            admin: actor.has_role(Role::Admin)
                && actor.has_scope(Scope::Write)
                && actor.key_libraries().is_none(),
            blockers: Vec::new(),
            unseen: Vec::new(),
            blocked: Vec::new(),
            ignored: Vec::new(),
        };
        let Some(viewer) = viewer else { return Ok(audience) };
        let rows = sqlx::query!(
            r#"-- audience.relations
             select blocked_id as "person!", 'blocked' as "relation!" from social.blocks where user_id = $1
             union all select user_id, 'blocker' from social.blocks where blocked_id = $1
             union all select muted_id, 'muted' from social.mutes where user_id = $1"#,
            viewer,
        )
        .fetch_all(connection)
        .await?;
        for row in rows {
            audience.ignored.push(row.person);
            match row.relation.as_str() {
                "blocked" => audience.blocked.push(row.person),
                "blocker" => audience.blockers.push(row.person),
                _ => {}
            }
        }
        if !audience.admin {
            audience.unseen.clone_from(&audience.blockers);
        }
        Ok(audience)
    }

    /// Whether the actor moderates posts of this library.
    pub(crate) fn moderates(&self, library: Option<Uuid>) -> bool {
        self.admin || library.is_some_and(|library| self.owned.contains(&library))
    }

    /// Whether this person blocks the actor, so that the actor cannot write to them, nor like what they write.
    pub(crate) fn is_blocked_by(&self, person: Option<Uuid>) -> bool {
        person.is_some_and(|person| self.blockers.contains(&person))
    }

    /// Whether the actor can read this library.
    pub(crate) fn reads(&self, library: Uuid) -> bool {
        self.libraries.contains(&library)
    }
}

/// Returns the person who writes posts or comments, in person or through an API key with the scope `notes`.
pub(crate) fn require_writer(actor: &Actor) -> Result<UserId, Error> {
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    if !actor.has_scope(Scope::Notes) {
        return Err(Error::NotAllowed(
            "this API key cannot write posts and comments: use one with the scope notes".to_owned(),
        ));
    }
    user(actor)
}

/// Returns the person who acts, not through an API key: for what is theirs alone.
///
/// # Errors
///
/// Fails if the actor is anonymous or no person.
pub fn require_person(actor: &Actor) -> Result<UserId, Error> {
    if actor.is_anonymous() {
        return Err(Error::SignIn);
    }
    if !actor.in_person() {
        return Err(Error::NotAllowed("an API key cannot do this: sign in".to_owned()));
    }
    user(actor)
}

fn user(actor: &Actor) -> Result<UserId, Error> {
    actor.user_id().ok_or_else(|| {
        Error::NotAllowed("only a person with an account can do this; the command line cannot".to_owned())
    })
}
