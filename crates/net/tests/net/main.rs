//! What users of the network floor rely on, over real loopback sockets.

mod backpressure;
mod cancellation;
mod early;
mod exchange;
mod floods;
mod hygiene;
mod life;
mod members;
mod pool;
mod queue;
mod raw;
mod resolve;
mod slow;
mod tls;
mod world;
