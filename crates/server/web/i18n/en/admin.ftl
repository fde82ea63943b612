# Administration.
admin-overview = Overview
admin-more = Next page
admin-none-found = No matches.
admin-show-all = Show all
admin-room-users = People
admin-room-access = Access
admin-room-keys = Keys
admin-room-sessions = Sessions
admin-room-models = Language models
admin-room-search-endpoints = Search models
admin-room-servers = MCP servers
admin-room-jobs = Jobs
admin-room-backups = Backups
admin-room-settings = Settings

admin-done-user = Account changed, effective immediately everywhere.
admin-done-user-deleted = Account deleted.
admin-done-session = Session ended.
admin-done-visibility = Visibility changed.
admin-done-grant = Permission granted.
admin-done-grant-revoked = Permission revoked.
admin-done-key-enabled = Key enabled.
admin-done-key-disabled = Key disabled, effective immediately everywhere.
admin-done-key-deleted = Key deleted.
admin-done-model = Language model added. Test it now.
admin-done-model-changed = Language model changed.
admin-done-model-deleted = Language model and its API key deleted.
admin-done-endpoint = Endpoint saved. Test it now.
admin-done-endpoint-deleted = Endpoint and its API key deleted.
admin-done-server = MCP server added. Test it now.
admin-done-server-changed = MCP server changed.
admin-done-server-deleted = MCP server and its API key deleted.
admin-done-job-again = Retrying now.
admin-done-job-discarded = Job deleted.
admin-done-job-none = There were no failed jobs.
admin-done-backup = Backup started. It appears here when it is complete.
admin-done-drill = Drill started. Its result appears here.
admin-done-question = Golden question added. The next backup asks it.
admin-done-question-removed = Golden question removed. Backups that were written before still ask it.
admin-done-backup-verify = Verification started. It takes some minutes.
admin-done-settled = Resolved. Later occurrences become a new entry.

admin-users-about = Accounts, roles, and links to set a password.
admin-users-find = Name or email
admin-user-new = Add a person
admin-user-new-hint = You get a link, shown once, with which they set their password.
admin-user-make = Create account
admin-user-role = Role
admin-role-about-user = reads team libraries, writes where given access
admin-role-about-editor = creates libraries, writes in team libraries
admin-role-about-admin = full access
admin-user-inactive = inactive
admin-user-active = Can sign in (otherwise all sessions end and keys stop working)
admin-user-last-login = signed in { $ago }
admin-user-never = never signed in
admin-link-about = A link to set a new password. Earlier links stop working.
admin-link-make = Create link
admin-link-title = Password link
admin-link-heading = Link for { $name }
admin-link-once = Copy this link now; it is not shown again. Anyone with it can set that person’s password.
admin-link-until = Expires
admin-user-delete = Delete the account
admin-user-delete-this = Delete { $name }
admin-user-delete-lost = Deletes their sessions, keys, permissions, questions, answers and attached files. Documents and notes they added are kept. This cannot be undone.

admin-access-about = Who can read, write and own each library.
admin-access-find = Library name
admin-access-none = There are no libraries yet.
admin-visibility = Visibility
admin-visibility-private = private
admin-visibility-team = team
admin-visibility-public = public
admin-visibility-about-private = only people given access
admin-visibility-about-team = everyone who signs in
admin-visibility-about-public = everyone who can reach the server
admin-grants = Permissions
admin-grants-about = In addition to what a person’s role and the visibility allow. Administrators own every library.
admin-grants-none = No permissions granted yet.
admin-grant-level = Permission
admin-level-read = read and search
admin-level-write = add and change documents
admin-level-own = owner
admin-grant-give = Grant
admin-grant-revoke = Revoke
admin-count-grants =
    { $count ->
        [one] { $count } permission
       *[other] { $count } permissions
    }
admin-count-libraries =
    { $count ->
        [one] { $count } library
       *[other] { $count } libraries
    }

admin-keys-about = All API keys with their last use: disable or delete them.
admin-keys-find = Name of the key or its owner
admin-key-owner = created on the command line
admin-sessions-about = Signed-in devices of all people.
admin-sessions-none = Not signed in anywhere.
admin-session-end = Sign out
admin-sessions-end-all = Sign out everywhere

