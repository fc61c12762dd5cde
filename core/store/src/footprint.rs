//! What an allocation really takes: the arithmetic every weight in the cache is made of.
//!
//! Invariant: a footprint is never below what a size-class allocator sets aside for the request.
//! The awkward case is just that allocator: mimalloc, jemalloc and glibc all round up, the first
//! two to a quarter of a power of two, and a ceiling that counted only the bytes asked for would be
//! exceeded by up to a quarter.

/// The least an allocation is rounded up to, in bytes.
const GRAIN: u64 = 16;

/// Bytes an allocation of `bytes` takes: rounded up to a quarter of the power of two below it, and
/// to 16; nothing for nothing.
pub const fn footprint(bytes: u64) -> u64 {
    if bytes == 0 {
        return 0;
    }
    let quarter = (1 << bytes.ilog2()) / 4;
    let step = if quarter > GRAIN { quarter } else { GRAIN };
    match bytes.checked_next_multiple_of(step) {
        Some(rounded) => rounded,
        None => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::footprint;

    #[test]
    fn rounds_up_to_the_allocators_classes() {
        let check = |asked, taken| assert_eq!(footprint(asked), taken, "footprint of {asked}");
        check(0, 0);
        check(1, 16);
        check(16, 16);
        check(17, 32);
        check(100, 112);
        check(10 * 1024, 10 * 1024);
        check(100 * 1024, 112 * 1024);
        check(256 * 1024, 256 * 1024);
        check(u64::MAX, u64::MAX);
    }
}
