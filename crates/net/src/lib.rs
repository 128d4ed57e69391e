//! Landbridge net.
