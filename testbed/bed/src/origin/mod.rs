//! The server behind the proxy.
