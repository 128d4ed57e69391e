//! Settings that Envoy does not have: `metadata.filter_metadata.landbridge` of a cluster or a route.
//!
//! Envoy ignores metadata nobody reads, so a file with these settings still loads there. A route's setting goes before
//! its cluster's; each setting by itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::reader::{At, Read};
use super::route::CorsPolicy;

/// How calls to one target are translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BridgeSettings {
    /// Where the messages' schema comes from; only calls whose codec changes need one.
    pub schema: SchemaSource,
    /// The protocol the upstream speaks (`protocol`: `grpc`, `connect` or `grpc_web`). Default gRPC.
    pub protocol: UpstreamProtocol,
    /// The codec sent upstream (`codec`: `proto` or `json`). Default proto.
    pub codec: UpstreamCodec,
    /// The largest message taken in a request, in bytes after decompression (`max_message_bytes`). Default 4 MiB; never 0.
    pub max_message_bytes: usize,
    /// The same for the messages of responses (`max_response_bytes`). Default 4 MiB; never 0.
    pub max_response_bytes: usize,
    /// What is compressed.
    pub compression: CompressionSettings,
    /// Lets Connect GET through to methods the bridge has no schema for, and so cannot tell to be free of side effects
    /// (`get_without_schema`). Default false.
    pub get_without_schema: bool,
}

/// Where a schema comes from. The file is asked first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SchemaSource {
    /// A serialized `FileDescriptorSet` (`descriptor_set`).
    pub descriptor_set: Option<PathBuf>,
    /// gRPC server reflection of the upstream (`reflection`). Default: only without a descriptor set.
    pub reflection: bool,
}

/// The protocol an upstream speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// gRPC over HTTP/2.
    Grpc,
    /// Connect.
    Connect,
    /// gRPC-Web.
    GrpcWeb,
}

/// The codec sent to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamCodec {
    /// Binary protobuf.
    Proto,
    /// JSON.
    Json,
}

/// What is compressed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompressionSettings {
    /// Messages with fewer bytes stay as they are (`min_bytes`). Default 1024.
    pub min_bytes: usize,
    /// What messages for clients may be compressed with, where the bridge writes them anew anyway because their codec
    /// changes (`responses`). Of the client's own list the first that is among these is used. Default all four.
    ///
    /// A message that passes as it is keeps the compression it has; the client has said that it takes it.
    pub responses: Vec<Encoding>,
    /// The same for messages to the server, best first (`requests`): those whose codec changes, and those under a
    /// compression that the server has not said it takes. The first of these that it has said it takes is used. Default
    /// none: such messages go uncompressed.
    pub requests: Vec<Encoding>,
}

/// A compression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// gzip.
    Gzip,
    /// Brotli.
    Br,
    /// Zstandard.
    Zstd,
    /// deflate (zlib).
    Deflate,
}

const DEFAULT_MAX_MESSAGE_BYTES: usize = 4 << 20;

impl Default for BridgeSettings {
    fn default() -> Self {
        Overrides::default().settings()
    }
}

/// The settings as one place of a file gives them.
#[derive(Debug, Clone, Default)]
pub(super) struct Overrides {
    descriptor_set: Option<PathBuf>,
    reflection: Option<bool>,
    protocol: Option<UpstreamProtocol>,
    codec: Option<UpstreamCodec>,
    max_message_bytes: Option<usize>,
    max_response_bytes: Option<usize>,
    min_bytes: Option<usize>,
    responses: Option<Vec<Encoding>>,
    requests: Option<Vec<Encoding>>,
    get_without_schema: Option<bool>,
    pub(super) cors: Option<Arc<CorsPolicy>>,
    /// `Some(None)`: streams have no limit.
    pub(super) stream_timeout: Option<Option<Duration>>,
}

impl Overrides {
    /// These, and `base` where these say nothing.
    pub(super) fn over(&self, base: &Self) -> Self {
        let (own, base) = (self.clone(), base.clone());
        Self {
            descriptor_set: own.descriptor_set.or(base.descriptor_set),
            reflection: own.reflection.or(base.reflection),
            protocol: own.protocol.or(base.protocol),
            codec: own.codec.or(base.codec),
            max_message_bytes: own.max_message_bytes.or(base.max_message_bytes),
            max_response_bytes: own.max_response_bytes.or(base.max_response_bytes),
            min_bytes: own.min_bytes.or(base.min_bytes),
            responses: own.responses.or(base.responses),
            requests: own.requests.or(base.requests),
            get_without_schema: own.get_without_schema.or(base.get_without_schema),
            cors: own.cors.or(base.cors),
            stream_timeout: own.stream_timeout.or(base.stream_timeout),
        }
    }

