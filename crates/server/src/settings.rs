//! Settings: flags and environment variables, read once. `wenyuan --help` is their reference.

pub(crate) mod in_force;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::http::Uri;
use chat::web::Web;
use clap::{Args, ValueEnum};
use ipnet::IpNet;
use store::DatabaseConfig;
use store::postgres::{ClusterConfig, PoolConfig};
use store::secrets::SecretConfig;
use zeroize::Zeroizing;

use in_force::InForce;

/// What every command may be told.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Settings")]
pub(crate) struct Settings {
    /// Folder of the library's data [default: the platform's data folder; /var/lib/wenyuan as root].
    #[arg(long, global = true, hide_short_help = true, env = "WENYUAN_DATA_DIR", value_name = "FOLDER")]
    data_dir: Option<PathBuf>,

    /// A PostgreSQL server of yours (15 or later, with pgvector 0.8 or later) in place of the built-in one.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    database_url: Option<Hidden>,

    /// The same database as the role that owns and migrates it; --database-url then names one that only reads and writes.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_OWNER_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    owner_database_url: Option<Hidden>,

    /// File of the secret keys, one a line, newest first [default: secret.key in the data folder, made at the first start].
    #[arg(long, global = true, hide_short_help = true, env = "WENYUAN_SECRET_KEY_FILE", value_name = "FILE")]
    secret_key_file: Option<PathBuf>,

