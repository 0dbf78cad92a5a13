//! The portable CPU kernels: one thread, plain `[B, C, H, W]` buffers, convolutions as matrix products.

use std::sync::Arc;

use super::pool::{self, Buf, BufferPool};
use super::product::{InstructionSet, Products};
use super::{
    Arenas, Conv, Dense, GroupNorm, Kernels, Norm, Normed, Objective, Pool, Real, SgdStep, Sink, conv, dense, norm,
    softmax, window,
};
use crate::data::{Dataset, Loader, View};
use crate::nn::Shape;
use crate::scores::Record;
use crate::{Error, Result};

/// Kernels over f32, or f64 as an oracle.
#[derive(Debug)]
pub struct CpuKernels<R> {
    pool: BufferPool<R>,
    products: Products<R>,
    scratch: conv::Scratch<R>,
    loader: Option<Loader>,
    image: Vec<f32>,
    posted: Vec<R>,
    seen: Record,
}

impl<R: Real> CpuKernels<R> {
    /// With the best instruction set of this processor; batches come from the host.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the best instruction set of this processor; batches come from a data set.
    pub fn on(dataset: Arc<Dataset>) -> Self {
        Self { loader: Some(Loader::new(dataset)), ..Self::default() }
    }

    fn with(set: InstructionSet) -> Self {
        Self {
            pool: BufferPool::default(),
            products: Products::new(set),
            scratch: conv::Scratch::default(),
            loader: None,
            image: Vec::new(),
            posted: Vec::new(),
            seen: Record::default(),
        }
    }

    fn like(&mut self, shape: Shape, other: &Buf<R>) -> Buf<R> {
        self.pool.take(shape.len(), other.batch())
    }
}

impl<R: Real> Default for CpuKernels<R> {
    fn default() -> Self {
        Self::with(InstructionSet::detect())
    }
}

impl<R: Real> Kernels for CpuKernels<R> {
    type Real = R;
    type Buf = Buf<R>;

    fn backend_id(&self) -> String {
        format!("cpu-im2col-{}", self.products.set().name())
    }

    fn upload(&mut self, shape: Shape, values: &[R]) -> Result<Buf<R>> {
        if values.is_empty() || !values.len().is_multiple_of(shape.len()) {
            return Err(Error::Failed(format!("{} values are no batch of {shape} examples", values.len())));
        }
        let x = self.pool.take(shape.len(), values.len() / shape.len());
        x.write().copy_from_slice(values);
        Ok(x)
    }

    fn download(&self, _shape: Shape, x: &Buf<R>, take: &mut dyn FnMut(&[R])) -> Result<()> {
        take(&x.read());
        Ok(())
    }

    fn images(&mut self, positions: &[u32], views: &[View]) -> Result<Buf<R>> {
        let loader = self.loader.as_ref().ok_or_else(|| Error::Failed("these kernels have no data set".into()))?;
        let x = self.pool.take(loader.shape().len(), positions.len());
        self.image.resize(loader.shape().len(), 0.0);
        for (index, (position, out)) in positions.iter().zip(x.write().chunks_exact_mut(self.image.len())).enumerate() {
            loader.image(*position, views.get(index).copied(), &mut self.image);
            out.iter_mut().zip(&self.image).for_each(|(out, value)| *out = R::from_f64(f64::from(*value)));
        }
        Ok(x)
    }

    fn post(&mut self, _shape: Shape, x: &Buf<R>) -> Result<()> {
        self.posted.extend_from_slice(&x.read());
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
        let norms = self.pool.take(1, like.batch());
        norms.write().fill(R::ZERO);
        Ok(norms)
    }

    fn conv(&mut self, conv: &Conv, _train: bool, weights: &Buf<R>, x: &Buf<R>) -> Result<Buf<R>> {
        let y = self.like(conv.output, x);
        let weight = &weights.read()[conv.weight.range()];
        conv::forward(conv, (&mut self.products, &mut self.scratch), weight, &x.read(), &mut y.write());
        Ok(y)
    }

    fn conv_input_gradient(
        &mut self,
        conv: &Conv,
        weights: &Buf<R>,
        _x: &Buf<R>,
        dy: &Buf<R>,
        onto: Option<Buf<R>>,
    ) -> Result<Buf<R>> {
        let dx = self.like(conv.input, dy);
        let weight = &weights.read()[conv.weight.range()];
        conv::input_gradient(conv, (&mut self.products, &mut self.scratch), weight, &dy.read(), &mut dx.write());
        match onto {
            Some(onto) => self.add(dx, &onto),
            None => Ok(dx),
        }
    }

    fn conv_weight_gradient(
        &mut self,
        conv: &Conv,
        _weights: &Buf<R>,
        x: &Buf<R>,
        dy: &Buf<R>,
        sink: Sink<'_, Buf<R>>,
    ) -> Result<()> {
        conv::weight_gradient(conv, (&mut self.products, &mut self.scratch), &x.read(), &dy.read(), &sink);
        Ok(())
    }

    fn dense(&mut self, dense: &Dense, weights: &Buf<R>, x: &Buf<R>) -> Result<Buf<R>> {
        let y = self.pool.take(dense.outputs, x.batch());
        dense::forward(dense, &mut self.products, &weights.read(), &x.read(), &mut y.write());
        Ok(y)
    }

    fn dense_input_gradient(&mut self, dense: &Dense, weights: &Buf<R>, dy: &Buf<R>) -> Result<Buf<R>> {
        let dx = self.pool.take(dense.inputs, dy.batch());
        dense::input_gradient(dense, &mut self.products, &weights.read(), &dy.read(), &mut dx.write());
        Ok(dx)
    }

