//! What `fuzz/` asks of records and of their names.

use super::name;
use super::push::Receipt;
use super::queued::QueuedDelivery;
use super::record::{RecordWriter, decode, encode};
use std::io::Write;

/// A record of any bytes, and one whose sums are right around any bytes: it is read or refused, and what was read is written as
/// what is read the same.
pub fn record(data: &[u8]) {
    let whole = RecordWriter::begin(Vec::new()).and_then(|mut record| {
        record.write_all(data)?;
        record.finish()
    });
    for bytes in [data.to_vec(), whole.unwrap_or_default()] {
        if let Ok(receipt) = decode::<Receipt>(&bytes) {
            let again = decode::<Receipt>(&encode(&receipt)).expect("what was read can be written");
            assert_eq!((again.id, again.lines, again.time), (receipt.id, receipt.lines.clone(), receipt.time));
            let _ = (receipt.environment(), receipt.object_directories(), receipt.all_updates());
        }
        if let Ok(queued) = decode::<QueuedDelivery>(&bytes) {
            let again = decode::<QueuedDelivery>(&encode(&queued)).expect("what was read can be written");
            assert_eq!((again.line, again.event), (queued.line, queued.event));
        }
    }
}

/// A name of any bytes in a queue's directory: it is one of ours or none, and ours are written as they are read.
pub fn queue_name(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = (name::number(text), name::renamed(text));
    if let Some(queued) = name::parse(text) {
        let written = name::file_name(&queued);
        assert_eq!(name::parse(&written).as_ref(), Some(&queued));
    }
}
