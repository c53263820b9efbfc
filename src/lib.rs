//! Forge-grade webhooks for git on a plain server: the library behind the `post-receive` hook and the `git webhook`
//! command.
//!
//! The modules stand in the order in which data flows; each uses only those above it. `docs/architecture.md` tells why.

#![deny(clippy::unwrap_used, clippy::panic)]

pub mod message;

pub mod text;

pub mod urls;

pub mod process;

pub mod identifier;

pub mod trace;

pub mod files;

pub mod state_dir;

pub mod ref_name;

pub mod ref_update;

pub mod pusher;

pub mod event;

pub mod signature;

pub mod appraise;

pub mod template;

pub mod format;

pub mod outcome;

pub mod schedule;

pub mod standing;

pub mod delivery;

pub mod target;

pub mod transport;

pub mod stream;

pub mod config;

pub mod repository;

pub mod spool;

pub mod history;

pub mod dispatch;

pub mod report;

pub mod log_file;

pub mod alarm;

pub mod pipeline;

pub mod receive;

pub mod worker;

pub mod overview;

pub mod command;
