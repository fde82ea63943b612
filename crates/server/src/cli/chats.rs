//! `wenyuan chats`: the chats of the library's owner.

use std::process::ExitCode;

use chat::chats::{self, Change, Chat, ChatId, MessageId};
use chat::history;
use chat::messages;
use chat::messages::{MessageRole, MessageStatus, Verdict};
use chat::transfer::{export, html, markdown};
use clap::{Args, Subcommand, ValueEnum};
use kernel::actor::Actor;
use serde_json::json;

use super::ask::{place, which};
use super::show::{self, BOLD, DIM, WRONG, styled};
use crate::app::App;

/// Public address if none is set.
const HERE: &str = "http://127.0.0.1:8080";

/// Arguments of `wenyuan chats`; lists chats by default.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,

    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List chats, newest first (default)
    List {
        /// Archived chats
        #[arg(long)]
        archived: bool,

        /// Deleted chats that can be restored
        #[arg(long)]
        deleted: bool,

        /// Maximum number of chats
        #[arg(long, short = 'n', default_value_t = 20, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=200))]
        limit: u16,
    },
    /// Show a chat
    Show {
        /// Id
        chat: ChatId,
    },
    /// Search questions and answers
    Search {
        /// Words that a message must all contain
        #[arg(required = true, value_name = "WORDS")]
        words: Vec<String>,
    },
    /// Rename a chat
    Rename {
        /// Id
        chat: ChatId,
        /// New title
        title: String,
    },
    /// Pin a chat
    Pin {
        /// Id
        chat: ChatId,
        /// Undo
        #[arg(long)]
        off: bool,
    },
    /// Archive a chat
    Archive {
        /// Id
        chat: ChatId,
        /// Undo
        #[arg(long)]
        off: bool,
    },
    /// Delete a chat; it can be restored for 30 days
    Delete {
        /// Id
        chat: ChatId,
    },
    /// Restore a deleted chat
    Restore {
        /// Id
        chat: ChatId,
    },
    /// Export a chat to standard output
    Export {
        /// Id
        chat: ChatId,
        /// Format: Markdown, self-contained HTML, or JSON
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// Rate an answer
    Judge {
        /// Id of the answer, from `wenyuan chats show`
        answer: MessageId,
        /// Rating: good or wrong
        #[arg(value_parser = ["good", "wrong"])]
        verdict: String,
        /// Reason
        #[arg(long, default_value = "")]
        reason: String,
        /// Correct answer
        #[arg(long, default_value = "")]
        correction: String,
    },
}

/// Export format of a chat.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Format {
    #[default]
    Markdown,
    Html,
    Json,
}

