//! `wenyuan search`: finds passages and prints them for a terminal or as JSON.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use kernel::actor::Actor;
use library::documents::Category;
use library::search::{SearchHit, SearchMode, SearchRequest, SearchResponse};

use super::show::{self, BOLD, DIM, MARK, WRONG, styled};
use crate::app::App;

/// Arguments of `wenyuan search`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Words, a question, "an exact phrase", an identifier
    #[arg(required = true, value_name = "QUERY")]
    query: Vec<String>,

    /// Only this library
    #[arg(long, short)]
    library: Option<String>,

    /// Version: a label, a range (5.x, ^5.2, ~5.2, ">=5.2 <6", "5.2 || 6", *) or latest [default: the active version]
    #[arg(long, short = 'V', requires = "library", value_name = "VERSION")]
    version: Option<String>,

    /// Only documents of this type; repeatable
    #[arg(long = "type", value_name = "TYPE")]
    types: Vec<String>,

    /// Only passages of this content type: text, code, table, api; repeatable
    #[arg(long = "content", value_name = "TYPE")]
    content_types: Vec<String>,

    /// Only documents with this tag; repeatable
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,

    /// Only documents of this category
    #[arg(long, value_enum)]
    category: Option<CategoryArgument>,

    /// Maximum number of passages
    #[arg(long, short = 'n', default_value_t = 5, value_name = "NUMBER")]
    limit: usize,

    /// Search mode
    #[arg(long, value_enum, default_value_t)]
    mode: ModeArgument,

    /// Cursor of the page, printed by the previous one
    #[arg(long)]
    cursor: Option<String>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Category as given on the command line.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum CategoryArgument {
    /// References, API descriptions.
    Code,
    /// Anything else.
    Document,
}

impl From<CategoryArgument> for Category {
    fn from(argument: CategoryArgument) -> Self {
        match argument {
            CategoryArgument::Code => Self::Code,
            CategoryArgument::Document => Self::Document,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum ModeArgument {
    #[default]
    Hybrid,
    Text,
    Vector,
}

/// Searches and prints. Exits with 1 if nothing is found, as `grep` does.
pub(super) async fn run(app: &App, arguments: Arguments) -> anyhow::Result<ExitCode> {
    let tags: Result<Vec<_>, _> = arguments.tags.iter().map(|tag| tag.parse()).collect();
    let question = SearchRequest {
        library: arguments.library.as_deref().map(str::parse).transpose()?,
        version: arguments.version.as_deref().unwrap_or_default().parse()?,
        types: arguments.types,
        content_types: arguments.content_types,
        category: arguments.category.map(Category::from),
        tags: tags?,
        mode: match arguments.mode {
            ModeArgument::Hybrid => SearchMode::Hybrid,
            ModeArgument::Text => SearchMode::Text,
            ModeArgument::Vector => SearchMode::Vector,
        },
        limit: arguments.limit,
        after: arguments.cursor.as_deref().map(str::parse).transpose()?,
        ..SearchRequest::new(arguments.query.join(" "))
    };
    let (model, caught_up) = tokio::join!(
        async { if arguments.mode == ModeArgument::Text { None } else { app.load_model().await } },
        app.catch_up(),
    );
    drop(model);
    caught_up?;
    let answer = app.engine.search(&Actor::owner(), &question).await?;
    if arguments.json {
        show::line(&serde_json::to_string_pretty(&answer)?);
    } else {
        print(&answer);
    }
    Ok(if answer.hits.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn print(answer: &SearchResponse) {
    if let Some(resolved) = &answer.resolved {
        show::note(&styled(DIM, format!("in {} {}", resolved.library, resolved.version)));
    }
    for notice in &answer.notices {
        show::note(&styled(DIM, notice));
    }
    if answer.hits.is_empty() {
        show::note("no results; try fewer or other words, or another library (wenyuan libraries)");
    }
    for (number, hit) in (1..).zip(&answer.hits) {
        print_hit(number, hit);
    }
    if let Some(first) = answer.hits.first() {
        let address = show::address(&first.passage.library, &first.passage.version, &first.passage.path);
        show::note(&styled(DIM, format!("read on: wenyuan documents read {address}")));
    }
    if let Some(next) = &answer.next {
        show::note(&styled(DIM, format!("more: --cursor {next}")));
    }
}

fn print_hit(number: usize, hit: &SearchHit) {
    let passage = &hit.passage;
    let place: Vec<&str> = passage.section.iter().chain(&hit.heading).map(String::as_str).collect();
    let mut place = place.join(" › ");
    if let Some(page) = passage.page_from {
        place.push_str(&format!("  p. {page}"));
    }
    show::line(&format!("{} {}", styled(BOLD, format!("{number}.")), styled(BOLD, &passage.title)));
    let address = show::address(&passage.library, &passage.version, &passage.path);
    show::line(&styled(DIM, format!("   {address}  {}", passage.id)));
    if !place.is_empty() {
        show::line(&styled(DIM, format!("   {place}")));
    }
    if let Some(instruction) = &passage.instruction {
        show::line(&format!("   {} {instruction}", styled(WRONG, "reads like an instruction to an agent:")));
    }
    for line in marked(hit).lines().filter(|line| !line.trim().is_empty()).take(6) {
        show::line(&format!("   {line}"));
    }
    if !hit.also_in.is_empty() {
        let equal = hit.also_in.iter().map(|equal| format!("{} {}", equal.library, equal.version));
        show::line(&styled(DIM, format!("   also in {}", equal.collect::<Vec<_>>().join(", "))));
    }
    if hit.more_in_document > 0 {
        show::line(&styled(DIM, format!("   {} more in this document", hit.more_in_document)));
    }
    show::line("");
}

/// Returns the snippet with the matching words highlighted.
fn marked(hit: &SearchHit) -> String {
    let characters: Vec<char> = hit.snippet.chars().collect();
    let part =
        |from: usize, to: usize| characters.get(from..to).unwrap_or_default().iter().collect::<String>();
    let mut text = String::new();
    let mut shown = 0;
    for (from, to) in &hit.highlights {
        let (from, to) = (*from as usize, *to as usize);
        text.push_str(&part(shown, from));
        text.push_str(&styled(MARK, part(from, to)));
        shown = to;
    }
    text + &part(shown, characters.len())
}
