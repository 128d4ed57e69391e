//! Bytes as a network delivers them: cut anywhere.

use arbitrary::Arbitrary;
use bytes::Bytes;

/// The lengths that a body is cut into, again and again; none leaves it whole.
#[derive(Arbitrary, Clone, Debug)]
pub struct Pieces(Vec<u8>);

impl Pieces {
    /// The body in pieces, which joined are the body.
    pub fn of(&self, body: &[u8]) -> Vec<Bytes> {
        let mut rest = Bytes::copy_from_slice(body);
        let mut pieces = Vec::new();
        for len in self.0.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            // Empty pieces occur on real connections too, but progress has to be made.
            if *len == 0 {
                pieces.push(Bytes::new());
            }
            pieces.push(rest.split_to(usize::from(*len).clamp(1, rest.len())));
        }
        if !rest.is_empty() {
            pieces.push(rest);
        }
        pieces
    }
}
