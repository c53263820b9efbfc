//! A delivery's body as its target wants it sent.

use std::borrow::Cow;

use crate::delivery::Delivery;
use crate::format::Encoding;
use crate::target::Target;

/// How it is sent.
pub(super) fn encoding(target: &Target, delivery: &Delivery) -> Encoding {
    delivery.format.encoding(target.shape.encoding)
}

/// What is sent.
pub(super) fn sent<'d>(target: &Target, delivery: &'d Delivery) -> Cow<'d, [u8]> {
    encoding(target, delivery).encode(&delivery.payload.body)
}

/// How many bytes that has.
pub(super) fn size(target: &Target, delivery: &Delivery) -> usize {
    encoding(target, delivery).len(&delivery.payload.body)
}
