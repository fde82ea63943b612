# What administrators look after.
admin-overview = Overview
admin-more = Next page
admin-none-found = Nothing here is called so.
admin-show-all = Show all
admin-room-users = People
admin-room-access = Access
admin-room-keys = Keys
admin-room-sessions = Sessions
admin-room-models = Language models
admin-room-servers = MCP servers
admin-room-jobs = Jobs
admin-room-settings = Settings

admin-done-user = The account is changed, from now on and everywhere.
admin-done-user-deleted = The account is deleted.
admin-done-session = The session has ended.
admin-done-visibility = Who may read the library is changed.
admin-done-grant = The grant is made.
admin-done-grant-revoked = The grant is taken back.
admin-done-key-enabled = The key is good again.
admin-done-key-disabled = The key is refused from now on, everywhere.
admin-done-key-deleted = The key is deleted.
admin-done-model = The language model is added. Test it now.
admin-done-model-changed = The language model is changed.
admin-done-model-deleted = The language model is deleted, with its key.
admin-done-server = The MCP server is added. Test it now.
admin-done-server-changed = The MCP server is changed.
admin-done-server-deleted = The MCP server is deleted, with its key.
admin-done-job-again = It is tried again now.
admin-done-job-discarded = It is removed.
admin-done-job-none = There was nothing dead to do this with.
admin-done-settled = It is settled. What happens after is another entry.

admin-users-about = Who there is, what they may, and links to set a password.
admin-users-find = Name or mail address
admin-user-new = Add a person
admin-user-new-hint = You get a link, shown once, by which they set their password.
admin-user-make = Make the account
admin-user-role = Role
admin-role-about-user = reads what the team may read, and writes where it was granted
admin-role-about-editor = makes libraries, and writes in those that the team may read
admin-role-about-admin = may everything
admin-user-inactive = inactive
admin-user-active = May sign in (without this all sessions end and keys are dead)
admin-user-last-login = signed in { $ago }
admin-user-never = has never signed in
admin-link-about = A link by which they set a new password. Those made before are void.
admin-link-make = Make a link
admin-link-title = Link to set a password
admin-link-heading = A link for { $name }
admin-link-once = It is shown this once: hand it over now. Whoever opens it sets the password.
admin-link-until = Good until
admin-user-delete = Delete the account
admin-user-delete-this = Delete { $name }
admin-user-delete-lost = Their sessions, keys and grants are gone, and all their questions and answers with their files. Documents and notes that they added stay. This cannot be undone.

admin-access-about = Who may read, write and own which library.
admin-access-find = Name of a library
admin-access-none = There are no libraries yet.
admin-visibility = Who may read without a grant
admin-visibility-private = private
admin-visibility-team = team
admin-visibility-public = public
admin-visibility-about-private = nobody
admin-visibility-about-team = everyone who signs in
admin-visibility-about-public = everyone who reaches the server
admin-grants = Grants
admin-grants-about = They come on top of what somebody’s role and the visibility allow. Administrators own every library.
admin-grants-none = Nobody was granted anything here.
admin-grant-level = How far
admin-level-read = may read and search
admin-level-write = may add and change documents
admin-level-own = owns it
admin-grant-give = Grant
admin-grant-revoke = Take back
admin-count-grants =
    { $count ->
        [one] { $count } grant
       *[other] { $count } grants
    }
admin-count-libraries =
    { $count ->
        [one] { $count } library
       *[other] { $count } libraries
    }

admin-keys-about = Everybody’s keys, when they were last used, and an end to them.
admin-keys-find = Name of a key or of its owner
admin-key-owner = made on the command line
admin-sessions-about = Who is signed in, and where.
admin-sessions-none = Not signed in anywhere.
admin-session-end = End
admin-sessions-end-all = End all their sessions