admin-name = Name
admin-name-hint = Lower-case letters, digits, dots, underscores and dashes
admin-description = Description
admin-endpoint = URL
admin-api-key = API key
admin-api-key-hint = Optional. Stored encrypted and never shown again.
admin-api-key-kept = Stored encrypted. Enter a key only to replace it; a different host needs the key again.
admin-api-key-remove = Remove the key
admin-has-key = has a key
admin-enabled = Enabled
admin-test = Test
admin-testing = Testing…
admin-test-failed = It does not work:
admin-delete-this = Delete { $name }

admin-models-about = OpenAI-compatible endpoints that answer questions.
admin-models-none = No language model yet.
admin-models-none-about = Search works without one; written answers need one. Any OpenAI-compatible endpoint works, including one on your own machine.
admin-model-default = default
admin-model-make-default = Set as default
admin-model-new = Add a language model
admin-model-add = Add model
admin-model-model = Model ID
admin-model-answers = Default model
admin-model-limits = Limits
admin-limit-context_tokens = Context (tokens)
admin-limit-answer_tokens = Maximum answer length (tokens)
admin-limit-first_seconds = Timeout for the first token (seconds)
admin-limit-idle_seconds = Timeout between tokens (seconds)
admin-limit-concurrency = Concurrent answers
admin-model-works = It works: { $milliseconds } ms.
admin-model-said = Asked for the colour of the sky, it replied:
admin-model-delete-lost = Its API key is deleted with it. Chats that use it show a notice when they are asked next.

admin-endpoints-about = Embedding and re-ranking models of your own that search uses.
admin-vectors = Vectors
admin-vectors-answering = Semantic search uses
admin-vectors-target = Being embedded for
admin-vectors-made = { $made } of { $all } passages
admin-vectors-cost = Another embedding model embeds all { $passages } passages again, about { $tokens } tokens.
admin-endpoint-embedding = Embedding endpoint
admin-endpoint-reranking = Re-ranking endpoint
admin-endpoint-about-embedding = An OpenAI-compatible endpoint (/v1/embeddings), such as Ollama, vLLM, TEI or llama.cpp. It is used with WENYUAN_EMBEDDING=openai.
admin-endpoint-about-reranking = Puts the best fifty results in order (/v1/rerank of Jina, Cohere, TEI or llama.cpp). If it fails, results keep their order.
admin-endpoint-dimensions = Dimensions: { $number }.
admin-endpoint-not-sensible = A text on another subject was nearer to a question than its answer. Check the model and its prefixes.
admin-endpoint-delete-lost = Its API key is deleted with it. Search goes on without it.
admin-dimensions = Dimensions
admin-dimensions-hint = Number of values of a vector, at most 4,000. Empty: as the endpoint returns.
admin-endpoint-limit-query_prefix = Text before each query
admin-endpoint-limit-passage_prefix = Text before each passage
admin-endpoint-limit-input_tokens = Maximum length of a text (tokens)
admin-endpoint-limit-batch_size = Texts per request
admin-endpoint-limit-timeout_milliseconds = Time that a search waits (ms)

admin-servers-about = External MCP servers that can be asked alongside your libraries.
admin-servers-none = No MCP server yet.
admin-servers-none-about = Add one to ask it alongside the library.
admin-server-new = Add an MCP server
admin-server-add = Add server
admin-server-header = Header for the API key
admin-server-asked = used for questions
admin-server-ask-tool = Tool for questions
admin-server-ask-hint = The only tool called with people’s questions; leave empty to never ask this server. A test lists its tools.
admin-server-ask-argument = Argument that takes the question
admin-server-more-tools = Further tools are not listed.
admin-server-delete-lost = Its API key is deleted with it, and it is no longer asked.
admin-count-tools =
    { $count ->
        [0] It has no tools.
        [one] It has { $count } tool.
       *[other] It has { $count } tools.
    }

