//! A push told to many receivers at once.

use std::fs;
use std::io::Write;

use super::{Receiver, World};

/// A push that every one of some receivers was told of, each as a target of its own.
pub struct Fan {
    pub world: World,
    /// What the pusher read of each, in their order, without `webhook <name>: `.
    pub said: Vec<String>,
}

impl Fan {
    /// Gives each receiver all the time it needs.
    pub fn new<'a>(receivers: impl IntoIterator<Item = &'a Receiver>) -> Self {
        let world = World::new();
        world.commit("one");
        Self::of(world, receivers)
    }

    /// The same from a world that has something to push.
    pub fn of<'a>(world: World, receivers: impl IntoIterator<Item = &'a Receiver>) -> Self {
        Self::waiting("60s", world, receivers)
    }

    /// Waits so long for each answer.
    pub fn waiting<'a>(timeout: &str, world: World, receivers: impl IntoIterator<Item = &'a Receiver>) -> Self {
        let mut config = fs::OpenOptions::new().append(true).open(world.server().join("config")).unwrap();
        writeln!(config, "[webhook]\n\ttimeout = {timeout}\n\tmaxWait = 60s\n\tformat = gitlab").unwrap();
        let mut count = 0;
        for (number, receiver) in receivers.into_iter().enumerate() {
            count = number + 1;
            writeln!(config, "[webhook \"t{number}\"]\n\turl = {}", receiver.url()).unwrap();
        }
        let pushed = world.push(&["main"]);
        assert!(pushed.accepted, "{}", pushed.output);
        let said = pushed.said();
        assert!(said.len() >= count, "not all are told of: {said:?}");
        for line in &said {
            let is_shown = ["127.0.0.1", "localhost", "/hook", "://"].into_iter().find(|part| line.contains(part));
            assert_eq!(is_shown, None, "{line}");
        }
        assert!(!world.log().contains("panicked"), "{}", world.log());
        let said = said.iter().map(|line| line.split_once(": ").map_or("", |(_, rest)| rest).to_owned()).collect();
        Self { world, said }
    }

    /// Sees every answer taken for success.
    pub fn delivers(self) {
        for (number, line) in self.said.iter().enumerate() {
            assert!(line.starts_with("delivered main ("), "t{number}: {line}\n{}", self.world.log());
        }
    }

    /// Sees every answer taken for a failure of one kind.
    pub fn fails(self, reason: &str) {
        for (number, line) in self.said.iter().enumerate() {
            assert_eq!(line, &Self::failure(reason), "t{number}: {}", self.world.log());
        }
    }

    /// What the pusher reads of a failure, without `webhook <name>: `.
    pub fn failure(reason: &str) -> String {
        format!("not delivered: main ({reason}); kept, and tried again later")
    }
}
