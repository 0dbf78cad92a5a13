//! The CPU kernels: one thread, `[B, H, W, C]` buffers, direct convolutions, norms that are put off until their values
//! are read.

use std::ops::Range;
use std::sync::Arc;

use super::conv::zeros;
use super::lazy::{NewSums, gate_of};
use super::pool::{self, Buf, BufferPool, Gate, Grid, LANES, Origin, Slot, Sums, Value};
use super::product::Products;
use super::stage::{AddSkip, Reader, Store};
use super::vector::InstructionSet;
use super::{
    Arenas, Conv, Dense, GroupNorm, Input, Kernels, Norm, Normed, Objective, Pool, Real, SgdStep, Sink, conv, dense,
    group_norm, layout, norm, panels, sgd, softmax, weights, window,
};
use crate::data::{Dataset, Loader, View};
use crate::nn::Shape;
use crate::scores::Record;
use crate::{Error, Result};

/// Kernels over f32, or f64 as an oracle.
#[derive(Debug)]
pub struct CpuKernels<R> {
    pub(super) set: InstructionSet,
    pub(super) pool: BufferPool<R>,
    products: Products<R>,
    convs: conv::Scratch<R>,
    gradients: weights::GradientScratch<R>,
    pub(super) norms: norm::Scratch<R>,
    loader: Option<Loader>,
    image: Vec<f32>,
    planes: Vec<R>,
    posted: Vec<R>,
    seen: Record,
}

impl<R: Real> CpuKernels<R> {
    /// With the best instruction set of this processor; batches come from the host.
    pub fn new() -> Self {
        Self::with(InstructionSet::detect())
    }

    /// With an instruction set, or the portable one where the processor lacks it; batches come from the host.
    pub fn with(set: InstructionSet) -> Self {
        let set = if set.is_there() { set } else { InstructionSet::Portable };
        Self {
            set,
            pool: BufferPool::default(),
            products: Products::new(set),
            convs: conv::Scratch::default(),
            gradients: weights::GradientScratch::default(),
            norms: norm::Scratch::default(),
            loader: None,
            image: Vec::new(),
            planes: Vec::new(),
            posted: Vec::new(),
            seen: Record::default(),
        }
    }

    /// Batches come from a data set.
    #[must_use]
    pub fn on(self, dataset: Arc<Dataset>) -> Self {
        Self { loader: Some(Loader::new(dataset)), ..self }
    }
}

impl<R: Real> Default for CpuKernels<R> {
    fn default() -> Self {
        Self::new()
    }
}

impl<R: Real> Kernels for CpuKernels<R> {
    type Real = R;
    type Buf = Buf<R>;

    fn backend_id(&self) -> String {
        format!("cpu-direct-{}", self.set.name())
    }

    fn upload(&mut self, shape: Shape, values: &[R]) -> Result<Buf<R>> {
        if values.is_empty() || !values.len().is_multiple_of(shape.len()) {
            return Err(Error::Failed(format!("{} values are no batch of {shape} examples", values.len())));
        }
        let x = self.pool.take(Grid::tight(shape), values.len() / shape.len());
        layout::enter(x.grid, values, &mut x.write());
        Ok(x)
    }

    fn download(&mut self, _shape: Shape, x: &Buf<R>, take: &mut dyn FnMut(&[R])) -> Result<()> {
        let x = self.stored(x);
        self.planes.resize(x.grid.shape.len() * x.batch(), R::ZERO);
        layout::leave(x.grid, &x.read(), &mut self.planes);
        take(&self.planes);
        Ok(())
    }

    fn images(&mut self, positions: &[u32], views: &[View]) -> Result<Buf<R>> {
        let loader = self.loader.as_ref().ok_or_else(|| Error::Failed("these kernels have no data set".into()))?;
        let shape = loader.shape();
        let grid = Grid::tight(Shape { channels: shape.channels, height: shape.height, width: shape.width });
        let x = self.pool.take(grid, positions.len());
        self.image.resize(shape.len(), 0.0);
        self.planes.resize(shape.len(), R::ZERO);
        for (index, (position, x)) in positions.iter().zip(x.write().chunks_exact_mut(shape.len())).enumerate() {
            loader.image(*position, views.get(index).copied(), &mut self.image);
            self.planes.iter_mut().zip(&self.image).for_each(|(to, from)| *to = R::from_f32(*from));
            layout::enter(grid, &self.planes, x);
        }
        Ok(x)
    }

