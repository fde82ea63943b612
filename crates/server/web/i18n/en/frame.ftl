# Frame of all pages.
house = Wenyuan
skip = Skip to content
rooms = Main
room-search = Search
room-libraries = Libraries
room-ask = Ask
room-add = Add
room-account = Your account
room-connect = Connect an agent
room-administration = Administration
menu = Menu
sign-in = Sign in
sign-out = Sign out
guide = Guides
theme = Theme
theme-system = System
theme-light = Light
theme-dark = Dark

# Shared by many pages.
count-documents =
    { $count ->
        [one] { $count } document
       *[other] { $count } documents
    }

# Failed requests.
failed = Something went wrong. Reload the page and try again; if it keeps happening, give an administrator this number:
unreached = The server cannot be reached. The page is kept; try again in a moment.
offline = You are offline. The page is kept.
online = You are online again.

# Rejected forms.
form-foreign = This form was not sent from a page of this server, or has expired. Go back, reload the page, and try again.

copy = Copy
copied = Copied.
now = just now
ago-years =
    { $count ->
        [one] { $count } year ago
       *[other] { $count } years ago
    }
ago-months =
    { $count ->
        [one] { $count } month ago
       *[other] { $count } months ago
    }
ago-weeks =
    { $count ->
        [one] { $count } week ago
       *[other] { $count } weeks ago
    }
ago-days =
    { $count ->
        [one] { $count } day ago
       *[other] { $count } days ago
    }
ago-hours =
    { $count ->
        [one] { $count } hour ago
       *[other] { $count } hours ago
    }
ago-minutes =
    { $count ->
        [one] { $count } minute ago
       *[other] { $count } minutes ago
    }

type-markdown = Markdown
type-pdf = PDF
type-docx = Word
type-swagger = Swagger
type-openapi = OpenAPI
type-java_doc = JavaDoc
type-html = HTML
type-rst = reStructuredText
type-text = Plain text

# Command palette and shortcuts.
palette = Go to
palette-placeholder = Document, library or page
palette-recent = Recently read
palette-commands = Pages
palette-documents = Documents
palette-search = Search for “%1”
palette-search-here = Search this library for “%1”
palette-ask = Ask “%1”
shortcuts = Keyboard shortcuts
shortcuts-search = Search this library
shortcuts-palette = Go to a document, library or page
shortcuts-help = Show this list
shortcuts-results = Move through results and the document tree
shortcuts-tree = Open and close folders of the document tree
shortcuts-close = Close
shortcuts-done = Close