    /// The secret keys themselves, in place of a file: 32 bytes in base64 or hexadecimal; several with commas, newest first.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_SECRET_KEY",
        hide_env_values = true,
        value_name = "KEYS"
    )]
    secret_key: Option<Hidden>,

    /// A Redis server that several nodes share what they remember through (redis://, rediss:// with TLS, unix://).
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_REDIS_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    redis_url: Option<Hidden>,

    /// Folder of the built-in PostgreSQL's programs; ./run sets it.
    #[arg(long, global = true, hide_short_help = true, env = "WENYUAN_POSTGRES", value_name = "FOLDER")]
    postgres: Option<PathBuf>,

    /// File of the embedding model; ./run sets it.
    #[arg(long, global = true, hide_short_help = true, env = "WENYUAN_MODEL", value_name = "FILE")]
    embedding_model: Option<PathBuf>,

    /// Search by meaning with the local model, or by words alone.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_EMBEDDING",
        value_enum,
        default_value_t
    )]
    embedding: Embedding,

    /// Milliseconds a walk of the vector graph may take: more is more exact.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_VECTOR_BUDGET_MS",
        default_value_t = 10,
        value_name = "MS"
    )]
    vector_budget_ms: u64,

    /// The largest document that is taken, in MiB.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_MAX_DOCUMENT_MIB",
        default_value_t = 256,
        value_name = "MIB"
    )]
    max_document_mib: usize,

    /// Seconds that reading one document may take.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_READ_SECONDS",
        default_value_t = 120,
        value_name = "SECONDS"
    )]
    read_seconds: u64,

    /// Memory that reading one document may take, in MiB.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_READ_MEMORY_MIB",
        default_value_t = 3072,
        value_name = "MIB"
    )]
    read_memory_mib: u64,

    /// Documents read at once [default: the number of processors].
    #[arg(long, global = true, hide_short_help = true, env = "WENYUAN_READERS", value_name = "NUMBER")]
    readers: Option<usize>,

    /// The address at which people reach the server (`https://docs.example.org`): in links, and as one of its names.
    #[arg(long, global = true, hide_short_help = true, env = "WENYUAN_PUBLIC_URL", value_name = "URL")]
    public_url: Option<String>,

    /// Further names that the server answers under, separated by commas.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_HOSTS",
        value_delimiter = ',',
        value_name = "NAME"
    )]
    hosts: Vec<String>,

    /// Origins of other sites' pages that may talk to the server (`https://tools.example.org`), separated by commas.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_ORIGINS",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    origins: Vec<String>,

    /// Proxies whose word on a client's address is taken, besides those on this machine: addresses or networks
    /// (10.0.0.0/8), separated by commas.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "NETWORK",
        value_parser = network
    )]
    trusted_proxies: Vec<IpNet>,

    /// The server that takes mail: `smtps://USER:PASSWORD@mail.example.org`, `smtp://…?tls=required` for STARTTLS,
    /// `smtp://…` for none. Without it no mail is sent.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_SMTP_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    smtp_url: Option<String>,

    /// Whom mail is from: Wenyuan <wenyuan@example.org>.
    #[arg(long, global = true, hide_short_help = true, env = "WENYUAN_MAIL_FROM", value_name = "ADDRESS")]
    mail_from: Option<String>,

    /// A SearXNG-compatible server for questions to the web (`https://search.example.org`). Without it the web is not searched.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_SEARXNG_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    searxng_url: Option<Hidden>,

    /// Requests a minute of an API key that has no limit of its own.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_RATE_LIMIT",
        default_value_t = 600,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000)
    )]
    rate_limit: u32,

    /// Who may open links to chats that were shared: nobody, whoever is signed in, or anyone who has the link.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        env = "WENYUAN_SHARE_LINKS",
        value_enum,
        default_value_t
    )]
    share_links: ShareLinks,

    #[command(flatten)]
    pool: Pool,

    /// Offers agents what the protocol's conformance suite calls. For tests only; refused beyond loopback.
    #[arg(long, global = true, hide = true, env = "WENYUAN_MCP_FIXTURES", value_parser = clap::builder::FalseyValueParser::new())]
    mcp_fixtures: bool,

    /// How log lines are written.
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "WENYUAN_LOG_FORMAT",
        value_enum,
        default_value_t
    )]
    pub(crate) log_format: LogFormat,

    /// Which log lines are written: error, warn, info, debug, or by module (wenyuan=debug,library=info).
    #[arg(
        long,
        global = true,
        hide_short_help = true,
        help_heading = "Settings",
        env = "WENYUAN_LOG",
        value_name = "FILTER"
    )]
    pub(crate) log: Option<String>,

    /// What of all this is in force, and from where.
    #[arg(skip)]
    in_force: Arc<Vec<InForce>>,
}

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Database connections")]
struct Pool {
    /// Connections kept open.
    #[arg(
        long = "pool-min",
        global = true,
        hide_short_help = true,
        env = "WENYUAN_POOL_MIN",
        default_value_t = 1,
        value_name = "NUMBER"
    )]
    min: u32,

    /// Connections at most.
    #[arg(
        long = "pool-max",
        global = true,
        hide_short_help = true,
        env = "WENYUAN_POOL_MAX",
        default_value_t = 20,
        value_name = "NUMBER"
    )]
    max: u32,

    /// Seconds a request waits for a connection before it is answered 503.
    #[arg(
        long = "pool-acquire-seconds",
        global = true,
        hide_short_help = true,
        env = "WENYUAN_POOL_ACQUIRE_SECONDS",
        default_value_t = 5.0,
        value_name = "SECONDS"
    )]
    acquire_seconds: f64,

    /// Seconds an idle connection is kept.
    #[arg(
        long = "pool-idle-seconds",
        global = true,
        hide_short_help = true,
        env = "WENYUAN_POOL_IDLE_SECONDS",
        default_value_t = 600,
        value_name = "SECONDS"
    )]
    idle_seconds: u64,

    /// Seconds any connection lives.
    #[arg(
        long = "pool-lifetime-seconds",
        global = true,
        hide_short_help = true,
        env = "WENYUAN_POOL_LIFETIME_SECONDS",
        default_value_t = 1800,
        value_name = "SECONDS"
    )]
    lifetime_seconds: u64,

    /// Try a connection before handing it out: a round trip more, and a dead one is noticed at once.
    #[arg(long = "pool-test", global = true, hide_short_help = true, env = "WENYUAN_POOL_TEST")]
    test: bool,
}

/// A value that may hold a secret and therefore never shows itself.
#[derive(Clone)]
struct Hidden(Zeroizing<String>);