admin-backups-about = Backups of the whole library. Only a verified one counts: a copy was restored from it, checked, and asked the same questions. Backups are restored on the command line.
admin-backups-off = The server writes no backups: no repository is set.
admin-backups-repository = Repository:
admin-backups-unconfirmed = Nobody has confirmed to have the secret key. Without it no encrypted backup can be restored. Confirm it on the command line:
admin-backups-none = No backups yet.
admin-backup-run = Back up now
admin-backup-verify = Verify
admin-backup-at = state of { $ago }
admin-backup-until = recovery to any moment up to { $ago }
admin-backup-size = { $size } MiB
admin-backup-encrypted = encrypted
admin-backup-plain = not encrypted
admin-backup-state-unverified = not verified
admin-backup-state-verified = verified
admin-backup-state-degraded = degraded
admin-backup-state-failed = failed
admin-drills = Drills
admin-drills-about = A drill restores the last state elsewhere, serves it on another port, asks it, and measures: how old the state is (RPO), and how long it takes until it answers (RTO).
admin-drill-run = Start a drill
admin-drill-no-key = The secret key is not on this machine. Run drills where it is:
admin-drill-measure = { $name } { $seconds } s of at most { $target } s
admin-drill-unmeasured = { $name } not reached, at most { $target } s
admin-drill-outcome-passed = passed
admin-drill-outcome-degraded = degraded
admin-drill-outcome-failed = failed
admin-questions = Golden questions
admin-questions-about = Searches whose passages every verified backup must find again. A backup also takes some from the history of answers, without showing them, and titles of the newest documents.
admin-questions-none = None chosen yet. Choose searches that the library must not lose.
admin-question-new = Add a golden question
admin-question-text = Search
admin-question-library = Library
admin-question-version = Version
admin-question-hint = Without a library, all are searched; without a version, the active one.
admin-question-add = Add
admin-question-remove = Remove
admin-jobs-about = Background jobs. Finished jobs are kept for some days; failed ones stay until you retry or delete them.
admin-jobs-state = State
admin-jobs-kind = Type
admin-jobs-none = No such jobs.
admin-job-waiting = waiting
admin-job-running = running
admin-job-dead = failed
admin-job-done = finished
admin-job-tries =
    { $count ->
        [0] not tried yet
        [one] tried once
       *[other] tried { $count } times
    }
admin-job-written = created { $ago }
admin-job-due = due { $ago }
admin-job-took = took { $seconds } s
admin-job-retry = Retry
admin-job-discard = Delete
admin-job-discard-lost = Its work is not done and not retried.
admin-jobs-retry-all =
    { $count ->
        [one] Retry the failed job
       *[other] Retry all { $count } failed jobs
    }
admin-jobs-discard-all = Delete all failed jobs
admin-jobs-discard-sure =
    { $count ->
        [one] Delete it permanently
       *[other] Delete { $count } permanently
    }
admin-schedules = Schedules
admin-schedule-succeeded = succeeded
admin-schedule-failed = failed
admin-schedule-next = next run
admin-schedule-last = last run { $ago }
admin-schedule-never = no run yet
admin-count-dead =
    { $count ->
        [one] { $count } failed job
       *[other] { $count } failed jobs
    }
admin-none-dead = no failed jobs
admin-count-at-work =
    { $count ->
        [0] nothing waiting
        [one] { $count } waiting or running
       *[other] { $count } waiting or running
    }

admin-settings-about = Settings with their sources, versions, index and vectors.
admin-state = Index and vectors
admin-index-even = index up to date
admin-index-behind =
    { $count ->
        [one] index { $count } change behind
       *[other] index { $count } changes behind
    }
admin-index-building = index is being built
admin-vectors-whole = vectors complete
admin-vectors-missing =
    { $count ->
        [one] { $count } passage without a vector
       *[other] { $count } passages without vectors
    }
admin-model-loading = embedding model is loading
admin-model-off = keyword search only
admin-model-name = Embedding model:
admin-versions = Versions
admin-database-own = built in
admin-database-given = external
admin-schema = Schema version
admin-schema-amiss =
    { $count ->
        [one] { $count } migration not applied
       *[other] { $count } migrations not applied
    }
admin-data = Data directory
admin-in-force = Current settings
admin-in-force-about = Read once at start, from command-line flags, then the environment, then the configuration file, then the defaults. Secrets are hidden.
admin-setting-secret = set, hidden
admin-setting-unset = not set
admin-source-flag = flag
admin-source-environment = environment
admin-source-file = configuration file
admin-source-default = default
