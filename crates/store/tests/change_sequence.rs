//! Change sequences on a real database: numbered in order and without gaps, newest change of each subject, no waiting in a circle.

use store::change_sequence::{self, ChangeSequence};
use store::migrations;
use testkit::Database;
use uuid::Uuid;

const POSTS: ChangeSequence = ChangeSequence::new("test.posts");
const FOLLOWS: ChangeSequence = ChangeSequence::new("test.follows");

async fn database() -> Database {
    let database = Database::new().await;
    migrations::up(database.pool()).await.expect("migrations");
    database
}

async fn numbers(database: &Database) -> [i64; 2] {
    let mut connection = database.pool().acquire().await.expect("a connection");
    change_sequence::position(&mut connection, [POSTS, FOLLOWS]).await.expect("a position").numbers
}

#[tokio::test]
async fn a_follower_reads_the_newest_change_of_each_subject_in_order() {
    let database = database().await;
    assert_eq!(numbers(&database).await, [0, 0]);
    let mut connection = database.pool().acquire().await.unwrap();
    let (one, two, three) =
        (vec![Uuid::from_u128(1)], vec![Uuid::from_u128(2), Uuid::from_u128(9)], vec![Uuid::from_u128(3)]);
    POSTS.record(&mut connection, &[two.clone(), one.clone(), one.clone()]).await.unwrap();
    POSTS.record(&mut connection, std::slice::from_ref(&three)).await.unwrap();
    POSTS.record(&mut connection, std::slice::from_ref(&one)).await.unwrap();
    POSTS.record(&mut connection, &[]).await.unwrap();
    assert_eq!(FOLLOWS.advance(&mut connection).await.unwrap(), 1);
    assert_eq!(numbers(&database).await, [4, 1]);
    let changes = POSTS.since(&mut connection, 0, 9).await.unwrap();
    let read: Vec<(i64, &[Uuid])> =
        changes.iter().map(|change| (change.number, change.subject.as_slice())).collect();
    assert_eq!(read, [(2, two.as_slice()), (3, three.as_slice()), (4, one.as_slice())]);
    // A follower can stop between any two.
    assert_eq!(POSTS.since(&mut connection, 2, 1).await.unwrap()[0].number, 3);
    assert!(POSTS.since(&mut connection, 4, 9).await.unwrap().is_empty());
    assert!(FOLLOWS.since(&mut connection, 0, 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_rolled_back_leaves_no_gap() {
    let database = database().await;
    let mut transaction = database.pool().begin().await.unwrap();
    POSTS.record(&mut transaction, &[vec![Uuid::from_u128(1)]]).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(numbers(&database).await, [0, 0]);
    let mut connection = database.pool().acquire().await.unwrap();
    assert_eq!(POSTS.advance(&mut connection).await.unwrap(), 1);
}

#[tokio::test]
async fn a_number_that_is_visible_has_all_before_it() {
    let database = database().await;
    let write = async |first: u128| {
        for number in 0..25 {
            let mut transaction = database.pool().begin().await.unwrap();
            POSTS.record(&mut transaction, &[vec![Uuid::from_u128(first + number)]]).await.unwrap();
            tokio::task::yield_now().await;
            transaction.commit().await.unwrap();
        }
    };
    let follow = async || {
        let mut seen = 0;
        let mut connection = database.pool().acquire().await.unwrap();
        while seen < 75 {
            for change in POSTS.since(&mut connection, seen, 10).await.unwrap() {
                assert_eq!(change.number, seen + 1, "a gap");
                seen = change.number;
            }
        }
    };
    tokio::join!(write(1000), write(2000), write(3000), follow());
    assert_eq!(numbers(&database).await, [75, 0]);
}

#[tokio::test]
async fn transactions_that_advance_two_sequences_in_either_order_do_not_deadlock() {
    let database = database().await;
    let advance = async |first: ChangeSequence, second: ChangeSequence| {
        for _ in 0..50 {
            let mut transaction = database.pool().begin().await.unwrap();
            first.advance(&mut transaction).await.expect("no deadlock");
            tokio::task::yield_now().await;
            second.advance(&mut transaction).await.expect("no deadlock");
            transaction.commit().await.unwrap();
        }
    };
    // The rows are there before: only what exists can be locked.
    let mut connection = database.pool().acquire().await.unwrap();
    POSTS.advance(&mut connection).await.unwrap();
    FOLLOWS.advance(&mut connection).await.unwrap();
    tokio::join!(advance(POSTS, FOLLOWS), advance(FOLLOWS, POSTS), advance(POSTS, FOLLOWS));
    assert_eq!(numbers(&database).await, [151, 151]);
}
