//! Which paths are methods, and what an application offers for them.

use std::collections::HashMap;

use landbridge_client::StreamKind;
use landbridge_wire::plain::Packing;
use landbridge_wire::{MethodInfo, Offer, Shape};

/// What one application offers to the callers of its methods.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) offer: Offer,
    /// Which messages are compressed, and how hard.
    pub(crate) packing: Packing,
}

/// One method that is served.
#[derive(Clone, Debug)]
pub(crate) struct Method {
    /// Its number, by which Python finds its handler.
    pub(crate) number: usize,
    /// Which of the services it belongs to.
    pub(crate) service: usize,
    pub(crate) kind: StreamKind,
    /// Whether it has no side effects, and so may be called by GET.
    pub(crate) idempotent: bool,
    /// Whether its handler blocks, and so runs on a thread of the pool.
    pub(crate) blocking: bool,
    /// Whether Python wants the head before the request is read.
    pub(crate) head_first: bool,
}

/// What `wire` has to know of a method.
pub(crate) fn info(kind: StreamKind, no_side_effects: bool) -> MethodInfo {
    let shape = if kind == StreamKind::Unary { Shape::Unary } else { Shape::Stream };
    MethodInfo { shape, no_side_effects }
}

/// What is at a path.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Method(&'a Method, &'a Service),
    /// No method, but it is where those of a service are.
    NoMethod(&'a Service),
    /// Nothing that belongs to a service.
    Nothing,
}

/// All methods of a server, by path.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    methods: HashMap<String, Method>,
    services: Vec<Service>,
    /// Where methods are: `/package.Service`, and which of the services that is.
    places: HashMap<String, usize>,
}

impl Routes {
    pub(crate) fn new(services: Vec<Service>, methods: HashMap<String, Method>) -> Self {
        let places =
            methods.iter().filter_map(|(path, method)| Some((place(path)?.to_owned(), method.service)));
        Self { places: places.collect(), methods, services }
    }

    pub(crate) fn find(&self, path: &str) -> Found<'_> {
        let service = |number: usize| self.services.get(number);
        if let Some(method) = self.methods.get(path) {
            return service(method.service).map_or(Found::Nothing, |service| Found::Method(method, service));
        }
        let number = place(path).and_then(|place| self.places.get(place));
        number.and_then(|number| service(*number)).map_or(Found::Nothing, Found::NoMethod)
    }
}

/// The path of the service that a path of `/package.Service/Method` belongs to.
fn place(path: &str) -> Option<&str> {
    let (place, _method) = path.rsplit_once('/')?;
    Some(place).filter(|place| !place.is_empty())
}
