//! Buffers that are used again, and what may still have to be done to their values.
//!
//! A batch lies as `[B, H, W, C]`, its channels padded with zeros to a multiple of [`LANES`] (images from outside and
//! vectors are not padded). What a norm does to a convolution's output is put off: the values stay as they were
//! computed, beside the coefficients, and whoever reads them does the rest image by image, in cache ([`Value`]).

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;

use crate::nn::Shape;

/// Channels of an image between two layers are padded to a multiple of this: every register's lanes divide it, or it
/// divides them.
pub const LANES: usize = 8;

/// Memory that is free again when only the pool holds it.
#[derive(Debug)]
pub struct Slot<R>(Rc<RefCell<Vec<R>>>);

impl<R> Clone for Slot<R> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<R> Slot<R> {
    /// Its values.
    pub fn read(&self) -> Ref<'_, [R]> {
        Ref::map(self.0.borrow(), Vec::as_slice)
    }

    /// Its values, to change them.
    pub fn write(&self) -> RefMut<'_, [R]> {
        RefMut::map(self.0.borrow_mut(), Vec::as_mut_slice)
    }

    /// Whether both are the same memory.
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

/// How one example lies in memory: pixel by pixel, each with its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Shape of the example.
    pub shape: Shape,
    /// From one pixel to the next: the channels, padded or not.
    pub stride: usize,
}

impl Grid {
    /// As a convolution sees it: padded also where it is a vector.
    pub fn padded(shape: Shape) -> Self {
        Self { shape, stride: shape.channels.next_multiple_of(LANES) }
    }

    /// Without padding.
    pub fn tight(shape: Shape) -> Self {
        Self { shape, stride: shape.channels }
    }

    /// Values of one example, padding included.
    pub fn len(self) -> usize {
        self.shape.pixels() * self.stride
    }
}

/// Which gradients pass a `ReLU`.
#[derive(Debug, Clone)]
pub enum Gate<R> {
    /// All.
    Open,
    /// Those where this output is above 0.
    Output(Slot<R>),
    /// Those where the output of a norm, scale x + shift, is above 0.
    Norm {
        /// Its input.
        x: Slot<R>,
        /// `[2, stride]`: scale and shift.
        coefficients: Slot<R>,
    },
}

/// What a buffer's memory has to go through to be its value.
#[derive(Debug, Clone)]
pub enum Value<R> {
    /// It is the value.
    Stored,
    /// A norm's output: scale x + shift, above 0 where a `ReLU` follows.
    Norm {
        /// `[2, stride]`: scale and shift.
        coefficients: Slot<R>,
        /// Whether a `ReLU` follows.
        relu: bool,
    },
    /// A gradient behind a `ReLU`.
    Gated(Gate<R>),
    /// The gradient of a norm's input: a (gated dz) + b x + c.
    NormGradient {
        /// `[3, stride]`: a, b, c.
        coefficients: Slot<R>,
        /// The norm's input.
        x: Slot<R>,
        /// What closes dz.
        gate: Gate<R>,
    },
}

/// The norm that an output came from: its gradient is summed up for it while it is made.
#[derive(Debug, Clone)]
pub struct Origin<R> {
    /// What closes the output's gradient on its way back to the norm.
    pub gate: Gate<R>,
    /// The norm's input.
    pub x: Slot<R>,
    /// `[2, C]`: mean and 1 / deviation.
    pub moments: Slot<R>,
}

/// Sums over the batch that were made together with a buffer.
#[derive(Debug, Clone)]
pub enum Sums<R> {
    /// Mean and population variance of each channel, `[2, stride]`.
    Moments(Slot<R>),
    /// Of a gradient dz behind the `ReLU` of the norm whose input was `x`: the sums of dz and dz x̂, `[2, stride]`.
    Gradient {
        /// The norm's input.
        x: Slot<R>,
        /// The sums.
        values: Slot<R>,
        /// Each example's squared norm of its own sums, where a backward wanted norms.
        squares: Option<Slot<R>>,
    },
}

/// A batch, an arena, or a list of coefficients.
#[derive(Debug, Clone)]
pub struct Buf<R> {
    /// The memory.
    pub slot: Slot<R>,
    /// How an example lies in it.
    pub grid: Grid,
    /// What is still to be done.
    pub value: Value<R>,
    /// What was summed up on the way.
    pub sums: Option<Sums<R>>,
    /// The norm that it is the output of, a skip added or not.
    pub origin: Option<Origin<R>>,
    batch: usize,
}

impl<R> Buf<R> {
    /// Examples in it.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Its memory.
    pub fn read(&self) -> Ref<'_, [R]> {
        self.slot.read()
    }

    /// Its memory, to change it: the caller made the buffer, owns it alone, or it is an arena.
    pub fn write(&self) -> RefMut<'_, [R]> {
        self.slot.write()
    }

    /// Whether its memory is its value.
    pub fn is_stored(&self) -> bool {
        matches!(self.value, Value::Stored)
    }

    /// The same memory, read in another way.
    pub fn read_as(self, value: Value<R>) -> Self {
        Self { value, sums: None, origin: None, ..self }
    }

    /// With what was summed up while it was made.
    pub fn with_sums(self, sums: Option<Sums<R>>) -> Self {
        Self { sums, ..self }
    }
}