/// Runs the command.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let owner = Actor::owner();
    let as_json = arguments.json;
    let usual = Action::List { archived: false, deleted: false, limit: 20 };
    let mut connection = store::postgres::begin(app.pool()).await?;
    match arguments.action.unwrap_or(usual) {
        Action::List { archived, deleted, limit } => {
            let page =
                chats::list(&mut connection, &owner, which(archived, deleted), None, usize::from(limit))
                    .await?;
            if as_json {
                show::line(&serde_json::to_string_pretty(&page)?);
            } else if page.items.is_empty() {
                show::note("no chats; start one: wenyuan ask QUESTION");
            }
            page.items.iter().filter(|_| !as_json).for_each(print);
        }
        Action::Show { chat } => {
            let chat = chats::find(&mut connection, &owner, chat).await?;
            let page = messages::branch(&mut connection, &owner, chat.id, None, None, 200).await?;
            if as_json {
                let whole = json!({ "chat": chat, "messages": page.items, "next": page.next });
                show::line(&serde_json::to_string_pretty(&whole)?);
            } else {
                print(&chat);
                page.items.iter().for_each(print_message);
            }
        }
        Action::Search { words } => {
            let page = history::search(&mut connection, &owner, &words.join(" "), None, 20).await?;
            if as_json {
                show::line(&serde_json::to_string_pretty(&page)?);
            } else if page.items.is_empty() {
                show::note("no results; try fewer or other words");
            }
            for hit in page.items.iter().filter(|_| !as_json) {
                let day = hit.created_at.format("%Y-%m-%d");
                show::line(&format!(
                    "{}  {}",
                    styled(BOLD, &hit.title),
                    styled(DIM, format!("{day}  {}", hit.chat_id))
                ));
                show::line(&format!("   {}", hit.snippet.split_whitespace().collect::<Vec<_>>().join(" ")));
            }
        }
        Action::Rename { chat, title } => {
            let change = Change { title: Some(title), ..Change::default() };
            print(&chats::change(&mut connection, &owner, chat, &change).await?);
        }
        Action::Pin { chat, off } => {
            let change = Change { pinned: Some(!off), ..Change::default() };
            print(&chats::change(&mut connection, &owner, chat, &change).await?);
        }
        Action::Archive { chat, off } => {
            let change = Change { archived: Some(!off), ..Change::default() };
            print(&chats::change(&mut connection, &owner, chat, &change).await?);
        }
        Action::Delete { chat } => {
            chats::delete(&mut connection, &owner, chat).await?;
            show::note(&format!("deleted; to restore it within 30 days: wenyuan chats restore {chat}"));
        }
        Action::Restore { chat } => print(&chats::restore(&mut connection, &owner, chat).await?),
        Action::Export { chat, format } => {
            let chat = export::chat(&mut connection, &owner, chat).await?;
            let address =
                app.settings.server.public_url()?.map_or_else(|| HERE.to_owned(), |url| url.to_string());
            let address = address.trim_end_matches('/');
            show::line(&match format {
                Format::Markdown => markdown::render(&chat, address),
                Format::Html => html::render(&chat, address, html::Language::English),
                Format::Json => serde_json::to_string_pretty(&chat)?,
            });
        }
        Action::Judge { answer, verdict, reason, correction } => {
            let verdict = Verdict { verdict, reason, correction };
            let catalogue = app.engine.catalogue().await?;
            messages::set_verdict(&mut connection, &catalogue, &owner, answer, Some(&verdict)).await?;
            show::note(&format!("rated: {}", verdict.verdict));
        }
    }
    connection.commit().await?;
    Ok(ExitCode::SUCCESS)
}

fn print(chat: &Chat) {
    let mut line = format!("{}  {}", chat.id, styled(BOLD, &chat.title));
    let place = [chat.library.as_deref(), chat.version.as_deref()];
    let mut more: Vec<String> = place.into_iter().flatten().map(str::to_owned).collect();
    more.push(chat.updated_at.format("%Y-%m-%d %H:%M").to_string());
    more.extend(chat.pinned.then(|| "pinned".to_owned()));
    more.extend(chat.archived.then(|| "archived".to_owned()));
    more.extend(chat.deleted_at.map(|at| format!("deleted {}", at.format("%Y-%m-%d"))));
    line.push_str(&styled(DIM, format!("  {}", more.join("  "))));
    show::line(&line);
}

fn print_message(message: &messages::Message) {
    let who = if message.role == MessageRole::User { "question" } else { "answer" };
    let mut head = format!("{}  {}", styled(BOLD, who), styled(DIM, message.message_id));
    if message.siblings.len() > 1 {
        head.push_str(&styled(DIM, format!("  one of {}", message.siblings.len())));
    }
    if !matches!(message.status, MessageStatus::Complete) {
        head.push_str(&styled(WRONG, format!("  {}", format!("{:?}", message.status).to_lowercase())));
    }
    if message.is_stale() {
        head.push_str(&styled(WRONG, "  stale: what it cites has changed"));
    }
    if let Some(verdict) = &message.verdict {
        head.push_str(&styled(DIM, format!("  {}", verdict.verdict)));
    }
    show::line("");
    show::line(&head);
    show::line(&message.content);
    for source in message.sources.iter().filter(|source| source.cited) {
        show::line(&styled(DIM, format!("[{}] {}", source.number, place(source))));
    }
}
