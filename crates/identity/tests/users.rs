//! Look-ups of several users, by the same rule as for one and in the order of the ids; and changes that no active administrator
//! would survive.

use identity::users::{self, NewUser, UserUpdate};
use identity::{Error, Username};
use kernel::actor::{Actor, KeyId, Role, UserId};
use sqlx::PgConnection;
use store::cache::Caches;
use store::secrets::{Sealer, SecretConfig};
use testkit::Database;

async fn create(connection: &mut PgConnection, name: &str, role: Role) -> UserId {
    let new = NewUser {
        username: name.parse::<Username>().expect("a user name"),
        email: None,
        role,
        first_name: String::new(),
        last_name: String::new(),
        password_hash: None,
    };
    users::create(connection, &Actor::owner(), new).await.expect("a user").id
}

#[tokio::test]
async fn many_users_are_found_by_the_same_rule_and_in_the_order_of_the_ids() {
    let database = Database::new().await;
    store::migrations::up(database.pool()).await.unwrap();
    let mut connection = database.pool().acquire().await.unwrap();
    let ada = create(&mut connection, "ada", Role::Admin).await;
    let bo = create(&mut connection, "bo", Role::Editor).await;
    let cy = create(&mut connection, "cy", Role::User).await;
    let ids = [cy, UserId::new(), ada, bo, cy];

    let admin = Actor::user(ada, "ada", Role::Admin, None);
    let editor = Actor::user(bo, "bo", Role::Editor, None);
    for (actor, expected) in
        [(&admin, vec![cy, ada, bo, cy]), (&Actor::owner(), vec![cy, ada, bo, cy]), (&editor, vec![bo])]
    {
        let found = users::find_many(&mut connection, actor, &ids).await.unwrap();
        assert_eq!(found.iter().map(|user| user.id).collect::<Vec<_>>(), expected, "{}", actor.name());
        for id in ids {
            let one = users::find(&mut connection, actor, id).await.unwrap();
            assert_eq!(one.is_some(), expected.contains(&id), "{}", actor.name());
        }
    }
    assert!(users::find_many(&mut connection, &admin, &[]).await.unwrap().is_empty());

    let nobody = users::find_many(&mut connection, &Actor::anonymous(), &ids).await;
    assert!(matches!(nobody, Err(Error::SignIn)));
    let key = admin.with_key(Some(KeyId::new()), "agent", [].into(), None);
    let by_key = users::find_many(&mut connection, &key, &ids).await;
    assert!(matches!(by_key, Err(Error::NotAllowed(_))));
}

#[tokio::test]
async fn names_and_ids_are_told_to_those_who_are_signed_in() {
    let database = Database::new().await;
    store::migrations::up(database.pool()).await.unwrap();
    let mut connection = database.pool().acquire().await.unwrap();
    let bo = create(&mut connection, "bo", Role::User).await;
    let ada = create(&mut connection, "ada", Role::User).await;
    let actor = Actor::user(bo, "bo", Role::User, None);
    let names = users::usernames(&mut connection, &actor, &[bo, ada]).await.unwrap();
    assert_eq!(names, [(ada, "ada".to_owned()), (bo, "bo".to_owned())]);
    assert_eq!(users::find_id(&mut connection, &actor, &"ada".parse().unwrap()).await.unwrap(), ada);

    let refused = users::usernames(&mut connection, &Actor::anonymous(), &[bo]).await;
    assert!(matches!(refused, Err(Error::SignIn)));
    let refused = users::find_id(&mut connection, &Actor::anonymous(), &"ada".parse().unwrap()).await;
    assert!(matches!(refused, Err(Error::SignIn)));
}

#[tokio::test]
async fn only_the_last_active_administrator_is_kept() {
    let database = Database::new().await;
    store::migrations::up(database.pool()).await.unwrap();
    let keys = Some("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned().into());
    let config = SecretConfig { keys, file: None, default_file: "none".into() };
    let caches = Caches::new(None, &Sealer::open(&config).unwrap()).unwrap();
    let mut transaction = caches.begin(database.pool()).await.unwrap();
    let owner = Actor::owner();
    let no_admin = UserUpdate { role: Some(Role::User), ..UserUpdate::default() };
    let inactive = UserUpdate { is_active: Some(false), ..UserUpdate::default() };
    let is_last = |result: Result<(), Error>| matches!(result, Err(Error::LastAdministrator));

    // Without any administrator, ordinary users can be changed and deleted.
    let cy = create(&mut transaction, "cy", Role::User).await;
    let di = create(&mut transaction, "di", Role::Editor).await;
    users::delete(&mut transaction, &owner, cy).await.unwrap();
    users::update(&mut transaction, &owner, di, &inactive).await.unwrap();
    users::update(&mut transaction, &owner, di, &no_admin).await.unwrap();

    // Of two administrators, one can be deleted; the last one is kept.
    let ada = create(&mut transaction, "ada", Role::Admin).await;
    let bo = create(&mut transaction, "bo", Role::Admin).await;
    users::delete(&mut transaction, &owner, bo).await.unwrap();
    users::delete(&mut transaction, &owner, di).await.unwrap();
    for change in [&no_admin, &inactive] {
        let mut transaction = caches.begin(database.pool()).await.unwrap();
        let eve = create(&mut transaction, "eve", Role::Admin).await;
        assert!(is_last(users::update(&mut transaction, &owner, eve, change).await.map(drop)));
    }
    assert!(is_last(users::delete(&mut transaction, &owner, ada).await));
}