impl Hidden {
    /// What was set; an empty variable is one that is not set.
    fn given(value: Option<&Self>) -> Option<String> {
        value.map(|Self(text)| text.to_string()).filter(|text| !text.is_empty())
    }
}

impl std::str::FromStr for Hidden {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl std::fmt::Debug for Hidden {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("…")
    }
}

/// Who may open links to chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ShareLinks {
    /// Nobody; none are made.
    Off,
    /// Whoever is signed in.
    #[default]
    Team,
    /// Anyone, without an account.
    Anyone,
}

/// How passages get their vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Embedding {
    /// By the model that comes with the library.
    #[default]
    Local,
    /// Not at all.
    None,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

impl Settings {
    /// The same, with what is in force and from where.
    pub(crate) fn knowing(self, in_force: Vec<InForce>) -> Self {
        Self { in_force: Arc::new(in_force), ..self }
    }

    /// What is in force, and from where.
    pub(crate) fn in_force(&self) -> &[InForce] {
        &self.in_force
    }

    /// The folder of the library's data.
    pub(crate) fn data_dir(&self) -> PathBuf {
        if let Some(folder) = &self.data_dir {
            // Children and the database server work in other folders: the path must hold there too.
            return std::path::absolute(folder).unwrap_or_else(|_unreadable| folder.clone());
        }
        // The built-in PostgreSQL runs as another user then, who cannot enter root's home.
        if nix::unistd::Uid::effective().is_root() {
            return PathBuf::from("/var/lib/wenyuan");
        }
        directories::ProjectDirs::from("", "", "wenyuan")
            .map_or_else(|| PathBuf::from("wenyuan-data"), |folders| folders.data_dir().to_owned())
    }

    /// Which database, and how.
    pub(crate) fn database(&self) -> DatabaseConfig {
        let programs = self.postgres.clone().unwrap_or_else(|| self.data_dir().join("programs"));
        DatabaseConfig {
            url: Hidden::given(self.database_url.as_ref()),
            owner_url: Hidden::given(self.owner_database_url.as_ref()),
            cluster: ClusterConfig::new(self.data_dir().join("postgres"), programs),
            pool: self.pool(),
        }
    }

    /// Where the secret keys are.
    pub(crate) fn secrets(&self) -> SecretConfig {
        SecretConfig {
            keys: Hidden::given(self.secret_key.as_ref()).map(Zeroizing::new),
            file: self.secret_key_file.clone().filter(|file| !file.as_os_str().is_empty()),
            default_file: self.data_dir().join("secret.key"),
        }
    }

    /// The Redis server, where there is one.
    pub(crate) fn redis_url(&self) -> Option<String> {
        Hidden::given(self.redis_url.as_ref())
    }

    fn pool(&self) -> PoolConfig {
        let pool = &self.pool;
        PoolConfig {
            minimum: pool.min.min(pool.max),
            maximum: pool.max,
            acquire_timeout: Duration::from_secs_f64(pool.acquire_seconds.clamp(0.01, 3600.0)),
            idle_timeout: Duration::from_secs(pool.idle_seconds),
            maximum_lifetime: Duration::from_secs(pool.lifetime_seconds),
            test_before_acquire: pool.test,
            ..PoolConfig::default()
        }
    }

    /// The model's file; `None` where search by meaning is turned off, with the reason.
    pub(crate) fn model(&self) -> Result<PathBuf, String> {
        match (self.embedding, &self.embedding_model) {
            (Embedding::None, _) => {
                Err("search by meaning is turned off (WENYUAN_EMBEDDING=none)".to_owned())
            }
            (Embedding::Local, None) => {
                Err("no embedding model is set (WENYUAN_MODEL); ./run sets it".to_owned())
            }
            (Embedding::Local, Some(file)) => Ok(file.clone()),
        }
    }

    /// Whether agents are offered the fixtures of the conformance suite.
    pub(crate) fn mcp_fixtures(&self) -> bool {
        self.mcp_fixtures
    }

