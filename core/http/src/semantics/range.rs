//! Byte ranges (RFC 9110 section 14) out of a stored whole.

use crate::Fields;

/// What a Range field asks of a body of a known length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RangeAnswer { 
    /// No (usable) Range: send the whole. Several ranges are answered with the whole for now.
    Whole, 
    /// Bytes `first..=last`.
    Part { first: u64, last: u64 }, 
    /// 416.
    Unsatisfiable 
}
/// Decides for a GET. If-Range (section 13.1.5) is evaluated against the stored response: strong ETag or exact date.
pub fn answer(request: Fields<'_>, stored: Fields<'_>, length: u64) -> RangeAnswer { todo!() }
