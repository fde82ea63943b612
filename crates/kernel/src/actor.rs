//! Who acts, and how far they may: made once at the door, handed to every room, where authority is checked.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

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

/// What a user is in the whole installation. Each may do what those before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "lowercase")]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads what the team may read, and writes where it was granted.
    User,
    /// Makes libraries, and writes in those that the team may read.
    Editor,
    /// May everything.
    Admin,
}

/// What an API key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Reading and searching. Every key has it.
    Read,
    /// Adding, changing and deleting what is in libraries.
    Write,
    /// Writing notes on passages.
    Notes,
    /// Reading and writing the user's own questions and answers.
    Chats,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Notes, Self::Chats];
}

/// A word that names no role or scope; the text says which there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// No role.
    #[error("there is no role {0:?}; there are user, editor, admin")]
    Role(String),
    /// No scope.
    #[error("there is no scope {0:?}; there are read, write, notes, chats")]
    Scope(String),
}

impl Role {
    /// Its name in the database and at every door.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

impl Scope {
    /// Its name in the database and at every door.
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
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        [Self::User, Self::Editor, Self::Admin]
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| Unknown::Role(text.chars().take(40).collect()))
    }
}

impl FromStr for Scope {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| Unknown::Scope(text.chars().take(40).collect()))
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

/// Who acts.
#[derive(Debug, Clone)]
pub struct Actor {
    who: Who,
    key: Option<Key>,
}

#[derive(Debug, Clone)]
enum Who {
    Nobody,
    Owner,
    User { id: UserId, name: Arc<str>, role: Role, session: Option<SessionId> },
}

/// The key that narrows an actor.
#[derive(Debug, Clone)]
struct Key {
    id: Option<KeyId>,
    name: Arc<str>,
    scopes: BTreeSet<Scope>,
    /// The names of the only libraries it reaches; all where none are named.
    libraries: Option<BTreeSet<String>>,
}

impl Actor {
    /// Not signed in: sees public libraries.
    pub fn nobody() -> Self {
        Self { who: Who::Nobody, key: None }
    }

    /// The command line on the library's own machine, where whoever reaches the data is its owner.
    pub fn owner() -> Self {
        Self { who: Who::Owner, key: None }
    }

    /// A user in person.
    pub fn user(id: UserId, name: &str, role: Role, session: Option<SessionId>) -> Self {
        Self { who: Who::User { id, name: name.into(), role, session }, key: None }
    }

    /// The same, narrowed to what a key allows. `id` is none where the narrowing is no row (`wenyuan mcp --scope read`);
    /// `libraries` names the only libraries that are reached.
    #[must_use]
    pub fn narrowed(
        self,
        id: Option<KeyId>,
        name: &str,
        scopes: BTreeSet<Scope>,
        libraries: Option<BTreeSet<String>>,
    ) -> Self {
        Self { key: Some(Key { id, name: name.into(), scopes, libraries }), ..self }
    }

    /// The user, unless it is nobody or the owner at the command line.
    pub fn user_id(&self) -> Option<UserId> {
        match self.who {
            Who::User { id, .. } => Some(id),
            Who::Nobody | Who::Owner => None,
        }
    }

    /// The session, where a user signed in.
    pub fn session_id(&self) -> Option<SessionId> {
        match self.who {
            Who::User { session, .. } => session,
            Who::Nobody | Who::Owner => None,
        }
    }

    /// The key that was used, if one was.
    pub fn key_id(&self) -> Option<KeyId> {
        self.key.as_ref().and_then(|key| key.id)
    }

    /// What stands beside what they write.
    pub fn name(&self) -> &str {
        match (&self.who, &self.key) {
            (Who::User { name, .. }, _) => name,
            (_, Some(key)) => &key.name,
            (Who::Owner, None) => "owner",
            (Who::Nobody, None) => "nobody",
        }
    }

    /// The name of the key that was used, if one was.
    pub fn key_name(&self) -> Option<&str> {
        self.key.as_ref().map(|key| &*key.name)
    }

    /// What they are in the whole installation; `None` for nobody. The owner is as an administrator.
    pub fn role(&self) -> Option<Role> {
        match self.who {
            Who::Nobody => None,
            Who::Owner => Some(Role::Admin),
            Who::User { role, .. } => Some(role),
        }
    }

    /// Whether it is not known who this is.
    pub fn is_nobody(&self) -> bool {
        matches!(self.who, Who::Nobody)
    }

    /// Whether the user has at least this role, in person or through a key. The owner has every role.
    pub fn has_role(&self, least: Role) -> bool {
        self.role().is_some_and(|role| role >= least)
    }

    /// Whether this is an administrator in person. Accounts, keys of others and the registry are not for keys: a key that
    /// leaks must not be able to make another.
    pub fn is_admin(&self) -> bool {
        self.key.is_none() && self.has_role(Role::Admin)
    }

    /// Whether a person acts, and not a key.
    pub fn in_person(&self) -> bool {
        self.key.is_none() && !self.is_nobody()
    }

    /// Whether the key, if one is used, is good for this.
    pub fn may(&self, scope: Scope) -> bool {
        match &self.key {
            None => !self.is_nobody() || scope == Scope::Read,
            Some(_) if scope == Scope::Read => true,
            Some(key) => key.scopes.contains(&scope),
        }
    }

    /// Whether the key, if one is used, reaches this library.
    pub fn reaches(&self, library: &str) -> bool {
        self.libraries().is_none_or(|libraries| libraries.contains(library))
    }

    /// The only libraries that the key reaches; `None` for all.
    pub fn libraries(&self) -> Option<&BTreeSet<String>> {
        self.key.as_ref().and_then(|key| key.libraries.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(actor: Actor, scopes: &[Scope], libraries: Option<&[&str]>) -> Actor {
        let libraries = libraries.map(|names| names.iter().map(|name| (*name).to_owned()).collect());
        actor.narrowed(Some(KeyId::new()), "agent", scopes.iter().copied().collect(), libraries)
    }

    #[test]
    fn a_key_narrows_and_never_widens() {
        let admin = Actor::user(UserId::new(), "ada", Role::Admin, None);
        assert!(admin.is_admin() && admin.may(Scope::Write) && admin.reaches("any"));
        let narrowed = key(admin, &[Scope::Read], Some(&["fastify"]));
        assert!(!narrowed.is_admin() && narrowed.has_role(Role::Admin) && narrowed.may(Scope::Read));
        assert!(!narrowed.may(Scope::Write) && !narrowed.may(Scope::Notes));
        assert!(narrowed.reaches("fastify") && !narrowed.reaches("gate"));
        let reader = key(Actor::user(UserId::new(), "bo", Role::User, None), &[Scope::Write], None);
        assert!(reader.may(Scope::Write) && !reader.has_role(Role::Editor));
    }

    #[test]
    fn nobody_may_only_read() {
        let nobody = Actor::nobody();
        assert!(nobody.may(Scope::Read) && !nobody.may(Scope::Write) && !nobody.may(Scope::Notes));
        assert!(!nobody.has_role(Role::User) && !nobody.in_person());
    }

    #[test]
    fn roles_are_ordered() {
        assert!(Role::User < Role::Editor && Role::Editor < Role::Admin);
        assert_eq!("editor".parse(), Ok(Role::Editor));
        assert!("root".parse::<Role>().is_err() && "all".parse::<Scope>().is_err());
    }
}
