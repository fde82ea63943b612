//! Settings of the real program: sources and their precedence, the configuration file, `wenyuan config`.

use serde_json::Value;
use testkit::{Run, TestApp};

use crate::PROGRAM;

/// Runs `wenyuan config …` with this configuration file.
async fn config(app: &TestApp, file: &str, arguments: &[&str]) -> Run {
    let path = app.file("wenyuan.toml", file);
    app.run(&[&["config"], arguments, &["--config", &path]].concat()).await
}

/// An effective setting.
fn setting(shown: &Value, key: &str) -> Value {
    let settings = shown["settings"].as_array().expect("settings");
    settings.iter().find(|setting| setting["key"] == key).unwrap_or_else(|| panic!("no {key}")).clone()
}

#[tokio::test]
async fn flags_win_over_the_environment_and_that_over_the_file() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_READ_SECONDS", "70").set("WENYUAN_POOL_MAX", "");
    let file = "[documents]\nread_seconds = 60\nread_memory_mib = 512\n\n[limits]\nrate_limit = 1_000\n\
                [database]\npool_max = 7\npool_test = true\n[server]\nhosts = [\"a.example\", \"b.example\"]\n";
    let run = config(&app, file, &["show", "--json", "--rate-limit", "50"]).await;
    let shown = run.json();
    assert!(shown["file"].as_str().is_some_and(|path| path.ends_with("wenyuan.toml")), "{shown}");
    for (key, value, source, line) in [
        ("documents.read_seconds", "70", "environment", None),
        ("documents.read_memory_mib", "512", "file", Some(3)),
        ("documents.max_document_mib", "256", "default", None),
        ("limits.rate_limit", "50", "flag", None),
        // An empty variable counts as unset.
        ("database.pool_max", "7", "file", Some(8)),
        ("database.pool_test", "true", "file", Some(9)),
        ("server.hosts", "a.example, b.example", "file", Some(11)),
    ] {
        let setting = setting(&shown, key);
        assert_eq!(setting["value"], value, "{setting}");
        assert_eq!(setting["source"], source, "{setting}");
        assert_eq!(setting["line"].as_u64(), line, "{setting}");
    }
    // Where the machine decides on the default, its decision is shown.
    let readers = setting(&shown, "documents.readers");
    assert!(readers["value"].as_str().is_some_and(|number| number.parse::<u32>().is_ok()), "{readers}");
    // The same for people.
    let run = config(&app, file, &["show"]).await;
    assert!(run.output.contains("documents.read_memory_mib"), "{}", run.output);
    assert!(run.output.contains("512  file, line 3"), "{}", run.output);
    assert!(run.output.contains("70  WENYUAN_READ_SECONDS"), "{}", run.output);
}

#[tokio::test]
async fn every_command_reads_the_configuration_file() {
    let app = TestApp::new(PROGRAM).await;
    let data = app.files().join("elsewhere");
    // Relative paths are relative to the file.
    let file = app.file("wenyuan.toml", "[storage]\ndata_dir = \"elsewhere\"\n");
    let app = app.set("WENYUAN_CONFIG", file).set("WENYUAN_DATA_DIR", "");
    app.run(&["libraries"]).await.succeeded();
    assert!(data.join("objects").is_dir(), "{}", data.display());
}

#[tokio::test]
async fn an_unknown_key_is_refused_with_the_nearest_one() {
    let app = TestApp::new(PROGRAM).await;
    let file =
        "[server]\nlistn = \"127.0.0.1:0\"\n[databse]\nurl = \"postgres://x\"\n\n[documents]\nbanana = 1\n";
    let run = config(&app, file, &["check"]).await;
    let errors = run.failed();
    for part in [
        "wenyuan.toml:2:1: unknown key `server.listn`: did you mean `server.listen`?",
        "wenyuan.toml:4:1: unknown key `databse.url`: did you mean `database.url`?",
        "wenyuan.toml:7:1: unknown key `documents.banana`: `wenyuan config template` lists all keys",
    ] {
        assert!(errors.contains(part), "{part}: {errors}");
    }
    // No command runs with it.
    let path = app.file("wenyuan.toml", file);
    let run = app.run(&["libraries", "--config", &path]).await;
    assert_eq!(run.code, 2, "{run:?}");
    assert!(run.errors.contains("did you mean `server.listen`?"), "{run:?}");
}

