//! Workloads from access logs, and logs driven again.
