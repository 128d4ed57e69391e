//! Connections through an HTTP proxy: `CONNECT` (RFC 9110 section 9.3.6).

use std::io;

use http::HeaderValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The most bytes of a proxy's answer.
const MOST: usize = 16 << 10;

/// What a proxy is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// Where it is to connect to: `host:port`.
    pub to: String,
    /// The value of `proxy-authorization`, if it wants one.
    pub authorization: Option<HeaderValue>,
}

impl Tunnel {
    /// Asks the proxy on this connection, and waits until the connection is the upstream's.
    ///
    /// # Errors
    /// The proxy refuses, or gives no answer that HTTP knows.
    pub(super) async fn open(
        &self,
        socket: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin),
    ) -> io::Result<()> {
        let mut request = format!("CONNECT {0} HTTP/1.1\r\nhost: {0}\r\n", self.to).into_bytes();
        if let Some(authorization) = &self.authorization {
            request.extend_from_slice(b"proxy-authorization: ");
            request.extend_from_slice(authorization.as_bytes());
            request.extend_from_slice(b"\r\n");
        }
        request.extend_from_slice(b"\r\n");
        socket.write_all(&request).await?;
        let mut answer = Vec::new();
        // Byte by byte at the end of the head: what comes behind it is the upstream's.
        while !answer.ends_with(b"\r\n\r\n") {
            if answer.len() >= MOST {
                return Err(io::Error::other("the proxy's answer is longer than 16 KiB"));
            }
            answer.push(
                socket.read_u8().await.map_err(|_| io::Error::other("the proxy closed the connection"))?,
            );
        }
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        response
            .parse(&answer)
            .map_err(|error| io::Error::other(format!("the proxy's answer is no HTTP: {error}")))?;
        match response.code {
            Some(200..=299) => Ok(()),
            code => {
                let code = code.unwrap_or_default();
                let reason = response.reason.unwrap_or_default();
                Err(io::Error::other(format!("the proxy refused to connect to {}: {code} {reason}", self.to)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn asked(answer: &'static [u8]) -> (io::Result<()>, Vec<u8>, tokio::io::DuplexStream) {
        let (mut ours, mut proxys) = tokio::io::duplex(1 << 16);
        let authorization = Some(HeaderValue::from_static("Basic dTpw"));
        let tunnel = Tunnel { to: "up.example:443".to_owned(), authorization };
        proxys.write_all(answer).await.unwrap();
        let result = tunnel.open(&mut ours).await;
        let mut request = vec![0; 1 << 10];
        let length = proxys.read(&mut request).await.unwrap();
        request.truncate(length);
        (result, request, ours)
    }

    #[tokio::test]
    async fn what_follows_the_proxys_answer_is_the_upstreams() {
        let (result, request, mut socket) = asked(b"HTTP/1.1 200 OK\r\nvia: p\r\n\r\nhello").await;
        result.unwrap();
        let expected = "CONNECT up.example:443 HTTP/1.1\r\nhost: up.example:443\r\n\
                        proxy-authorization: Basic dTpw\r\n\r\n";
        assert_eq!(request, expected.as_bytes());
        let mut rest = [0; 5];
        socket.read_exact(&mut rest).await.unwrap();
        assert_eq!(&rest, b"hello");
    }

    #[tokio::test]
    async fn a_refusal_names_the_status() {
        let (result, _, _) = asked(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await;
        assert!(result.unwrap_err().to_string().contains("407"));
        let (result, _, _) = asked(b"SSH-2.0-OpenSSH\r\n\r\n").await;
        assert!(result.unwrap_err().to_string().contains("no HTTP"));
    }
}
