# Account.
account-title = Your account
account-no-email = no email address
account-done-password = Password changed. Your other sessions have ended.
account-done-sessions = Signed out on that device.
account-done-key = Key changed, effective immediately everywhere.
account-done-look = Saved. Pages look this way wherever you sign in.
account-done-person = Account changed.
account-wrong-password = The current password is wrong.
role-user = user
role-editor = editor
role-admin = administrator

account-keys = API keys
account-keys-about = A key can do what you can, within the limits you set.
account-keys-none = No keys yet.
account-keys-none-about = Agents use a key to read your libraries. Create one here, or connect an agent step by step.
key-disabled = disabled
key-only = only { $libraries }
key-until = expires
key-used = used { $ago }
key-never-used = never used
key-enable = Enable
key-disable = Disable
key-delete = Delete
key-delete-about = Requests with this key are refused immediately. This cannot be undone.
key-delete-good = Delete permanently
key-make = Create a key
key-name = Name
key-scopes = Permissions
scope-read = read and search
scope-notes = write notes
scope-write = add, change and delete documents
scope-chats = ask, and read and write your questions and answers
scope-short-read = read
scope-short-notes = notes
scope-short-write = write
scope-short-chats = ask
key-libraries = Libraries
key-libraries-all = None selected: all libraries you can read.
key-libraries-list = Only these libraries (comma-separated)
key-days = Expires after
key-days-30 = 30 days
key-days-90 = 90 days
key-days-365 = 1 year
key-days-none = Never
key-make-good = Create key
key-new = New key
key-new-heading = Key { $name }
key-new-about = Copy it now: it is not stored and cannot be shown again.
key-new-label = API key
key-copy = Copy
key-copied = Copied
key-send = Agents and scripts send it in this header:
key-placeholder = API_KEY
key-connect = Connect an agent
key-back = Back to your account

account-sessions = Signed-in devices
session-current = this device
session-since = since
session-used = used { $ago }
session-end = Sign out there
account-sessions-others = Sign out everywhere else

account-look = Language and theme
account-look-about = Saved in your account and used in every browser you sign in with.
account-language = Language
account-save = Save

account-person = Name and email
account-first-name = First name
account-last-name = Last name
account-email = Email
account-email-password = Your password (required to change the email address)
account-email-hint = Password reset links are sent to this address.

account-data = Your data
account-data-about = Your account, notes, posts, comments, likes, follows and the messages you sent, as a file of JSON lines. Your questions and answers are a file of their own, which can be imported again.
account-data-export = Download my data
account-data-chats = Download my questions and answers

account-password = Password
account-password-current = Current password
account-password-hint = At least 10 characters; a few unrelated words work well. Your other sessions end.
account-password-change = Change password

account-mail = Mail
account-mail-about = How often to mail you about notifications that you have not read. Each mail has a link to unsubscribe.
account-done-mail = Saved.
mail-off = This server sends no mail: its operator has not set a mail server.
mail-no-address = You have no email address: add one below to get mail.
mail-kind-mention = Somebody mentions you
mail-kind-reply = Somebody replies to you
mail-kind-accepted = Your answer is accepted
mail-kind-message = Direct messages
mail-kind-version = New versions of libraries you follow
mail-kind-like = Likes
mail-kind-follow = New followers
mail-frequency-immediately = At once
mail-frequency-daily = Daily
mail-frequency-weekly = Weekly
mail-frequency-never = Never

unsubscribe-title = Unsubscribe from mail
unsubscribe-about = You will get no more mail about notifications. You still see them here, and mails to reset your password still come.
unsubscribe-button = Unsubscribe
unsubscribe-done = You are unsubscribed: you get no more mail about notifications.
unsubscribe-account = Choose what you are mailed about
unsubscribe-bad-link = This link is not valid. Sign in, and choose under "Mail" in your account what you are mailed about.

digest-subject =
    { $others ->
        [0] Wenyuan: { $first }
       *[other] Wenyuan: { $first }, and { $others } more
    }
digest-more =
    { $count ->
        [one] { $count } more notification
       *[other] { $count } more notifications
    }
digest-why = You get this mail because you have not read these notifications.
digest-settings = Choose how often you are mailed
digest-unsubscribe = Unsubscribe