    fn dense_weight_gradient(&mut self, dense: &Dense, x: &Buf<R>, dy: &Buf<R>, sink: Sink<'_, Buf<R>>) -> Result<()> {
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
        let (y, moments) = (self.like(norm.shape, x), self.pool.take(2 * norm.shape.channels, 1));
        norm::moments(norm, train, &mut arenas.statistics.write(), &x.read(), &mut moments.write());
        let skip = skip.map(Buf::read);
        norm::apply(norm, &arenas.weights.read(), &moments.read(), &x.read(), skip.as_deref(), &mut y.write());
        Ok((y, moments))
    }

    fn norm_backward(
        &mut self,
        norm: &Norm,
        train: bool,
        weights: &Buf<R>,
        Normed { x, moments, y }: &Normed<Buf<R>>,
        dy: Buf<R>,
        sink: Sink<'_, Buf<R>>,
    ) -> Result<(Buf<R>, Buf<R>)> {
        let dz = match y {
            Some(y) => self.relu_backward(y, dy)?,
            None => dy,
        };
        let dx = self.pool.own(dz.clone());
        norm::backward(norm, train, &weights.read(), (&x.read(), &moments.read()), &mut dx.write(), &sink);
        Ok((dx, dz))
    }

    fn group_norm(
        &mut self,
        _norm: &GroupNorm,
        _weights: &Buf<R>,
        _x: &Buf<R>,
        _skip: Option<&Buf<R>>,
    ) -> Result<(Buf<R>, Buf<R>)> {
        Err(Error::Failed("no group norm yet".into()))
    }

    fn group_norm_backward(
        &mut self,
        _norm: &GroupNorm,
        _weights: &Buf<R>,
        _taped: &Normed<Buf<R>>,
        _dy: Buf<R>,
        _sink: Sink<'_, Buf<R>>,
    ) -> Result<(Buf<R>, Buf<R>)> {
        Err(Error::Failed("no group norm yet".into()))
    }

    fn relu(&mut self, x: Buf<R>) -> Result<Buf<R>> {
        let x = self.pool.own(x);
        x.write().iter_mut().for_each(|x| *x = norm::above_zero(*x));
        Ok(x)
    }

    fn relu_backward(&mut self, y: &Buf<R>, dy: Buf<R>) -> Result<Buf<R>> {
        let dy = self.pool.own(dy);
        let closed = |y: R| y <= R::ZERO;
        dy.write().iter_mut().zip(&*y.read()).for_each(|(dy, y)| *dy = if closed(*y) { R::ZERO } else { *dy });
        Ok(dy)
    }

    fn root(&mut self, x: Buf<R>) -> Result<Buf<R>> {
        let x = self.pool.own(x);
        x.write().iter_mut().for_each(|x| *x = R::from_f64(x.to_f64().sqrt()));
        Ok(x)
    }

    fn add(&mut self, x: Buf<R>, other: &Buf<R>) -> Result<Buf<R>> {
        let x = self.pool.own(x);
        x.write().iter_mut().zip(&*other.read()).for_each(|(x, other)| *x += *other);
        Ok(x)
    }

    fn max_pool(&mut self, pool: &Pool, x: &Buf<R>) -> Result<Buf<R>> {
        let y = self.like(pool.output, x);
        window::max_pool(pool, &x.read(), &mut y.write());
        Ok(y)
    }

    fn max_pool_backward(&mut self, pool: &Pool, x: &Buf<R>, dy: &Buf<R>) -> Result<Buf<R>> {
        let dx = self.like(pool.input, dy);
        window::max_pool_backward(pool, &x.read(), &dy.read(), &mut dx.write());
        Ok(dx)
    }

    fn mean_pool(&mut self, input: Shape, x: &Buf<R>) -> Result<Buf<R>> {
        let y = self.pool.take(input.channels, x.batch());
        window::mean_pool(input.pixels(), &x.read(), &mut y.write());
        Ok(y)
    }

    fn mean_pool_backward(&mut self, input: Shape, dy: &Buf<R>) -> Result<Buf<R>> {
        let dx = self.like(input, dy);
        window::mean_pool_backward(input.pixels(), &dy.read(), &mut dx.write());
        Ok(dx)
    }

    fn flatten(&mut self, _shape: Shape, x: Buf<R>) -> Result<Buf<R>> {
        Ok(x)
    }

    fn unflatten(&mut self, _shape: Shape, dy: Buf<R>) -> Result<Buf<R>> {
        Ok(dy)
    }

    fn loss(&mut self, objective: Objective, logits: &Buf<R>, labels: &[u16], scale: f64) -> Result<Buf<R>> {
        let values = logits.read();
        let gradient = self.pool.take(values.len() / logits.batch().max(1), logits.batch());
        match objective {
            Objective::CrossEntropy => {
                softmax::cross_entropy(&values, labels, scale, &mut self.seen, &mut gradient.write());
            }
        }
        Ok(gradient)
    }

    fn take_record(&mut self, seen: &mut Record) -> Result<()> {
        seen.append(&mut self.seen);
        Ok(())
    }

    fn sgd(&mut self, arenas: &Arenas<Buf<R>>, sgd: SgdStep) -> Result<()> {
        let [rate, keep, decay] = [sgd.rate, sgd.momentum, sgd.weight_decay].map(R::from_f64);
        let (mut weights, mut momentum) = (arenas.weights.write(), arenas.momentum.write());
        let gradients = arenas.gradients.read();
        for ((weight, velocity), gradient) in weights.iter_mut().zip(&mut *momentum).zip(&*gradients) {
            *velocity = keep * *velocity + (*gradient + decay * *weight);
            *weight = *weight - rate * *velocity;
        }
        Ok(())
    }
}
