//! Floods cost the flooder its connection and nobody else anything.

use std::time::Duration;

use bytes::Bytes;
use http::Response;
use landbridge_net::{Reason, ServerSettings};

use crate::raw::*;
use crate::world::*;

const CALM: Option<u32> = Some(0xb);

/// Reads the request and answers when it is whole.
fn patient() -> FnHandler {
    handler(|request, respond| async move {
        if collect(&mut request.into_body()).await.is_ok() {
            respond.respond_full(Response::new(()), Bytes::new(), None);
        }
    })
}

/// Settings by which so many resets are forgiven, every reset is early, and no time is long enough to forget one.
fn forgives(max_early_resets: u32) -> ServerSettings {
    let early_reset_time = PATIENCE;
    ServerSettings {
        max_early_resets,
        early_reset_time,
        early_resets_per_second: 0,
        ..ServerSettings::default()
    }
}

/// Another client is served as if nothing were happening.
async fn others_are_served(world: &World) {
    let answer = call(&world.endpoint(landbridge_net::UpstreamHttp::Http2), b"x").await;
    assert!(answer.is_ok(), "{answer:?}");
}

/// Writes what `next` makes until the server stops reading, or a bound that it must not need; says how it ended.
async fn flood(raw: &mut Raw, most: usize, mut next: impl FnMut(usize) -> Vec<u8>) -> bool {
    for at in 0..most {
        if !within(raw.try_write(&next(at))).await {
            return true;
        }
    }
    false
}

#[tokio::test]
async fn rapid_reset_closes_the_connection() {
    let settings = forgives(100);
    let world = World::with(settings, patient());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    let block = block(&REQUEST);
    flood(&mut raw, 2_000, |at| {
        let stream = 1 + 2 * at as u32;
        let mut frames = Raw::encode(HEADERS, END_HEADERS, stream, &block);
        frames.extend(Raw::encode(RST_STREAM, 0, stream, &u32::from(Reason::CANCEL).to_be_bytes()));
        frames
    })
    .await;
    raw.goodbye().await;
    assert!(world.stats().requests_total.value() < 1_000, "{}", world.stats().requests_total.value());
    until(|| world.stats().requests_active.value() == 0).await;
    others_are_served(&world).await;
}

#[tokio::test]
async fn rapid_reset_that_waits_for_each_handler_closes_the_connection() {
    // Each stream is let begin, so h2's own limit on streams reset before they are accepted does not see it.
    let settings = forgives(100);
    let world = World::with(settings, patient());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    until(|| world.stats().http2_connections_active.value() == 1).await;
    let mut streams = 0;
    while world.stats().connections_active.value() == 1 && streams < 1_000 {
        raw.headers(1 + 2 * streams, &REQUEST, END_HEADERS).await;
        streams += 1;
        let expected = u64::from(streams);
        until(|| {
            world.stats().requests_total.value() == expected || world.stats().connections_active.value() == 0
        })
        .await;
        if !raw.try_frame(RST_STREAM, 0, 2 * streams - 1, &u32::from(Reason::CANCEL).to_be_bytes()).await {
            break;
        }
        until(|| {
            world.stats().resets_received.value() == expected || world.stats().connections_active.value() == 0
        })
        .await;
    }
    assert!(streams <= 110, "{streams} streams");
    assert_eq!(raw.goodbye().await, CALM);
    others_are_served(&world).await;
}

#[tokio::test]
async fn a_client_that_cancels_now_and_then_stays() {
    let settings = forgives(5);
    let world = World::with(settings, patient());
    let endpoint = world.endpoint(landbridge_net::UpstreamHttp::Http2);
    for round in 1..=20 {
        for _ in 0..3 {
            call(&endpoint, b"x").await.expect("an answer");
        }
        let (response, _body) = within(endpoint.open(post("/"), false)).await.expect("open");
        until(|| world.stats().requests_total.value() == round * 4).await;
        drop(response);
        until(|| world.stats().resets_received.value() == round).await;
    }
    assert_eq!(endpoint.stats().connections_total.value(), 1);
}

#[tokio::test]
async fn a_client_may_cancel_every_call_that_was_in_progress() {
    let settings = ServerSettings { early_reset_time: Duration::from_millis(1), ..forgives(5) };
    let world = World::with(settings, patient());
    let endpoint = world.endpoint(landbridge_net::UpstreamHttp::Http2);
    for round in 1..=50 {
        let (response, _body) = within(endpoint.open(post("/"), false)).await.expect("open");
        until(|| world.stats().requests_total.value() == round).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
        drop(response);
        until(|| world.stats().resets_received.value() == round).await;
    }
    assert_eq!(endpoint.stats().connections_total.value(), 1);
}

