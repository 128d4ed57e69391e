//! The smallest proxy on this floor: whatever comes in, over either HTTP, goes to one upstream over HTTP/2.
//!
//! `cargo run --release -p landbridge-net --example proxy -- 127.0.0.1:8080 127.0.0.1:8081`

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use landbridge_net::{
    Address, Drain, Endpoint, EndpointConfig, Frame, Handler, ListenSettings, Listener, RecvBody, Responder,
    SendBody, Server, serve,
};

#[derive(Clone)]
struct Proxy {
    upstream: Endpoint,
}

impl Handler for Proxy {
    async fn handle(&self, request: Request<RecvBody>, respond: Responder) {
        let (head, mut content) = request.into_parts();
        let end = content.is_end_stream();
        let opened = self.upstream.open(Request::from_parts(head, ()), end).await;
        let Ok((response, mut upload)) = opened else {
            let mut head = Response::new(());
            *head.status_mut() = StatusCode::BAD_GATEWAY;
            return respond.respond_full(head, Bytes::new(), None);
        };
        let download = async {
            let Ok(response) = response.await else {
                return respond.reset(landbridge_net::Reason::INTERNAL_ERROR);
            };
            let (head, mut content) = response.into_parts();
            let mut answer = respond.respond(Response::from_parts(head, ()), content.is_end_stream());
            pump(&mut content, &mut answer).await;
        };
        tokio::join!(download, async {
            if !end {
                pump(&mut content, &mut upload).await;
            }
        });
    }
}

/// From one body into another. Where either is cut, the other is left unfinished, which cuts it too.
async fn pump(from: &mut RecvBody, to: &mut SendBody) {
    loop {
        let sent = match from.frame().await {
            Some(Ok(Frame::Data(bytes))) => {
                let end = from.is_end_stream();
                let sent = to.data(bytes, end).await;
                if end {
                    return;
                }
                sent
            }
            Some(Ok(Frame::Trailers(trailers))) => return to.trailers(trailers).unwrap_or_default(),
            Some(Err(_cut)) => return,
            None => return to.end().unwrap_or_default(),
        };
        if sent.is_err() {
            return;
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut addresses = std::env::args().skip(1).map(|text| text.parse::<SocketAddr>());
    let (Some(listen), Some(upstream)) = (addresses.next(), addresses.next()) else {
        return Err("two addresses are needed: where to listen, and where to go".into());
    };
    let listener = Listener::bind(&Address::Tcp(listen?), &ListenSettings::default())?;
    let proxy = Proxy { upstream: Endpoint::new(EndpointConfig::new(upstream?)) };
    serve(listener, Arc::new(Server::default()), proxy, Drain::new()).await;
    Ok(())
}
