//! The built hook and command, run as users run them: a real bare repository, a real `git push`, a real receiver.

mod support;

mod again;
mod check;
mod clients;
mod command;
mod commits;
mod completion;
mod configuration;
mod disks;
mod files;
mod formats;
mod kills;
mod kinds;
mod objects;
mod output;
mod outside;
mod owners;
mod payloads;
mod pushers;
mod queue;
mod readme;
mod receivers;
mod records;
mod requests;
mod sizes;
mod tags;
mod targets;
mod tls;
mod together;
mod tour;
mod upgrade;
mod verbs;
mod waiting;
mod whole;
mod worktrees;
