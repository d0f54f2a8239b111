// SPDX-License-Identifier: Apache-2.0
//! Hiding from the verifier what it need not know.
//!
//! It follows a program anew for each value that a branch depends on, as far as it
//! can tell values apart. A frame can be parsed in some fifty ways, and each leads
//! to the same code, which would be followed fifty times. With a veil over the few
//! numbers that later branches ask for, all ways are the same to the verifier there:
//! it follows that code once.

use core::{fmt, marker::PhantomData};

/// A number that is always zero, which the verifier does not know: see
/// [`Interface::veil`](crate::member::Interface::veil).
#[derive(Clone, Copy, Debug, Default)]
pub struct Veil(u64);

impl Veil {
    /// From a byte of a map that nobody writes anything but zero to.
    #[inline(always)]
    pub(crate) const fn new(zero: u8) -> Self {
        Self(zero as u64)
    }

    /// The same number, seen through the veil.
    #[inline(always)]
    pub(crate) const fn over(self, number: u64) -> u64 {
        number ^ self.0
    }

    /// The same offset into a frame, below 16 KiB, as the verifier bounds those. By
    /// a sum, because Linux 6.1 bounds no exclusive or, and the compiler moves a mask
    /// into one.
    #[inline(always)]
    pub(crate) const fn over_offset(self, offset: usize) -> usize {
        (offset + self.0 as usize * 0x101) & 0x3fff
    }
}

/// An enumeration of one byte whose values may be numbered.
pub trait Numbered: Copy + PartialEq + fmt::Debug + 'static {
    /// All values, in the order of their numbers.
    const ALL: &'static [Self];

    /// The value's number.
    fn number(self) -> u8;
}

/// A value that is compared by its number, so that the compiler assumes no more of
/// it than the verifier can see. A whole word: narrower numbers are masked at every
/// comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Veiled<E> {
    number: u64,
    value: PhantomData<E>,
}

impl<E: Numbered> Veiled<E> {
    /// Not veiled yet.
    #[inline(always)]
    pub fn new(value: E) -> Self {
        Self {
            number: u64::from(value.number()),
            value: PhantomData,
        }
    }

    /// The same, seen through a veil.
    #[inline(always)]
    #[must_use]
    pub(crate) const fn through(self, veil: Veil) -> Self {
        Self {
            number: veil.over(self.number),
            ..self
        }
    }

    /// Whether it is this value.
    #[inline(always)]
    pub fn is(self, value: E) -> bool {
        self.number == u64::from(value.number())
    }

    /// Its number, as an index.
    #[inline(always)]
    pub const fn index(self) -> usize {
        self.number as usize
    }

    /// The value, where there is no verifier.
    pub fn value(self) -> E {
        E::ALL[self.index()]
    }
}

impl<E: Numbered> fmt::Debug for Veiled<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value().fmt(f)
    }
}

impl<E: Numbered> PartialEq<E> for Veiled<E> {
    #[inline(always)]
    fn eq(&self, other: &E) -> bool {
        self.is(*other)
    }
}
