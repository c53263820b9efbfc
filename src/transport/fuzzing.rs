//! What `fuzz/` asks of the transport.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};
use ureq::{Agent, Error};

use super::http;
use crate::outcome::{Answer, Outcome};
use crate::target::{Address, Target};

/// Whatever is taken for a URL, ureq's parser finds the same host and port in.
pub fn url(text: &str) {
    let Ok(address) = Address::parse(text) else { return };
    assert!(http::agree(&address).is_ok(), "{}", address.dial());
    assert!(!address.origin().contains('@') && !address.dial().contains('#'));
    let rest = address.dial().split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    assert!(!authority.contains('@'));
}

/// A `Retry-After` of any bytes.
pub fn retry_after(data: &[u8]) {
    if let Ok(value) = ureq::http::HeaderValue::from_bytes(data) {
        let _ = http::retry_after(&value);
    }
}

/// An answer of any bytes: an outcome and at most so much of a body, in which the target's secrets are not.
pub fn answer(target: &Target, data: &[u8], secret: &str) -> Outcome {
    let agent = Agent::with_parts(http::configure(0), Memory(Arc::new(Mutex::new(Some(data.to_vec())))), Nowhere);
    let start = Instant::now();
    let Ok(response) = agent.post("http://fuzz.example/").send(&b"{}"[..]) else {
        return Outcome::Delivered { status: 0, elapsed: Duration::ZERO };
    };
    let outcome = http::judge(&response, start.elapsed(), target);
    let (Answer { headers, body, size }, _) = http::read(response, target);
    assert!(body.len() <= 5 * 1024 && size <= 16 * 1024);
    let all = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect::<String>() + &body;
    assert!(!all.contains(secret));
    outcome
}

#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(
        &self,
        _: &ureq::http::Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let mut addresses = self.empty();
        let _ = addresses.try_push(([127, 0, 0, 1], 80).into());
        Ok(addresses)
    }
}

/// A connection whose other end says these bytes, and is gone.
#[derive(Debug)]
struct Memory(Arc<Mutex<Option<Vec<u8>>>>);

impl Connector<()> for Memory {
    type Out = Said;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Said>, Error> {
        let bytes = self.0.lock().ok().and_then(|mut bytes| bytes.take()).unwrap_or_default();
        let buffers = LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(Said { bytes, buffers }))
    }
}

#[derive(Debug)]
struct Said {
    bytes: Vec<u8>,
    buffers: LazyBuffers,
}

impl Transport for Said {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, _: usize, _: NextTimeout) -> Result<(), Error> {
        Ok(())
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, Error> {
        let input = self.buffers.input_append_buf();
        // In pieces, as a network has them.
        let count = self.bytes.len().min(input.len()).min(977);
        input[..count].copy_from_slice(&self.bytes[..count]);
        self.bytes.drain(..count);
        self.buffers.input_appended(count);
        Ok(count > 0)
    }

    fn is_open(&mut self) -> bool {
        false
    }
}
