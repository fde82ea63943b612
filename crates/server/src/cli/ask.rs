//! `wenyuan ask`: asks a question and prints the answer with its sources.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use chat::answer::stream::{AnswerStream, Event, Outcome, StreamPosition};
use chat::answer::{AnswerOptions, ChatQuestion, StatelessQuestion};
use chat::chats::{self, ChatFilter, ChatId, NewChat};
use chat::focus::Focus;
use chat::messages::MessageStatus;
use chat::messages::QuestionAction;
use chat::source::{Source, SourceKind};
use clap::Args;
use kernel::actor::Actor;
use serde_json::json;

use super::show::{self, BOLD, DIM, WRONG, styled};
use crate::app::App;

/// Arguments of `wenyuan ask`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Question
    #[arg(required = true, value_name = "QUESTION")]
    question: Vec<String>,

    /// Library [default: all]
    #[arg(long, short)]
    library: Option<String>,

    /// Version: a label, a range (5.x, ^5.2, ~5.2, ">=5.2 <6", "5.2 || 6", *) or latest [default: the active version]
    #[arg(long, short = 'V', requires = "library", value_name = "VERSION")]
    version: Option<String>,

    /// Language model [default: the default model; see wenyuan models]
    #[arg(long, short)]
    model: Option<String>,

    /// Focus: librarySearch, webSearch, writingAssistant …
    #[arg(long, value_name = "MODE")]
    focus: Option<Focus>,

    /// External MCP server to ask too; repeatable
    #[arg(long = "server", value_name = "NAME")]
    servers: Vec<String>,

    /// Continue this chat
    #[arg(long, value_name = "ID", conflicts_with = "last")]
    chat: Option<ChatId>,

    /// Continue the newest chat
    #[arg(long, short = 'c')]
    last: bool,

    /// Store neither the question nor the answer
    #[arg(long, conflicts_with_all = ["chat", "last"])]
    forget: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Asks and prints. Exits with 1 if there is no complete answer.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let owner = Actor::owner();
    let question = arguments.question.join(" ");
    let means = AnswerOptions {
        focus: arguments.focus,
        library: arguments.library.clone(),
        version: arguments.version.clone(),
        model: arguments.model.clone(),
        servers: arguments.servers,
    };
    let (model, caught_up) = tokio::join!(app.load_model(), app.catch_up());
    drop(model);
    caught_up?;
    // Checked first, so that an invalid question leaves no empty chat behind.
    app.answers.check(&owner, &means, &question).await?;
    let (running, chat) = if arguments.forget {
        let once = StatelessQuestion { question, history: Vec::new(), options: means };
        (app.answers.ask_stateless(&owner, once).await?, None)
    } else {
        let chat = match arguments.chat {
            Some(chat) => chat,
            None => chat_for(app, &owner, arguments.last, &means).await?,
        };
        let put = QuestionAction::Ask { content: question, after: None };
        let begun = app
            .answers
            .ask(&owner, chat, ChatQuestion { action: put, message_id: None, options: means })
            .await?;
        (begun.stream, Some(chat))
    };
    let outcome = follow(&running, arguments.json).await;
    if arguments.json {
        let whole = json!({
            "chat_id": chat, "content": outcome.text, "status": outcome.status, "sources": &*outcome.sources,
            "metadata": outcome.metadata,
        });
        show::line(&serde_json::to_string_pretty(&whole)?);
    } else {
        print_end(&outcome, chat);
    }
    Ok(if outcome.status == MessageStatus::Complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Returns the newest chat, or creates one.
async fn chat_for(app: &App, owner: &Actor, last: bool, means: &AnswerOptions) -> anyhow::Result<ChatId> {
    let mut connection = store::postgres::acquire(app.pool()).await?;
    if last {
        let newest = chats::newest(&mut connection, owner).await?;
        return newest.ok_or_else(|| anyhow::anyhow!("there is no chat yet: ask without --last"));
    }
    let new = NewChat {
        focus: means.focus.unwrap_or_default(),
        library: means.library.clone(),
        version: means.version.clone(),
        model: means.model.clone(),
        ..NewChat::default()
    };
    Ok(chats::create(&mut connection, owner, &new).await?.id)
}

/// Prints the text as it arrives. Ctrl-C stops the answer; the text so far is stored.
async fn follow(running: &Arc<AnswerStream>, silent: bool) -> Arc<Outcome> {
    let mut seen = StreamPosition::default();
    let mut stopped = false;
    let mut out = anstream::stdout();
    loop {
        let event = tokio::select! {
            event = running.next(&mut seen) => event,
            _ = tokio::signal::ctrl_c(), if !stopped => {
                stopped = true;
                running.stop();
                continue;
            }
        };
        match event {
            Event::Text(text) if !silent => {
                let _reader_gone = write!(out, "{text}").and_then(|()| out.flush());
            }
            Event::Sources(_) | Event::Text(_) => {}
            Event::End(outcome) => {
                if !silent {
                    let _reader_gone = writeln!(out);
                }
                return outcome;
            }
        }
    }
}

fn print_end(outcome: &Outcome, chat: Option<ChatId>) {
    let is_uncited = outcome.metadata["uncited"] == true;
    let cited: Vec<&Source> = outcome.sources.iter().filter(|source| source.cited || is_uncited).collect();
    if is_uncited {
        show::note(&styled(WRONG, "the answer cites none of its sources; check them:"));
    }
    if !cited.is_empty() {
        show::line("");
    }
    for source in cited {
        show::line(&format!("{} {}", styled(BOLD, format!("[{}]", source.number)), place(source)));
        if let Some(url) = &source.url {
            show::line(&styled(DIM, format!("    {url}")));
        }
        if let Some(instruction) = &source.instruction {
            show::line(&format!(
                "    {} {instruction}",
                styled(WRONG, "reads like an instruction to an agent:")
            ));
        }
    }
    let told = &outcome.metadata;
    for notice in told["notices"].as_array().into_iter().flatten().filter_map(|notice| notice.as_str()) {
        show::note(&styled(DIM, notice));
    }
    let number = |name: &str| told[name].as_u64().unwrap_or_default();
    if number("dropped_citations") > 0 {
        let dropped = number("dropped_citations");
        show::note(&styled(DIM, format!("{dropped} citations without a source were removed")));
    }
    let unsupported = told["unsupported"].as_array().map_or(0, Vec::len);
    if unsupported > 0 {
        show::note(&styled(
            WRONG,
            format!(
                "{unsupported} sentences share no word with what they cite: look them up before you rely on them"
            ),
        ));
    }
    if let Some(error) = told["error"].as_str().filter(|_| outcome.status != MessageStatus::Complete) {
        show::error(error);
    }
    match outcome.status {
        MessageStatus::Stopped => show::note("stopped; the text so far is stored"),
        MessageStatus::Interrupted => show::note("the answer was interrupted; the text so far is stored"),
        _ => {}
    }
    if let Some(chat) = chat {
        show::note(&styled(DIM, format!("continue with: wenyuan ask --chat {chat} …")));
    }
}

/// Describes where a source is from.
pub(super) fn place(source: &Source) -> String {
    let mut place = match source.kind {
        SourceKind::Passage => format!(
            "{} {}  {}",
            source.library.as_deref().unwrap_or_default(),
            source.version.as_deref().unwrap_or_default(),
            source.path.as_deref().unwrap_or_default()
        ),
        SourceKind::File => format!("file  {}", source.title),
        SourceKind::Web => format!("web  {}", source.title),
        SourceKind::Server => format!("server  {}", source.title),
    };
    if !source.headings().is_empty() {
        place.push_str(&format!("  {}", source.headings().join(" › ")));
    }
    if let Some(page) = source.page_from {
        place.push_str(&format!("  p. {page}"));
    }
    place
}

/// Selection of chats.
pub(super) fn which(archived: bool, deleted: bool) -> ChatFilter {
    match (archived, deleted) {
        (_, true) => ChatFilter::Deleted,
        (true, false) => ChatFilter::Archived,
        (false, false) => ChatFilter::Open,
    }
}