    /// How long a walk of the vector graph may take.
    pub(crate) fn vector_budget_milliseconds(&self) -> u64 {
        self.vector_budget_ms
    }

    /// The largest document, in bytes.
    pub(crate) fn max_document_bytes(&self) -> usize {
        self.max_document_mib << 20
    }

    /// How long reading one document may take.
    pub(crate) fn read_time(&self) -> Duration {
        Duration::from_secs(self.read_seconds)
    }

    /// How much memory reading one document may take, in bytes.
    pub(crate) fn read_memory(&self) -> u64 {
        self.read_memory_mib << 20
    }

    /// The address at which people reach the server, without a slash at its end; an error where it is none.
    pub(crate) fn public_url(&self) -> anyhow::Result<Option<Uri>> {
        let Some(text) = self.public_url.as_deref().map(str::trim).filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let url: Uri = text.trim_end_matches('/').parse().unwrap_or_default();
        let known = matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some();
        anyhow::ensure!(
            known,
            "{text:?} is not an address (WENYUAN_PUBLIC_URL): write https://docs.example.org"
        );
        Ok(Some(url))
    }

    /// The names that the server answers under, besides those of this machine.
    pub(crate) fn hosts(&self) -> anyhow::Result<Vec<String>> {
        let mut hosts = self.hosts.clone();
        hosts.extend(self.public_url()?.and_then(|url| url.host().map(str::to_owned)));
        Ok(hosts)
    }

    /// The origins of other sites' pages that may talk to the server.
    pub(crate) fn origins(&self) -> &[String] {
        &self.origins
    }

    /// Proxies whose word on a client's address is taken, besides those on this machine.
    pub(crate) fn trusted_proxies(&self) -> &[IpNet] {
        &self.trusted_proxies
    }

    /// Whether browsers are told to send cookies over TLS alone: where people reach the server so.
    pub(crate) fn secure_cookies(&self) -> bool {
        let start = self.public_url.as_deref().and_then(|url| url.trim_start().get(..8));
        start.is_some_and(|start| start.eq_ignore_ascii_case("https://"))
    }

    /// The server that takes mail, and whom mail is from; `None` where no mail is sent.
    pub(crate) fn mail(&self) -> anyhow::Result<Option<(&str, &str)>> {
        let given =
            |text: &'_ Option<String>| text.as_deref().map(str::trim).is_some_and(|text| !text.is_empty());
        match (&self.smtp_url, &self.mail_from) {
            (Some(url), Some(from)) if given(&self.smtp_url) && given(&self.mail_from) => {
                Ok(Some((url.trim(), from.trim())))
            }
            _ if given(&self.smtp_url) => {
                anyhow::bail!("mail needs somebody whom it is from: set WENYUAN_MAIL_FROM too")
            }
            _ => Ok(None),
        }
    }

    /// Where the web is searched; `None` where it is not.
    pub(crate) fn web(&self) -> anyhow::Result<Option<Web>> {
        let address = Hidden::given(self.searxng_url.as_ref());
        address.map(|address| Web::at(&address)).transpose().context("WENYUAN_SEARXNG_URL cannot be used")
    }

    /// Requests a minute of a key that has no limit of its own.
    pub(crate) fn rate_limit(&self) -> u32 {
        self.rate_limit
    }

    /// Who may open links to chats.
    pub(crate) fn share_links(&self) -> ShareLinks {
        self.share_links
    }

    /// How many documents are read at once.
    pub(crate) fn readers(&self) -> usize {
        self.readers
            .unwrap_or_else(|| std::thread::available_parallelism().map_or(2, std::num::NonZero::get))
            .clamp(1, 64)
    }
}

/// Reads a network, or an address that stands for itself.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    text.parse::<IpNet>().or_else(|_no_network| text.parse::<std::net::IpAddr>().map(IpNet::from)).map_err(
        |_neither| format!("{text:?} is neither an address nor a network: write 10.0.0.7 or 10.0.0.0/8"),
    )
}