#[tokio::test]
async fn a_client_may_leave_every_answer_of_which_it_has_had_something() {
    let world = World::with(
        forgives(5),
        handler(|_, respond| async move {
            let mut answer = respond.respond(Response::new(()), false);
            send(&mut answer, b"first", false).await;
            std::future::pending().await
        }),
    );
    let endpoint = world.endpoint(landbridge_net::UpstreamHttp::Http2);
    for round in 1..=50 {
        let (response, _body) = within(endpoint.open(post("/"), true)).await.expect("open");
        let mut answer = within(response).await.expect("an answer").into_body();
        assert_eq!(data(&mut answer).await, "first");
        drop(answer);
        until(|| world.stats().resets_received.value() == round).await;
    }
    assert_eq!(endpoint.stats().connections_total.value(), 1);
}

#[tokio::test]
async fn a_continuation_flood_closes_the_connection() {
    let world = World::start(patient());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    raw.headers(1, &REQUEST, 0).await;
    let piece = Raw::encode(CONTINUATION, 0, 1, &block(&[("x", &"y".repeat(1_000))]));
    let most = 100_000;
    assert!(flood(&mut raw, most, |_| piece.clone()).await, "it went on for {most} frames");
    until(|| world.stats().connections_active.value() == 0).await;
    assert!(world.stats().traffic.received.value() < 4 << 20, "{}", world.stats().traffic.received.value());
    assert_eq!(world.stats().requests_total.value(), 0);
    others_are_served(&world).await;
}

#[tokio::test]
async fn an_empty_continuation_flood_closes_the_connection() {
    let world = World::start(patient());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    raw.headers(1, &REQUEST, 0).await;
    let piece = Raw::encode(CONTINUATION, 0, 1, &[]);
    assert!(flood(&mut raw, 1_000_000, |_| piece.clone()).await);
    others_are_served(&world).await;
}

#[tokio::test]
async fn an_empty_data_flood_closes_the_connection() {
    let world = World::start(patient());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    raw.headers(1, &REQUEST, END_HEADERS).await;
    let piece = Raw::encode(DATA, 0, 1, &[]);
    assert!(flood(&mut raw, 1_000_000, |_| piece.clone()).await);
    others_are_served(&world).await;
}

#[tokio::test]
async fn a_flood_of_tiny_unread_frames_closes_the_connection() {
    let mut settings = ServerSettings::default();
    settings.http2.small_frame_allowance = 1 << 20;
    let world = World::with(
        settings,
        handler(|request, respond| async move {
            let _unread = (&request, &respond);
            if request.uri().path() == "/" {
                std::future::pending::<()>().await;
            }
        }),
    );
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    raw.headers(1, &REQUEST, END_HEADERS).await;
    let piece = Raw::encode(DATA, 0, 1, b"x");
    flood(&mut raw, 50_000, |_| piece.clone()).await;
    assert!(matches!(raw.goodbye().await, CALM | None));
    until(|| world.stats().requests_active.value() == 0).await;
}

#[tokio::test]
async fn a_ping_flood_whose_answers_nobody_reads_takes_bounded_memory() {
    let world = World::start(patient());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    let pings = Raw::encode(PING, 0, 0, b"flooding").repeat(1_000);
    // Answers pile up in the socket, then in one small buffer; from there on the server reads no more.
    let mut written = 0;
    while written < 256 << 20 {
        match tokio::time::timeout(std::time::Duration::from_millis(500), raw.try_write(&pings)).await {
            Ok(true) => written += pings.len(),
            Ok(false) | Err(_) => break,
        }
    }
    assert!(written < 64 << 20, "{written} bytes were read on");
    others_are_served(&world).await;
}

#[tokio::test]
async fn a_settings_flood_whose_answers_nobody_reads_takes_bounded_memory() {
    let world = World::start(patient());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    let settings = Raw::encode(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0]).repeat(1_000);
    let mut written = 0;
    while written < 256 << 20 {
        match tokio::time::timeout(std::time::Duration::from_millis(500), raw.try_write(&settings)).await {
            Ok(true) => written += settings.len(),
            Ok(false) | Err(_) => break,
        }
    }
    assert!(written < 64 << 20, "{written} bytes were read on");
    others_are_served(&world).await;
}

