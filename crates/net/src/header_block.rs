//! Header blocks that are on their way (RFC 9113 section 4.3).
//!
//! A block may be cut into a HEADERS and any number of CONTINUATION frames, and each frame into any number of packets.
//! h2 bounds how large it gets; it says nothing of a block that has begun, so nobody could bound how long it takes.

const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;

const FRAME_HEAD: usize = 9;

/// Follows the frames in what a client sends, by their heads alone.
#[derive(Debug)]
pub(crate) struct HeaderBlocks {
    /// The next frame's head, as far as it has come.
    head: [u8; FRAME_HEAD],
    head_len: usize,
    /// Bytes of the current frame that are still to come; of the preface, at first.
    rest: usize,
    /// The current frame is the last of its block.
    last: bool,
    /// The block that has begun and not ended.
    open: bool,
    /// How many have begun.
    begun: u64,
}

impl HeaderBlocks {
    /// At the beginning of a connection whose client still has to send this much of a preface.
    pub(crate) fn after_preface(len: usize) -> Self {
        Self { head: [0; FRAME_HEAD], head_len: 0, rest: len, last: false, open: false, begun: 0 }
    }

    /// Which block has begun and not ended, by its number.
    pub(crate) fn open(&self) -> Option<u64> {
        self.open.then_some(self.begun)
    }

    /// Takes in what was received next.
    pub(crate) fn follow(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.rest == 0 {
                let (part, later) = bytes.split_at(bytes.len().min(FRAME_HEAD - self.head_len));
                self.head[self.head_len..][..part.len()].copy_from_slice(part);
                self.head_len += part.len();
                bytes = later;
                if self.head_len == FRAME_HEAD {
                    self.head_len = 0;
                    self.begin_frame();
                }
            }
            let content = self.rest.min(bytes.len());
            bytes = &bytes[content..];
            self.rest -= content;
            if self.rest == 0 && self.head_len == 0 && self.last {
                self.last = false;
                self.open = false;
            }
        }
    }

    fn begin_frame(&mut self) {
        let [l0, l1, l2, kind, flags, ..] = self.head;
        self.rest = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        if kind == HEADERS {
            self.open = true;
            self.begun += 1;
        }
        self.last = matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let len = u8::try_from(payload.len()).expect("short");
        [&[0, 0, len, kind, flags, 0, 0, 0, 1][..], payload].concat()
    }

    #[test]
    fn a_block_is_open_from_its_first_frame_to_the_end_of_its_last_however_it_is_cut() {
        let bytes = [
            b"preface".to_vec(),
            frame(4, 0, b""),
            frame(HEADERS, 0, b"abc"),
            frame(CONTINUATION, 0, b""),
            frame(CONTINUATION, END_HEADERS, b"de"),
            // END_HEADERS means nothing on others.
            frame(0, END_HEADERS, b"data"),
            frame(HEADERS, END_HEADERS, b""),
            frame(HEADERS, END_HEADERS, b"fgh"),
        ]
        .concat();
        // After each byte; a frame's kind is known with the whole of its head.
        let expected: Vec<Option<u64>> = (1..=bytes.len())
            .map(|len| match len {
                0..25 => None,
                25..48 => Some(1),
                48..79 => None,
                79..82 => Some(3),
                _ => None,
            })
            .collect();
        for step in 1..=bytes.len() {
            let mut blocks = HeaderBlocks::after_preface(7);
            let mut len = 0;
            for piece in bytes.chunks(step) {
                blocks.follow(piece);
                len += piece.len();
                assert_eq!(blocks.open(), expected[len - 1], "after {len} bytes, {step} at a time");
            }
        }
    }
}