#[tokio::test]
async fn a_check_tells_each_problem_with_its_place() {
    let app = TestApp::new(PROGRAM)
        .await
        .set("WENYUAN_VECTOR_BUDGET_MS", "soon")
        .set("WENYUAN_POOL_MIM", "3")
        .set("WENYUAN_PUBLIC_URL", "docs.example.org");
    let file = "[documents]\nread_seconds = \"60\"\nreaders = -1\n[chat]\nshare_links = \"all\"\n\
                [mail]\nsmtp_url = \"smtps://mail.example.org\"\n[server]\ntrusted_proxies = [\"10.0.0.0/40\"]\n";
    let errors = config(&app, file, &["check"]).await.failed();
    for part in [
        "wenyuan.toml:2:16: `documents.read_seconds` is an integer: 20, not string",
        "wenyuan.toml:3:11: `documents.readers`: invalid value \"-1\"",
        "wenyuan.toml:5:15: `chat.share_links`: invalid value \"all\": use one of off, team, anyone",
        "wenyuan.toml:9:19: `server.trusted_proxies`: invalid value \"10.0.0.0/40\": neither an address nor a network",
        "WENYUAN_VECTOR_BUDGET_MS: invalid value \"soon\": invalid digit found in string",
        "WENYUAN_PUBLIC_URL: `server.public_url`: invalid public URL \"docs.example.org\"",
        "mail.from: `mail.from`: mail has no sender: set WENYUAN_MAIL_FROM too",
        "warning: WENYUAN_POOL_MIM: unknown variable: did you mean WENYUAN_POOL_MIN?",
    ] {
        assert!(errors.contains(part), "{part}\n{errors}");
    }
    // A file that is not TOML, and one that is not there.
    let errors = config(&app, "[server\n", &["check"]).await.failed();
    assert!(errors.contains("wenyuan.toml:1:"), "{errors}");
    let errors = app.run(&["config", "check", "--config", "/absent.toml"]).await.failed();
    assert!(errors.contains("/absent.toml: failed to read the configuration file: No such file"), "{errors}");
}

#[tokio::test]
async fn a_valid_configuration_passes_and_the_template_is_one() {
    let app = TestApp::new(PROGRAM).await;
    let run = config(&app, "[mail]\nfrom = \"Wenyuan <wenyuan@example.org>\"\n", &["check"]).await;
    assert!(run.errors.contains("the configuration is valid"), "{run:?}");
    assert_eq!(run.code, 0, "{run:?}");
    // It is printed whatever state the configuration is in.
    let template = app.run(&["config", "template", "--config", "/absent.toml"]).await.succeeded();
    assert!(template.contains("# Address and port to listen on"), "{template}");
    assert_eq!(config(&app, &template, &["check"]).await.code, 0);
    // Uncommented it says what holds anyhow.
    let lines: Vec<&str> = template
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(setting) if !setting.starts_with(' ') => setting,
            _ => line,
        })
        .collect();
    let uncommented = lines.join("\n");
    let without = config(&app, "", &["show", "--json"]).await.json();
    let run = config(&app, &uncommented, &["check"]).await;
    assert_eq!(run.code, 0, "{run:?}");
    let with = config(&app, &uncommented, &["show", "--json"]).await.json();
    for setting in without["settings"].as_array().expect("settings") {
        let key = setting["key"].as_str().expect("a key");
        assert_eq!(self::setting(&with, key)["value"], setting["value"], "{key}");
    }
}

#[tokio::test]
async fn secrets_are_never_shown() {
    let app = TestApp::new(PROGRAM).await.set("WENYUAN_SMTP_URL", "smtps://me:hushhush@mail.example.org");
    let file = "[storage]\nsecret_key = \"hushhush\"\n[redis]\nurl = \"redis://:hushhush@cache.example\"\n\
                [mail]\nfrom = \"me@example.org\"\n";
    let path = app.file("wenyuan.toml", file);
    for arguments in [
        &["config", "show"][..],
        &["config", "show", "--json"],
        &["config", "check"],
        &["libraries", "--help"],
    ] {
        let run = app.run(&[arguments, &["--config", &path]].concat()).await;
        assert!(!format!("{run:?}").contains("hushhush"), "{arguments:?}: {run:?}");
    }
    let shown = config(&app, file, &["show", "--json"]).await.json();
    let (key, smtp) = (setting(&shown, "storage.secret_key"), setting(&shown, "mail.smtp_url"));
    assert_eq!((&key["secret"], &key["source"]), (&true.into(), &"file".into()), "{key}");
    assert_eq!((&smtp["secret"], &smtp["source"]), (&true.into(), &"environment".into()), "{smtp}");
    let shown = config(&app, file, &["show"]).await.output;
    assert!(shown.contains("(hidden)  WENYUAN_SMTP_URL"), "{shown}");
    // A file of secrets that everyone can read is worth a warning.
    let checked = app.run(&["config", "check", "--config", &path]).await;
    assert!(checked.errors.contains("can be read by everyone"), "{checked:?}");
}
