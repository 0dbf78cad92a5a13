//! What the CPU kernels do before and between operations: values that were put off, paddings that differ, sums that came
//! along or did not.

use std::cell::RefMut;

use super::conv::zeros;
use super::cpu::CpuKernels;
use super::pool::{Buf, BufferPool, Gate, Grid, Origin, Slot, Sums, Value};
use super::stage::{BorrowedGate, Reader, Store};
use super::{Normed, Real, layout, norm};

impl<R: Real> CpuKernels<R> {
    /// The values themselves in memory, in the buffer's own grid.
    pub(super) fn stored(&mut self, x: &Buf<R>) -> Buf<R> {
        if x.is_stored() {
            return x.clone();
        }
        let y = self.pool.take(x.grid, x.batch());
        self.set.run(Store { x: Reader::of(x), to: &mut y.write() });
        y
    }

    /// The values in memory that nobody else holds, to work in place.
    pub(super) fn stored_own(&mut self, x: Buf<R>) -> Buf<R> {
        if x.is_stored() { self.pool.own(x) } else { self.stored(&x) }
    }

    /// The values in memory, with another padding.
    pub(super) fn in_grid(&mut self, x: &Buf<R>, grid: Grid) -> Buf<R> {
        let x = self.stored(x);
        if x.grid.stride == grid.stride {
            return x;
        }
        let y = self.pool.take(grid, x.batch());
        layout::regrid(x.grid, grid, &x.read(), &mut y.write());
        y
    }

    /// Vectors without padding, in memory.
    pub(super) fn vectors(&mut self, x: &Buf<R>) -> Buf<R> {
        self.in_grid(x, Grid::tight(x.grid.shape))
    }

    /// Mean and variance of each channel of a stored batch: those that came with it, or worked out now.
    pub(super) fn batch_moments(&mut self, x: &Buf<R>) -> Slot<R> {
        if let Some(Sums::Moments(moments)) = &x.sums {
            return moments.clone();
        }
        let moments = self.pool.slot(2 * x.grid.stride, 1);
        let norm::Scratch { totals, shift, .. } = &mut self.norms;
        self.set.run(norm::BatchMoments { grid: x.grid, x: x.read(), totals, shift, moments: &mut moments.write() });
        moments
    }

    /// What a gradient's memory is closed by on its way to a norm's input: the norm's own `ReLU`, or the gate of a
    /// gradient that was put off.
    pub(super) fn gated(&mut self, taped: &Normed<Buf<R>>, dy: &Buf<R>) -> (Buf<R>, Gate<R>) {
        let gate = taped.y.as_ref().map(gate_of);
        match (gate, &dy.value) {
            (None, Value::Gated(gate)) => (dy.clone(), gate.clone()),
            (gate, _) => (self.stored(dy), gate.unwrap_or(Gate::Open)),
        }
    }

    /// Sums of dz and dz x̂ of a norm's gradient: those that came with it, or worked out now.
    pub(super) fn norm_sums(&mut self, origin: &Origin<R>, dy: &Buf<R>, norms: Option<&Buf<R>>) -> Slot<R> {
        let come = match &dy.sums {
            Some(Sums::Gradient { x, values, squares })
                if x.is(&origin.x) && (norms.is_none() || squares.is_some()) =>
            {
                Some((values.clone(), squares.clone()))
            }
            _ => None,
        };
        let (values, squares) = come.unwrap_or_else(|| {
            let sums = NewSums::of(&mut self.pool, origin, dy, norms.is_some());
            self.set.run(norm::GradientSums {
                grid: dy.grid,
                dy: dy.read(),
                sums: sums.lend().norm_sums(zeros(&mut self.norms.gradient_totals, 4 * dy.grid.stride)),
            });
            (sums.values, sums.squares)
        });
        if let (Some(norms), Some(squares)) = (norms, squares) {
            norms.write().iter_mut().zip(&*squares.read()).for_each(|(norm, square)| *norm += *square);
        }
        values
    }
}

/// Sums that are made together with the gradient of a norm's output.
pub(super) struct NewSums<R> {
    origin: Origin<R>,
    values: Slot<R>,
    squares: Option<Slot<R>>,
}

/// [`NewSums`] while they are written.
pub(super) struct LentSums<'a, R> {
    origin: &'a Origin<R>,
    values: RefMut<'a, [R]>,
    squares: Option<RefMut<'a, [R]>>,
}

impl<R: Real> NewSums<R> {
    /// Room for them, with squared norms where they are wanted.
    pub(super) fn of(pool: &mut BufferPool<R>, origin: &Origin<R>, dy: &Buf<R>, norms: bool) -> Self {
        let values = pool.slot(2 * dy.grid.stride, 1);
        Self { origin: origin.clone(), values, squares: norms.then(|| pool.slot(1, dy.batch())) }
    }

    pub(super) fn lend(&self) -> LentSums<'_, R> {
        let squares = self.squares.as_ref().map(Slot::write);
        LentSums { origin: &self.origin, values: self.values.write(), squares }
    }

    /// As they go with the gradient.
    pub(super) fn made(self) -> Sums<R> {
        Sums::Gradient { x: self.origin.x, values: self.values, squares: self.squares }
    }
}

impl<R: Real> LentSums<'_, R> {
    pub(super) fn norm_sums<'a>(&'a mut self, totals: &'a mut [f64]) -> norm::NormSums<'a, R> {
        norm::NormSums {
            x: self.origin.x.read(),
            moments: self.origin.moments.read(),
            gate: BorrowedGate::of(&self.origin.gate),
            sums: &mut self.values,
            squares: self.squares.as_deref_mut(),
            totals,
        }
    }
}

/// What closes a gradient on its way through the `ReLU` of an output.
pub(super) fn gate_of<R>(y: &Buf<R>) -> Gate<R> {
    match &y.value {
        Value::Norm { coefficients, .. } => Gate::Norm { x: y.slot.clone(), coefficients: coefficients.clone() },
        _ => Gate::Output(y.slot.clone()),
    }
}
