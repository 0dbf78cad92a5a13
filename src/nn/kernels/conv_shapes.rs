//! Where everything lies in a convolution: staged images with their borders, windows, and the classes of pixels that a
//! stride leaves.

use super::Conv;
use super::direct::{Correlation, Windows};
use super::outer::OuterSum;
use super::pool::{Grid, LANES};
use super::stage::Rows;

/// An image in scratch, with zeros around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staging {
    /// Rows of the image.
    pub height: usize,
    /// Columns of the image.
    pub width: usize,
    /// Values of a pixel.
    pub pixel: usize,
    /// Zeros around it.
    pub border: usize,
}

/// The pixels of an input that see the same places of the windows.
#[derive(Debug, Clone, Copy)]
pub struct Class {
    /// How their gradients are computed.
    pub correlation: Correlation,
    /// The window row of tap 0, and the window column of the run's first pixel: the following ones are a stride less each.
    pub last: (usize, usize),
    /// The stride.
    pub stride: usize,
}

/// Along one side: the taps of one class of pixels.
#[derive(Debug, Clone, Copy)]
struct Side {
    /// Pixels of the class.
    pixels: usize,
    /// Taps.
    taps: usize,
    /// The window's place of the first tap.
    last: usize,
    /// The output that the class's first pixel meets at the first tap; negative in the border.
    first: isize,
}

impl Side {
    /// Pixels `class`, `class` + stride, ... of a side.
    fn of(conv: &Conv, class: usize, side: usize) -> Self {
        let start = (class + conv.padding) % conv.stride;
        let taps = if start < conv.kernel { (conv.kernel - start).div_ceil(conv.stride) } else { 0 };
        let before = taps.saturating_sub(1);
        Self {
            pixels: side.saturating_sub(class).div_ceil(conv.stride),
            taps,
            last: start + before * conv.stride,
            first: ((class + conv.padding) / conv.stride) as isize - before as isize,
        }
    }

    /// Zeros needed around outputs of so many.
    fn border(self, outputs: usize) -> usize {
        if self.taps == 0 || self.pixels == 0 {
            return 0;
        }
        let end = self.first + (self.pixels + self.taps) as isize - 1;
        (-self.first).max(end - outputs as isize).max(0) as usize
    }
}

impl Staging {
    /// The input of a convolution; few channels go without their padding, so that a window's row is one short run.
    pub fn input(conv: &Conv, grid: Grid) -> Self {
        let channels = conv.input.channels;
        let pixel = if channels < LANES { channels } else { grid.stride };
        Self { height: conv.input.height, width: conv.input.width, pixel, border: conv.padding }
    }

    /// The gradient of its output.
    pub fn gradient(conv: &Conv, grid: Grid) -> Self {
        let borders = (0..conv.stride).map(|class| {
            let (rows, columns) = (Side::of(conv, class, conv.input.height), Side::of(conv, class, conv.input.width));
            rows.border(conv.output.height).max(columns.border(conv.output.width))
        });
        let border = borders.max().unwrap_or(0);
        Self { height: conv.output.height, width: conv.output.width, pixel: grid.stride, border }
    }

    /// Values from one row to the next.
    fn row(&self) -> usize {
        (self.width + 2 * self.border) * self.pixel
    }

    /// Where a pixel lies.
    fn at(&self, row: isize, column: isize) -> usize {
        let border = self.border as isize;
        ((row + border) * self.row() as isize + (column + border) * self.pixel as isize) as usize
    }

    /// All values.
    pub fn len(&self) -> usize {
        (self.height + 2 * self.border) * self.row()
    }

    /// Where an example of a batch goes.
    pub fn rows(&self, example: usize, grid: Grid) -> Rows {
        Rows {
            from: example * grid.len(),
            count: self.height,
            pixels: self.width,
            channels: self.pixel,
            to: self.at(0, 0),
            row: self.row(),
            pixel: self.pixel,
        }
    }

    /// The windows of the convolution, of the staged input.
    fn windows(&self, conv: &Conv) -> Windows {
        Windows {
            height: conv.output.height,
            width: conv.output.width,
            from: 0,
            from_row: conv.stride * self.row(),
            from_pixel: conv.stride * self.pixel,
            taps: conv.kernel,
            tap_row: self.row(),
            run: conv.kernel * self.pixel,
        }
    }

    /// The convolution itself, from the staged input.
    pub fn forward(&self, conv: &Conv, grid: Grid) -> Correlation {
        let (stride, to_row) = (grid.stride, conv.output.width * grid.stride);
        Correlation { windows: self.windows(conv), to: 0, to_row, to_pixel: stride, channels: stride }
    }

    /// The weight gradient, from the staged input and the staged gradient.
    pub fn outer(&self, conv: &Conv, gradient: Self) -> OuterSum {
        let (start, gradient_row) = (gradient.at(0, 0), gradient.row());
        OuterSum { windows: self.windows(conv), gradient: start, gradient_row, channels: gradient.pixel }
    }

    /// The input gradient, from the staged gradient: one correlation for each class of pixels.
    pub fn classes(&self, conv: &Conv, grid: Grid) -> impl Iterator<Item = Class> + use<> {
        let (staging, conv) = (*self, *conv);
        let (stride, width) = (conv.stride, conv.input.width);
        (0..stride * stride).map(move |class| {
            let (top, left) = (class / stride, class % stride);
            let (rows, columns) = (Side::of(&conv, top, conv.input.height), Side::of(&conv, left, width));
            let none = rows.taps == 0 || columns.taps == 0;
            let windows = Windows {
                height: rows.pixels,
                width: columns.pixels,
                from: if none { 0 } else { staging.at(rows.first, columns.first) },
                from_row: if none { 0 } else { staging.row() },
                from_pixel: if none { 0 } else { staging.pixel },
                taps: if none { 0 } else { rows.taps },
                tap_row: staging.row(),
                run: if none { 0 } else { columns.taps * staging.pixel },
            };
            let correlation = Correlation {
                windows,
                to: (top * width + left) * grid.stride,
                to_row: stride * width * grid.stride,
                to_pixel: stride * grid.stride,
                channels: grid.stride,
            };
            Class { correlation, last: (rows.last, columns.last), stride }
        })
    }

    /// Packed weights of all classes.
    pub fn backward_weights(&self, conv: &Conv, grid: Grid) -> usize {
        self.classes(conv, grid).map(|class| class.correlation.weights()).sum()
    }
}
