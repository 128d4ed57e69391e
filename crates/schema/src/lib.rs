//! Landbridge schema.
