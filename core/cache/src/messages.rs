//! The typed messages of the cache-shard actor.
