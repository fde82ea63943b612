//! Sections of a run, one file each.

pub(crate) mod apis;
pub(crate) mod chats;
pub(crate) mod community;
pub(crate) mod connections;
pub(crate) mod embed;
pub(crate) mod growth;
pub(crate) mod ingest;
pub(crate) mod memory;
pub(crate) mod pages;
pub(crate) mod recall;
pub(crate) mod search;
pub(crate) mod start;
