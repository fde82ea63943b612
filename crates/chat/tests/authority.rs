//! Authority over chats and messages, on a real database: looking up many follows the same rule as looking up one, and lists show
//! nothing of another user's chats.

use chat::Error;
use chat::chats::{self, ChatId, MessageId, NewChat};
use chat::messages;
use kernel::actor::{Actor, Role, UserId};
use sqlx::PgConnection;
use sqlx::pool::PoolConnection;
use store::migrations;
use testkit::Database;
use uuid::Uuid;

/// Two users and the library's owner, with a chat each: two questions in the first user's, one in each of the others'.
struct Stage {
    database: Database,
    ada: Actor,
    ben: Actor,
    chats: Vec<ChatId>,
    messages: Vec<MessageId>,
}

impl Stage {
    async fn new() -> Self {
        let database = Database::new().await;
        migrations::up(database.pool()).await.expect("migrations");
        let mut connection = database.pool().acquire().await.expect("a connection");
        let ada = user(&mut connection, "ada").await;
        let ben = user(&mut connection, "ben").await;
        let (mut chats, mut messages) = (Vec::new(), Vec::new());
        for (actor, questions) in [(&ada, 2), (&ben, 1), (&Actor::owner(), 1)] {
            let chat = chats::create(&mut connection, actor, &NewChat::default()).await.expect("a chat").id;
            chats.push(chat);
            for _ in 0..questions {
                messages.push(question(&mut connection, chat).await);
            }
        }
        Self { database, ada, ben, chats, messages }
    }

    async fn connection(&self) -> PoolConnection<sqlx::Postgres> {
        self.database.pool().acquire().await.expect("a connection")
    }
}

async fn user(connection: &mut PgConnection, name: &str) -> Actor {
    let id = UserId::new();
    sqlx::query("insert into identity.users (id, username) values ($1, $2)")
        .bind(id.0)
        .bind(name)
        .execute(connection)
        .await
        .expect("a user");
    Actor::user(id, name, Role::User, None)
}

async fn question(connection: &mut PgConnection, chat: ChatId) -> MessageId {
    let id = MessageId::new();
    sqlx::query(
        "with message as (
           insert into chat.messages (message_id, chat_id, role, content) values ($1, $2, 'user', 'How?') returning id
         )
         update chat.chats set current_id = message.id from message where chats.id = $2",
    )
    .bind(id.0)
    .bind(chat.0)
    .execute(connection)
    .await
    .expect("a message");
    id
}

#[tokio::test]
async fn many_chats_are_found_in_the_order_asked_and_only_ones_own() {
    let stage = Stage::new().await;
    let mut connection = stage.connection().await;
    let second = chats::create(&mut connection, &stage.ada, &NewChat::default()).await.unwrap().id;
    let [first, bens, owners] = stage.chats[..] else { panic!("three chats") };
    let asked = [second, bens, first, ChatId(Uuid::nil()), second, owners];
    let found = chats::find_many(&mut connection, &stage.ada, &asked).await.unwrap();
    assert_eq!(found.iter().map(|chat| chat.id).collect::<Vec<_>>(), [second, first, second]);
    // Each as `find` returns it.
    for chat in &found {
        assert_eq!(chat, &chats::find(&mut connection, &stage.ada, chat.id).await.unwrap());
    }
    assert_eq!(found[1].current, Some(stage.messages[1].0));
    let found = chats::find_many(&mut connection, &stage.ben, &asked).await.unwrap();
    assert_eq!(found.iter().map(|chat| chat.id).collect::<Vec<_>>(), [bens]);
    let found = chats::find_many(&mut connection, &Actor::owner(), &asked).await.unwrap();
    assert_eq!(found.iter().map(|chat| chat.id).collect::<Vec<_>>(), [owners]);
    assert!(chats::find_many(&mut connection, &stage.ada, &[]).await.unwrap().is_empty());
    let refused = chats::find_many(&mut connection, &Actor::anonymous(), &asked).await;
    assert!(matches!(refused, Err(Error::SignIn)), "{refused:?}");
}

#[tokio::test]
async fn many_messages_are_found_in_the_order_asked_and_only_in_ones_own_chats() {
    let stage = Stage::new().await;
    let mut connection = stage.connection().await;
    let [first, second, bens, owners] = stage.messages[..] else { panic!("four messages") };
    let asked = [second, bens, MessageId(Uuid::nil()), first, owners, second];
    let found = messages::find_many(&mut connection, &stage.ada, &asked).await.unwrap();
    let ids = |found: &[(ChatId, messages::Message)]| {
        found.iter().map(|(_, message)| MessageId(message.message_id)).collect::<Vec<_>>()
    };
    assert_eq!(ids(&found), [second, first, second]);
    assert!(found.iter().all(|(chat, _)| *chat == stage.chats[0]));
    assert_eq!(found[0].1.siblings, [first.0, second.0]);
    let found = messages::find_many(&mut connection, &stage.ben, &asked).await.unwrap();
    assert_eq!(ids(&found), [bens]);
    // The rule is that of `find`.
    for (actor, id) in
        [(&stage.ada, bens), (&stage.ben, first), (&stage.ben, owners), (&Actor::owner(), first)]
    {
        let refused = messages::find(&mut connection, actor, id).await.map(drop);
        assert!(matches!(refused, Err(Error::NotFound(_))), "{refused:?}");
    }
    let refused = messages::find_many(&mut connection, &Actor::anonymous(), &asked).await.map(drop);
    assert!(matches!(refused, Err(Error::SignIn)), "{refused:?}");
}

#[tokio::test]
async fn lists_of_messages_show_nothing_of_another_users_chat() {
    let stage = Stage::new().await;
    let mut connection = stage.connection().await;
    let chat = stage.chats[0];
    for (actor, branch, all) in [(&stage.ada, 1, 2), (&stage.ben, 0, 0), (&Actor::owner(), 0, 0)] {
        let page = messages::branch(&mut connection, actor, chat, None, None, 10).await.unwrap();
        assert_eq!(page.items.len(), branch);
        let until = Some(stage.messages[0]);
        let page = messages::branch(&mut connection, actor, chat, until, None, 10).await.unwrap();
        assert_eq!(page.items.len(), branch);
        let page = messages::list_all(&mut connection, actor, chat, None, 10).await.unwrap();
        assert_eq!(page.items.len(), all);
    }
}
