//! The testbed: drives a caching proxy it knows only the address of, and tells what it saw.
//!
//! From the bottom up; a module uses those above it in this list only:
//!
//! 1. [`seed`]: numbers that are functions of what they are for.
//! 2. [`workload`]: the file that says what traffic is like, its distributions, its phases.
//! 3. [`world`]: every object there is: its address, size, life and versions, from the seed.
//! 4. [`content`]: the bytes of an object's version.
//! 5. [`demand`]: who asks for what, when: the whole sequence of requests, before a socket is opened.
//! 6. [`record`]: what is kept of each exchange, and the results of a run.
//! 7. [`origin`]: the server behind the proxy. [`oracle`]: what an exchange should have been. [`watch`]: processes looked at.
//! 8. [`robots`]: the clients before the proxy.
//! 9. [`report`], [`peers`], [`tables`], [`fit`]: what is made of results and of logs; proxies to be measured.
#![forbid(unsafe_code)]

pub mod content;
pub mod demand;
pub mod fit;
pub mod oracle;
pub mod origin;
pub mod peers;
pub mod record;
pub mod report;
pub mod robots;
pub mod seed;
pub mod tables;
pub mod watch;
pub mod workload;
pub mod world;