/// All slots of one length per example, and how to find a free one.
#[derive(Debug)]
struct Class<R> {
    per_example: usize,
    slots: Vec<Slot<R>>,
}

/// Slots by their length per example, so that a partial batch uses the same ones.
///
/// How many of a class are alive at once depends on the pass alone, hence a pass that was made once finds all it needs.
#[derive(Debug, Default)]
pub struct BufferPool<R> {
    classes: Vec<Class<R>>,
}

impl<R: Copy + Default> BufferPool<R> {
    /// Memory with arbitrary content.
    pub fn slot(&mut self, per_example: usize, batch: usize) -> Slot<R> {
        let place = self.classes.iter().position(|class| class.per_example == per_example);
        let place = place.unwrap_or_else(|| {
            self.classes.push(Class { per_example, slots: Vec::new() });
            self.classes.len() - 1
        });
        let slots = &mut self.classes[place].slots;
        let free = slots.iter().find(|slot| Rc::strong_count(&slot.0) == 1);
        let slot = free.cloned().unwrap_or_else(|| {
            slots.push(Slot(Rc::default()));
            slots[slots.len() - 1].clone()
        });
        slot.0.borrow_mut().resize(per_example * batch, R::default());
        slot
    }

    /// A buffer with arbitrary content.
    pub fn take(&mut self, grid: Grid, batch: usize) -> Buf<R> {
        let slot = self.slot(grid.len(), batch);
        Buf { slot, grid, batch, value: Value::Stored, sums: None, origin: None }
    }

    /// A buffer of vectors with arbitrary content.
    pub fn vectors(&mut self, features: usize, batch: usize) -> Buf<R> {
        self.take(Grid::tight(Shape { channels: features, height: 1, width: 1 }), batch)
    }

    /// A stored buffer itself where nobody else holds its memory, else a copy: what in-place work starts from.
    pub fn own(&mut self, x: Buf<R>) -> Buf<R> {
        let holders = Rc::strong_count(&x.slot.0);
        if holders <= 2 {
            return Buf { sums: None, origin: None, ..x };
        }
        let copy = self.take(x.grid, x.batch);
        copy.write().copy_from_slice(&x.read());
        copy
    }
}

/// A buffer outside any pool.
pub fn arena<R: Copy + Default>(len: usize) -> Buf<R> {
    let slot = Slot(Rc::new(RefCell::new(vec![R::default(); len])));
    let grid = Grid::tight(Shape { channels: len, height: 1, width: 1 });
    Buf { slot, grid, batch: 1, value: Value::Stored, sums: None, origin: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vector(pool: &mut BufferPool<f32>, len: usize, batch: usize) -> Buf<f32> {
        pool.vectors(len, batch)
    }

    #[test]
    fn a_dropped_buffer_is_used_again_and_a_held_one_is_not() {
        let mut pool = BufferPool::<f32>::default();
        let first = vector(&mut pool, 6, 4);
        let held = first.clone();
        let second = vector(&mut pool, 6, 4);
        assert!(!first.slot.is(&second.slot));
        let memory = second.slot.clone();
        let address = Rc::as_ptr(&memory.0);
        drop((second, memory));
        let partial = vector(&mut pool, 6, 3);
        assert_eq!((Rc::as_ptr(&partial.slot.0), partial.read().len(), partial.batch()), (address, 18, 3));
        drop((first, held));
        assert_eq!(pool.classes.len(), 1);
    }

    #[test]
    fn in_place_work_on_a_shared_buffer_starts_from_a_copy() {
        let mut pool = BufferPool::<f32>::default();
        let x = vector(&mut pool, 2, 1);
        x.write().copy_from_slice(&[1.0, 2.0]);
        let shared = x.clone();
        let copy = pool.own(x);
        copy.write()[0] = 5.0;
        assert_eq!((shared.read()[0], copy.read()[1]), (1.0, 2.0));
        let address = Rc::as_ptr(&copy.slot.0);
        assert_eq!(Rc::as_ptr(&pool.own(copy).slot.0), address, "alone it stays where it is");
    }

    #[test]
    fn images_are_padded_to_whole_lanes_and_vectors_are_not() {
        let shape = |channels, height, width| Shape { channels, height, width };
        assert_eq!(Grid::padded(shape(3, 4, 5)).len(), 4 * 5 * 8);
        assert_eq!(Grid::tight(shape(10, 1, 1)).len(), 10);
        assert_eq!(Grid::tight(shape(3, 4, 5)).len(), 60);
    }
}
