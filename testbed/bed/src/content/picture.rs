//! What is to be seen on images: photographs and drawings, as large sheets that images are cut from.
//!
//! A photograph has gradients, shapes with shading, noise in octaves and grain, so that it compresses as one does. A drawing has
//! few colours, straight edges and something like writing.

use super::dice::Dice;

/// Length of a sheet's side.
pub(super) const SIDE: usize = 640;

/// Colours of a drawing.
pub(super) const COLOURS: [[u8; 3]; 16] = [
    [255, 255, 255],
    [24, 24, 32],
    [220, 50, 47],
    [38, 139, 210],
    [133, 153, 0],
    [238, 232, 213],
    [147, 161, 161],
    [181, 137, 0],
    [203, 75, 22],
    [108, 113, 196],
    [42, 161, 152],
    [211, 54, 130],
    [7, 54, 66],
    [253, 246, 227],
    [88, 110, 117],
    [200, 220, 255],
];

/// Where on a sheet an image is cut, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Every so-manyth pixel, for small images of much.
    pub(super) stride: usize,
    x: usize,
    y: usize,
}

impl Cut {
    /// An image of about this many pixels, somewhere.
    pub(super) fn new(dice: &mut Dice, pixels: f64, stride: usize) -> Self {
        let aspect = dice.pick(&[4.0 / 3.0, 1.5, 1.0, 16.0 / 9.0, 0.75]);
        let width = (pixels * aspect).sqrt().clamp(1.0, SIDE as f64);
        let height = (pixels / width).clamp(1.0, SIDE as f64);
        Self {
            width: width.round() as usize,
            height: height.round() as usize,
            stride,
            x: dice.below(SIDE),
            y: dice.below(SIDE),
        }
    }

    /// The same a little further on: the next frame of an animation.
    pub(super) fn moved(self, by: usize) -> Self {
        Self {
            x: self.x + by,
            y: self.y + by / 2,
            ..self
        }
    }

    /// Places on the sheet, row by row; a sheet goes on at its other side.
    pub(super) fn places(self) -> impl Iterator<Item = usize> {
        (0..self.height).flat_map(move |row| {
            let y = (self.y + row * self.stride) % SIDE * SIDE;
            (0..self.width).map(move |column| y + (self.x + column * self.stride) % SIDE)
        })
    }
}

/// A sheet of photograph: red, green and blue of each pixel.
pub(super) fn photograph(dice: &mut Dice) -> Vec<[u8; 3]> {
    let octaves: Vec<Lattice> = [4, 10, 40, 160].map(|n| Lattice::new(dice, n)).into();
    let hue = [Lattice::new(dice, 3), Lattice::new(dice, 5)];
    let discs: Vec<[f32; 4]> = (0..24)
        .map(|_| {
            let [x, y, tone] = [(); 3].map(|()| dice.share());
            [x, y, 0.02 + 0.1 * dice.share(), tone]
        })
        .collect();
    let mut sheet = Vec::with_capacity(SIDE * SIDE);
    for row in 0..SIDE {
        let y = row as f32 / SIDE as f32;
        for column in 0..SIDE {
            let x = column as f32 / SIDE as f32;
            let mut light = 40.0 + 60.0 * (1.0 - y);
            for (lattice, weight) in octaves.iter().zip([80.0, 40.0, 16.0, 8.0]) {
                light += weight * lattice.at(x, y);
            }
            let (mut red, mut blue) =
                (60.0 * hue[0].at(x, y) - 30.0, 60.0 * hue[1].at(x, y) - 30.0);
            for &[cx, cy, radius, tone] in &discs {
                let distance = (x - cx).powi(2) + (y - cy).powi(2);
                if distance < radius * radius {
                    let shade = 1.0 - distance / (radius * radius);
                    light = 0.4 * light + 120.0 * tone * shade;
                    (red, blue) = (80.0 * tone - 40.0, -red);
                }
            }
            light += 5.0 * (dice.share() - 0.5);
            // A conversion to u8 keeps to its bounds.
            sheet.push([
                (light + red) as u8,
                (light - 0.3 * (red + blue)) as u8,
                (light + blue) as u8,
            ]);
        }
    }
    sheet
}

/// Values on a square grid, between which it goes evenly.
struct Lattice {
    n: usize,
    values: Vec<f32>,
}

impl Lattice {
    fn new(dice: &mut Dice, n: usize) -> Self {
        let values = (0..(n + 1) * (n + 1)).map(|_| dice.share()).collect();
        Self { n, values }
    }

    fn at(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x * self.n as f32, y * self.n as f32);
        let (left, top) = (x as usize, y as usize);
        let (dx, dy) = (x - left as f32, y - top as f32);
        let row = |top: usize| {
            let at = top * (self.n + 1) + left;
            self.values[at] + dx * (self.values[at + 1] - self.values[at])
        };
        let (above, below) = (row(top), row(top + 1));
        above + dy * (below - above)
    }
}

/// A sheet of drawing: the number of each pixel's colour.
pub(super) fn drawing(dice: &mut Dice) -> Vec<u8> {
    let mut sheet = vec![0; SIDE * SIDE];
    let mut fill = |x: usize, y: usize, width: usize, height: usize, colour: u8| {
        for row in y..(y + height).min(SIDE) {
            let end = (x + width).min(SIDE);
            sheet[row * SIDE + x.min(end)..row * SIDE + end].fill(colour);
        }
    };
    const CELL: usize = 80;
    for cell in 0..(SIDE / CELL) * (SIDE / CELL) {
        let (left, top) = (cell % (SIDE / CELL) * CELL, cell / (SIDE / CELL) * CELL);
        let (ground, ink) = (dice.pick(&[0, 0, 5, 13, 15]), 1 + dice.below(15) as u8);
        fill(left, top, CELL, CELL, ground);
        match dice.below(3) {
            // Writing: letters of strokes, in lines.
            0 => {
                for line in (top + 3..top + CELL - 8).step_by(9) {
                    for letter in (left + 2..left + CELL - 7).step_by(6) {
                        if dice.one_in(6) {
                            continue;
                        }
                        fill(letter, line, 1, 7, ink);
                        fill(letter, line + dice.below(7), 4, 1, ink);
                        fill(letter + dice.below(5), line + dice.below(4), 1, 4, ink);
                    }
                }
            }
            // A chart of bars.
            1 => {
                for bar in (left + 4..left + CELL - 8).step_by(8) {
                    let height = 4 + dice.below(CELL - 12);
                    fill(
                        bar,
                        top + CELL - 4 - height,
                        6,
                        height,
                        2 + dice.below(10) as u8,
                    );
                }
                fill(left + 2, top + CELL - 4, CELL - 4, 1, 1);
            }
            // Boxes.
            _ => {
                for _ in 0..10 {
                    let (x, y) = (left + dice.below(CELL - 12), top + dice.below(CELL - 12));
                    fill(
                        x,
                        y,
                        4 + dice.below(30).min(left + CELL - x),
                        3 + dice.below(9),
                        1 + dice.below(15) as u8,
                    );
                }
            }
        }
    }
    sheet
}
