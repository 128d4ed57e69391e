//! Landbridge wire.