    fn post(&mut self, _shape: Shape, x: &Buf<R>) -> Result<()> {
        let x = self.stored(x);
        let (start, len) = (self.posted.len(), x.grid.shape.len());
        self.posted.resize(start + len * x.batch(), R::ZERO);
        layout::leave(x.grid, &x.read(), &mut self.posted[start..]);
        Ok(())
    }

    fn collect(&mut self, take: &mut dyn FnMut(&[R])) -> Result<()> {
        take(&self.posted);
        self.posted.clear();
        Ok(())
    }

    fn arena(&mut self, len: usize) -> Result<Buf<R>> {
        Ok(pool::arena(len))
    }

    fn write_arena(&mut self, arena: &Buf<R>, values: &[R]) -> Result<()> {
        let mut arena = arena.write();
        let (own, given) = (arena.len(), values.len());
        let start = arena.get_mut(..given);
        start.ok_or_else(|| Error::Failed(format!("{given} values for an arena of {own}")))?.copy_from_slice(values);
        Ok(())
    }

    fn read_arena(&self, arena: &Buf<R>, take: &mut dyn FnMut(&[R])) -> Result<()> {
        take(&arena.read());
        Ok(())
    }

    fn norms_like(&mut self, like: &Buf<R>) -> Result<Buf<R>> {
        let norms = self.pool.vectors(1, like.batch());
        norms.write().fill(R::ZERO);
        Ok(norms)
    }

    fn conv(&mut self, conv: &Conv, train: bool, weights: &Buf<R>, x: &Buf<R>) -> Result<Buf<R>> {
        let grid = Grid::padded(conv.output);
        let y = self.pool.take(grid, x.batch());
        let moments = train.then(|| self.pool.slot(2 * grid.stride, 1));
        self.set.run(conv::Forward {
            conv,
            x: Reader::of(x),
            weights: &weights.read(),
            grid,
            y: &mut y.write(),
            moments: moments.as_ref().map(Slot::write).as_deref_mut(),
            scratch: &mut self.convs,
        });
        Ok(y.with_sums(moments.map(Sums::Moments)))
    }

    fn conv_backward(
        &mut self,
        conv: &Conv,
        weights: &Buf<R>,
        x: &Buf<R>,
        dy: &Buf<R>,
        input: Input<Buf<R>>,
        sink: Sink<'_, Buf<R>>,
    ) -> Result<Option<Buf<R>>> {
        let dy =
            if dy.grid.stride.is_multiple_of(LANES) { dy.clone() } else { self.in_grid(dy, Grid::padded(conv.output)) };
        let grid = if x.grid.stride.is_multiple_of(LANES) { x.grid } else { Grid::padded(conv.input) };
        let onto = match &input {
            Input::Onto(onto) if onto.grid.stride == grid.stride => Some(onto.clone()),
            Input::Onto(onto) => Some(self.in_grid(onto, grid)),
            Input::Wanted | Input::Unwanted => None,
        };
        let wanted = !matches!(input, Input::Unwanted);
        let dx = wanted.then(|| self.pool.take(grid, x.batch()));
        let sums = dx.as_ref().zip(x.origin.as_ref()).filter(|_| grid == x.grid);
        let sums = sums.map(|(dx, origin)| NewSums::of(&mut self.pool, origin, dx, sink.norms.is_some()));
        let mut lent = sums.as_ref().map(NewSums::lend);
        let totals = zeros(&mut self.norms.gradient_totals, 4 * grid.stride);
        let mut dx_out = dx.as_ref().map(Buf::write);
        self.set.run(conv::Backward {
            conv,
            x: Reader::of(x),
            weights: &weights.read(),
            dy: Reader::of(&dy),
            gradients: weights::Gradients {
                arena: sink.gradients.map(Buf::write),
                norms: sink.norms.map(Buf::write),
                scratch: &mut self.gradients,
            },
            input: dx_out.as_deref_mut().map(|dx| conv::InputGradient {
                grid,
                dx,
                onto: onto.as_ref().map(Reader::of),
                sums: lent.as_mut().map(|lent| lent.norm_sums(totals)),
            }),
            batch: x.batch(),
            scratch: &mut self.convs,
        });
        drop((dx_out, lent));
        Ok(dx.map(|dx| dx.with_sums(sums.map(NewSums::made))))
    }

