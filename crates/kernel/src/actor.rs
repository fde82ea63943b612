//! The actor of a request: a user, the owner at the command line, or an anonymous caller, narrowed by an API key.
//!
//! A transport builds it once by authentication and passes it to the domain crates, which check authority.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

crate::id! {
    /// A user.
    UserId
}
crate::id! {
    /// An API key.
    KeyId
}
crate::id! {
    /// A session.
    SessionId
}

/// Role of a user in the installation. Each includes the rights of those before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type, ToSchema,
)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads what is visible to the team and writes where a grant allows it.
    User,
    /// Creates libraries and writes in those visible to the team.
    Editor,
    /// Has every right.
    Admin,
}

/// Scope of an API key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Read and search. Every key has it.
    Read,
    /// Add, change and delete the content of libraries.
    Write,
    /// Write notes on passages.
    Notes,
    /// Read and write the user's own chats.
    Chats,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Notes, Self::Chats];
}

/// Name of no role or scope; the text lists the valid ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnknownName {
    /// Unknown role, cut to 40 characters.
    #[error("unknown role {0:?}; expected user, editor or admin")]
    Role(String),
    /// Unknown scope, cut to 40 characters.
    #[error("unknown scope {0:?}; expected read, write, notes or chats")]
    Scope(String),
}

impl Role {
    /// Name in the database and in every API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

impl Scope {
    /// Name in the database and in every API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Notes => "notes",
            Self::Chats => "chats",
        }
    }
}

impl FromStr for Role {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::User, Self::Editor, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownName::Role(text.chars().take(40).collect()))
    }
}

impl FromStr for Scope {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| UnknownName::Scope(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The one who acts: an identity, and the API key that narrows it, if one is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    identity: Identity,
    key: Option<Key>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Identity {
    Anonymous,
    Owner,
    User { id: UserId, name: Arc<str>, role: Role, session: Option<SessionId> },
}

/// The API key that narrows an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    id: Option<KeyId>,
    name: Arc<str>,
    scopes: BTreeSet<Scope>,
    /// Names of the libraries that the key is limited to; `None` for all.
    libraries: Option<BTreeSet<String>>,
}

impl Actor {
    /// An unauthenticated actor, who sees public libraries only.
    pub fn anonymous() -> Self {
        Self { identity: Identity::Anonymous, key: None }
    }

    /// The command line on the library's own machine: file access to the data makes its user the owner.
    pub fn owner() -> Self {
        Self { identity: Identity::Owner, key: None }
    }

    /// A user, signed in by `session` if there is one.
    pub fn user(id: UserId, name: &str, role: Role, session: Option<SessionId>) -> Self {
        Self { identity: Identity::User { id, name: name.into(), role, session }, key: None }
    }

    /// Narrows the actor to an API key's scopes and, if `libraries` is given, to the libraries named there. `id` is `None`
    /// where the restriction is not a stored key (`wenyuan mcp --scope read`).
    #[must_use]
    pub fn with_key(
        self,
        id: Option<KeyId>,
        name: &str,
        scopes: BTreeSet<Scope>,
        libraries: Option<BTreeSet<String>>,
    ) -> Self {
        Self { key: Some(Key { id, name: name.into(), scopes, libraries }), ..self }
    }

    /// User id; `None` for the anonymous actor and for the owner at the command line.
    pub fn user_id(&self) -> Option<UserId> {
        match self.identity {
            Identity::User { id, .. } => Some(id),
            Identity::Anonymous | Identity::Owner => None,
        }
    }

    /// Session id, if the user is signed in by one.
    pub fn session_id(&self) -> Option<SessionId> {
        match self.identity {
            Identity::User { session, .. } => session,
            Identity::Anonymous | Identity::Owner => None,
        }
    }

    /// Id of the API key, if a stored one is used.
    pub fn key_id(&self) -> Option<KeyId> {
        self.key.as_ref().and_then(|key| key.id)
    }

