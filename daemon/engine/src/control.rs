//! The control server.
