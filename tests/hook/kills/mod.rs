//! Hooks are killed and their disk fails, at every moment there is: no event is lost, none is told under a second id.
//!
//! The number of processes that are killed at random is the variable `GIT_WEBHOOK_KILLS`, 500 where it is not set; for
//! a longer run `GIT_WEBHOOK_KILLS=10000 cargo test --test hook kills`. `GIT_WEBHOOK_SEED` repeats the dice of a run,
//! though not the moments at which the system runs what.

mod broker;
mod receive_pack;
mod scenes;
mod storm;
mod syncs;