#[tokio::test]
async fn a_priority_flood_costs_nothing_but_its_reading() {
    let world = World::start(patient());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    for round in 0..100 {
        let frames: Vec<u8> = (0..1_000)
            .flat_map(|at| {
                let stream = 1 + 2 * (round * 1_000 + at);
                Raw::encode(PRIORITY, 0, stream, &[0, 0, 0, (at % 2) as u8, 7])
            })
            .collect();
        if !within(raw.try_write(&frames)).await {
            return others_are_served(&world).await;
        }
    }
    // The flooder may go on, too: nothing is remembered of it.
    let last = 400_001;
    raw.headers(last, &REQUEST, END_HEADERS | END_STREAM).await;
    assert_eq!(raw.next(HEADERS).await.stream, last);
    others_are_served(&world).await;
}

#[tokio::test]
async fn a_window_that_opens_byte_by_byte_holds_one_answer_and_nobody_else() {
    const LENGTH: usize = 64 << 10;
    let world = World::start(handler(|request, respond| async move {
        let large = request.headers().contains_key("x-large");
        let content = Bytes::from(vec![b'x'; if large { LENGTH } else { 1 }]);
        respond.respond_full(Response::new(()), content, None);
    }));
    let mut raw = Raw::connect(world.tcp()).await;
    raw.write(PREFACE).await;
    // INITIAL_WINDOW_SIZE is 0.
    raw.frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]).await;
    let fields: Vec<_> = REQUEST.into_iter().chain([("x-large", "1")]).collect();
    raw.headers(1, &fields, END_HEADERS | END_STREAM).await;
    assert_eq!(raw.next(HEADERS).await.stream, 1);
    for _ in 0..1_000 {
        raw.frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()).await;
        assert_eq!(raw.next(DATA).await.payload.len(), 1);
    }
    others_are_served(&world).await;
}

#[tokio::test]
async fn an_hpack_bomb_is_refused_by_the_size_of_what_it_unpacks_to() {
    let mut settings = ServerSettings::default();
    settings.http2.max_header_bytes = 16 << 10;
    let world = World::with(settings, patient());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    // A field that goes to the table (RFC 7541 section 6.2.1), then nothing but references to it, of a byte each.
    let long = "y".repeat(3_000);
    let mut bomb = block(&REQUEST);
    let field = block(&[("x", &long)]);
    bomb.push(0x40);
    bomb.extend(&field[1..]);
    bomb.extend([0x80 | 62].repeat(10_000));
    assert!(bomb.len() < 16 << 10, "{}", bomb.len());
    raw.frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb).await;
    // The stream may be refused, or the connection closed.
    while let Some(frame) = raw.read().await {
        if frame.stream == 1 || frame.kind == GOAWAY {
            break;
        }
    }
    assert_eq!(world.stats().requests_total.value(), 0);
    others_are_served(&world).await;
}

#[tokio::test]
async fn more_streams_than_allowed_are_refused_and_known_as_unprocessed() {
    let settings = ServerSettings { max_concurrent_streams: 2, ..ServerSettings::default() };
    let world = World::with(settings, patient());
    let mut raw = Raw::connect(world.tcp()).await;
    raw.start_http2().await;
    for stream in [1, 3, 5] {
        raw.headers(stream, &REQUEST, END_HEADERS).await;
    }
    let reset = raw.next(RST_STREAM).await;
    assert_eq!((reset.stream, &reset.payload[..]), (5, &u32::from(Reason::REFUSED_STREAM).to_be_bytes()[..]));
    assert_eq!(world.stats().requests_total.value(), 2);
}

#[tokio::test]
async fn frames_that_break_the_rules_close_the_connection_and_no_other() {
    let world = World::start(patient());
    let stream_zero_data = Raw::encode(DATA, 0, 0, b"x");
    let oversize = Raw::encode(DATA, 0, 1, &vec![0; 20_000]);
    let even_stream = Raw::encode(HEADERS, END_HEADERS, 2, &block(&REQUEST));
    let lone_continuation = Raw::encode(CONTINUATION, END_HEADERS, 1, &[]);
    let broken_hpack = Raw::encode(HEADERS, END_HEADERS, 1, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    let zero_window = Raw::encode(WINDOW_UPDATE, 0, 0, &[0; 4]);
    for bytes in [stream_zero_data, oversize, even_stream, lone_continuation, broken_hpack, zero_window] {
        let mut raw = Raw::connect(world.tcp()).await;
        raw.start_http2().await;
        raw.try_write(&bytes).await;
        raw.goodbye().await;
        others_are_served(&world).await;
    }
    until(|| world.stats().protocol_errors.value() == 6).await;
}
