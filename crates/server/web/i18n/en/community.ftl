# Community: feed, posts, people, notifications, messages.
room-feed = Feed
feed-more = Community
feed-filters = Show
feed-filter-all = All
feed-filter-people = People
feed-filter-libraries = Libraries
feed-filter-unanswered = Open questions
feed-none = Nothing here yet.
feed-none-about = Follow people, libraries and documents, and what is written about them appears here.
posts-title = Discussions
posts-all = All discussions
posts-write = Write a post
posts-deleted = My deleted posts
posts-none = No posts yet.
post-new = New post
post-text = Text
post-hint = Markdown. @name mentions a person, #tag adds a tag.
post-asks = This is a question
post-send = Post
post-about = About
post-by = Post by { $name }
post-question-by = Question by { $name }
post-comment-by = Comment by { $name }
post-nobody = a deleted user
post-via = via { $key }
post-edited = edited
post-question = question
post-answered = answered
post-deleted = deleted
post-hidden = hidden by a moderator
post-passage-changed = the passage has changed since
post-answer-stale = a cited passage has changed since
post-whole = Read on
post-like = Like
post-likes = Likes
post-comments =
    { $count ->
        [one] { $count } comment
       *[other] { $count } comments
    }
post-comments-title = Comments
post-no-comments = No comments yet.
post-all-comments = Show all comments
post-more-replies =
    { $count ->
        [one] { $count } more reply
       *[other] { $count } more replies
    }
post-to-answer = Go to the accepted answer
post-accepted = accepted answer
post-accept = Accept as answer
post-unaccept = No longer the answer
post-reply = Reply
post-reply-to = Reply to { $name }
post-comment = Your comment
post-comment-send = Comment
post-sign-in = Sign in to comment
post-comment-state-deleted = deleted
post-comment-state-hidden = hidden by a moderator
post-comment-state-unavailable = not available
post-edit = Edit
post-save = Save
post-delete = Delete
post-restore = Restore
post-history = Earlier texts
post-history-older = Texts before these
post-replaced = replaced { $ago }
post-report = Report
post-report-why = What is wrong with it?
post-report-send = Send report
post-hide = Hide
post-show = Show again
reports-title = Reports
reports-open = Open
reports-resolved = Decided
reports-none = No reports.
reports-by = Reported by { $name }
reports-see = Go to the text
reports-dismiss = Dismiss
reports-resolution-hidden = hidden
reports-resolution-dismissed = dismissed
community-refused = This was not saved
community-again = Send again
community-done-edited = Saved.
community-done-deleted = Deleted. You can restore it.
community-done-restored = Restored.
community-done-reported = Reported. The owners of the library and the administrators decide on it.
community-done-decided = Saved.
community-done-accepted = Accepted as the answer.
community-done-unaccepted = The question is open again.
follow-follow = Follow
follow-following = Following
people-title = People
people-own = My page
people-find = User name
people-none-found = Nobody's name begins like that.
people-suggested = Suggestions
people-no-suggestions = No suggestions yet: follow people and libraries first.
people-followed-by = Followed by { $names }.
people-posts-there =
    { $count ->
        [one] { $count } post about a library you follow.
       *[other] { $count } posts about libraries you follow.
    }
people-followers =
    { $count ->
        [one] { $count } follower
       *[other] { $count } followers
    }
people-follow = Follow
people-unfollow = Unfollow
people-mute = Mute
people-unmute = Unmute
people-block = Block
people-unblock = Unblock
people-write = Write a message
people-posts = Posts
people-show-followers = Followers
people-show-following = Following
notifications-title = Notifications
notifications-unread = unread
notifications-none = No notifications.
notifications-new = new
notifications-read = Mark as read
notifications-read-all = Mark all as read
notifications-mention = { $name } mentioned you
notifications-reply = { $name } replied to you
notifications-like =
    { $others ->
        [0] { $name } likes what you wrote
        [one] { $name } and { $others } other like what you wrote
       *[other] { $name } and { $others } others like what you wrote
    }
notifications-follow = { $name } follows you
notifications-message =
    { $count ->
        [one] { $name } sent you a message
       *[other] { $name } sent you { $count } messages
    }
notifications-version = { $library } has a new version: { $version }
notifications-accepted = { $name } accepted your answer
messages-title = Messages
messages-about = Only the members of a conversation can read it.
messages-start = New conversation
messages-members = With
messages-members-hint = User names, separated by commas.
messages-group-title = Title, if it is a group
messages-begin = Start
messages-none = No conversations yet.
messages-unread = { $count } unread
messages-older = Older messages
messages-empty = No messages yet.
messages-you = You
messages-deleted = This message was deleted.
messages-delete = Delete
messages-delete-me = For me
messages-delete-all = For everyone
messages-write = Your message
messages-send = Send
messages-leave = Leave the group
