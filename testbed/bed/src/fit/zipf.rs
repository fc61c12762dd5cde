//! How popular objects are: the slope of the rank-frequency plot.
//!
//! The exponent is the slope of a line through log(frequency) over log(rank), by least squares (Breslau and others, INFOCOM 1999), over ranks
//! that are evenly spaced in log(rank), since nine of ten ranks are in the last decade, where frequencies are small whole numbers and
//! lie on steps. Those below [`LEAST`] are left out for the same reason. The first request of each object is not counted: it is no
//! choice among objects seen, but what the recurrence decides.

/// The least frequency that the line goes through.
const LEAST: u32 = 4;

/// The fewest points that a slope is told from.
const POINTS: usize = 8;

/// A line through a rank-frequency plot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slope {
    /// The exponent: minus the slope.
    pub exponent: f64,
    /// How much of the plot is on the line (R squared).
    pub fits: f64,
    /// Through how many ranks.
    pub ranks: u64,
}

/// The slope of these frequencies; nothing where too few are high enough.
pub(super) fn slope(mut frequencies: Vec<u32>) -> Option<Slope> {
    frequencies.retain(|f| *f >= LEAST);
    frequencies.sort_unstable_by(|a, b| b.cmp(a));
    let mut points: Vec<(f64, f64)> = Vec::new();
    let mut from = 1.0f64;
    while (from as usize) <= frequencies.len() {
        // Ranks from this one to a tenth further are one point, at their means.
        let to = (from * 1.1).max(from + 1.0);
        let group = &frequencies[from as usize - 1..(to as usize - 1).min(frequencies.len())];
        if !group.is_empty() {
            let ranks = (from as usize..).take(group.len());
            let count = group.len() as f64;
            points.push((
                ranks.map(|r| (r as f64).ln()).sum::<f64>() / count,
                group.iter().map(|f| f64::from(*f).ln()).sum::<f64>() / count,
            ));
        }
        from = to;
    }
    if points.len() < POINTS {
        return None;
    }
    let count = points.len() as f64;
    let mean_x = points.iter().map(|p| p.0).sum::<f64>() / count;
    let mean_y = points.iter().map(|p| p.1).sum::<f64>() / count;
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        points.iter().map(|p| of(p.0 - mean_x, p.1 - mean_y)).sum()
    };
    let (xx, xy, yy) = (sum(&|x, _| x * x), sum(&|x, y| x * y), sum(&|_, y| y * y));
    if xx <= 0.0 {
        return None;
    }
    Some(Slope {
        exponent: (-xy / xx).max(0.0),
        fits: if yy > 0.0 { xy * xy / (xx * yy) } else { 1.0 },
        ranks: frequencies.len() as u64,
    })
}