    /// Name shown as the author of what the actor writes.
    pub fn name(&self) -> &str {
        match (&self.identity, &self.key) {
            (Identity::User { name, .. }, _) => name,
            (_, Some(key)) => &key.name,
            (Identity::Owner, None) => "owner",
            (Identity::Anonymous, None) => "anonymous",
        }
    }

    /// Name of the API key, if one is used.
    pub fn key_name(&self) -> Option<&str> {
        self.key.as_ref().map(|key| &*key.name)
    }

    /// Role in the installation; `None` for the anonymous actor. The owner counts as an administrator.
    pub fn role(&self) -> Option<Role> {
        match self.identity {
            Identity::Anonymous => None,
            Identity::Owner => Some(Role::Admin),
            Identity::User { role, .. } => Some(role),
        }
    }

    /// Whether the actor is unauthenticated.
    pub fn is_anonymous(&self) -> bool {
        matches!(self.identity, Identity::Anonymous)
    }

    /// Whether the user has at least the `minimum` role, in person or through a key. The owner has every role.
    pub fn has_role(&self, minimum: Role) -> bool {
        self.role().is_some_and(|role| role >= minimum)
    }

    /// Whether this is an administrator who acts in person. Keys cannot administer accounts, keys of others or the registry:
    /// a leaked key must not be able to create another.
    pub fn is_admin(&self) -> bool {
        self.key.is_none() && self.has_role(Role::Admin)
    }

    /// Whether a user or the owner acts directly, without an API key.
    pub fn in_person(&self) -> bool {
        self.key.is_none() && !self.is_anonymous()
    }

    /// Whether the scope is granted: always without a key (the anonymous actor can only read), else as the key says.
    pub fn has_scope(&self, scope: Scope) -> bool {
        match &self.key {
            None => !self.is_anonymous() || scope == Scope::Read,
            Some(_) if scope == Scope::Read => true,
            Some(key) => key.scopes.contains(&scope),
        }
    }

    /// Whether the key, if one is used, is valid for the library of this name.
    pub fn key_allows_library(&self, library: &str) -> bool {
        self.key_libraries().is_none_or(|libraries| libraries.contains(library))
    }

    /// Names of the libraries that the key is limited to; `None` for all.
    pub fn key_libraries(&self) -> Option<&BTreeSet<String>> {
        self.key.as_ref().and_then(|key| key.libraries.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(actor: Actor, scopes: &[Scope], libraries: Option<&[&str]>) -> Actor {
        let libraries = libraries.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        actor.with_key(Some(KeyId::new()), "agent", scopes.iter().copied().collect(), libraries)
    }

    #[test]
    fn a_key_restricts_and_never_extends() {
        let admin = Actor::user(UserId::new(), "ada", Role::Admin, None);
        assert!(admin.is_admin() && admin.has_scope(Scope::Write) && admin.key_allows_library("any"));
        let narrowed = key(admin, &[Scope::Read], Some(&["fastify"]));
        assert!(!narrowed.is_admin() && narrowed.has_role(Role::Admin) && narrowed.has_scope(Scope::Read));
        assert!(!narrowed.has_scope(Scope::Write) && !narrowed.has_scope(Scope::Notes));
        assert!(narrowed.key_allows_library("fastify") && !narrowed.key_allows_library("gate"));
        let reader = key(Actor::user(UserId::new(), "bo", Role::User, None), &[Scope::Write], None);
        assert!(reader.has_scope(Scope::Write) && !reader.has_role(Role::Editor));
    }

    #[test]
    fn the_anonymous_actor_can_only_read() {
        let anonymous = Actor::anonymous();
        assert!(
            anonymous.has_scope(Scope::Read)
                && !anonymous.has_scope(Scope::Write)
                && !anonymous.has_scope(Scope::Notes)
        );
        assert!(!anonymous.has_role(Role::User) && !anonymous.in_person());
    }

    #[test]
    fn roles_are_ordered() {
        assert!(Role::User < Role::Editor && Role::Editor < Role::Admin);
        assert_eq!("editor".parse(), Ok(Role::Editor));
        assert!("root".parse::<Role>().is_err() && "all".parse::<Scope>().is_err());
    }
}
