//! A delivery's body as its target wants it sent.

use crate::delivery::Delivery;
use crate::format::Encoding;
use crate::target::Target;

/// How it is sent.
pub(super) fn encoding(target: &Target, delivery: &Delivery) -> Encoding {
    delivery.format.encoding(target.shape.encoding)
}

/// How many bytes it is sent in.
pub(super) fn size(target: &Target, delivery: &Delivery) -> usize {
    encoding(target, delivery).len(&delivery.payload.body)
}