    fn dense(&mut self, dense: &Dense, weights: &Buf<R>, x: &Buf<R>) -> Result<Buf<R>> {
        let x = self.vectors(x);
        let y = self.pool.vectors(dense.outputs, x.batch());
        dense::forward(dense, &mut self.products, &weights.read(), &x.read(), &mut y.write());
        Ok(y)
    }

    fn dense_input_gradient(&mut self, dense: &Dense, weights: &Buf<R>, dy: &Buf<R>) -> Result<Buf<R>> {
        let dy = self.vectors(dy);
        let dx = self.pool.vectors(dense.inputs, dy.batch());
        dense::input_gradient(dense, &mut self.products, &weights.read(), &dy.read(), &mut dx.write());
        Ok(dx)
    }

    fn dense_weight_gradient(&mut self, dense: &Dense, x: &Buf<R>, dy: &Buf<R>, sink: Sink<'_, Buf<R>>) -> Result<()> {
        let (x, dy) = (self.vectors(x), self.vectors(dy));
        dense::weight_gradient(dense, &mut self.products, &x.read(), &dy.read(), &sink);
        Ok(())
    }

    fn norm(
        &mut self,
        norm: &Norm,
        train: bool,
        arenas: &Arenas<Buf<R>>,
        x: &Buf<R>,
        skip: Option<&Buf<R>>,
    ) -> Result<(Buf<R>, Buf<R>)> {
        let x = self.stored(x);
        let (grid, stride) = (x.grid, x.grid.stride);
        let (moments, coefficients) = (self.pool.vectors(2 * stride, 1), self.pool.slot(2 * stride, 1));
        let batch = train.then(|| self.batch_moments(&x));
        let batch = batch.as_ref().map(Slot::read);
        let count = x.batch() * grid.shape.pixels();
        norm.forward(
            batch.as_deref().map(|moments| norm::Batch { moments, count }),
            &arenas.weights.read(),
            &mut arenas.statistics.write(),
            &mut moments.write(),
            &mut coefficients.write(),
        );
        let normed = |relu| x.clone().read_as(Value::Norm { coefficients: coefficients.clone(), relu });
        let mut y = match skip {
            None => normed(norm.relu),
            Some(skip) => {
                let skip = if skip.grid.stride == stride { skip.clone() } else { self.in_grid(skip, grid) };
                let y = self.pool.take(grid, x.batch());
                self.set.run(AddSkip {
                    x: Reader::of(&normed(false)),
                    skip: Reader::of(&skip),
                    relu: norm.relu,
                    scratch: self.norms.example(grid.len()),
                    to: &mut y.write(),
                });
                y
            }
        };
        let gate = if norm.relu { gate_of(&y) } else { Gate::Open };
        y.origin = Some(Origin { gate, x: x.slot.clone(), moments: moments.slot.clone() });
        Ok((y, moments))
    }

    fn norm_backward(
        &mut self,
        norm: &Norm,
        train: bool,
        weights: &Buf<R>,
        taped: &Normed<Buf<R>>,
        dy: Buf<R>,
        sink: Sink<'_, Buf<R>>,
    ) -> Result<(Buf<R>, Buf<R>)> {
        let x = self.stored(&taped.x);
        let dy = if dy.grid.stride == x.grid.stride { dy } else { self.in_grid(&dy, x.grid) };
        let (dy, gate) = self.gated(taped, &dy);
        let wanted = train || sink.gradients.is_some() || sink.norms.is_some();
        let origin = Origin { gate, x: x.slot.clone(), moments: taped.moments.slot.clone() };
        let sums = wanted.then(|| self.norm_sums(&origin, &dy, sink.norms));
        let gate = origin.gate;
        let sums = sums.as_ref().map(Slot::read);
        if let (Some(sums), Some(gradients)) = (&sums, sink.gradients) {
            norm.weight_gradients(sums, &mut gradients.write());
        }
        let coefficients = self.pool.slot(3 * x.grid.stride, 1);
        let count = x.batch() * x.grid.shape.pixels();
        let sums = sums.as_deref().filter(|_| train).map(|sums| (sums, count));
        norm.backward(&weights.read(), &taped.moments.read(), sums, &mut coefficients.write());
        let dz = dy.clone().read_as(Value::Gated(gate.clone()));
        Ok((dy.read_as(Value::NormGradient { coefficients, x: x.slot, gate }), dz))
    }

