//! Buffers that are used again: after every batch size was seen, nothing is allocated any more.

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;

/// A counted handle: it is free again when only the pool holds it.
#[derive(Debug, Clone)]
pub struct Buf<R> {
    slot: Rc<RefCell<Vec<R>>>,
    batch: usize,
}

impl<R> Buf<R> {
    /// Examples in it.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Its values.
    pub fn read(&self) -> Ref<'_, [R]> {
        Ref::map(self.slot.borrow(), Vec::as_slice)
    }

    /// Its values, to change them: the caller made the buffer, owns it alone, or it is an arena.
    pub fn write(&self) -> RefMut<'_, [R]> {
        RefMut::map(self.slot.borrow_mut(), Vec::as_mut_slice)
    }
}

/// All buffers of one length per example, and how to find a free one.
#[derive(Debug)]
struct Class<R> {
    per_example: usize,
    slots: Vec<Rc<RefCell<Vec<R>>>>,
}

/// Buffers by their length per example, so that a partial batch uses the same ones.
///
/// How many of a class are alive at once depends on the pass alone, hence a pass that was made once finds all it needs.
#[derive(Debug, Default)]
pub struct BufferPool<R> {
    classes: Vec<Class<R>>,
}

impl<R: Copy + Default> BufferPool<R> {
    /// A buffer with arbitrary content.
    pub fn take(&mut self, per_example: usize, batch: usize) -> Buf<R> {
        let place = self.classes.iter().position(|class| class.per_example == per_example);
        let place = place.unwrap_or_else(|| {
            self.classes.push(Class { per_example, slots: Vec::new() });
            self.classes.len() - 1
        });
        let slots = &mut self.classes[place].slots;
        let free = slots.iter().find(|slot| Rc::strong_count(slot) == 1);
        let slot = free.cloned().unwrap_or_else(|| {
            slots.push(Rc::default());
            Rc::clone(&slots[slots.len() - 1])
        });
        slot.borrow_mut().resize(per_example * batch, R::default());
        Buf { slot, batch }
    }

    /// The buffer itself where nobody else holds it, else a copy: what in-place work starts from.
    pub fn own(&mut self, x: Buf<R>) -> Buf<R> {
        if Rc::strong_count(&x.slot) <= 2 {
            return x;
        }
        let len = x.read().len();
        let copy = self.take(len / x.batch.max(1), x.batch);
        copy.write().copy_from_slice(&x.read());
        copy
    }
}

/// A buffer outside any pool.
pub fn arena<R: Copy + Default>(len: usize) -> Buf<R> {
    Buf { slot: Rc::new(RefCell::new(vec![R::default(); len])), batch: 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again_and_a_held_one_is_not() {
        let mut pool = BufferPool::<f32>::default();
        let first = pool.take(6, 4);
        let held = first.clone();
        let second = pool.take(6, 4);
        assert!(!Rc::ptr_eq(&first.slot, &second.slot));
        let address = Rc::as_ptr(&second.slot);
        drop(second);
        let partial = pool.take(6, 3);
        assert_eq!((Rc::as_ptr(&partial.slot), partial.read().len(), partial.batch()), (address, 18, 3));
        drop((first, held));
        assert_eq!(pool.classes.len(), 1);
    }

    #[test]
    fn in_place_work_on_a_shared_buffer_starts_from_a_copy() {
        let mut pool = BufferPool::<f32>::default();
        let x = pool.take(2, 1);
        x.write().copy_from_slice(&[1.0, 2.0]);
        let shared = x.clone();
        let copy = pool.own(x);
        copy.write()[0] = 5.0;
        assert_eq!((shared.read()[0], copy.read()[1]), (1.0, 2.0));
        let address = Rc::as_ptr(&copy.slot);
        assert_eq!(Rc::as_ptr(&pool.own(copy).slot), address, "alone it stays where it is");
    }
}