    /// With the defaults for what nobody said.
    pub(super) fn settings(&self) -> BridgeSettings {
        let all = || vec![Encoding::Gzip, Encoding::Br, Encoding::Zstd, Encoding::Deflate];
        BridgeSettings {
            schema: SchemaSource {
                reflection: self.reflection.unwrap_or(self.descriptor_set.is_none()),
                descriptor_set: self.descriptor_set.clone(),
            },
            protocol: self.protocol.unwrap_or(UpstreamProtocol::Grpc),
            codec: self.codec.unwrap_or(UpstreamCodec::Proto),
            max_message_bytes: self.max_message_bytes.unwrap_or(DEFAULT_MAX_MESSAGE_BYTES),
            max_response_bytes: self.max_response_bytes.unwrap_or(DEFAULT_MAX_MESSAGE_BYTES),
            compression: CompressionSettings {
                min_bytes: self.min_bytes.unwrap_or(1024),
                responses: self.responses.clone().unwrap_or_else(all),
                requests: self.requests.clone().unwrap_or_default(),
            },
            get_without_schema: self.get_without_schema.unwrap_or(false),
        }
    }

    /// The protocol set here, or gRPC.
    pub(super) fn protocol(&self) -> UpstreamProtocol {
        self.protocol.unwrap_or(UpstreamProtocol::Grpc)
    }

    /// Reads Envoy's `Metadata`. What other names hold is for others.
    pub(super) fn read(at: &At<'_>) -> Read<Self> {
        at.message(|metadata| {
            let ours = metadata.optional("filter_metadata", |at| {
                let ours = at.entries()?.into_iter().find(|(name, _)| *name == "landbridge");
                ours.map(|(_, at)| Self::read_ours(&at)).transpose()
            });
            metadata.refuse("typed_filter_metadata", "use `filter_metadata`");
            Ok(ours?.flatten().unwrap_or_default())
        })
    }

    fn read_ours(at: &At<'_>) -> Read<Self> {
        at.message(|ours| {
            let descriptor_set = ours.optional("descriptor_set", |at| Ok(PathBuf::from(at.name()?)));
            let reflection = ours.optional("reflection", At::bool);
            let protocol = ours.optional("protocol", |at| {
                at.word(&[
                    ("grpc", UpstreamProtocol::Grpc),
                    ("connect", UpstreamProtocol::Connect),
                    ("grpc_web", UpstreamProtocol::GrpcWeb),
                ])
            });
            let codec = ours.optional("codec", |at| {
                at.word(&[("proto", UpstreamCodec::Proto), ("json", UpstreamCodec::Json)])
            });
            let max_message_bytes = ours.optional("max_message_bytes", |at| read_size(at, 1));
            let max_response_bytes = ours.optional("max_response_bytes", |at| read_size(at, 1));
            let compression = ours.optional("compression", |at| {
                at.message(|compression| {
                    let min_bytes = compression.optional("min_bytes", |at| read_size(at, 0));
                    let responses = compression.optional("responses", |at| at.list(read_encoding));
                    let requests = compression.optional("requests", |at| at.list(read_encoding));
                    Ok((min_bytes?, responses?, requests?))
                })
            });
            let get_without_schema = ours.optional("get_without_schema", At::bool);
            let cors = ours.optional("cors", |at| CorsPolicy::read_ours(at).map(Arc::new));
            let stream_timeout = ours.optional("stream_timeout", At::duration_or_off);
            let (min_bytes, responses, requests) = compression?.unwrap_or_default();
            Ok(Self {
                descriptor_set: descriptor_set?,
                reflection: reflection?,
                protocol: protocol?,
                codec: codec?,
                max_message_bytes: max_message_bytes?,
                max_response_bytes: max_response_bytes?,
                min_bytes,
                responses,
                requests,
                get_without_schema: get_without_schema?,
                cors: cors?,
                stream_timeout: stream_timeout?,
            })
        })
    }
}

/// A number of bytes; no message of the protocols has more than a u32 can say.
fn read_size(at: &At<'_>, least: u32) -> Read<usize> {
    let bytes = at.u32_within(least..=u32::MAX)?;
    usize::try_from(bytes).map_err(|_| at.refuse("more bytes than this machine can address"))
}

fn read_encoding(at: &At<'_>) -> Read<Encoding> {
    at.word(&[
        ("gzip", Encoding::Gzip),
        ("br", Encoding::Br),
        ("zstd", Encoding::Zstd),
        ("deflate", Encoding::Deflate),
    ])
}