admin-name = Name
admin-name-hint = Lower-case letters, digits, dots, underscores and dashes
admin-description = What it is for
admin-endpoint = Address
admin-api-key = API key
admin-api-key-hint = May be left out. It is kept sealed and never shown again.
admin-api-key-kept = One is kept, sealed. Write here only to replace it; at another host it must be given again.
admin-api-key-remove = Take the key away
admin-has-key = has a key
admin-enabled = May be used
admin-test = Test it
admin-testing = Asking…
admin-test-failed = It does not work:
admin-delete-this = Delete { $name }

admin-models-about = OpenAI-compatible endpoints that answer questions.
admin-models-none = No language model yet.
admin-models-none-about = Without one there is search, and no answers. Any OpenAI-compatible endpoint will do, also one on your own machine.
admin-model-default = default
admin-model-make-default = Make it the default
admin-model-new = Add a language model
admin-model-add = Add the model
admin-model-model = What the endpoint calls it
admin-model-answers = Answers where no model is named
admin-model-limits = Limits
admin-limit-context_tokens = Context, in tokens
admin-limit-answer_tokens = Longest answer, in tokens
admin-limit-first_seconds = Seconds for the first piece
admin-limit-idle_seconds = Seconds for each further piece
admin-limit-concurrency = Answers at once
admin-model-works = It works: { $milliseconds } ms.
admin-model-said = It was asked for the colour of the sky and said:
admin-model-delete-lost = Its key is gone with it. Chats that name it are told so when it is asked next.

admin-servers-about = MCP servers of others that questions may be put to.
admin-servers-none = No MCP server yet.
admin-servers-none-about = Add one to ask it beside the library.
admin-server-new = Add an MCP server
admin-server-add = Add the server
admin-server-header = Header for the key
admin-server-asked = may be asked
admin-server-ask-tool = Tool for questions
admin-server-ask-hint = The one tool that is called with people’s questions; empty where the server is not asked. A test lists its tools.
admin-server-ask-argument = The tool’s argument for the question
admin-server-more-tools = There are more that are not listed.
admin-server-delete-lost = Its key is gone with it, and questions are put to it no longer.
admin-count-tools =
    { $count ->
        [0] It has no tools.
        [one] It has { $count } tool.
       *[other] It has { $count } tools.
    }

admin-jobs-about = What is to be done behind the pages. Done jobs are gone; dead ones were tried in vain and wait for you.
admin-jobs-state = State
admin-jobs-kind = Kind
admin-jobs-none = No such jobs: everything is done.
admin-job-waiting = waiting
admin-job-running = running
admin-job-dead = dead
admin-job-tries =
    { $count ->
        [0] not tried yet
        [one] tried once
       *[other] tried { $count } times
    }
admin-job-written = written { $ago }
admin-job-due = due { $ago }
admin-job-retry = Try again
admin-job-discard = Remove
admin-job-discard-lost = What it was to do is not done, and not tried again.
admin-jobs-retry-all =
    { $count ->
        [one] Try the dead one again
       *[other] Try all { $count } dead ones again
    }
admin-jobs-discard-all = Remove all dead ones
admin-jobs-discard-sure =
    { $count ->
        [one] Remove it for good
       *[other] Remove { $count } for good
    }
admin-count-dead =
    { $count ->
        [one] { $count } dead job
       *[other] { $count } dead jobs
    }
admin-none-dead = nothing dead
admin-count-at-work =
    { $count ->
        [0] nothing waiting
        [one] { $count } waiting or running
       *[other] { $count } waiting or running
    }

admin-settings-about = What is in force and from where, versions, index and vectors.
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
admin-model-off = search by words alone
admin-model-name = Embedding model:
admin-versions = Versions
admin-database-own = built in
admin-database-given = of your own
admin-schema = Schema
admin-schema-amiss =
    { $count ->
        [one] { $count } migration not applied
       *[other] { $count } migrations not applied
    }
admin-data = Data folder
admin-in-force = Current settings
admin-in-force-about = Settings are read once, when the server starts. Flags win over environment variables, environment variables over the configuration file, the file over defaults. Secrets are hidden.
admin-setting-secret = is set, not shown
admin-setting-unset = not set
admin-source-flag = flag
admin-source-environment = environment
admin-source-file = configuration file
admin-source-default = default
