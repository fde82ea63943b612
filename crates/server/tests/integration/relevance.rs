//! Relevance: the best hits for a question that the library does not answer are not relevant.

use serde_json::Value;
use testkit::{Server, TestApp, eventually};

use crate::PROGRAM;

const PAGES: [(&str, &str); 5] = [
    (
        "backup.md",
        "# Backups\n\nRun `store-dump --all` every night. To restore a backup, stop the service, run `store-restore FILE` and \
         start the service again.",
    ),
    (
        "limits.md",
        "# Limits\n\nThe largest upload is 50 MiB. Raise it with the option `max-upload`. Requests beyond 600 a minute are \
         answered with status 429.",
    ),
    (
        "users.md",
        "# Accounts\n\nAn administrator invites people by mail. Whoever forgot their password asks for a link, which works \
         once and for an hour.",
    ),
    ("log.md", "# 日志\n\n日志写入标准输出，每行一个事件。用 `log-level` 选项设置级别，敏感字段会被隐藏。"),
    ("cluster.md", "# 集群\n\n节点之间通过数据库协调。增加节点时，新节点会自动建立自己的全文索引。"),
];
const ANSWERED: [&str; 5] = [
    "How do I restore a backup?",
    "What is the largest upload?",
    "what happens when somebody forgot their password",
    "日志级别怎么设置",
    "集群如何增加节点",
];
const NOT_ANSWERED: [&str; 5] = [
    "What will the weather be like in Berlin tomorrow?",
    "How do I bake sourdough bread?",
    "Who won the football world cup?",
    "红烧肉怎么做",
    "怎么申请护照",
];

async fn relevant_paths(server: &Server, question: &str, mode: &str) -> Vec<String> {
    let answer = server.search(&[("q", question), ("library", "judged"), ("mode", mode)]).await;
    assert_eq!(answer["mode"], mode, "{answer}");
    let hits = answer["hits"].as_array().expect("hits").iter();
    hits.filter(|hit| hit["relevant"] == Value::Bool(true))
        .map(|hit| hit["path"].as_str().expect("a path").to_owned())
        .collect()
}

async fn server_with_pages(app: &TestApp) -> Server {
    let server = app.serve().await;
    // The guide is long, and the tests do not wait for its vectors.
    eventually("the guide", async || {
        (server.delete("/api/v1/libraries/wenyuan").await.status == 204).then_some(())
    })
    .await;
    for (path, text) in PAGES {
        server.add("judged", "1", path, text).await;
    }
    server
}

#[tokio::test]
async fn keyword_search_tells_relevant_from_irrelevant_hits() {
    let app = TestApp::new(PROGRAM).await;
    let server = server_with_pages(&app).await;
    for (question, (path, _)) in ANSWERED.into_iter().zip(PAGES) {
        assert_eq!(relevant_paths(&server, question, "text").await, [path], "{question}");
    }
    for question in NOT_ANSWERED {
        assert!(relevant_paths(&server, question, "text").await.is_empty(), "{question}");
    }
    // A hit with one word of many is not relevant.
    let answer =
        server.search(&[("q", "backup of a wordpress blog with duplicity"), ("library", "judged")]).await;
    let hit = &answer["hits"][0];
    assert_eq!((&hit["path"], &hit["relevant"]), (&"backup.md".into(), &false.into()), "{answer}");
    assert!(hit["coverage"].as_f64().unwrap() > 0.0 && hit["similarity"].is_null(), "{hit}");
}

#[tokio::test]
async fn semantic_search_tells_relevant_from_irrelevant_hits() {
    let app = TestApp::new(PROGRAM).await.with_model();
    let server = server_with_pages(&app).await;
    eventually("embedding", async || {
        let version = server.json("/api/v1/libraries/judged/versions/1").await;
        (version["passages"] == version["vectors"]).then_some(())
    })
    .await;
    server.caught_up().await;
    for mode in ["hybrid", "vector"] {
        for (question, (path, _)) in ANSWERED.into_iter().zip(PAGES) {
            let found = relevant_paths(&server, question, mode).await;
            assert!(found.first().is_some_and(|first| first == path), "{question}: {found:?}");
        }
        for question in NOT_ANSWERED {
            assert!(relevant_paths(&server, question, mode).await.is_empty(), "{mode}: {question}");
        }
    }
    // Questions in another language than the texts.
    for (question, path) in [
        ("怎样恢复备份？", "backup.md"),
        ("上传的文件最大可以多大？", "limits.md"),
        ("请求太多会怎样？", "limits.md"),
        ("How do I add a node to the cluster?", "cluster.md"),
    ] {
        let found = relevant_paths(&server, question, "hybrid").await;
        assert!(found.iter().any(|one| one == path), "{question}: {found:?}");
    }
    // Less than half of the words match: the semantic similarity decides.
    let question = "recover data after a crash from the nightly dump";
    assert_eq!(relevant_paths(&server, question, "text").await, [""; 0]);
    assert_eq!(relevant_paths(&server, question, "hybrid").await, ["backup.md"]);
}
