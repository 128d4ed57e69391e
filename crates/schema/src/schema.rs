//! A schema: every method by its path, every message type by its name.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use buffa_descriptor::generated::descriptor::FileDescriptorProto;
use buffa_descriptor::generated::descriptor::method_options::IdempotencyLevel;
use buffa_descriptor::{DescriptorPool, MessageDescriptor, MessageIndex, MethodDescriptor};
use bytes::Bytes;

use crate::bundled;
use crate::describe;
use crate::json::{self, JsonError, JsonOptions};
use crate::link::{self, SchemaError};

/// The services, methods and message types of one server. Cheap to clone; never changes once built.
#[derive(Clone)]
pub struct Schema {
    inner: Arc<Inner>,
}

struct Inner {
    pool: Arc<DescriptorPool>,
    methods: HashMap<Box<str>, Method>,
}

impl Schema {
    /// Reads the bytes of one `google.protobuf.FileDescriptorSet`, as `protoc --descriptor_set_out` and `buf build`
    /// write it.
    ///
    /// # Errors
    /// [`SchemaError::MissingImports`] when the set was written without its imports, and the other [`SchemaError`]s
    /// when it is no descriptor set or contradicts itself.
    pub fn from_descriptor_set(bytes: &[u8]) -> Result<Self, SchemaError> {
        Self::from_descriptor_sets([bytes])
    }

    /// Reads several descriptor sets as if they were one. A file that several of them hold (by name) is taken once;
    /// imports may be met by any of them.
    ///
    /// # Errors
    /// As [`Schema::from_descriptor_set`], and [`SchemaError::Conflict`] when two sets disagree about a file.
    pub fn from_descriptor_sets<'a>(sets: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, SchemaError> {
        let mut files = Vec::new();
        for set in sets {
            files.extend(link::read_descriptor_set(set)?);
        }
        Self::from_files(files)
    }

    /// The usual types of error details, `google.rpc.BadRequest` and so on: no services.
    #[must_use]
    pub fn of_error_details() -> Self {
        static DETAILS: LazyLock<Schema> = LazyLock::new(|| {
            // A test holds that it links.
            Schema::from_files(vec![bundled::error_details()])
                .unwrap_or_else(|_| Schema::from_pool(DescriptorPool::default()))
        });
        DETAILS.clone()
    }

    pub(crate) fn from_files(files: Vec<FileDescriptorProto>) -> Result<Self, SchemaError> {
        Ok(Self::from_pool(link::link(files)?))
    }

    fn from_pool(pool: DescriptorPool) -> Self {
        let pool = Arc::new(pool);
        let methods = pool
            .services()
            .iter()
            .flat_map(|service| service.methods().iter().map(|method| (service.full_name(), method)))
            .map(|(service, method)| {
                let method = Method::new(&pool, service, method);
                (Box::from(method.path()), method)
            })
            .collect();
        Self { inner: Arc::new(Inner { pool, methods }) }
    }

    /// The method at an HTTP path such as `/package.Service/Method`. One hash lookup, no allocation.
    #[must_use]
    pub fn method(&self, path: &str) -> Option<&Method> {
        self.inner.methods.get(path)
    }

    /// Every method, in no particular order.
    pub fn methods(&self) -> impl Iterator<Item = &Method> {
        self.inner.methods.values()
    }

    /// The methods of a service (`package.Service`), in the order of their declaration; none where it is not known.
    pub fn methods_of(&self, service: &str) -> impl Iterator<Item = &Method> {
        let declared = self.inner.pool.service_by_name(service).map_or(&[][..], |service| service.methods());
        declared.iter().filter_map(move |method| self.method(&format!("/{service}/{}", method.name())))
    }

    /// The full name (`package.Service`) of every service, in the order of their files.
    pub fn services(&self) -> impl Iterator<Item = &str> {
        self.inner.pool.services().iter().map(|service| service.full_name())
    }

    /// The message type of a full name such as `package.Message`, as in the last part of an `Any`'s type URL.
    #[must_use]
    pub fn message(&self, full_name: &str) -> Option<MessageType> {
        let index = self.inner.pool.message_index(full_name)?;
        Some(MessageType { pool: Arc::clone(&self.inner.pool), index })
    }

    /// What a full name stands for, as it would be declared in a `.proto` file: a service, a method
    /// (`package.Service.Method` or `package.Service/Method`), a message or an enum. None where it is not known.
    #[must_use]
    pub fn describe(&self, symbol: &str) -> Option<String> {
        describe::describe(&self.inner.pool, symbol)
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.services()).finish()
    }
}

