//! From the layout of outside, `[B, C, H, W]`, to that of the kernels and back.

use super::pool::Grid;
use super::real::Real;

/// Examples `[C, H, W]` into their grid; padding becomes 0.
pub fn enter<R: Real>(grid: Grid, planes: &[R], pixels: &mut [R]) {
    let examples = planes.chunks_exact(grid.shape.len()).zip(pixels.chunks_exact_mut(grid.len()));
    examples.for_each(|(planes, pixels)| enter_one(grid, planes, pixels));
}

fn enter_one<R: Real>(grid: Grid, planes: &[R], pixels: &mut [R]) {
    let (channels, area) = (grid.shape.channels, grid.shape.pixels());
    if channels == 1 && grid.stride == 1 {
        return pixels.copy_from_slice(planes);
    }
    for (pixel, values) in pixels.chunks_exact_mut(grid.stride).enumerate() {
        let (values, padding) = values.split_at_mut(channels);
        values.iter_mut().enumerate().for_each(|(channel, value)| *value = planes[channel * area + pixel]);
        padding.fill(R::ZERO);
    }
}

/// Examples in their grid as `[C, H, W]`.
pub fn leave<R: Real>(grid: Grid, pixels: &[R], planes: &mut [R]) {
    let examples = pixels.chunks_exact(grid.len()).zip(planes.chunks_exact_mut(grid.shape.len()));
    examples.for_each(|(pixels, planes)| leave_one(grid, pixels, planes));
}

fn leave_one<R: Real>(grid: Grid, pixels: &[R], planes: &mut [R]) {
    let (channels, area) = (grid.shape.channels, grid.shape.pixels());
    if area == 1 {
        return planes.copy_from_slice(&pixels[..channels]);
    }
    for (pixel, values) in pixels.chunks_exact(grid.stride).enumerate() {
        let values = &values[..channels];
        values.iter().enumerate().for_each(|(channel, value)| planes[channel * area + pixel] = *value);
    }
}

/// The same pixels, of any number of examples, with another padding.
pub fn regrid<R: Real>(from: Grid, to: Grid, pixels: &[R], out: &mut [R]) {
    let channels = from.shape.channels;
    for (pixel, out) in pixels.chunks_exact(from.stride).zip(out.chunks_exact_mut(to.stride)) {
        let (values, padding) = out.split_at_mut(channels);
        values.copy_from_slice(&pixel[..channels]);
        padding.fill(R::ZERO);
    }
}
