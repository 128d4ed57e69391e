//! Landbridge bridge.
