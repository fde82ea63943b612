//! `[chat]`: sharing of chats.

use clap::{Args, ValueEnum};

use super::Group;

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Chats")]
pub(crate) struct ChatSettings {
    /// People who can open links to shared chats: nobody, signed-in users, or anyone who has the link. A share
    /// holds the passages that its answers quote; signed-in users do not see those of libraries they cannot read
    #[arg(
        id = "chat.share_links",
        long = "share-links",
        env = "WENYUAN_SHARE_LINKS",
        value_enum,
        default_value_t
    )]
    share_links: ShareLinks,
}

/// Audience of links to chats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum ShareLinks {
    /// Nobody; no links can be created.
    Off,
    /// Signed-in users.
    #[default]
    Team,
    /// Anyone, without an account.
    Anyone,
}

impl ChatSettings {
    /// Audience of links to chats.
    pub(crate) fn share_links(&self) -> ShareLinks {
        self.share_links
    }
}

impl Group for ChatSettings {}