/// One method of a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Method {
    path: Arc<str>,
    kind: StreamKind,
    no_side_effects: bool,
    input: MessageType,
    output: MessageType,
}

impl Method {
    fn new(pool: &Arc<DescriptorPool>, service: &str, method: &MethodDescriptor) -> Self {
        let message = |index| MessageType { pool: Arc::clone(pool), index };
        Self {
            path: format!("/{service}/{}", method.name()).into(),
            kind: StreamKind::new(method.is_client_streaming(), method.is_server_streaming()),
            no_side_effects: method.options().and_then(|options| options.idempotency_level)
                == Some(IdempotencyLevel::NO_SIDE_EFFECTS),
            input: message(method.input()),
            output: message(method.output()),
        }
    }

    /// `/package.Service/Method`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Which sides send a stream.
    #[must_use]
    pub fn kind(&self) -> StreamKind {
        self.kind
    }

    /// Whether the method declares `idempotency_level = NO_SIDE_EFFECTS`: the condition for Connect's GET.
    #[must_use]
    pub fn no_side_effects(&self) -> bool {
        self.no_side_effects
    }

    /// The type of the request messages.
    #[must_use]
    pub fn input(&self) -> &MessageType {
        &self.input
    }

    /// The type of the response messages.
    #[must_use]
    pub fn output(&self) -> &MessageType {
        &self.output
    }
}

/// Which sides of a call send any number of messages instead of exactly one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// One request, one response.
    Unary,
    /// Many requests, one response.
    ClientStream,
    /// One request, many responses.
    ServerStream,
    /// Many requests, many responses, at the same time.
    BidiStream,
}

impl StreamKind {
    fn new(client: bool, server: bool) -> Self {
        match (client, server) {
            (false, false) => Self::Unary,
            (true, false) => Self::ClientStream,
            (false, true) => Self::ServerStream,
            (true, true) => Self::BidiStream,
        }
    }
}

/// A message type, and with it the way between its JSON and its binary form. Cheap to clone.
#[derive(Clone)]
pub struct MessageType {
    pool: Arc<DescriptorPool>,
    index: MessageIndex,
}

impl MessageType {
    /// `package.Message`.
    #[must_use]
    pub fn full_name(&self) -> &str {
        self.descriptor().full_name()
    }

    /// Turns the proto3 JSON form of one message into its binary form.
    ///
    /// An empty body is an error, as it is for Connect servers: an empty message is `{}`.
    ///
    /// # Errors
    /// [`JsonError::Invalid`] with the place and the reason; [`JsonError::TooLarge`] as soon as the binary form passes
    /// [`JsonOptions::max_bytes`].
    pub fn json_to_binary(&self, json: &[u8], options: &JsonOptions) -> Result<Bytes, JsonError> {
        json::json_to_binary(&self.pool, self.index, json, options)
    }

    /// Turns the binary form of one message into its proto3 JSON form, without insignificant white space.
    ///
    /// Fields that the schema does not know have no JSON form and are left out.
    ///
    /// # Errors
    /// [`JsonError::Invalid`] when the bytes are not a message of this type, or are one that JSON cannot express (an
    /// `Any` of an unknown type, a timestamp out of range); [`JsonError::TooLarge`] as soon as the JSON passes
    /// [`JsonOptions::max_bytes`].
    pub fn binary_to_json(&self, binary: &[u8], options: &JsonOptions) -> Result<Bytes, JsonError> {
        json::binary_to_json(&self.pool, self.index, binary, options)
    }

    fn descriptor(&self) -> &MessageDescriptor {
        self.pool.message(self.index)
    }
}

impl fmt::Debug for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.full_name())
    }
}
