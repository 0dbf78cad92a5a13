//! Windows of an image as columns of a matrix: `[channels k k, output pixels]`, so that a convolution is a product.

use super::real::Real;
use crate::nn::Shape;

/// How windows walk over an image.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// The image.
    pub input: Shape,
    /// Rows and columns of windows.
    pub height: usize,
    /// Columns of windows.
    pub width: usize,
    /// Side of a window.
    pub kernel: usize,
    /// Pixels from one window to the next.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: usize,
}

impl Windows {
    /// Rows of the matrix.
    pub fn rows(&self) -> usize {
        self.input.channels * self.kernel * self.kernel
    }

    /// Columns of the matrix: windows.
    pub fn columns(&self) -> usize {
        self.height * self.width
    }

    /// Whether the matrix is the image itself.
    pub fn is_image(&self) -> bool {
        self.kernel == 1 && self.stride == 1 && self.padding == 0
    }

    /// Whether windows keep the width, so that a row of the matrix is a shifted plane.
    fn shifts(&self) -> bool {
        self.stride == 1 && self.kernel == 2 * self.padding + 1 && self.padding <= self.input.width
    }

    /// Fills `columns` (all of it) from an image.
    pub fn gather<R: Real>(&self, image: &[R], columns: &mut [R]) {
        let area = self.kernel * self.kernel;
        for (row, out) in columns.chunks_exact_mut(self.columns()).enumerate() {
            let (channel, ky, kx) = (row / area, row % area / self.kernel, row % self.kernel);
            let plane = &image[channel * self.input.pixels()..][..self.input.pixels()];
            if self.shifts() {
                self.shift(plane, ky, kx, out);
            } else {
                self.sample(plane, ky, kx, out);
            }
        }
    }

    /// A plane shifted by (ky - padding, kx - padding): one copy, then zeros in the columns that wrapped around.
    fn shift<R: Real>(&self, plane: &[R], ky: usize, kx: usize, out: &mut [R]) {
        let (width, padding) = (self.input.width, self.padding);
        let (ahead, behind) = (ky * width + kx, padding * width + padding);
        let start = behind.saturating_sub(ahead).min(out.len());
        let from = ahead.saturating_sub(behind).min(out.len());
        let count = out.len() - start.max(from);
        out[..start].fill(R::ZERO);
        out[start..start + count].copy_from_slice(&plane[from..from + count]);
        out[start + count..].fill(R::ZERO);
        let wrapped = if kx < padding { 0..padding - kx } else { width - (kx - padding)..width };
        if !wrapped.is_empty() {
            out.chunks_exact_mut(width).for_each(|row| row[wrapped.clone()].fill(R::ZERO));
        }
    }

    /// Every stride-th pixel, zeros outside.
    fn sample<R: Real>(&self, plane: &[R], ky: usize, kx: usize, out: &mut [R]) {
        let inside = self.inside(kx);
        for (oy, out) in out.chunks_exact_mut(self.width).enumerate() {
            let Some(row) = self.row_at(oy, ky).filter(|_| !inside.is_empty()) else {
                out.fill(R::ZERO);
                continue;
            };
            let first = row * self.input.width + inside.start * self.stride + kx - self.padding;
            out[..inside.start].fill(R::ZERO);
            out[inside.end..].fill(R::ZERO);
            let pixels = plane[first..].iter().step_by(self.stride);
            out[inside.clone()].iter_mut().zip(pixels).for_each(|(out, pixel)| *out = *pixel);
        }
    }

    /// Adds `columns` back to where they came from: the transpose of [`Self::gather`].
    pub fn scatter<R: Real>(&self, columns: &[R], image: &mut [R]) {
        let area = self.kernel * self.kernel;
        image.fill(R::ZERO);
        for (row, values) in columns.chunks_exact(self.columns()).enumerate() {
            let (channel, ky, kx) = (row / area, row % area / self.kernel, row % self.kernel);
            let plane = &mut image[channel * self.input.pixels()..][..self.input.pixels()];
            let inside = self.inside(kx);
            if inside.is_empty() {
                continue;
            }
            for (oy, values) in values.chunks_exact(self.width).enumerate() {
                let Some(row) = self.row_at(oy, ky) else { continue };
                let first = row * self.input.width + inside.start * self.stride + kx - self.padding;
                let pixels = plane[first..].iter_mut().step_by(self.stride);
                pixels.zip(&values[inside.clone()]).for_each(|(pixel, value)| *pixel += *value);
            }
        }
    }

    /// The image row that window row `oy` sees at `ky`.
    fn row_at(&self, oy: usize, ky: usize) -> Option<usize> {
        (oy * self.stride + ky).checked_sub(self.padding).filter(|row| *row < self.input.height)
    }

    /// The windows that see the image at `kx`.
    fn inside(&self, kx: usize) -> std::ops::Range<usize> {
        let start = self.padding.saturating_sub(kx).div_ceil(self.stride).min(self.width);
        let end = (self.input.width + self.padding).saturating_sub(kx).div_ceil(self.stride).min(self.width);
        start..end.max(start)
    }
}