    fn group_norm(
        &mut self,
        norm: &GroupNorm,
        weights: &Buf<R>,
        x: &Buf<R>,
        skip: Option<&Buf<R>>,
    ) -> Result<(Buf<R>, Buf<R>)> {
        let x = self.stored(x);
        let skip = skip.map(|skip| self.in_grid(skip, x.grid));
        let (moments, y) = (self.pool.vectors(2 * norm.groups, x.batch()), self.pool.take(x.grid, x.batch()));
        self.set.run(group_norm::Forward {
            norm,
            grid: x.grid,
            weights: &weights.read(),
            x: x.read(),
            skip: skip.as_ref().map(Buf::read),
            moments: &mut moments.write(),
            y: &mut y.write(),
            totals: &mut self.norms.totals,
            coefficients: &mut self.norms.shift,
        });
        Ok((y, moments))
    }

    fn group_norm_backward(
        &mut self,
        norm: &GroupNorm,
        weights: &Buf<R>,
        taped: &Normed<Buf<R>>,
        dy: Buf<R>,
        sink: Sink<'_, Buf<R>>,
    ) -> Result<(Buf<R>, Buf<R>)> {
        let x = self.stored(&taped.x);
        let (dy, gate) = (self.in_grid(&dy, x.grid), taped.y.as_ref().map_or(Gate::Open, gate_of));
        let dz = dy.read_as(Value::Gated(gate));
        let dx = self.pool.take(x.grid, x.batch());
        self.set.run(Store { x: Reader::of(&dz), to: &mut dx.write() });
        self.set.run(group_norm::Backward {
            norm,
            grid: x.grid,
            weights: &weights.read(),
            x: x.read(),
            moments: taped.moments.read(),
            dz: &mut dx.write(),
            gradients: sink.gradients.map(Buf::write),
            norms: sink.norms.map(Buf::write),
            totals: &mut self.norms.totals,
            coefficients: &mut self.norms.shift,
        });
        Ok((dx, dz))
    }

    fn relu(&mut self, x: Buf<R>) -> Result<Buf<R>> {
        let x = self.stored_own(x);
        x.write().iter_mut().for_each(|x| *x = norm::above_zero(*x));
        Ok(x)
    }

    fn relu_backward(&mut self, y: &Buf<R>, dy: Buf<R>) -> Result<Buf<R>> {
        let (y, dy) = (self.stored(y), self.in_grid(&dy, y.grid));
        let dy = self.pool.own(dy);
        let closed = |y: R| y <= R::ZERO;
        dy.write().iter_mut().zip(&*y.read()).for_each(|(dy, y)| *dy = if closed(*y) { R::ZERO } else { *dy });
        Ok(dy)
    }

    fn root(&mut self, x: Buf<R>) -> Result<Buf<R>> {
        let x = self.stored_own(x);
        x.write().iter_mut().for_each(|x| *x = R::from_f64(x.to_f64().sqrt()));
        Ok(x)
    }

    fn add(&mut self, x: Buf<R>, other: &Buf<R>) -> Result<Buf<R>> {
        let x = self.stored_own(x);
        let other = self.in_grid(other, x.grid);
        x.write().iter_mut().zip(&*other.read()).for_each(|(x, other)| *x += *other);
        Ok(x)
    }

    fn max_pool(&mut self, pool: &Pool, x: &Buf<R>) -> Result<Buf<R>> {
        let y = self.pool.take(Grid { shape: pool.output, stride: x.grid.stride }, x.batch());
        let scratch = &mut self.norms.example;
        self.set.run(window::MaxPool { pool, x: Reader::of(x), y: &mut y.write(), scratch });
        Ok(y)
    }

