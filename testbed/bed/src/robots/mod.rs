//! The clients before the proxy.
