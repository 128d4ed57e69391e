//! What the frames of an HTTP/2 client say that h2 does not tell, or takes amiss.
//!
//! A header block may be cut into a HEADERS and any number of CONTINUATION frames (RFC 9113 section 4.3), and each frame
//! into any number of packets. h2 bounds how large it gets; it says nothing of a block that has begun, so nobody could
//! bound how long it takes.
//!
//! After a GOAWAY frames of streams that it leaves out are to be ignored (section 6.8), which a client may have sent before
//! it came. h2 0.4.20 ignores all of them but WINDOW_UPDATE, for which it ends the connection, with all calls that were to
//! be finished. Those are made frames of no known type on their way to it.

const HEADERS: u8 = 1;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// No frame has this type; those that no one knows are ignored (section 4.1).
const UNKNOWN: u8 = 0xff;

const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

const FRAME_HEAD: usize = 9;
/// Where the type stands in it.
const TYPE: usize = 3;

/// The ping behind h2's first GOAWAY. When its answer comes h2 says the final one, which leaves out all later streams.
const SHUTDOWN_PING: [u8; 8] = [0x0b, 0x7b, 0xa2, 0xf0, 0x8b, 0x9b, 0xfe, 0x54];

/// Follows the frames in what a client sends.
#[derive(Debug)]
pub(crate) struct ClientFrames {
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
    /// The highest stream that was opened.
    highest: u32,
    /// The answer to a ping that is coming: its content, as far as it is here.
    pong: Option<([u8; 8], usize)>,
    /// The last stream that the final GOAWAY lets be, once there is one.
    served: Option<u32>,
}

impl ClientFrames {
    /// At the beginning of a connection whose client still has to send this much of a preface.
    pub(crate) fn after_preface(len: usize) -> Self {
        Self {
            head: [0; FRAME_HEAD],
            head_len: 0,
            rest: len,
            last: false,
            open: false,
            begun: 0,
            highest: 0,
            pong: None,
            served: None,
        }
    }

    /// Which header block has begun and not ended, by its number.
    pub(crate) fn open_header_block(&self) -> Option<u64> {
        self.open.then_some(self.begun)
    }

    /// Takes in what was received next, before h2 does, and changes what that would take amiss. A frame whose head comes in
    /// two pieces is left as it is: its first bytes are out of reach.
    pub(crate) fn follow(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            if self.rest == 0 {
                let len = bytes.len().min(FRAME_HEAD - self.head_len);
                let (part, later) = bytes.split_at_mut(len);
                self.head[self.head_len..][..len].copy_from_slice(part);
                self.head_len += len;
                bytes = later;
                if self.head_len == FRAME_HEAD {
                    self.head_len = 0;
                    self.begin_frame();
                    if len == FRAME_HEAD && self.comes_too_late() {
                        part[TYPE] = UNKNOWN;
                    }
                }
            }
            let (content, later) = bytes.split_at_mut(self.rest.min(bytes.len()));
            if let Some((pong, have)) = &mut self.pong {
                pong[*have..][..content.len()].copy_from_slice(content);
                *have += content.len();
            }
            self.rest -= content.len();
            bytes = later;
            if self.rest == 0 && self.head_len == 0 {
                self.end_frame();
            }
        }
    }

    fn begin_frame(&mut self) {
        let [l0, l1, l2, kind, flags, ..] = self.head;
        self.rest = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        if kind == HEADERS {
            self.open = true;
            self.begun += 1;
            self.highest = self.highest.max(self.stream());
        }
        self.last = matches!(kind, HEADERS | CONTINUATION) && flags & END_HEADERS != 0;
        self.pong = (kind == PING && flags & ACK != 0 && self.rest == 8).then_some(([0; 8], 0));
    }

    fn end_frame(&mut self) {
        if self.last {
            self.last = false;
            self.open = false;
        }
        if let Some((SHUTDOWN_PING, _)) = self.pong.take() {
            self.served.get_or_insert(self.highest);
        }
    }

    /// Whether h2 would take the frame that has begun for one of an idle stream, where it is one of a stream left out.
    fn comes_too_late(&self) -> bool {
        self.head[TYPE] == WINDOW_UPDATE && self.served.is_some_and(|served| self.stream() > served)
    }

    /// The stream that the current frame is of.
    fn stream(&self) -> u32 {
        let [.., s0, s1, s2, s3] = self.head;
        u32::from_be_bytes([s0 & 0x7f, s1, s2, s3])
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
            let mut frames = ClientFrames::after_preface(7);
            let mut len = 0;
            for piece in bytes.chunks(step) {
                frames.follow(&mut piece.to_vec());
                len += piece.len();
                assert_eq!(
                    frames.open_header_block(),
                    expected[len - 1],
                    "after {len} bytes, {step} at a time"
                );
            }
        }
    }

    /// What h2 gets of these bytes, which come in pieces of this many.
    fn passed_on(bytes: &[u8], step: usize) -> Vec<u8> {
        let mut frames = ClientFrames::after_preface(7);
        let mut passed = bytes.to_vec();
        passed.chunks_mut(step).for_each(|piece| frames.follow(piece));
        passed
    }

    fn update(stream: u8) -> Vec<u8> {
        vec![0, 0, 4, WINDOW_UPDATE, 0, 0, 0, 0, stream, 0, 0, 1, 0]
    }

    #[test]
    fn a_window_update_of_a_stream_that_the_final_goaway_leaves_out_is_made_one_of_no_type() {
        let open = |stream: u8| vec![0, 0, 1, HEADERS, END_HEADERS, 0, 0, 0, stream, 0x88];
        let before = [b"preface".to_vec(), open(1), frame(PING, ACK, &SHUTDOWN_PING), open(3)].concat();
        let after = [update(1), update(0), update(3)].concat();
        let bytes = [before, after].concat();
        let mut expected = bytes.clone();
        let len = expected.len();
        expected[len - 13 + TYPE] = UNKNOWN;
        assert_eq!(passed_on(&bytes, bytes.len()), expected);
        // However the ping is cut.
        for step in 1..bytes.len() {
            let passed = passed_on(&bytes, step);
            let is_whole = (len - 13) / step == (len - 13 + FRAME_HEAD - 1) / step;
            assert_eq!(passed, if is_whole { &expected[..] } else { &bytes[..] }, "{step} at a time");
        }
    }

    #[test]
    fn other_window_updates_are_left_as_they_are() {
        for ping in
            [frame(PING, 0, &SHUTDOWN_PING), frame(PING, ACK, b"anything"), frame(PING, ACK, b"short")]
        {
            let bytes = [b"preface".to_vec(), ping, update(3)].concat();
            assert_eq!(passed_on(&bytes, bytes.len()), bytes);
        }
    }
}
