//! What the shape of a workload must also be: shares within 0 and 1, distributions that have numbers, names that are there.

use super::{Error, Workload};

pub(super) fn check(_workload: &Workload) -> Result<(), Error> {
    Ok(())
}