    fn max_pool_backward(&mut self, pool: &Pool, x: &Buf<R>, dy: &Buf<R>) -> Result<Buf<R>> {
        let dy = if dy.grid.stride == x.grid.stride {
            dy.clone()
        } else {
            self.in_grid(dy, Grid { shape: pool.output, stride: x.grid.stride })
        };
        let dx = self.pool.take(x.grid, x.batch());
        // Whether norms will be wanted is not known here: they are worked out by the norm then.
        let sums = x.origin.as_ref().map(|origin| NewSums::of(&mut self.pool, origin, &dx, false));
        let mut lent = sums.as_ref().map(NewSums::lend);
        let totals = zeros(&mut self.norms.gradient_totals, 4 * x.grid.stride);
        self.set.run(window::MaxPoolBackward {
            pool,
            x: Reader::of(x),
            dy: Reader::of(&dy),
            dx: &mut dx.write(),
            sums: lent.as_mut().map(|lent| lent.norm_sums(totals)),
            scratch: &mut self.norms.example,
        });
        drop(lent);
        Ok(dx.with_sums(sums.map(NewSums::made)))
    }

    fn mean_pool(&mut self, input: Shape, x: &Buf<R>) -> Result<Buf<R>> {
        let y = self.pool.vectors(input.channels, x.batch());
        let norm::Scratch { totals, example, .. } = &mut self.norms;
        self.set.run(window::MeanPool { x: Reader::of(x), y: &mut y.write(), scratch: example, totals });
        Ok(y)
    }

    fn mean_pool_backward(&mut self, input: Shape, dy: &Buf<R>) -> Result<Buf<R>> {
        let dy = self.vectors(dy);
        let dx = self.pool.take(Grid::padded(input), dy.batch());
        window::mean_pool_backward(dx.grid, &dy.read(), &mut dx.write());
        Ok(dx)
    }

    fn flatten(&mut self, shape: Shape, x: Buf<R>) -> Result<Buf<R>> {
        let y = self.pool.vectors(shape.len(), x.batch());
        let x = self.stored(&x);
        layout::leave(x.grid, &x.read(), &mut y.write());
        Ok(y)
    }

    fn unflatten(&mut self, shape: Shape, dy: Buf<R>) -> Result<Buf<R>> {
        let dy = self.vectors(&dy);
        let dx = self.pool.take(Grid::padded(shape), dy.batch());
        layout::enter(dx.grid, &dy.read(), &mut dx.write());
        Ok(dx)
    }

    fn loss(&mut self, objective: Objective, logits: &Buf<R>, labels: &[u16], scale: f64) -> Result<Buf<R>> {
        let logits = self.vectors(logits);
        let values = logits.read();
        let gradient = self.pool.vectors(logits.grid.shape.channels, logits.batch());
        let slope = match objective {
            Objective::CrossEntropy => softmax::cross_entropy,
            Objective::ZeroHinge => softmax::zero_hinge,
        };
        softmax::gradients(slope, &values, labels, scale, &mut self.seen, &mut gradient.write());
        Ok(gradient)
    }

    fn take_record(&mut self, seen: &mut Record) -> Result<()> {
        seen.append(&mut self.seen);
        Ok(())
    }

    fn new_vectors(&mut self, features: usize, count: usize) -> Result<Buf<R>> {
        Ok(pool::arena(panels::len(count, features, panels::width::<R>(self.set))))
    }

    fn write_vectors(&mut self, vectors: &Buf<R>, features: usize, first: usize, values: &[R]) -> Result<()> {
        panels::write(&mut vectors.write(), panels::width::<R>(self.set), features, first, values)
    }

    fn inner_products(
        &mut self,
        features: usize,
        (left, rows): (&Buf<R>, Range<usize>),
        (right, columns): (&Buf<R>, Range<usize>),
        out: &mut [R],
    ) -> Result<()> {
        let (left, right) = (left.read(), right.read());
        let left = panels::Vectors { panels: &left, range: rows };
        panels::multiply(self.set, features, left, panels::Vectors { panels: &right, range: columns }, out)
    }

    fn accumulate(&mut self, sum: &Buf<R>, gradients: &Buf<R>) -> Result<()> {
        sum.write().iter_mut().zip(&*gradients.read()).for_each(|(sum, gradient)| *sum += *gradient);
        Ok(())
    }

    fn sgd(&mut self, arenas: &Arenas<Buf<R>>, sgd: SgdStep) -> Result<()> {
        self.set.run(sgd::Sgd {
            weights: &mut arenas.weights.write(),
            momentum: &mut arenas.momentum.write(),
            gradients: &arenas.gradients.read(),
            step: sgd,
        });
        Ok(())
    }
}
