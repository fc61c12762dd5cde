//! The content manager over real sockets: every verb at the console and at the admin, real nc and telnet, access, limits, and its life.
#![allow(clippy::unwrap_used)]

mod access;
mod clients;
mod common;
mod life;
mod preload;

mod verbs;
